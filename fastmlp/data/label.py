"""Class labels: their validation, the distinct ones as classes, and the codes 0 .. n_classes - 1 that kernels read.

Labels are booleans, integers, floats with integer values, strings, dates or durations. Classes are labels in ascending
order; a label's code is its index among them.
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import Array, as_dense, is_sequence
from fastmlp.errors import DataError, DataTypeError
from fastmlp.io.bounded import max_decompressed_bytes

Codes = npt.NDArray[np.int32]

#: The types of labels by NumPy's code of a dtype. Strings are arrays of str, or of objects that are all str: an array
#: of str takes as many bytes per label as its longest one.
TYPES = {
    "b": "booleans",
    "i": "integers",
    "f": "floats",
    "U": "strings",
    "O": "strings",
    "M": "dates",
    "m": "durations",
}
NUMBERS = "bif"
#: The dtype to which objects of a type are converted.
DTYPES = {"b": "bool", "i": "int64", "f": "float64", "U": "object", "M": "datetime64", "m": "timedelta64"}
#: Largest magnitude up to which float64 represents every integer.
EXACT_IN_FLOAT64 = 1 << 53
#: Maximum length of a string: predictions are arrays of str, with 4 bytes per sample and character of the longest.
MAX_LENGTH = 1000
#: Classes that a message lists; of more, all but the last are replaced by dots.
MAX_LISTED = 10


def check_labels(y: npt.ArrayLike, n_samples: int, name: str = "y") -> Array:
    """Validate class labels, and convert them to a dtype of their type.

    Parameters
    ----------
    y : array_like of shape (n_samples,) or (n_samples, 1)
        Booleans, integers, floats with integer values, strings or dates, all of one type.
    n_samples : int
        Expected number of labels.
    name : str
        Name of the array in error messages.

    Returns
    -------
    numpy.ndarray of shape (n_samples,)
        bool, int64, float64, str, or datetime64 in its unit; strings in an array of objects remain in such an array.

    Raises
    ------
    DataTypeError
        If the labels have several types, or one that is not accepted.
    DataError
        If they have another length or shape, or a label is missing, infinite or a fraction.

    Examples
    --------
    >>> from fastmlp.data.label import check_labels
    >>> check_labels(["cat", "dog"], n_samples=2)
    array(['cat', 'dog'], dtype=object)
    """
    labels = as_dense(y, name)
    if isinstance(y, list | tuple) or labels.dtype.kind in "OT":  # NumPy makes strings of the list ["a", 1]
        labels = _one_type(np.asarray(y, dtype=object), name)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{name}: expected one label per sample, shape ({n_samples},), got shape {labels.shape}; convert one-hot "
            f"labels by {name}.argmax(axis=1)"
        )
    if len(labels) != n_samples:
        raise DataError(f"{name}: expected {n_samples} labels, one per sample, got {len(labels)}")
    return _as_type(labels, name)


def distinct_labels(labels: Mapping[str, Array]) -> Array:
    """The classes: the distinct labels of several arrays, in ascending order.

    Parameters
    ----------
    labels : mapping of str to numpy.ndarray
        Arrays that `check_labels` returned, by their names in error messages.

    Returns
    -------
    numpy.ndarray of shape (n_classes,)
        bool, int64, float64, str or datetime64.

    Raises
    ------
    DataTypeError
        If some labels are numbers and others are not, or strings and dates.
    DataError
        If a string is too long, so that arrays of str would not fit into the memory.

    Examples
    --------
    >>> from fastmlp.data.label import distinct_labels
    >>> distinct_labels({"y_train": np.array([30, 10, 30]), "y_test": np.array([20])})
    array([10, 20, 30])
    """
    (first, expected), *others = labels.items()
    for name, array in others:
        if not _are_comparable(array, expected):
            raise DataTypeError(
                f"{name}: expected {TYPES[expected.dtype.kind]} as in {first}, got {TYPES[array.dtype.kind]}; convert "
                "all labels to one type"
            )
    classes = np.unique(np.concatenate([_comparable(_distinct(array)) for array in labels.values()]))
    return _as_strings(classes.tolist(), first) if classes.dtype.kind == "O" else classes


def encode_labels(y: npt.ArrayLike, n_samples: int, classes: Array, name: str = "y") -> Codes:
    """Validate class labels, and convert them to their codes.

    Parameters
    ----------
    y : array_like of shape (n_samples,) or (n_samples, 1)
        Labels; each of them is one of the classes.
    n_samples : int
        Expected number of labels.
    classes : numpy.ndarray of shape (n_classes,)
        The classes, in ascending order.
    name : str
        Name of the array in error messages.

    Returns
    -------
    numpy.ndarray of shape (n_samples,), int32
        Index of each label in `classes`; a new array, so that a later change of y cannot cause out-of-bounds access in
        a kernel.

    Raises
    ------
    DataTypeError, DataError
        As `check_labels` does, and if a label is not one of the classes.

    Examples
    --------
    >>> from fastmlp.data.label import encode_labels
    >>> encode_labels([30, 10, 30], 3, np.array([10, 30]))
    array([1, 0, 1], dtype=int32)
    """
    return codes_of(check_labels(y, n_samples, name), classes, name)


def codes_of(labels: Array, classes: Array, name: str) -> Codes:
    """The codes of labels that `check_labels` returned, see `encode_labels`.

    Examples
    --------
    >>> from fastmlp.data.label import codes_of
    >>> codes_of(np.array([30, 10, 30]), np.array([10, 30]), "y")
    array([1, 0, 1], dtype=int32)
    """
    if len(labels) and not _are_comparable(labels, classes):
        raise _unknown(labels, 0, classes, name)
    wanted, existing = _comparable(labels), _comparable(classes)
    are_codes = labels.dtype.kind == "i" and is_range(classes)  # then a search would take most of the time
    codes = wanted if are_codes else np.searchsorted(existing, wanted)
    is_known = existing[np.clip(codes, 0, len(existing) - 1)] == wanted
    if not np.all(is_known):
        raise _unknown(labels, int(np.argmin(is_known)), classes, name)
    return codes.astype(np.int32)


def check_classes(classes: npt.ArrayLike, n_classes: int) -> Array:
    """Validate the classes of a network.

    Parameters
    ----------
    classes : array_like of shape (n_classes,)
        Distinct labels in ascending order: booleans, integers, floats, strings or dates.
    n_classes : int
        Expected number of classes.

    Returns
    -------
    numpy.ndarray of shape (n_classes,)
        A read-only copy in the dtype of `classes`, and the byte order of this machine. Strings of dtype object become
        str, and long doubles float64.

    Raises
    ------
    DataError, DataTypeError
        If their number or type is another, or they are not in ascending order.

    Examples
    --------
    >>> from fastmlp.data.label import check_classes
    >>> check_classes(["cat", "dog"], n_classes=2)
    array(['cat', 'dog'], dtype='<U3')
    """
    array = as_dense(classes, "classes")
    if array.shape != (n_classes,):
        raise DataError(f"classes: expected {n_classes} labels, got an array of shape {array.shape}")
    if array.dtype.kind == "U" or (array.dtype.kind == "O" and all(isinstance(label, str) for label in array)):
        array = _as_strings(array.tolist(), "classes")
    if array.dtype.kind not in "biufUMm":
        raise DataError(f"classes: expected booleans, integers, floats, strings or dates, got dtype {array.dtype}")
    if not (array[:-1] < array[1:]).all() or (array != array).any():  # NaN is not equal to itself
        raise DataError(f"classes: expected distinct labels in ascending order, got {list_labels(array)}")
    array = array.astype(np.float64 if array.dtype == np.longdouble else array.dtype.newbyteorder("="))
    array.flags.writeable = False
    return array


def is_range(classes: Array) -> bool:
    """Whether the classes are the integers 0 .. n_classes - 1, so that a label is its own code.

    Examples
    --------
    >>> from fastmlp.data.label import is_range
    >>> is_range(np.array([0, 1, 2])), is_range(np.array([0, 2])), is_range(np.array([False, True]))
    (True, False, False)
    """
    return classes.dtype.kind in "iu" and np.array_equal(classes, np.arange(len(classes)))


def have_same_labels(classes: Array, others: Array) -> bool:
    """Whether two arrays of classes are the same labels.

    Examples
    --------
    >>> from fastmlp.data.label import have_same_labels
    >>> have_same_labels(np.array([0, 1]), np.array(["0", "1"]))
    False
    """
    return _are_comparable(classes, others) and np.array_equal(_comparable(classes), _comparable(others))


def names_of(classes: Array) -> tuple[str, ...] | None:
    """The classes as names if they are at least two strings, otherwise None.

    Examples
    --------
    >>> from fastmlp.data.label import names_of
    >>> names_of(np.array(["cat", "dog"])), names_of(np.array([10, 30]))
    (('cat', 'dog'), None)
    """
    return tuple(map(str, classes)) if classes.dtype.kind == "U" and len(classes) > 1 else None


def as_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Class names as a tuple.

    Raises
    ------
    DataTypeError
        If they are not a sequence of strings.
    DataError
        If UTF-8 cannot represent a name.

    Examples
    --------
    >>> from fastmlp.data.label import as_names
    >>> as_names(["cat", "dog"])
    ('cat', 'dog')
    """
    if not is_sequence(class_names) or not all(isinstance(name, str) for name in class_names):
        raise DataTypeError(f"class_names: expected None or a sequence of strings, got {class_names!r:.200}")
    names = tuple(map(str, class_names))
    if unwritable := [name for name in names if not _is_unicode(name)]:
        raise DataError(f"class_names: expected names that UTF-8 can represent, got {unwritable[0]!r}")
    return names


