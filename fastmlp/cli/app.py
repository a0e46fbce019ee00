"""The command-line application, to which each command is added, and the options that several commands share."""

import dataclasses
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from fastmlp import data
from fastmlp.cli.terminal import note, spinner
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError, LeftOutWarning, MissingExtraError
from fastmlp.parallel import MAX_THREADS, Threads
from fastmlp.settings import Task
from fastmlp.table.options import ReadOptions
from fastmlp.version import __version__

try:
    from cyclopts import App as App
    from cyclopts import CoercionError, Token, convert
    from cyclopts import CycloptsError as CycloptsError
    from cyclopts import Parameter as Parameter
    from cyclopts import UnusedCliTokensError as UnusedCliTokensError
except ImportError:
    raise MissingExtraError("cyclopts", "cli", "The command line") from None


#: Integers separated by anything that users write between them: 8,8 or 8x8 or 8-8 or (8, 8).
INTEGERS = re.compile(r"[\[(\s]*[0-9]+([\s,;x-]+[0-9]+)*[\s,;)\]]*")


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
    if several and INTEGERS.fullmatch(" ".join(words)):
        noun = "sizes" if option == "--hidden" else "numbers"
        message += f"; separate {noun} by spaces: {option} {' '.join(re.findall('[0-9]+', ' '.join(words)))}"
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
        digits, cifar10, mnist or fashion-mnist, or a path: a table (delimited text such as CSV, Parquet, ARFF or Excel,
        compressed or not), .npz, .npy, or idx files, or a folder with sparse samples in X_train.npz and X_test.npz.
    data_dir : path
        Folder of the named data sets; by default $FASTMLP_DATA, or else the user's cache folder.
    target : str
        Column of a table with the classes or the values to predict: its name, or its position from 0, or from the end
        by -1. By default the column called target, label, class or y, or else the last one.
    """

    data: str = "digits"
    data_dir: Path | None = None
    target: str | None = None


@Parameter(name="*", group="Data")
@dataclass(frozen=True, kw_only=True)
class TableDataOptions:
    """The task, the columns and the test set of a table.

    Parameters
    ----------
    task : str
        By default inferred: regression for numbers with a fraction, or many distinct integers.
    test : path
        File with the test set; by default a fifth of the rows is held out.
    split : str
        How rows are held out: random; stratified by class; time:COLUMN, the latest; group:COLUMN, whole groups. By
        default stratified for classes, random for numbers.
    drop : list of str
        Columns to leave out.
    keep_as_id : list of str
        Columns to leave out that predict copies to its output.
    kind : list of str
        Kinds of columns, where the inferred one is wrong: COLUMN=number, category, date, or date:%d/%m/%Y.
    """

    task: Literal["classification", "multilabel", "regression"] | None = None
    test: Path | None = None
    split: str | None = None
    drop: Annotated[list[str] | None, Parameter(negative=())] = None
    keep_as_id: Annotated[list[str] | None, Parameter(negative=())] = None
    kind: Annotated[list[str] | None, Parameter(negative=())] = None


@Parameter(name="*", group="Data")
@dataclass(frozen=True, kw_only=True)
class ScaleOptions:
    """Scaling of samples and targets.

    Parameters
    ----------
    scale : str
        none; unit: map to [0, 1]; standard: mean 0 and standard deviation 1 on the training set; robust: median and
        quartiles; auto: unit for bytes, standard for floats, robust for tables, unit for those
        of pixels. Sparse samples are divided only: unit, which auto means, by the largest magnitude.
    target_scale : str
        auto: standardise numbers to predict for the training, which changes no unit in results; none: as they are.
    """

    scale: str = "auto"
    target_scale: Literal["auto", "none"] = "auto"


#: Options of table files, which are guessed unless they are given.
Reading = Annotated[ReadOptions, Parameter(name="*", group="Table files")]


def load(
    options: DataOptions,
    table: TableDataOptions = TableDataOptions(),
    reading: ReadOptions = ReadOptions(),
    *,
    scaling: ScaleOptions = ScaleOptions(),
    task: Task | None = None,
) -> Dataset:
    """Load the data set that the options name; print what was made of a table, and what was guessed."""
    test = None if table.test is None else str(table.test)
    with prepare_reading(options.data), warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)  # the summary says so
        dataset = data.load_data(
            options.data, options.data_dir, target=options.target, **dataclasses.asdict(scaling), task=task,
            test=test, split=table.split, drop=table.drop or (), keep_as_id=table.keep_as_id or (),
            kinds=read_kinds(table.kind or ()), **dataclasses.asdict(reading),
        )  # fmt: skip
    if dataset.table is not None:
        note(dataset.summary())
    return dataset


def read_kinds(words: Sequence[str]) -> dict[str, str]:
    """Kinds of columns from words of the form COLUMN=kind.

    Examples
    --------
    >>> read_kinds(["zip code=category", "day=date:%d/%m/%Y"])
    {'zip code': 'category', 'day': 'date:%d/%m/%Y'}
    """
    kinds = {}
    for word in words:
        name, equals, kind = word.rpartition("=")
        if not equals or name in kinds:
            expected = "COLUMN=number, COLUMN=category, COLUMN=date or COLUMN=date:FORMAT, once per column"
            raise ConfigError(f"--kind: expected {expected}, got {word}")
        kinds[name] = kind
    return kinds


def prepare_reading(name_or_path: str) -> AbstractContextManager[object]:
    """Prepare to read data, and show a spinner meanwhile; the download of a named data set has a bar of its own.

    `fastmlp.__main__` blocks SciPy, whose import takes 0.1 s or more of every command. scikit-learn, which encodes
    tables, needs it: for a file that may be one, the block is removed.
    """
    if name_or_path in data.DATA_SETS:
        return nullcontext()
    if data.may_be_table(name_or_path) and sys.modules.get("scipy.linalg", sys) is None:
        del sys.modules["scipy.linalg"]
    return spinner(f"reading {name_or_path}")
