"""Splits of rows into a training set and a test set of about one fifth: random, stratified, by time and by group."""

from typing import Any, Literal, NoReturn, get_args

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import Array
from fastmlp.errors import DataError

Indices = npt.NDArray[np.intp]
SplitKind = Literal["random", "stratified", "time", "group"]
#: Kinds that are followed by the name of a column: time:COLUMN.
BY_COLUMN = ("time", "group")


def parse_split(text: str) -> tuple[SplitKind, str | None]:
    """Read the option ``random``, ``stratified``, ``time:COLUMN`` or ``group:COLUMN``.

    Parameters
    ----------
    text : str
        The option.

    Returns
    -------
    kind : {"random", "stratified", "time", "group"}
        The kind of split.
    column : str or None
        The column of a split by time or group. It may contain colons.

    Raises
    ------
    DataError
        If the option is none of these.

    Examples
    --------
    >>> from fastmlp.data.split import parse_split
    >>> parse_split("time:date"), parse_split("random")
    (('time', 'date'), ('random', None))
    """
    kind, colon, column = text.partition(":")
    for known in get_args(SplitKind):
        if kind == known and (bool(column) if known in BY_COLUMN else not colon):
            return known, column or None
    raise DataError(
        f"split: expected random, stratified, time:COLUMN or group:COLUMN, got {text!r}; for example --split time:date"
    )


def split_rows(
    kind: SplitKind, y: Array | None = None, column: Array | None = None, name: str = "column"
) -> tuple[Indices, Indices]:
    """Split rows into a training set and a held-out test set of about one fifth.

    The split is the same on every machine and for every version of NumPy.

    Parameters
    ----------
    kind : {"random", "stratified", "time", "group"}
        random: any fifth of the rows. stratified: as `holdout`, but a class with a single row, which could not be
        learnt from the test set, goes to the training set. time: the fifth of the rows with the latest values; equal
        values are in the same set, so that it is the number of rows next to a fifth. group: whole groups, whose rows
        together are about a fifth.
    y : numpy.ndarray of shape (n_rows,), optional
        Labels for stratified; for random only their number counts.
    column : numpy.ndarray of shape (n_rows,), optional
        Numbers or dates for time; for group any values of one type.
    name : str
        Name of the column in error messages.

    Returns
    -------
    train, test : numpy.ndarray
        Indices; for time in the order of the column, otherwise in shuffled order.

    Raises
    ------
    DataError
        If there are fewer than five rows, y or the column is not given, no class has several rows, or the column has
        missing or equal values only, or text as a time.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data.split import split_rows
    >>> train, test = split_rows("time", column=np.array([2021, 2019, 2024, 2020, 2023]))
    >>> train, test
    (array([1, 3, 0, 4]), array([2]))
    >>> patients = np.repeat(["ann", "bob", "eve", "joe", "zoe"], 2)
    >>> train, test = split_rows("group", column=patients)
    >>> np.unique(patients[test])
    array(['eve'], dtype='<U3')
    """
    if kind in BY_COLUMN:
        if column is None:
            raise DataError(f"split: expected a column for {kind}, got none; name it by --split {kind}:COLUMN")
        _check_enough(len(column))
        _refuse_missing(column, kind, name)
        return _split_by_time(column, name) if kind == "time" else _split_by_group(column, name)
    if y is None:
        raise DataError(f"split: expected targets for {kind}, got none")
    if kind == "random":
        return holdout(np.zeros(len(y)))
    shuffled, held_out = _stratify(y)
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    held_out &= counts[codes] > 1
    if not held_out.any():
        raise DataError(
            f"split: expected classes with several rows, got {len(counts)} classes in {len(y)} rows; for a target of "
            "numbers give --task regression, otherwise --split random"
        )
    return _in_order(shuffled, held_out)