def list_labels(labels: Sequence[Any] | Array) -> str:
    """List labels for a message, of many the first ones and the last one.

    Examples
    --------
    >>> from fastmlp.data.label import list_labels
    >>> list_labels([10, 30]), list_labels(range(100))
    ('10, 30', '0, 1, 2, 3, 4, 5, 6, 7, ..., 99')
    """
    words = [str(label) for label in labels[: MAX_LISTED + 1]]
    if len(labels) > MAX_LISTED:
        words = [*words[: MAX_LISTED - 2], "...", str(labels[-1])]
    return ", ".join(words)


def classes_to_json(classes: Array) -> dict[str, Any]:
    """The dtype and the values of classes, as JSON can represent them: dates in ISO format, durations as integers.

    Examples
    --------
    >>> from fastmlp.data.label import classes_to_json
    >>> classes_to_json(np.array(["2024-02-29", "2024-03-01"], dtype="datetime64[D]"))
    {'dtype': 'datetime64[D]', 'values': ['2024-02-29', '2024-03-01']}
    """
    kind = classes.dtype.kind
    values = classes.astype({"M": "str", "m": "int64"}[kind]) if kind in "Mm" else classes
    return {"dtype": "str" if kind == "U" else classes.dtype.name, "values": values.tolist()}


def classes_from_json(entry: Mapping[str, Any]) -> Array:
    """The classes of which `classes_to_json` made an entry.

    Raises
    ------
    DataError
        If the entry is not one that `classes_to_json` returns.

    Examples
    --------
    >>> from fastmlp.data.label import classes_from_json
    >>> classes_from_json({"dtype": "bool", "values": [False, True]})
    array([False,  True])
    """
    dtype, values = entry["dtype"], entry["values"]
    if dtype == "str" and all(isinstance(value, str) for value in values):
        array = _as_strings(values, "classes")
    elif np.dtype(dtype).kind in "biufMm":
        array = np.array(values, dtype)
    else:
        raise DataError(f"classes: expected booleans, integers, floats, strings or dates, got {dtype!r}")
    if classes_to_json(array) != entry:
        raise DataError(f"classes: expected values of the dtype {dtype}, got {list_labels(values)}")
    return array


