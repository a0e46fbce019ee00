"""fastmlp trains multi-layer perceptrons on the CPU with kernels compiled by Numba.

The public API:

- `load_data` or `Dataset`, `Config`, and `train`, which returns a `Run` with a `Model` and a `History`;
- `repeat`, `sweep` and `load_study`, which return a `Study` of many runs;
- `init_model`, `load_model` and `from_sklearn`, which return a `Model`;
- `find_learning_rate`, which returns a `RangeTest`, and `plot_confusion`; runs, studies and tests have a method `plot`;
- `discard_checkpoint` and `warmup`;
- the exceptions `FastMLPError` and `DivergedError`;
- the scikit-learn estimators `MLPClassifier` and `MLPRegressor`, which are imported on first access.

``help(fastmlp.train)`` and the like describe each of them.
"""

from typing import TYPE_CHECKING, Any

from fastmlp.config import Config as Config
from fastmlp.data import Dataset as Dataset
from fastmlp.data import load_data as load_data
from fastmlp.errors import DivergedError as DivergedError
from fastmlp.errors import FastMLPError as FastMLPError
from fastmlp.errors import MissingExtraError
from fastmlp.export.from_sklearn import from_sklearn as from_sklearn
from fastmlp.model.model import Model as Model
from fastmlp.model.model import init_model as init_model
from fastmlp.model.model import load_model as load_model
from fastmlp.plot import plot_confusion as plot_confusion
from fastmlp.study import Study as Study
from fastmlp.study import load_study as load_study
from fastmlp.study import repeat as repeat
from fastmlp.study import sweep as sweep
from fastmlp.training.checkpoint import discard_checkpoint as discard_checkpoint
from fastmlp.training.history import History as History
from fastmlp.training.loop import Run as Run
from fastmlp.training.loop import train as train
from fastmlp.training.range_test import RangeTest as RangeTest
from fastmlp.training.range_test import find_learning_rate as find_learning_rate
from fastmlp.training.warmup import warmup as warmup
from fastmlp.version import __version__ as __version__

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
