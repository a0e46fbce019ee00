"""Sparse samples (CSR) as the kernels take them, or window by window as dense ones."""

from collections.abc import Callable, Iterator
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.data.check import read_only
from fastmlp.data.dtype import DTYPES
from fastmlp.data.sparse import MAX_INDEX, check_indices
from fastmlp.errors import DataError, DataTypeError
from fastmlp.kernels.layout import SAMPLE_DTYPES
from fastmlp.model.parts import Scaling

#: Bytes of a window of sparse samples that are made dense.
WINDOW_BYTES = 1 << 24


class CsrArrays(NamedTuple):
    """The arrays of sparse samples, read-only: Numba compiles the kernels again for writeable ones.

    Attributes
    ----------
    values : ndarray of uint8
        Bytes of the non-zeros.
    indptr : ndarray (n_samples + 1,) of int64
        Where the non-zeros of each sample begin, and the end of the last. A copy.
    indices : ndarray (n_non_zeros,) of int32
        The feature of each non-zero.
    """

    values: NDArray[np.uint8]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]

    @classmethod
    def of(cls, X: Any, n_features: int) -> "CsrArrays":
        """The arrays of a CSR matrix that `fastmlp.data.check.check_X` returns; indices of int64 are converted.

        Raises
        ------
        DataError, DataTypeError
            If the kernels would read beyond the arrays, or read other numbers.

        Examples
        --------
        >>> from scipy.sparse import csr_matrix
        >>> CsrArrays.of(csr_matrix([[0.0, 2.0], [1.0, 0.0]]), 2).indices
        array([1, 0], dtype=int32)
        """
        values, indptr = X.data, X.indptr.astype(np.int64)  # of a copy, which nobody edits, what is found here is true
        if X.shape[1] != n_features or max(X.shape) > MAX_INDEX or X.shape[0] == 0:
            raise DataError(f"X: expected shape (n_samples, {n_features}), got {X.shape}")
        if values.dtype not in DTYPES or not (values.flags.c_contiguous and values.flags.aligned):
            raise DataTypeError(f"X: expected {', '.join(SAMPLE_DTYPES)} in native byte order, got {values.dtype}")
        check_indices(indptr, X.indices, values, X.shape, "X")
        indices = np.require(X.indices, np.int32, ["C", "A"])
        return cls(read_only(values.view(np.uint8)), read_only(indptr), read_only(indices))


def largest_batch(indptr: NDArray[np.int64], batch_size: int) -> int:
    """The largest number of non-zeros that `batch_size` samples have together.

    Raises
    ------
    DataError
        If the kernels cannot count them.

    Examples
    --------
    >>> largest_batch(np.array([0, 2, 2, 5]), 2)
    5
    """
    n_non_zeros, n_others = np.diff(indptr), len(indptr) - 1 - batch_size
    total = int(np.partition(n_non_zeros, n_others)[n_others:].sum())
    if total > MAX_INDEX:
        raise DataError(f"batch_size: expected batches of at most {MAX_INDEX} non-zeros, got {total}; reduce it")
    return total


def keeps_zeros(scaling: Scaling | None) -> bool:
    """Whether a scaling makes zeros of zeros, so that the kernels take sparse samples as they are.

    Examples
    --------
    >>> keeps_zeros(None), keeps_zeros((np.ones(1), np.array([0.5])))
    (True, False)
    """
    return scaling is None or not scaling[1].any()


def kernel_samples(X: Any, scaling: Scaling | None, dtype: str) -> tuple[str, bool]:
    """The dtype in which samples reach the kernels of a network of a dtype, and whether they are sparse there.

    They are not if the scaling makes other numbers of zeros: then they are made dense, in the dtype of the network.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> pixels = csr_matrix(np.eye(1, dtype=np.uint8))
    >>> kernel_samples(pixels, None, "float32"), kernel_samples(pixels, (np.ones(1), np.ones(1)), "float32")
    (('uint8', True), ('float32', False))
    """
    is_sparse = hasattr(X, "indptr")
    if is_sparse and not keeps_zeros(scaling):
        return dtype, False
    return X.dtype.name, is_sparse


def is_scaled(scaling: Scaling | None) -> bool:
    """Whether a scaling has other factors than 1.

    Examples
    --------
    >>> is_scaled(None), is_scaled((np.ones(1), np.zeros(1)))
    (False, False)
    """
    return scaling is not None and bool((scaling[0] != 1).any())


def windows(n_samples: int, row_bytes: int, multiple: int = 1) -> Iterator[slice]:
    """Parts of sparse samples that take at most `WINDOW_BYTES` as dense ones, in multiples of some samples.

    Examples
    --------
    >>> list(windows(5, WINDOW_BYTES // 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    n_rows = multiple * max(1, WINDOW_BYTES // (row_bytes * multiple))
    for start in range(0, n_samples, n_rows):
        yield slice(start, min(start + n_rows, n_samples))


def forward_in_windows(
    forward: Callable[..., tuple[NDArray[Any], Any, int]], X: Any, y: NDArray[Any] | None, *args: Any
) -> tuple[NDArray[Any], Any, int]:
    """`fastmlp.model.predictor.Predictor.forward` of sparse samples, by that of dense ones, window by window.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> forward_in_windows(lambda X, y: (2 * X, np.zeros(0), 0), csr_matrix([[1.0], [0.0]]), None)[0].tolist()
    [[2.0], [0.0]]
    """
    parts = [
        forward(X[rows].toarray(), None if y is None else y[rows], *args)
        for rows in windows(X.shape[0], X.shape[1] * X.dtype.itemsize)
    ]
    outputs, losses, findings = zip(*parts, strict=True)
    return np.concatenate(outputs), np.concatenate(losses), reduce(or_, findings)