def _one_type(labels: Array, name: str) -> Array:
    """Convert an array of objects to the dtype of their type; strings remain an array of objects."""
    kinds = {found: _kind_of(found) for found in set(map(type, labels.flat))}
    accepted = set(kinds.values())
    if "" in accepted or (len(accepted) > 1 and accepted != {"i", "f"}):
        names = ", ".join(sorted(found.__name__ for found in kinds))
        raise DataTypeError(
            f"{name}: expected labels of one type (booleans, integers, strings or dates), got the types {names}; drop "
            "the samples without a label, and convert the labels to one type"
        )
    kind = "f" if len(accepted) > 1 else next(iter(accepted), "i")
    if kind == "M" and any(getattr(label, "tzinfo", None) is not None for label in labels.flat):
        raise DataTypeError(f"{name}: expected dates without a time zone, got some with one; convert them to UTC")
    try:
        return labels.astype(DTYPES[kind])
    except OverflowError as error:
        raise DataError(f"{name}: expected integers of at most 64 bits, got a larger one") from error


def _kind_of(found: type) -> str:
    """NumPy's code of the dtype for labels of a Python type; empty if it is not accepted."""
    types: tuple[tuple[str, tuple[type, ...]], ...] = (
        ("b", (bool, np.bool_)),
        ("m", (datetime.timedelta, np.timedelta64)),  # before integers, of which NumPy's durations are a subclass
        ("i", (int, np.integer)),
        ("f", (float, np.floating)),
        ("U", (str,)),
        ("M", (datetime.date, np.datetime64)),
    )
    return next((kind for kind, accepted in types if issubclass(found, accepted)), "")


