"""fastmlp trains multi-layer perceptrons on the CPU with kernels compiled by Numba.

The names here are all there is to know: `load_data` or `Dataset`, `Config`, `train`, which gives a `Run` of a `Model`
and a `History`, `repeat`, `sweep` and `load_study`, which give a `Study` of many runs, `init_model`, `load_model` and
`from_sklearn`, `warmup`, the errors `FastMLPError` and `DivergedError`; and for scikit-learn, which is imported when
one of them is asked for, `MLPClassifier` and `MLPRegressor`. Ask ``help(fastmlp.train)`` and the like for each.
"""

from typing import TYPE_CHECKING, Any

from fastmlp.config import Config as Config
from fastmlp.data import Dataset as Dataset
from fastmlp.data import load_data as load_data
from fastmlp.errors import DivergedError as DivergedError
from fastmlp.errors import FastMLPError as FastMLPError
from fastmlp.errors import MissingExtraError
from fastmlp.export.from_sklearn import from_sklearn as from_sklearn
from fastmlp.history import History as History
from fastmlp.model import Model as Model
from fastmlp.model import init_model as init_model
from fastmlp.model import load_model as load_model
from fastmlp.study import Study as Study
from fastmlp.study import load_study as load_study
from fastmlp.study import repeat as repeat
from fastmlp.study import sweep as sweep
from fastmlp.train import Run as Run
from fastmlp.train import train as train
from fastmlp.version import __version__ as __version__
from fastmlp.warmup import warmup as warmup

if TYPE_CHECKING:
    from fastmlp.estimator import MLPClassifier as MLPClassifier
    from fastmlp.estimator import MLPRegressor as MLPRegressor


def __getattr__(name: str) -> Any:
    if name not in ("MLPClassifier", "MLPRegressor"):
        raise AttributeError(f"module 'fastmlp' has no attribute {name!r}")
    try:
        import sklearn as sklearn
    except ImportError:
        raise MissingExtraError("scikit-learn", "sklearn", f"fastmlp.{name}") from None
    from fastmlp import estimator

    return getattr(estimator, name)
