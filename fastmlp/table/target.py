"""The target of a table: which column it is, the task, and the labels or numbers in it."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastmlp.errors import DataError, MissingExtraError
from fastmlp.settings import Task
from fastmlp.table.cell import are_numbers, guess_numbers, numbers_of, texts_of
from fastmlp.table.label import labels_to_learn, numbers_to_learn
from fastmlp.table.name import listed, nearest, shown

try:
    import pandas as pd
except ImportError:
    raise MissingExtraError("pandas", "table", "Reading tables") from None

#: Names that a target usually has, in any case, in the order in which they are looked for.
TARGET_NAMES = (
    "target", "label", "labels", "class", "classes", "y", "outcome", "classification", "response", "output",
    "diagnosis", "species", "category", "result",
)  # fmt: skip
#: Whole numbers are classes if they have at most so many distinct values, and so many rows per value on average.
FEW_CLASSES, FEW_CLASSES_ROWS = 10, 2
#: Or if they are consecutive from 0 or 1, with at most so many values, and so many rows on average and at least.
MANY_CLASSES, MANY_CLASSES_ROWS, MANY_CLASSES_LEAST = 100, 20, 5
#: So many consecutive whole numbers or more that start neither at 0 nor at 1 are grades: numbers rather than classes.
GRADES = 5


def find_target(names: Sequence[str], target: str | int | None, has_header: bool = True) -> tuple[str, int, str]:
    """The target column.

    Parameters
    ----------
    names : sequence of str
        Names of all columns.
    target : str, int or None
        Its name, or its position: 0 is the first column, -1 the last. A text of digits is a name first. None looks for
        a column with one of `TARGET_NAMES`, and takes the last column otherwise.
    has_header : bool
        Whether the table has names of its own.

    Returns
    -------
    name : str
    position : int
        Counted from 0.
    note : str
        How it was chosen, if `target` is None; otherwise empty.

    Raises
    ------
    DataError
        If there is no such column.

    Examples
    --------
    >>> find_target(["age", "sex", "Class"], "sex"), find_target(["age", "sex"], "-1")
    (('sex', 1, ''), ('sex', 1, ''))
    >>> find_target(["Class", "age"], None)
    ('Class', 0, "target: 'Class', by its name; --target chooses another column")
    """
    names = list(names)
    if not names:
        raise DataError("table: expected columns, got none")
    if target is None:
        return _guess_target(names, has_header)
    if isinstance(target, str):
        text = target.strip()
        if text in names:
            return text, names.index(text), ""
        if not re.fullmatch(r"[+-]?[0-9]{1,9}", text, re.ASCII):
            if not has_header:
                raise DataError(
                    f"--target: expected a position from 0 to {len(names) - 1}, or -1 for the last column, since the "
                    f"table has no header, got {target!r:.60}; if its first line is one: --header"
                )
            raise DataError(f"--target: {nearest(text, names)}; or give its position, where -1 is the last column")
        target = int(text)
    if isinstance(target, bool) or not hasattr(target, "__index__"):
        raise DataError(f"--target: expected the name of a column or its position, got {target!r:.60}")
    if not -len(names) <= target < len(names):
        raise DataError(
            f"--target: expected a position from {-len(names)} to {len(names) - 1}, got {target}; "
            f"the columns are {listed(names)}"
        )
    position = int(target) % len(names)
    return names[position], position, ""


def _guess_target(names: list[str], has_header: bool) -> tuple[str, int, str]:
    """The column with the name of a target, or the last one."""
    advice = "--target chooses another column"
    folded = [name.casefold() for name in names]
    for name in TARGET_NAMES if has_header else ():
        if folded.count(name) == 1:
            position = folded.index(name)
            return names[position], position, f"target: {names[position]!r}, by its name; {advice}"
    return names[-1], len(names) - 1, f"target: {names[-1]!r}, the last column; {advice}"


def labels_of(
    column: pd.Series,
    task: Task | None = None,
    where: Callable[[int], str] = "row {}".format,
    decimal: str | None = None,
) -> tuple[Task, np.ndarray[Any, Any], np.ndarray[Any, Any], tuple[str, ...]]:
    """Task, and labels or numbers, of a target column.

    Parameters
    ----------
    column : pandas.Series
        The target, in the form that `fastmlp.table.frame.to_frame` returns; its name is used in messages.
    task : {"classification", "regression"}, optional
        The task. By default it is inferred: text, booleans and categories are classes; numbers with a fraction are
        none; whole numbers are classes if few and frequent.
    where : callable
        Gives the place of a row, counted from 0, in the user's terms.
    decimal : {".", ","}, optional
        The decimal point of numbers that are text; by default found by all of them.

    Returns
    -------
    task : {"classification", "regression"}
    labels : ndarray (m,)
        Of the rows that have one. Classes keep their type: int64, float64 (whole numbers), bool or object of str;
        regression targets are float64.
    keep : ndarray of bool (n,)
        Which rows have one.
    notes : tuple of str
        What a user should know: how the task was inferred, rows left out, classes with one row.

    Raises
    ------
    DataError
        If no row has a label, more than a few cells are no numbers in regression, a class is a number with a fraction,
        all labels are the same, or hardly any class has two rows.

    Examples
    --------
    >>> labels_of(pd.Series(["yes", None, "no", "yes", "no"], name="y"))[:3]
    ('classification', array(['yes', 'no', 'yes', 'no'], dtype=object), array([ True, False,  True,  True,  True]))
    """
    name = f"target {column.name!r:.60}"
    if task not in (None, "classification", "regression"):
        raise DataError(f"--task: expected classification or regression, got {task!r:.40}")
    if column.dtype.kind == "M":
        raise DataError(f"{name}: expected classes or numbers, got dates; choose another column: --target")
    notes: list[str] = []
    if task is None:
        task, notes = _infer_task(column, name, decimal)
    if task == "regression":
        labels, keep, found = numbers_to_learn(column, where, decimal)
        notes += found
    else:
        labels, keep = labels_to_learn(column)
        if labels.dtype.kind == "f":
            _check_whole(labels, np.flatnonzero(keep), name, where)
    n_left_out = int(len(keep) - keep.sum())
    if n_left_out:
        notes.append(f"{name}: rows without a value are left out: {n_left_out} of {len(keep)}")
    if not len(labels):
        raise DataError(f"{name}: expected a label or number in some row, got none; choose another column: --target")
    _check_labels(labels, task, name, notes)
    return task, labels, keep, tuple(notes)


def _infer_task(column: pd.Series, name: str, decimal: str | None) -> tuple[Task, list[str]]:
    """The task, and a note if it is not obvious."""
    cells = column.dropna()
    if cells.dtype == bool or isinstance(cells.dtype, pd.CategoricalDtype) or not len(cells):
        return "classification", []
    if set(pd.unique(cells)) <= {True, False, "True", "False", "true", "false", "TRUE", "FALSE"}:
        # Numbers 0 and 1 equal booleans: they too are classes, by the rule below or by this one.
        return "classification", []
    values, is_bad = guess_numbers(cells)[1:] if decimal is None else numbers_of(cells, decimal)
    numbers = values[np.isfinite(values)]
    if not are_numbers(values, is_bad):
        return "classification", []
    distinct, counts = np.unique(numbers, return_counts=True)
    if (distinct != np.round(distinct)).any():
        return "regression", [f"{name}: numbers with a fraction, so the task is regression"]
    # Of texts, '01' and '1' are two labels.
    n_labels = len(distinct) if cells.dtype.kind in "iuf" else len(pd.unique(texts_of(cells)))
    what = f"{n_labels} distinct whole numbers" if n_labels == len(distinct) else f"{n_labels} distinct texts of digits"
    is_consecutive = distinct[-1] - distinct[0] == len(distinct) - 1
    # The classes of other tables are numbered from 0 or 1; wine is graded from 3 to 8.
    are_grades = is_consecutive and distinct[0] not in (0, 1) and len(distinct) >= GRADES
    is_few = n_labels <= FEW_CLASSES and len(numbers) >= FEW_CLASSES_ROWS * n_labels and not are_grades
    is_frequent = counts.mean() >= MANY_CLASSES_ROWS and counts.min() >= MANY_CLASSES_LEAST
    if is_few or (n_labels <= MANY_CLASSES and is_consecutive and distinct[0] in (0, 1) and is_frequent):
        advice = "--task regression takes them as numbers"
        return "classification", [f"{name}: {what} are taken as classes; {advice}"]
    if is_bad.any() and n_labels < MANY_CLASSES:
        return "classification", []
    advice = "--task classification takes them as classes"
    return "regression", [f"{name}: {what}, so the task is regression; {advice}"]


def _check_whole(
    labels: np.ndarray[Any, Any], rows: np.ndarray[Any, Any], name: str, where: Callable[[int], str]
) -> None:
    """Refuse classes that are numbers with a fraction, or infinite."""
    is_bad = (labels != np.round(labels)) | np.isinf(labels)
    if is_bad.any():
        first = int(np.argmax(is_bad))
        raise DataError(
            f"{name}: expected text or whole numbers as classes, got {labels[first]} in {where(int(rows[first]))}; "
            "--task regression takes them as numbers"
        )


def _check_labels(labels: np.ndarray[Any, Any], task: Task, name: str, notes: list[str]) -> None:
    """Refuse labels that nothing can be learnt from; add notes on rare classes."""
    distinct, counts = np.unique(labels, return_counts=True)
    if len(distinct) == 1:
        what = "classes" if task == "classification" else "numbers"
        raise DataError(
            f"{name}: expected at least two different {what}, got {shown(distinct[0])} in every row; choose another "
            "column: --target"
        )
    if task == "regression":
        return
    if len(distinct) > max(0.5 * len(labels), MANY_CLASSES):
        raise DataError(
            f"{name}: expected classes that repeat, got {len(distinct)} different ones in {len(labels)} rows; choose "
            "another column: --target, or --task regression if they are numbers"
        )
    single = [str(label) for label in distinct[counts == 1]]
    if single:
        notes.append(f"{name}: classes with a single row, which training or test will lack: {listed(single)}")
