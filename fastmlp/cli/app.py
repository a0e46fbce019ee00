"""The command-line application, to which each command is added, and the options that several commands share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from fastmlp import data
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import MissingExtraError
from fastmlp.parallel import MAX_THREADS, Threads
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
    """Convert words to values as cyclopts does, but refuse 1.5 as an integer, which cyclopts would round."""
    if int in (kind, *get_args(kind)) and not all(_is_integer(token.value) for token in tokens):
        raise CoercionError(msg=_not_integers(tokens, several=kind is not int))
    return convert(kind, tokens)


def _is_integer(word: str) -> bool:
    return word.lstrip("+-").isdecimal()


def _not_integers(tokens: Sequence[Token], several: bool) -> str:
    option, words = tokens[0].keyword, [token.value for token in tokens]
    message = f"{option}: expected {'integers' if several else 'an integer'}, got {' '.join(words)}"
    parts = [part for word in words for part in word.split(",")]
    if several and all(map(_is_integer, parts)):
        noun = "sizes" if option == "--hidden" else "numbers"
        message += f"; separate {noun} by spaces: {option} {' '.join(parts)}"
    return message


def _convert_threads(_: Any, tokens: Sequence[Token]) -> Threads:
    word = tokens[0].value
    if word == "auto":
        return "auto"
    if not word.isdecimal() or len(word) > 9 or not 1 <= int(word) <= MAX_THREADS:
        raise CoercionError(msg=f"--threads: expected auto or an integer from 1 to {MAX_THREADS}, got {word:.200}")
    return int(word)


#: The option for the number of threads of one training or prediction.
ThreadsOption = Annotated[Threads, Parameter(name="--threads", converter=_convert_threads)]

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
    """The data set to load.

    Parameters
    ----------
    data : str
        digits, cifar10, mnist or fashion-mnist, or the path of a file or folder: .npz, .npy or .csv.
    data_dir : path
        Folder of the named data sets; by default $FASTMLP_DATA, or else the user's cache folder.
    target : str
        Column of a CSV file with the classes or the values to predict.
    """

    data: str = "digits"
    data_dir: Path | None = None
    target: str | None = None


Settings = Annotated[Config, Parameter(name="*", group="Network and training")]


def load(options: DataOptions, scale: str = "auto", loss: LossName = "cross_entropy") -> Dataset:
    """Load the data set that the options name; the loss decides between classification and regression."""
    task = "regression" if LOSSES[loss].metric == "r2" else None
    return data.load_data(options.data, options.data_dir, target=options.target, scale=scale, task=task)
