"""App: the command line's frame, and the options that several commands share. Knows no command."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from fastmlp import data
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import MissingExtraError
from fastmlp.settings import LOSSES, LossName
from fastmlp.version import __version__

try:
    from cyclopts import App as App
    from cyclopts import CoercionError, Token, convert
    from cyclopts import CycloptsError as CycloptsError
    from cyclopts import Parameter as Parameter
except ImportError:
    raise MissingExtraError("cyclopts", "cli", "The command line") from None


def _convert(kind: Any, tokens: Sequence[Token]) -> Any:
    """The conversion of cyclopts, without its rounding of 1.5 to an integer."""
    if int in (kind, *get_args(kind)) and not all(token.value.lstrip("+-").isdecimal() for token in tokens):
        given = " ".join(token.value for token in tokens)
        raise CoercionError(msg=f"{tokens[0].keyword}: expected integers, got {given}")
    return convert(kind, tokens)


app = App(
    name="fastmlp",
    version=__version__,
    help="Train multi-layer perceptrons on the CPU with kernels compiled by Numba.",
    help_format="rst",
    default_parameter=Parameter(consume_multiple=1, converter=_convert),
    suppress_keyboard_interrupt=False,
)


@Parameter(name="*", group="Data")
@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Where samples and labels come from.

    Parameters
    ----------
    data : str
        digits, cifar10, mnist or fashion-mnist, or a file or folder: .npz, .npy or .csv.
    data_dir : path
        Folder of the named data sets. Without it: FASTMLP_DATA, or the user's cache.
    target : str
        Column of a CSV file that holds the classes, or the numbers to be predicted.
    """

    data: str = "digits"
    data_dir: Path | None = None
    target: str | None = None


Settings = Annotated[Config, Parameter(name="*", group="Network and training")]


def load(options: DataOptions, scale: str = "auto", loss: LossName = "cross_entropy") -> Dataset:
    """The data that the options name, for a network that is trained with that loss."""
    task = "regression" if LOSSES[loss].metric == "r2" else None
    return data.load_data(options.data, options.data_dir, target=options.target, scale=scale, task=task)
