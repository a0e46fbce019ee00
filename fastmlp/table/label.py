"""Labels and numbers of a target column: those of one to learn, and of one on which a network is evaluated."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastmlp.errors import DataError, MissingExtraError
from fastmlp.table.cell import are_numbers, guess_numbers, numbers_of, texts_of
from fastmlp.table.name import listed, shown

try:
    import pandas as pd
except ImportError:
    raise MissingExtraError("pandas", "table", "Reading tables") from None


def numbers_to_learn(
    column: pd.Series, where: Callable[[int], str] = "row {}".format, decimal: str | None = None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], tuple[str, ...]]:
    """Numbers of a target column, without the few cells that are none.

    Parameters
    ----------
    column : pandas.Series
        The target of each row.
    where : callable
        Place of a row in the file, for messages.
    decimal : {".", ","}, optional
        The decimal point of cells that are text; by default found by all of them.

    Returns
    -------
    values : ndarray of float64 (m,)
        Of the rows that have one.
    keep : ndarray of bool (n,)
        Which rows have one.
    notes : tuple of str
        How many cells are no numbers; their rows are left out.

    Raises
    ------
    DataError
        If more than a tenth of the cells are no numbers.

    Examples
    --------
    >>> numbers_to_learn(pd.Series(["1,5", None, "2"], name="y"))[0]
    array([1.5, 2. ])
    """
    values, is_bad = guess_numbers(column)[1:] if decimal is None else numbers_of(column, decimal)
    keep = np.isfinite(values)
    if not is_bad.any():
        return values[keep], keep, ()
    name, first = _target(column), int(np.argmax(is_bad))
    found = f"other cells: {int(is_bad.sum())}, the first {shown(column.iloc[first])} in {where(first)}"
    if not are_numbers(values, is_bad):
        raise DataError(f"{name}: expected numbers for regression, got {found}; --task classification, or correct them")
    return values[keep], keep, (f"{name}: expected numbers, got {found}; their rows are left out",)


def labels_to_learn(column: pd.Series) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Labels of a target column in their own type: int64, float64 of whole numbers, bool, or object of str.

    Returns
    -------
    labels : ndarray (m,)
        Of the rows that have one. Texts are as they stand, "01" and "1" are two labels; but 1, 1.0 and "1" are one, as
        in `labels_among`, and so are True and "true": the first of them stands for all.
    keep : ndarray of bool (n,)
        Which rows have one.

    Examples
    --------
    >>> labels_to_learn(pd.Series(["b", None, "a"]))[0].tolist()
    ['b', 'a']
    """
    keep = column.notna().to_numpy()
    cells = column[keep]
    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = pd.Series(np.asarray(cells))
    labels: np.ndarray[Any, Any] = cells.to_numpy()
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64), keep
    if labels.dtype.kind == "f" and not keep.all() and _are_whole(labels):
        return labels.astype(np.int64), keep  # they are floats only because of the missing ones
    if labels.dtype.kind in "bf":
        return labels, keep
    texts = texts_of(cells)
    if set(texts) <= {"true", "false"}:
        return np.array([text == "true" for text in texts], dtype=bool), keep
    spelling: dict[str, str] = {}
    for text, cell in zip(texts, labels, strict=True):
        spelling.setdefault(text, str(cell))
    return np.array([spelling[text] for text in texts], dtype=object), keep


def _are_whole(values: np.ndarray[Any, Any]) -> bool:
    return bool((values == np.round(values)).all() and (abs(values) < 2**53).all())


def _target(column: pd.Series) -> str:
    """The target in messages."""
    return f"target {column.name!r:.60}"


def labels_among(
    column: pd.Series,
    classes: np.ndarray[Any, Any] | None,
    where: Callable[[int], str],
    names: Sequence[str] = (),
    decimal: str | None = None,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], tuple[str, ...]]:
    """Labels of a column, as those of some classes: 1, 1.0 and "1" are one label, and so are True and "true".

    Parameters
    ----------
    column : pandas.Series
        The target of each row.
    classes : numpy.ndarray of shape (n_classes,), or None
        The classes; None for numbers.
    where : callable
        Place of a row in the file, for messages.
    names : sequence of str
        Names of the classes, which are accepted as labels too.
    decimal : {".", ","}, optional
        The decimal point of numbers that are text, as it was in training; by default found by all of them.

    Returns
    -------
    labels : ndarray (m,)
        Of the rows that have one, in the dtype of `classes`; float64 for numbers.
    keep : ndarray of bool (n,)
        Which rows have one.
    notes : tuple of str
        As of `numbers_to_learn`.

    Raises
    ------
    DataError
        If a label is not one of the classes, more than a tenth of the cells are no numbers, or no row has a value.

    Examples
    --------
    >>> labels_among(pd.Series(["1", None, "0"], name="y"), np.array([0, 1]), "row {}".format)[0]
    array([1, 0])
    """
    name = _target(column)
    notes: tuple[str, ...] = ()
    if classes is None:
        labels, keep, notes = numbers_to_learn(column, where, decimal)
    else:
        texts = texts_of(column)
        keep = column.notna().to_numpy()
        known: dict[Any, Any] = dict(zip(texts_of(pd.Series(classes.astype(object))), classes.tolist(), strict=True))
        known |= dict(zip(names, classes.tolist(), strict=False))
        unknown = [row for row in np.flatnonzero(keep) if texts[row] not in known]
        if unknown:
            found = list(dict.fromkeys(str(texts[row]) for row in unknown))
            raise DataError(
                f"{name}: expected one of the classes {listed(list(known))}, got {listed(found)} in {len(unknown):,} "
                f"of {int(keep.sum()):,} rows, the first in {where(int(unknown[0]))}; name the target column by "
                "--target, or correct the labels"
            )
        labels = np.array([known[text] for text in texts[keep]], dtype=classes.dtype)
    if not keep.any():
        raise DataError(f"{name}: expected values, got an empty column; name the target column by --target")
    return labels, keep, notes
