"""The class `Dataset`: validated training, test and validation samples with their targets."""

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar, cast

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import Array, check_table, check_X, read_only, row_blocks
from fastmlp.data.frame import check_same_names, column_names
from fastmlp.data.label import as_names, check_classes, list_labels, names_of
from fastmlp.data.options import TableOptions
from fastmlp.data.scaling import Floats, check_scale, fit_scaling
from fastmlp.data.sparse import is_sparse, shared_view
from fastmlp.data.target import check_targets, check_task, check_weights
from fastmlp.data.target_scaling import TargetScaling, check_target_scale, fit_target_scaling
from fastmlp.errors import DataError
from fastmlp.notebook.html import card, details, paragraph, table
from fastmlp.table.schema import TableSchema
from fastmlp.table.summary import summarise_reading

OptionalArray = TypeVar("OptionalArray")


class ArrayAttribute(Generic[OptionalArray]):
    """Attribute of a Dataset that holds an array, a CSR matrix or None. Each access gives a new view.

    So nothing that is done to the view in place, such as assigning to its ``shape`` or ``dtype``, reaches the array
    that is trained on.

    Parameters
    ----------
    writeable : bool
        Whether the views may be written to, if the array itself may.
    """

    def __init__(self, *, writeable: bool) -> None:
        self._writeable = writeable

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, dataset: "Dataset", owner: type) -> OptionalArray:
        view = _view(dataset.__dict__[self._name])
        if view is not None and not self._writeable:
            view.flags.writeable = False
        return cast(OptionalArray, view)

    def __set__(self, dataset: "Dataset", array: OptionalArray) -> None:
        dataset.__dict__[self._name] = _view(array)


def _view(array: Any) -> Any:
    if array is None:
        return None
    return shared_view(array) if hasattr(array, "indptr") else array.view()


class DataSource(NamedTuple):
    """The arguments of `load_data` that load the same data set again, from any working directory.

    Attributes
    ----------
    name_or_path : str
        A name in the registry, or an absolute path.
    data_dir : str
        Absolute path of the folder of named data sets.
    scale, task, target_scale : str
        See `Dataset`; the task is None where it was inferred.
    options : TableOptions
        The arguments that concern tables.
    """

    name_or_path: str
    data_dir: str
    scale: str
    task: str | None = None
    target_scale: str = "auto"
    options: TableOptions = TableOptions()

    def keywords(self) -> dict[str, Any]:
        """The keyword arguments of `load_data`.

        Examples
        --------
        >>> DataSource("digits", "/data", "unit").keywords()["scale"]
        'unit'
        """
        settings = {"scale": self.scale, "task": self.task, "target_scale": self.target_scale}
        return settings | self.options.keywords()


