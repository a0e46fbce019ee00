"""Dataset: samples and labels for training and testing, checked once. Knows no file format and no network."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import Array, check_X, row_blocks
from fastmlp.data.scaling import SCALES, Floats, fit_scaling
from fastmlp.data.target import check_target, check_task, check_weights
from fastmlp.errors import DataError, DataTypeError


class DataSource(NamedTuple):
    """The arguments of `load_data` that give the same Dataset once more, whatever the folder one stands in.

    Attributes
    ----------
    name_or_path : str
        A name of the registry, or an absolute path.
    data_dir : str
        Absolute path of the folder in which named data sets lie.
    target : str or None
        The column of a CSV file that holds the labels.
    scale, task : str
        See `Dataset`; no task where it is told by the labels.
    """

    name_or_path: str
    data_dir: str
    target: str | None
    scale: str
    task: str | None = None


class Dataset:
    """A training set and a test set of labelled samples.

    Parameters
    ----------
    X_train, X_test : array_like of shape (n_samples, n_features) or (n_samples, ...)
        Samples: real, finite numbers. uint8, float32 and float64 arrays are kept where they lie, memory-mapped files
        too, and are never written to; other numbers become float32, or float64 where float32 cannot hold them.
    y_train, y_test : array_like of shape (n_samples,) or (n_samples, n_outputs)
        Labels 0 .. n_classes - 1: integers, or floats that are whole numbers. The test set may lack some classes. For
        other tasks 0 or 1 for each label, or numbers to be predicted.
    scale : {"auto", "none", "unit", "standard"}
        What becomes of a value on its way into the network, see `fastmlp.data.scaling.fit_scaling`: ``auto`` maps
        uint8 to [0, 1] and standardises floats by the training set.
    class_names : sequence of str, optional
        A name for each class; without it there are as many classes as the largest label says.
    name : str, optional
        What the data set is called.
    task : {"classification", "multilabel", "regression"}
        What y holds.
    weight_train : array_like of shape (n_samples,), optional
        How much each training sample counts.
    X_val, y_val : array_like, optional
        A validation set, like the others.

    Attributes
    ----------
    X_train, X_test : numpy.ndarray of shape (n_samples, n_features)
        uint8, float32 or float64, both alike; each row is contiguous.
    y_train, y_test : numpy.ndarray of shape (n_samples,), int32
        The labels, copied; for other tasks (n_samples, n_outputs), uint8 or float64.
    X_val, y_val : numpy.ndarray or None
        Likewise.
    weight_train : numpy.ndarray of shape (n_samples,), float64, or None
        A copy.
    task : str
        As given.
    scale : str
        As given.
    class_names : tuple of str or None
        As given.
    name : str or None
        As given.
    n_features, n_classes : int
        Width of the samples, and how many classes, labels or numbers there are for each.
    source : DataSource or None
        Where `load_data` found it; None if it was made of arrays.

    Raises
    ------
    DataError
        If shapes, lengths or values do not fit.
    DataTypeError
        If an array does not consist of real numbers, or class_names of strings.

    Notes
    -----
    The test set measures; nothing is decided by it. What stops training early is the validation set.

    Examples
    --------
    >>> from fastmlp.data import Dataset
    >>> dataset = Dataset([[0.0, 1.0], [2.0, 3.0]], [0, 1], [[1.0, 1.0]], [1], name="tiny")
    >>> dataset
    <Dataset tiny: 2 training and 1 test samples, 2 features (float64), 2 classes, scale auto>
    >>> dataset.scaling()[0]
    array([1., 1.])
    """

    def __init__(
        self,
        X_train: npt.ArrayLike,
        y_train: npt.ArrayLike,
        X_test: npt.ArrayLike,
        y_test: npt.ArrayLike,
        scale: str = "auto",
        class_names: Sequence[str] | None = None,
        name: str | None = None,
        *,
        task: str = "classification",
        weight_train: npt.ArrayLike | None = None,
        X_val: npt.ArrayLike | None = None,
        y_val: npt.ArrayLike | None = None,
    ) -> None:
        self.source: DataSource | None = None
        self.task = check_task(task)
        if scale not in SCALES:
            raise DataError(f"scale is {scale!r}; one of {', '.join(SCALES)} is expected")
        self.scale = scale
        self.name = name
        self.class_names = None if class_names is None else _check_names(class_names)
        self.X_train, self.X_test, self.X_val = _check_alike(X_train, X_test, X_val)
        n_classes = None if self.class_names is None else len(self.class_names)
        self.y_train = check_target(y_train, len(self.X_train), self.task, n_classes, "y_train")
        self.weight_train = check_weights(weight_train, len(self.X_train), "weight_train")
        self.n_features = int(self.X_train.shape[1])
        if self.task != "classification":
            n_classes = int(self.y_train.shape[1])
        self.y_test = check_target(y_test, len(self.X_test), self.task, n_classes, "y_test")
        self.n_classes = n_classes or int(max(self.y_train.max(), self.y_test.max())) + 1
        if self.task == "classification" and self.y_train.min() == self.y_train.max():
            raise DataError(f"y_train holds one class only, {self.y_train[0]}; at least two are expected")
        if (X_val is None) != (y_val is None):
            raise DataError("of X_val and y_val one was given; both are expected, or neither")
        self.y_val = None
        if self.X_val is not None and y_val is not None:
            self.y_val = check_target(y_val, len(self.X_val), self.task, self.n_classes, "y_val")

    def __repr__(self) -> str:
        return (
            f"<Dataset {self.name or 'unnamed'}: {len(self.X_train)} training and {len(self.X_test)} test samples, "
            f"{self.n_features} features ({self.X_train.dtype}), {self.n_classes} {self._kind}, scale {self.scale}>"
        )

    def replace(self, scale: str | None = None, class_names: Sequence[str] | None = None) -> "Dataset":
        """The same samples with another scale, or other names for the classes.

        Parameters
        ----------
        scale, class_names : optional
            As those of a Dataset; what is not given stays.

        Returns
        -------
        Dataset
            Its arrays are shared where they can be.

        Examples
        --------
        >>> from fastmlp.data import Dataset
        >>> Dataset([[0.0], [1.0]], [0, 1], [[0.5]], [1]).replace(class_names=("cat", "dog")).class_names
        ('cat', 'dog')
        """
        return Dataset(
            self.X_train, self.y_train, self.X_test, self.y_test, scale or self.scale, class_names or self.class_names,
            self.name, task=self.task, weight_train=self.weight_train, X_val=self.X_val, y_val=self.y_val,
        )  # fmt: skip

    @property
    def _kind(self) -> str:
        return {"classification": "classes", "multilabel": "labels", "regression": "targets"}[self.task]

    @property
    def majority_accuracy(self) -> float:
        """Share of the test set that one gets right by always naming the commonest class of the training set.

        Returns
        -------
        float
            From 0 to 1; of classes equally common, the lowest counts. With several labels a sample, the share for which
            the commonest value of each label is right; NaN where numbers are predicted.

        Examples
        --------
        >>> from fastmlp.data import Dataset
        >>> Dataset([[0.0], [1.0], [2.0]], [1, 1, 0], [[3.0], [4.0]], [1, 0]).majority_accuracy
        0.5
        """
        if self.task == "regression":
            return float("nan")
        if self.task == "multilabel":
            return float((self.y_test == (self.y_train.mean(axis=0) > 0.5)).all(axis=1).mean())
        labels, counts = np.unique(self.y_train, return_counts=True)
        return float(np.mean(self.y_test == labels[np.argmax(counts)]))

    def scaling(self) -> tuple[Floats, Floats]:
        """Give the map from a raw value to the network's input, fitted to the training set when first asked for.

        Returns
        -------
        factor, offset : numpy.ndarray of shape (n_features,), float64
            ``x * factor + offset`` is what enters the network.

        Raises
        ------
        DataError
            If values beyond 1e150 make the statistics overflow.

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp.data import Dataset
        >>> pixels = np.array([[0], [255]], dtype=np.uint8)
        >>> factor, offset = Dataset(pixels, [0, 1], pixels, [0, 1]).scaling()
        >>> (pixels * factor + offset).ravel()
        array([0., 1.])
        """
        return self._scaling

    @cached_property
    def _scaling(self) -> tuple[Floats, Floats]:
        scaling = fit_scaling(self.X_train, self.scale)
        for part in scaling:
            part.flags.writeable = False  # models share them
        return scaling

    def checksum(self) -> str:
        """Digest of all samples and labels, by which a result can say what it was measured on.

        Returns
        -------
        str
            sha256, as 64 hexadecimal digits, over the dtype, shape and bytes of X_train, y_train, X_test, y_test, and
            of what there is of weights and of a validation set.

        Examples
        --------
        >>> from fastmlp.data import Dataset
        >>> Dataset([[0.0], [1.0]], [0, 1], [[0.5]], [1]).checksum()[:16]
        '8059e19e204becb0'
        """
        digest = hashlib.sha256()
        more = (array for array in (self.weight_train, self.X_val, self.y_val) if array is not None)
        for array in (self.X_train, self.y_train, self.X_test, self.y_test, *more):
            digest.update(f"{array.dtype.newbyteorder('<').str} {array.shape}\n".encode())
            for rows in row_blocks(len(array), array[0].nbytes):
                digest.update(np.ascontiguousarray(array[rows], dtype=array.dtype.newbyteorder("<")).data)
        return digest.hexdigest()


def _check_alike(
    X_train: npt.ArrayLike, X_test: npt.ArrayLike, X_val: npt.ArrayLike | None
) -> tuple[Array, Array, Array | None]:
    train = check_X(X_train, None, "X_train")
    test = check_X(X_test, train.shape[1], "X_test")
    val = None if X_val is None else check_X(X_val, train.shape[1], "X_val")
    common = np.result_type(train, test) if val is None else np.result_type(train, test, val)
    train, test = train.astype(common, copy=False), test.astype(common, copy=False)
    return train, test, val if val is None else val.astype(common, copy=False)


def _check_names(class_names: Sequence[str]) -> tuple[str, ...]:
    is_sequence = isinstance(class_names, Sequence | np.ndarray) and not isinstance(class_names, str)
    if not is_sequence or not all(isinstance(name, str) for name in class_names):
        raise DataTypeError(f"class_names is {class_names!r}; a sequence of strings is expected")
    if len(class_names) < 2 or len(set(class_names)) < len(class_names):
        raise DataError(f"class_names is {list(class_names)}; at least two names, all different, are expected")
    return tuple(class_names)
