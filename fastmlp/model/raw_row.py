"""Raw rows of a table as features, for a network that was trained on a table."""

import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.data.check import as_dense, check_table, is_as_checked
from fastmlp.data.label import list_labels
from fastmlp.errors import DataError
from fastmlp.settings import Task
from fastmlp.table.schema import Column, TableSchema, is_frame

#: What `fastmlp.Model` predicts for: arrays, data frames, and columns by name.
Samples = ArrayLike | Mapping[str, Any]

#: A number as the level of a category. `fastmlp.table.cell`, which reads others too, needs pandas.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


class RawRows:
    """The features of samples that are raw rows of a table, or features already.

    The encoder, which needs pandas, is made for the first raw rows, and cached; it is not pickled. Arrays of features
    need neither, unless a number is missing.

    Parameters
    ----------
    schema : TableSchema
        The columns of the table.
    """

    def __init__(self, schema: TableSchema) -> None:
        self.schema, self._n_features = schema, len(schema.feature_names)
        self._encoder: Any = None
        #: Whether features are the numbers of the columns, so that raw rows and features cannot be told apart.
        self._are_numbers = self._n_features == len(schema.inputs) == len(schema.of_kind("number"))
        # An array of numbers of this width may be either, if all columns hold numbers.
        self._is_ambiguous = not self._are_numbers and self._n_features in (len(schema.inputs), len(schema.columns))
        self._is_ambiguous &= all(_may_hold_numbers(column) for column in schema.inputs)

    @classmethod
    def of(cls, table: object, n_features: int, task: Task) -> "RawRows | None":
        """Those of a table that `fastmlp.data.check.check_table` accepts, or None without a table."""
        schema = check_table(table, n_features, task)
        return None if schema is None else cls(schema)

    def __reduce__(self) -> tuple[Any, ...]:
        return RawRows, (self.schema,)

    def features(self, X: Any) -> ArrayLike:
        """The features of samples.

        Parameters
        ----------
        X : DataFrame, mapping or array_like
            Named columns, see `fastmlp.table.schema.is_frame`: all inputs of the schema, in any order, and others,
            which are ignored. Or an array: of numbers with one column per feature, or of anything with the columns of
            the table in their order, either those that become features or all but the target.

        Returns
        -------
        array_like (n_samples, n_features)
            To be checked by `fastmlp.data.check.check_X`.

        Raises
        ------
        DataError
            If columns are missing, or an array has another number of columns.
        DataTypeError
            If X cannot be converted to an array.
        MissingExtraError
            If X holds raw rows, and pandas or scikit-learn is not installed.

        Warns
        -----
        UserWarning
            If the encoder met what it does not know, such as levels that did not occur in training; one for all.

        Examples
        --------
        >>> from fastmlp.table.schema import Column
        >>> age = Column(name="age", kind="number", fill=40.0)
        >>> sex = Column(name="sex", kind="category", levels=("f", "m"))
        >>> rows = RawRows(TableSchema(columns=(sex, age), target="y", target_position=2, task="regression"))
        >>> rows.features({"age": [22, None], "sex": ["m", "f"]})
        array([[22.,  0.,  1.],
               [40.,  1.,  0.]])
        >>> rows.features([["m", 50]])
        array([[50.,  0.,  1.]])
        >>> rows.features([[22.0, 0.0, 1.0]])
        array([[22.,  0.,  1.]])
        """
        if not self._are_numbers and is_as_checked(X, self._n_features):
            return self._as_features(X)
        if is_frame(X):
            return self._encode(X)
        array = as_dense(X, "X")
        if array.ndim < 2 or len(array) == 0:
            return array  # which `check_X` refuses
        inputs, columns = self.schema.inputs, self.schema.columns
        if array.dtype.kind in "biuf" and math.prod(array.shape[1:]) == self._n_features:
            if not self._are_numbers:
                return self._as_features(array)
            array = array.reshape(len(array), -1)
            if array.dtype.kind != "f" or np.isfinite(array).all():
                return array
        for given in (inputs, columns):
            if array.shape[1:] == (len(given),):
                return self._encode({column.name: array[:, place] for place, column in enumerate(given)})
        widths = sorted({self._n_features, len(inputs), len(columns)})
        raise DataError(
            f"X: expected an array of {' or '.join(map(str, widths))} columns, got shape {array.shape}; pass a "
            f"DataFrame or a dict, whose columns are matched by name: {list_labels([c.name for c in inputs])}"
        )

    def _as_features(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array of features; a warning if raw rows have the same width."""
        if self._is_ambiguous:
            warnings.warn(
                f"X: an array of {self._n_features} columns is taken for features, as those of a Dataset, not for raw "
                "rows of the table; pass raw rows as a DataFrame or a dict",
                stacklevel=5,
            )
        return array

    def _encode(self, rows: Any) -> NDArray[Any]:
        from fastmlp.table.encoder import TableEncoder
        from fastmlp.table.frame import to_frame

        if self._encoder is None:
            self._encoder = TableEncoder(self.schema)
        features: NDArray[Any]
        features, notes = self._encoder.encode(to_frame(rows))
        if notes:
            warnings.warn(f"X: {'; '.join(notes)}", stacklevel=5)  # the caller of Model.predict
        return features


def _may_hold_numbers(column: Column) -> bool:
    """Whether the raw cells of a column may be numbers."""
    return column.kind == "number" or (column.kind == "category" and all(map(_NUMBER.fullmatch, column.levels)))