def _as_type(labels: Array, name: str) -> Array:
    """Convert labels to the dtype of their type; refuse fractions, missing labels and other types."""
    kind = labels.dtype.kind
    if kind == "f":
        numbers = labels.astype(np.float64)
        is_integer = (np.floor(labels) == labels) & (abs(numbers) <= EXACT_IN_FLOAT64)
        if not is_integer.all():
            if np.isnan(numbers).any():
                index = int(np.argmax(np.isnan(numbers)))
                raise DataError(f"{name}: expected labels, got nan at index {index}; drop the samples without a label")
            index = int(np.argmin(is_integer))
            raise DataError(
                f"{name}: expected labels, which are integers if they are numbers, got {labels[index]} at index "
                f"{index}; to predict numbers, use the task regression and a loss such as squared_error"
            )
        return numbers
    if kind in "iu":
        if kind == "u" and len(labels) and labels.max() > np.iinfo(np.int64).max:
            raise DataError(f"{name}: expected integers up to 2**63 - 1, got {labels.max()}")
        return labels.astype(np.int64)
    if kind in "Mm" and np.isnat(labels).any():
        index = int(np.argmax(np.isnat(labels)))
        raise DataError(f"{name}: expected {TYPES[kind]}, got NaT at index {index}; drop the samples without a label")
    if kind not in TYPES:
        advice = "; decode them by .astype(str)" if kind == "S" else ""
        raise DataTypeError(
            f"{name}: expected labels that are booleans, integers, strings or dates, got dtype {labels.dtype}{advice}"
        )
    return labels.astype(labels.dtype.newbyteorder("="))


def _distinct(labels: Array) -> Array:
    """The distinct labels in ascending order.

    `np.unique` sorts objects, and integers before NumPy 2.3. For 5 million labels of few classes that takes 3.1 s for
    objects, a set 0.12 s; hashing integers takes 0.05 s, counting them 0.02 s.
    """
    if labels.dtype.kind == "O":
        return np.array(sorted(set(labels.tolist())), dtype=object)
    if labels.dtype.kind == "i" and len(labels):
        lowest, highest = int(labels.min()), int(labels.max())
        if highest - lowest < len(labels):
            return np.flatnonzero(np.bincount(labels - lowest)) + lowest
    return np.unique(labels)


def _comparable(labels: Array) -> Array:
    """The labels as NumPy compares them without making every string as long as the longest."""
    return labels.astype(object) if labels.dtype.kind == "U" else labels


def _are_comparable(labels: Array, others: Array) -> bool:
    types = [array.dtype.kind.replace("U", "O").replace("u", "i") for array in (labels, others)]
    return types[0] == types[1] or all(kind in NUMBERS for kind in types)


def _as_strings(names: Sequence[str], place: str) -> Array:
    """An array of str, unless it would lose characters, or take far more memory than the names for a very long one."""
    longest, bound = max(map(len, names), default=0), max_decompressed_bytes(sum(map(len, names)))
    if longest > MAX_LENGTH or 4 * longest * len(names) > bound:
        raise DataError(
            f"{place}: expected labels of up to {MAX_LENGTH:,} characters that fit into {bound:,} bytes, each as long "
            f"as the longest, got {len(names):,} of up to {longest:,} characters; shorten them"
        )
    for name in names:
        if name.endswith("\0") or not _is_unicode(name):  # NumPy removes the one, files and ONNX cannot hold the other
            raise DataError(
                f"{place}: expected labels that UTF-8 can represent and that do not end in a NUL character, got "
                f"{name!r}"
            )
    return np.array(names, dtype=str)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as in file names that are not UTF-8
        return False
    return True


def _unknown(labels: Array, index: int, classes: Array, name: str) -> DataError:
    label, n_classes = labels[index], len(classes)
    if is_range(classes):
        return DataError(f"{name}: expected labels 0 to {n_classes - 1}, got {label} at index {index}")
    hint = ""
    if labels.dtype.kind == "i" and 0 <= labels.min() <= labels.max() < n_classes:
        hint = f"; {name} seems to hold codes, as dataset.y_test does: give dataset.classes[dataset.y_test] instead"
    return DataError(f"{name}: expected one of the classes {list_labels(classes)}, got {label} at index {index}{hint}")