class Dataset:
    """A training set and a test set, and optionally a validation set and sample weights.

    A Dataset is immutable: no attribute can be assigned to, and its targets, weights and scaling are read-only. Where
    the samples share memory with the given arrays, a change of those changes them.

    Parameters
    ----------
    X_train, X_test : array_like of shape (n_samples, n_features) or (n_samples, ...), or sparse matrix
        Samples: real, finite numbers. uint8, float32 and float64 arrays with contiguous rows, memory-mapped files
        included, are not copied; no array is written to. Other numbers become float32, or float64 where float32 cannot
        represent them. Data frames of pandas and polars, with any types of numbers, must have the same columns in the
        same order, and no missing cells; `load_data` encodes texts and fills missing cells. Sparse matrices and arrays
        of SciPy, of any format, all sets alike, become CSR and are never made dense; canonical CSR is not copied.
    y_train, y_test : array_like of shape (n_samples,) or (n_samples, n_outputs)
        classification: labels of one type, which are integers, floats with integer values, booleans, strings or dates;
        the test set may lack some classes. multilabel: 0 or 1 for each label. regression: target values.
    scale : {"auto", "none", "unit", "standard", "robust"}
        Scaling of the network's input, see `fastmlp.data.scaling.fit_scaling`: ``auto`` maps uint8 to [0, 1] and
        standardises floats by the training set; it divides the features of sparse samples by their largest magnitudes.
    class_names : sequence of str, optional
        One name per class, if the labels are the integers 0 .. n_classes - 1; a class may then lack samples. Without
        names, the classes are the distinct labels of all sets together.
    name : str, optional
        Name of the data set.
    task : {"classification", "multilabel", "regression"}
        The kind of target.
    weight_train : array_like of shape (n_samples,), optional
        Weights of the training samples.
    X_val, y_val : array_like, optional
        A validation set, like the others.
    target_scale : {"auto", "none"}
        Scaling of regression targets for the losses squared_error and huber: ``auto`` trains on standardised targets,
        see `target_scaling`. Losses, scores and predictions are in the targets' own unit in either case.
    table : TableSchema, optional
        The columns of the table whose encoded rows are the samples; it becomes part of the models trained on them.

    Attributes
    ----------
    X_train, X_test : numpy.ndarray or CSR matrix of shape (n_samples, n_features)
        uint8, float32 or float64, all sets alike; each row is contiguous. The indices of a CSR matrix are ascending
        within each row, without duplicates, and read-only.
    y_train, y_test : numpy.ndarray of shape (n_samples,), int32
        The codes 0 .. n_classes - 1 of the labels, read-only: ``classes[y_train]`` are the labels themselves. For other
        tasks the targets (n_samples, n_outputs), copied, read-only, uint8 or float64.
    classes : numpy.ndarray of shape (n_classes,), or None
        The distinct labels in ascending order, read-only: int64, float64, bool, str or datetime64. None for other tasks
        than classification.
    X_val, y_val : numpy.ndarray, CSR matrix or None
        The validation set, with the same shapes and dtypes.
    weight_train : numpy.ndarray of shape (n_samples,), float64, or None
        The sample weights, copied, read-only.
    task : str
        As given.
    scale, target_scale : str
        As given.
    class_names : tuple of str or None
        As given, or the classes if they are strings.
    name : str or None
        As given.
    n_features, n_classes : int
        Number of features, and number of outputs: classes, labels or target values per sample.
    table : TableSchema or None
        As given.
    source : DataSource or None
        Arguments of `load_data` by which it was loaded; None if it was made from arrays.

    Raises
    ------
    DataError
        If shapes, lengths, values or names of columns are invalid or do not match, if only some sets are sparse, or if
        table is that of other features or another task.
    DataTypeError
        If an array does not consist of real numbers, labels are not of one type, or class_names are not strings.
    AttributeError
        If an attribute is assigned to or deleted.

    Notes
    -----
    The test set is used for measurements only. Early stopping uses the validation set.

    Examples
    --------
    >>> from fastmlp.data import Dataset
    >>> dataset = Dataset([[0.0, 1.0], [2.0, 3.0]], [0, 1], [[1.0, 1.0]], [1], name="tiny")
    >>> dataset
    <Dataset tiny: 2 training and 1 test samples, 2 features (float64), 2 classes, scale auto>
    >>> dataset.scaling()[0]
    array([1., 1.])
    >>> dataset.y_train = [1, 0]
    Traceback (most recent call last):
    AttributeError: y_train: a Dataset is immutable; make a new one, by Dataset(...) or dataset.replace(...)

    Labels of any type are coded:

    >>> dataset = Dataset([[0.0], [1.0]], ["dog", "cat"], [[0.5]], ["cat"])
    >>> dataset.classes, dataset.y_train
    (array(['cat', 'dog'], dtype='<U3'), array([1, 0], dtype=int32))

    Sparse samples stay sparse:

    >>> from scipy.sparse import csr_array
    >>> Dataset(csr_array([[0, 1, 0], [0, 0, 1]]), [0, 1], csr_array([[1, 0, 0]]), [1])
    <Dataset unnamed: 2 training and 1 test samples, 3 features (sparse float32, 1 non-zeros per sample), 2 classes, \
scale auto>
    """

    X_train = ArrayAttribute[Any](writeable=True)
    X_test = ArrayAttribute[Any](writeable=True)
    X_val = ArrayAttribute[Any](writeable=True)
    y_train = ArrayAttribute[Array](writeable=False)
    y_test = ArrayAttribute[Array](writeable=False)
    y_val = ArrayAttribute[Array | None](writeable=False)
    weight_train = ArrayAttribute[Floats | None](writeable=False)
    classes = ArrayAttribute[Array | None](writeable=False)

    def __init__(
        self,
        X_train: Any,
        y_train: npt.ArrayLike,
        X_test: Any,
        y_test: npt.ArrayLike,
        scale: str = "auto",
        class_names: Sequence[str] | None = None,
        name: str | None = None,
        *,
        task: str = "classification",
        weight_train: npt.ArrayLike | None = None,
        X_val: Any = None,
        y_val: npt.ArrayLike | None = None,
        target_scale: str = "auto",
        table: TableSchema | None = None,
    ) -> None:
        self.source: DataSource | None = None
        self.task = check_task(task)
        self.target_scale = check_target_scale(target_scale)
        self.name = name
        self.class_names = None if class_names is None else _check_names(class_names)
        self.X_train, self.X_test, self.X_val = _check_samples(X_train, X_test, X_val)
        self.scale = check_scale(scale, self.X_train)
        n_samples, self.n_features = map(int, self.X_train.shape)
        self.weight_train = check_weights(weight_train, n_samples, "weight_train")
        self.table = check_table(table, self.n_features, self.task)
        if (X_val is None) != (y_val is None):
            raise DataError(f"X_val and y_val: expected both or neither, got only {'y' if X_val is None else 'X'}_val")
        given = {"y_train": (y_train, n_samples), "y_test": (y_test, self.X_test.shape[0])}
        if self.X_val is not None and y_val is not None:
            given["y_val"] = y_val, self.X_val.shape[0]
        targets, classes = check_targets(given, self.task, self.class_names)
        self.y_train, self.y_test, self.y_val = targets["y_train"], targets["y_test"], targets.get("y_val")
        self.n_classes = int(self.y_train.shape[1]) if classes is None else len(classes)
        self.classes = None if classes is None else check_classes(classes, self.n_classes)
        if self.classes is not None:
            self.class_names = self.class_names or names_of(self.classes)
        self._is_complete = True

    def __setattr__(self, name: str, value: object) -> None:
        if "_is_complete" in self.__dict__:
            self._refuse_change(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> NoReturn:
        self._refuse_change(name)

    def _refuse_change(self, name: str) -> NoReturn:
        raise AttributeError(f"{name}: a Dataset is immutable; make a new one, by Dataset(...) or dataset.replace(...)")

    def __repr__(self) -> str:
        X, non_zeros = self.X_train, self._non_zeros
        numbers = f"sparse {X.dtype}, {non_zeros}" if non_zeros else str(X.dtype)
        return (
            f"<Dataset {self.name or 'unnamed'}: {X.shape[0]} training and {len(self.y_test)} test samples, "
            f"{self.n_features} features ({numbers}), {self.n_classes} {self._kind}, scale {self.scale}>"
        )

    def _repr_html_(self) -> str:
        X, sets = self.X_train, {"training": self.X_train, "validation": self.X_val, "test": self.X_test}
        sizes = {name: f"{samples.shape[0]:,}" for name, samples in sets.items() if samples is not None}
        features = f"{self.n_features:,} of {X.dtype}"
        if self._non_zeros:
            features += f", sparse: {self._non_zeros}"
        names = self.class_names if self.class_names is not None else self.classes
        listed = "" if names is None else f": {list_labels(names)}"
        rows = [("features", features), ("task", self.task), (self._kind, f"{self.n_classes:,}{listed}")]
        rows += [("scale", self.scale)] + [("weights", "weight_train")] * (self.weight_train is not None)
        parts = [table([("samples", *sizes.values())], ("", *sizes)), table(rows)]
        if self.table is not None:
            summary = summarise_reading(self.table)
            parts.append(details("columns", table(summary.rows), *map(paragraph, (summary.title, *summary.notes))))
        return card(f"Dataset {self.name or 'unnamed'}", *parts)

    def replace(
        self,
        scale: str | None = None,
        class_names: Sequence[str] | None = None,
        *,
        target_scale: str | None = None,
    ) -> "Dataset":
        """Return a copy with another scale, other class names or another target_scale.

        Parameters
        ----------
        scale, class_names, target_scale : optional
            As those of a Dataset; by default unchanged.

        Returns
        -------
        Dataset
            Its samples share memory with those of this one.

        Examples
        --------
        >>> from fastmlp.data import Dataset
        >>> Dataset([[0.0], [1.0]], [0, 1], [[0.5]], [1]).replace(class_names=("cat", "dog")).class_names
        ('cat', 'dog')
        """
        y, names = self.targets(), class_names or self.class_names
        if self.classes is not None and names == names_of(self.classes):
            names = None  # the labels are the names
        return Dataset(
            self.X_train, y["y_train"], self.X_test, y["y_test"], scale or self.scale, names, self.name, task=self.task,
            weight_train=self.weight_train, X_val=self.X_val, y_val=y.get("y_val"),
            target_scale=target_scale or self.target_scale, table=self.table,
        )  # fmt: skip

    def summary(self) -> str:
        """What was made of a table: its columns, the rows left out, and all that was guessed.

        Returns
        -------
        str
            Several lines; for data that is no table, its `repr`.

        Examples
        --------
        >>> from fastmlp.data import load_data
        >>> rows = {"size": [1.0, 2.0, 3.0, 4.0, 5.0], "unit": ["cm"] * 5, "y": [1.5, 2.0, 3.5, 4.0, 5.5]}
        >>> print(load_data(rows, drop=["unit"]).summary())
        5 rows, 1 columns as 1 features; target 'y' (regression)
          size  number
          unit  left out  --drop
        read as data frame
        target: 'y', by its name; --target chooses another column
        target 'y': numbers with a fraction, so the task is regression
        test set: 1 rows, drawn at random; --split or --test FILE chooses others
        """
        return repr(self) if self.table is None else str(summarise_reading(self.table))

    def targets(self) -> dict[str, Array]:
        """The targets as they were given: labels in place of their codes.

        Returns
        -------
        dict of str to numpy.ndarray
            y_train, y_test, and y_val if there is a validation set. Strings are in arrays of objects, which share them.

        Examples
        --------
        >>> from fastmlp.data import Dataset
        >>> Dataset([[0.0], [1.0]], [30, 10], [[0.5]], [30]).targets()
        {'y_train': array([30, 10]), 'y_test': array([30])}
        """
        classes, coded = self.classes, {"y_train": self.y_train, "y_test": self.y_test, "y_val": self.y_val}
        if classes is not None and classes.dtype.kind == "U":
            classes = classes.astype(object)
        return {name: y if classes is None else classes[y] for name, y in coded.items() if y is not None}

    @property
    def _non_zeros(self) -> str:
        """How many non-zeros sparse training samples have; nothing for dense ones."""
        X = self.X_train
        return f"{X.nnz / X.shape[0]:.3g} non-zeros per sample" if hasattr(X, "indptr") else ""

    @property
    def _kind(self) -> str:
        return {"classification": "classes", "multilabel": "labels", "regression": "targets"}[self.task]

    @property
    def majority_accuracy(self) -> float:
        """Test accuracy of always predicting the most frequent class of the training set.

        Returns
        -------
        float
            From 0 to 1; of equally frequent classes the lowest is predicted. For multilabel data, the share of samples
            for which the most frequent value of every label is correct; NaN for regression.

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
        return float(np.mean(self.y_test == np.bincount(self.y_train).argmax()))

    def scaling(self) -> tuple[Floats, Floats]:
        """Factor and offset of each feature, fitted to the training set on the first call.

        Returns
        -------
        factor, offset : numpy.ndarray of shape (n_features,), float64
            The network's input is ``x * factor + offset``. The arrays are read-only.

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
        factor, offset = fit_scaling(self.X_train, self.scale)
        return read_only(factor), read_only(offset)

    def target_scaling(self) -> TargetScaling:
        """Factor and offset of regression targets, fitted to the training set on the first call.

        Returns
        -------
        factor : float
            The power of two nearest to the root mean square of the deviations of all outputs from their means; 1 if
            they are constant. One for all outputs, so that each keeps its weight in the loss.
        offset : numpy.ndarray of shape (n_outputs,), float64
            Mean of each output, weighted by weight_train. It is read-only.

        Notes
        -----
        With the losses squared_error and huber, the network is trained on ``(y - offset) / factor``. Other losses use
        neither. For target_scale none, and for other tasks than regression, factor and offset are 1 and 0.

        Examples
        --------
        >>> from fastmlp.data import Dataset
        >>> Dataset([[0.0], [1.0]], [1000.0, 1006.0], [[0.5]], [1003.0], task="regression").target_scaling()
        TargetScaling(factor=4.0, offset=array([1003.]))
        """
        return self._target_scaling

    @cached_property
    def _target_scaling(self) -> TargetScaling:
        if self.task != "regression" or self.target_scale == "none":
            return TargetScaling.identity(self.n_classes)
        scaling = fit_target_scaling(self.y_train, self.weight_train)
        return scaling._replace(offset=read_only(scaling.offset))

    def checksum(self) -> str:
        """SHA-256 digest of all samples, targets and weights, which identifies the data of a result.

        Returns
        -------
        str
            64 hexadecimal digits, over the dtype, shape and bytes of X_train, y_train, X_test and y_test, and of
            weight_train, X_val and y_val where they exist; of sparse samples, over indptr, indices and data.

        Examples
        --------
        >>> from fastmlp.data import Dataset
        >>> Dataset([[0.0], [1.0]], [0, 1], [[0.5]], [1]).checksum()[:16]
        '8059e19e204becb0'
        """
        digest = hashlib.sha256()
        more = (array for array in (self.weight_train, self.X_val, self.y_val) if array is not None)
        for array in (self.X_train, self.y_train, self.X_test, self.y_test, *more):
            if not hasattr(array, "indptr"):
                _update_digest(digest, array, array.dtype)
                continue
            digest.update(f"csr {array.shape}\n".encode())
            for part, dtype in ((array.indptr, np.int64), (array.indices, np.int64), (array.data, array.dtype)):
                _update_digest(digest, part, np.dtype(dtype))
        return digest.hexdigest()


def _update_digest(digest: "hashlib._Hash", array: Array, dtype: np.dtype[Any]) -> None:
    """Add an array, converted to a dtype, to a digest."""
    little_endian = dtype.newbyteorder("<")
    digest.update(f"{little_endian.str} {array.shape}\n".encode())
    for rows in row_blocks(len(array), math.prod(array.shape[1:]) * dtype.itemsize):
        digest.update(np.ascontiguousarray(array[rows], dtype=little_endian).data)


def _check_samples(X_train: Any, X_test: Any, X_val: Any) -> tuple[Any, Any, Any]:
    """Validate all samples, and convert them to a common dtype."""
    names = column_names(X_train, "X_train")
    for name, X in {"X_test": X_test, "X_val": X_val}.items():
        check_same_names(column_names(X, name), names, name, "X_train")
        if X is not None and is_sparse(X) != is_sparse(X_train):
            expected, given = ("sparse", "dense") if is_sparse(X_train) else ("dense", "sparse")
            remedy = f"scipy.sparse.csr_array({name})" if is_sparse(X_train) else f"{name}.toarray()"
            raise DataError(f"{name}: expected {expected} samples, as X_train, got {given} ones; convert by {remedy}")
    train = check_X(X_train, None, "X_train")
    test = check_X(X_test, train.shape[1], "X_test")
    val = None if X_val is None else check_X(X_val, train.shape[1], "X_val")
    common = np.result_type(*(X.dtype for X in (train, test, val) if X is not None))
    train, test = train.astype(common, copy=False), test.astype(common, copy=False)
    return train, test, val if val is None else val.astype(common, copy=False)


def _check_names(class_names: Sequence[str]) -> tuple[str, ...]:
    names = as_names(class_names)
    if len(names) < 2 or len(set(names)) < len(names):
        raise DataError(f"class_names: expected at least two names, all different, got {list(names)}")
    return names