def holdout(y: Array) -> tuple[Indices, Indices]:
    """Split samples into a training set and a held-out test set of one fifth, stratified by class and reproducible.

    The samples are shuffled and stably sorted by class, and every fifth is held out, so that each class is split in
    proportion to within one sample. The split is the same on every machine and for every version of NumPy.

    Parameters
    ----------
    y : numpy.ndarray of shape (n_samples,)
        Labels, numbers or strings.

    Returns
    -------
    train, test : numpy.ndarray of shape (n_samples - n_samples // 5,) and (n_samples // 5,)
        Indices, in shuffled order.

    Raises
    ------
    DataError
        If there are fewer than five samples.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data.split import holdout
    >>> y = np.repeat([0, 1], 50)
    >>> train, test = holdout(y)
    >>> np.bincount(y[train]), np.bincount(y[test])
    (array([40, 40]), array([10, 10]))
    """
    return _in_order(*_stratify(y))


def _stratify(y: Array) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """A permutation of the samples, and which of them are held out."""
    _check_enough(len(y))
    shuffled = _shuffle(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    held_out = np.zeros(len(y), dtype=bool)
    held_out[by_class[4::5]] = True
    return shuffled, held_out


def _split_by_time(column: Array, name: str) -> tuple[Indices, Indices]:
    if column.dtype.kind not in "biufMm":
        raise DataError(
            f"--split time:{name}: expected numbers or dates, by which rows are ordered, got text such as "
            f"{str(column[0])[:40]!r}; write dates as 2024-12-31, or give --split group:{name} or random"
        )
    order = np.argsort(column, kind="stable")
    ordered = column[order]
    first_of_value = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    if len(first_of_value) == 0:
        _refuse_constant(column, "time", name)
    start = first_of_value[np.argmin(abs(first_of_value - (len(column) - len(column) // 5)))]
    return order[:start], order[start:]


def _split_by_group(column: Array, name: str) -> tuple[Indices, Indices]:
    """Hold out groups in shuffled order as long as they fit into a fifth, then the smallest other if that is nearer.

    scikit-learn's GroupShuffleSplit counts groups, not rows: with one group of half the rows it may hold that out. It
    would also have to be installed, and promises no stable result across versions.
    """
    _, codes, counts = np.unique(column, return_inverse=True, return_counts=True)
    if len(counts) == 1:
        _refuse_constant(column, "group", name)
    fifth, n_held_out, held_out, left = len(column) / 5, 0, [], []
    for group in _shuffle(len(counts)):
        if n_held_out + counts[group] <= fifth:
            held_out.append(group)
            n_held_out += counts[group]
        else:
            left.append(group)
    smallest = min(left, key=lambda group: int(counts[group]))
    if not held_out or n_held_out + counts[smallest] - fifth < fifth - n_held_out:
        held_out.append(smallest)
    return _in_order(_shuffle(len(column)), np.isin(codes, held_out))


def _check_enough(n: int) -> None:
    if n < 5:
        raise DataError(f"expected at least 5 samples to hold a fifth out, got {n}; add samples or give a test set")


def _refuse_missing(column: Array, kind: str, name: str) -> None:
    """Refuse missing cells: None, NaN and NaT, the last two of which differ from themselves."""
    n_missing = sum(cell is None for cell in column) if column.dtype == object else 0
    n_missing += int(np.count_nonzero(column != column))
    if n_missing:
        raise DataError(
            f"{name}: expected a {kind} in every row, got {n_missing} missing of {len(column)}; fill them, leave these "
            "rows out, or give another --split"
        )


def _refuse_constant(column: Array, kind: str, name: str) -> NoReturn:
    value: Any = column[0]
    raise DataError(
        f"{name}: expected several values to split by {kind}, got {str(value)[:40]!r} in all {len(column)} rows; give "
        "another column, or --split random"
    )


def _shuffle(n: int) -> Indices:
    # RandomState's stream is frozen (NEP 19); a Generator's may change with NumPy's version, and all results with it.
    return np.random.RandomState(0).permutation(n)


def _in_order(shuffled: Indices, held_out: npt.NDArray[np.bool_]) -> tuple[Indices, Indices]:
    return shuffled[~held_out[shuffled]], shuffled[held_out[shuffled]]
