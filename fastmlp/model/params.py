"""The parameters of a network: one flat, aligned vector, views of it per layer, and the initialisation."""

import math
import weakref
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NoReturn, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastmlp.codegen.cpu import LINE_BYTES, row_stride
from fastmlp.data.check import read_only, row_blocks
from fastmlp.errors import DataError
from fastmlp.seeding import Purpose, stream, uniform
from fastmlp.settings import ACTIVATIONS, Init

#: Number of random weights generated at a time. All of a layer's at once needed more memory than the training.
INIT_BLOCK = 1 << 14


def aligned_zeros(n: int, dtype: DTypeLike) -> NDArray[Any]:
    """An array of zeros that is aligned to a cache line.

    Examples
    --------
    >>> aligned_zeros(3, "float32").ctypes.data % LINE_BYTES
    0
    """
    return _aligned(_line_longer(n, dtype)).view(dtype)


def _line_longer(n: int, dtype: DTypeLike) -> NDArray[np.uint8]:
    """Zeros for n numbers and a cache line more, as bytes."""
    n_bytes = n * np.dtype(dtype).itemsize
    if n_bytes >= 2**63:
        raise MemoryError(f"Unable to allocate {n_bytes:,} bytes")  # as for smaller sizes; NumPy raises ValueError here
    return np.zeros(n_bytes + LINE_BYTES, np.uint8)


def _aligned(memory: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of some bytes that is aligned to a cache line, and a line shorter than all of them."""
    first = -memory.ctypes.data % LINE_BYTES
    return memory[first : first + memory.size - LINE_BYTES]


class Writes:
    """What is known about writes to parameters, for those who keep something that is derived from them.

    Attributes
    ----------
    latest : object
        Another object after each assignment, and never an earlier one again.
    latest_end : object or None
        Another object after each view that is no longer referred to, and never an earlier one again; None before.
    """

    def __init__(self) -> None:
        self.latest: object = object()
        self.latest_end: object = None
        self._owners: set[weakref.ref[_Owner]] = set()

    @property
    def has_views(self) -> bool:
        """Whether a view is referred to, through which the parameters may be written to at any time, unnoticed."""
        return bool(self._owners)

    def lend(self, array: NDArray[Any]) -> NDArray[Any]:
        """A view of the array, which counts as one until neither it nor a view of it is referred to.

        Views of views have the first array for their base, and keep no other alive. This one has the memory of an
        object that is not an array, which all views of it keep alive.
        """
        owner = _Owner(array)
        self._owners.add(weakref.ref(owner, self._end))
        return np.asarray(owner)

    def __reduce__(self) -> tuple[Any, ...]:
        return Writes, ()  # nothing refers to the parameters of a copy yet

    def _end(self, owner: "weakref.ref[_Owner]") -> None:
        self.latest_end = object()  # before it is removed: whoever then sees no view sees that one has ended
        self._owners.discard(owner)


class _Owner:
    """The memory of an array."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array, self.__array_interface__ = array, array.__array_interface__


class Views:
    """Views of the parameters, one array per layer; assigning to an item copies into the view.

    Examples
    --------
    >>> weights = Params((3, 2), "float32").weights
    >>> weights[0] = [[1, 2], [3, 4], [5, 6]]
    >>> weights
    weights: (3, 2)
    >>> weights[0] = [1, 2]
    Traceback (most recent call last):
    fastmlp.errors.DataError: weights[0]: expected an array of shape (3, 2), got shape (2,)
    """

    def __init__(self, arrays: list[NDArray[Any]], name: str, writes: Writes) -> None:
        self._arrays, self._name, self._writes = arrays, name, writes

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[Any]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[Any] | list[NDArray[Any]]:
        if isinstance(index, slice):
            return list(self)[index]
        return self._writes.lend(self._arrays[index])  # assigning to its shape, strides or dtype has no effect here

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if isinstance(index, slice):
            self._assign(range(len(self))[index], value)
        else:
            self._assign([index], [value])

    def assign(self, values: Iterable[object]) -> None:
        """Copy one array per layer into the views. If an array is invalid, none is copied.

        Parameters
        ----------
        values : iterable of array_like
            One array of finite numbers per layer, of the shape of its view.

        Raises
        ------
        DataError
            If the number of arrays or the shape of an array is wrong, or if an array holds anything but finite numbers.
        """
        self._assign(range(len(self)), values)

    def _assign(self, indices: Sequence[int], values: Iterable[object]) -> None:
        try:
            values = list(values)
        except TypeError as error:
            raise DataError(f"{self._name}: expected a sequence of arrays, got {values!r:.200}") from error
        if len(values) != len(indices):
            raise DataError(f"{self._name}: expected {len(indices)} arrays, one per layer, got {len(values)}")
        arrays = [self._read(index, value) for index, value in zip(indices, values, strict=True)]
        try:
            for index, array in zip(indices, arrays, strict=True):
                self._arrays[index][...] = array
        finally:
            self._writes.latest = object()

    def _read(self, index: int, value: object) -> NDArray[Any]:
        name, view = f"{self._name}[{index}]", self._arrays[index]
        try:
            given = np.asarray(value)
        except ValueError as error:
            raise DataError(f"{name}: expected an array of shape {view.shape}, got something else: {error}") from error
        if given.shape != view.shape:
            raise DataError(f"{name}: expected an array of shape {view.shape}, got shape {given.shape}")
        if given.dtype.kind in "fiub":
            with np.errstate(over="ignore"):
                # A copy of what would be overwritten while it is read, as in an exchange of two layers.
                is_own = any(np.may_share_memory(given, array) for array in self._arrays)
                given = given.astype(view.dtype, copy=is_own)
        if given.dtype != view.dtype or not all(
            np.isfinite(given[rows]).all() for rows in row_blocks(len(given), given.nbytes // len(given))
        ):
            raise DataError(f"{name}: expected numbers that are finite in {view.dtype}, got others")
        return given

    def __len__(self) -> int:
        return len(self._arrays)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self._writes.lend(array) for array in self._arrays)

    def read(self) -> list[NDArray[Any]]:
        """The views, read-only, as `Params.read` returns theta."""
        return [read_only(array) for array in self._arrays]

    def __repr__(self) -> str:
        return f"{self._name}: {', '.join(str(array.shape) for array in self._arrays)}"


class Params:
    """Weights and biases of a network in one vector.

    The numbers can be changed, the memory that kernels read cannot: theta is not replaced, and all arrays are new views
    at each access.

    Parameters
    ----------
    sizes : tuple of int
        Number of features, sizes of the hidden layers, number of outputs.
    dtype : dtype_like
        float32 or float64.
    row_per_feature : bool
        Whether the weights of the first layer are stored with one row per feature, as kernels for sparse samples take
        them, and not with one row per output.
    memory : ndarray of uint8, optional
        Where theta is: its bytes, aligned to a cache line, in an array that is one line longer. By default, memory is
        allocated, and theta is 0.

    Attributes
    ----------
    sizes, row_per_feature
        As given.
    theta : ndarray (n_stored,)
        The weights of each layer, with one row per output (but see row_per_feature), followed by its biases. Rows are
        padded with zeros.
    starts : tuple of (int, int, int)
        For each layer: offset of the weights in theta, stride of their rows, offset of the biases.
    weights, biases : Views
        Views of theta of shape (fan_in, fan_out) and (fan_out,), one per layer. An assignment copies into theta.

    Examples
    --------
    >>> params = Params((3, 2), "float32")
    >>> params.weights[0] = [[1, 2], [3, 4], [5, 6]]
    >>> params.theta[:3]
    array([1., 3., 5.], dtype=float32)
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        dtype: DTypeLike,
        row_per_feature: bool = False,
        memory: NDArray[np.uint8] | None = None,
    ) -> None:
        itemsize, n_stored = np.dtype(dtype).itemsize, 0
        starts: list[tuple[int, int, int]] = []
        for fan_in, fan_out in pairwise(sizes):
            n_rows, stride = fan_out, row_stride(fan_in, itemsize)
            if row_per_feature and not starts:  # kernels transpose whole blocks, as high as a cache line is long
                per_line = LINE_BYTES // itemsize
                n_rows, stride = -(-fan_in // per_line) * per_line, row_stride(fan_out, itemsize)
            starts.append((n_stored, stride, n_stored + n_rows * stride))
            n_stored += n_rows * stride + row_stride(fan_out, itemsize)
        self._sizes, self._starts = tuple(sizes), tuple(starts)
        self._memory = _line_longer(n_stored, dtype) if memory is None else memory
        self._theta = _aligned(self._memory).view(dtype)
        self._row_per_feature, self._writes = row_per_feature, Writes()
        weights: list[NDArray[Any]] = []
        biases: list[NDArray[Any]] = []
        for (w, stride, b), (fan_in, fan_out) in zip(starts, pairwise(sizes), strict=True):
            rows = self._theta[w:b].reshape(-1, stride)
            is_transposed = row_per_feature and not weights
            weights.append(rows[:fan_in, :fan_out] if is_transposed else rows[:fan_out, :fan_in].T)
            biases.append(self._theta[b : b + fan_out])
        self._weights = Views(weights, "weights", self._writes)
        self._biases = Views(biases, "biases", self._writes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of features, sizes of the hidden layers, number of outputs."""
        return self._sizes

    @property
    def row_per_feature(self) -> bool:
        """Whether the weights of the first layer are stored with one row per feature."""
        return self._row_per_feature

    @property
    def starts(self) -> tuple[tuple[int, int, int], ...]:
        """For each layer: offset of the weights in theta, stride of their rows, offset of the biases."""
        return self._starts

    @property
    def theta(self) -> NDArray[Any]:
        """All weights and biases (n_stored,)."""
        return self._writes.lend(self._theta)

    @theta.setter
    def theta(self, value: object) -> NoReturn:
        raise AttributeError("theta: expected no assignment; assign to weights and biases, or to items of theta")

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._theta.dtype

    @property
    def writes(self) -> Writes:
        """Assignments so far, and whether there may be other writes."""
        return self._writes

    def read(self) -> NDArray[Any]:
        """theta, read-only: whoever only reads gives predictions no reason to expect writes."""
        return read_only(self._theta)

    @property
    def weights(self) -> Views:
        """Weights (fan_in, fan_out) of each layer."""
        return self._weights

    @weights.setter
    def weights(self, arrays: Iterable[object]) -> None:
        self._weights.assign(arrays)

    @property
    def biases(self) -> Views:
        """Biases (fan_out,) of each layer."""
        return self._biases

    @biases.setter
    def biases(self, arrays: Iterable[object]) -> None:
        self._biases.assign(arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        first = -self._memory.ctypes.data % LINE_BYTES
        return _unpickle, (self.sizes, self.dtype.name, self.row_per_feature, self._memory, first)

    def __copy__(self) -> "Params":
        return self.copy()  # one that shared memory would not notice writes to this one

    def copy(self, row_per_feature: bool | None = None) -> "Params":
        """A copy that shares no memory, with the weights of the first layer stored as asked for; by default as here.

        Examples
        --------
        >>> params = Params((3, 2), "float32")
        >>> params.weights[0] = [[1, 2], [3, 4], [5, 6]]
        >>> params.theta[:3], params.copy(row_per_feature=True).theta[:2]
        (array([1., 3., 5.], dtype=float32), array([1., 2.], dtype=float32))
        """
        row_per_feature = self.row_per_feature if row_per_feature is None else row_per_feature
        other = Params(self.sizes, self.dtype, row_per_feature)
        if row_per_feature == self.row_per_feature:
            other._theta[:] = self._theta
            return other
        for given, copied in ((self._weights, other._weights), (self._biases, other._biases)):
            for source, target in zip(given._arrays, copied._arrays, strict=True):
                target[...] = source
        return other


def laid_out_as(params: Params, values: NDArray[Any], row_per_feature: bool) -> NDArray[Any]:
    """Values for each parameter, such as moment estimates, in the layout of the theta of some parameters.

    Parameters
    ----------
    params : Params
        The parameters.
    values : ndarray
        The values in the layout of ``params.copy(row_per_feature).theta``.
    row_per_feature : bool
        See `Params`.

    Examples
    --------
    >>> params = Params((2, 2), "float32")
    >>> params.weights[0] = [[1, 2], [3, 4]]
    >>> laid_out_as(params, params.copy(row_per_feature=True).theta, row_per_feature=True)[:2]
    array([1., 3.], dtype=float32)
    """
    if row_per_feature == params.row_per_feature:
        return values
    given = Params(params.sizes, params.dtype, row_per_feature)
    given._theta[:] = values
    return given.copy(params.row_per_feature)._theta


def _unpickle(
    sizes: tuple[int, ...], dtype: str, row_per_feature: bool, memory: NDArray[np.uint8], first: int
) -> Params:
    """Restore pickled parameters, whose bytes begin at ``memory[first]``, with their alignment and their views.

    They are moved to where they are aligned: the unpickler keeps the memory until its end, so that a copy would take as
    much again.
    """
    if not memory.flags.writeable:  # as that of a file which joblib has mapped
        memory = memory.copy()
    n_bytes, target = memory.size - LINE_BYTES, -memory.ctypes.data % LINE_BYTES
    if target != first:
        memory.data[target : target + n_bytes] = memory.data[first : first + n_bytes]
    return Params(sizes, dtype, row_per_feature, memory)


def init_params(sizes: tuple[int, ...], dtype: DTypeLike, init: Init, activation: str, seed: int) -> Params:
    """Parameters with Glorot-uniform weights (Glorot and Bengio 2010, equation 16) and zero biases.

    Each weight is drawn uniformly from ``[-limit, limit)`` with ``limit = gain * sqrt(6 / (fan_in + fan_out))``. The
    gain is 1 or, with ``"glorot_uniform_gain"`` and for the hidden layers, that of the activation.

    The paper does not specify its initialisation. Measured on CIFAR-10 with the paper's settings over five seeds
    (scripts/measure_init.py), the test accuracy after 20 epochs, mean and standard deviation, is 0.464 +- 0.023 without
    the gain and 0.451 +- 0.014 with it; at a decay rate of 0.1, 0.487 +- 0.010 and 0.495 +- 0.008. So the default is
    without.

    Examples
    --------
    >>> params = init_params((4, 3, 2), "float64", "glorot_uniform", "sigmoid", seed=0)
    >>> bool(abs(params.weights[0]).max() < (6 / 7) ** 0.5), params.biases[0].tolist()
    (True, [0.0, 0.0, 0.0])
    """
    params = Params(sizes, dtype)
    last = len(params.weights) - 1
    for layer, W in enumerate(params.weights._arrays):
        gain = ACTIVATIONS[activation].gain if init == "glorot_uniform_gain" and layer < last else 1.0
        limit = gain * math.sqrt(6 / sum(W.shape))
        state, n_rows = stream(seed, Purpose.WEIGHTS, layer), max(1, INIT_BLOCK // W.shape[1])
        for first in range(0, len(W), n_rows):
            rows = W[first : first + n_rows]
            numbers = uniform(state, first * W.shape[1], first * W.shape[1] + rows.size)
            rows[...] = (2 * numbers - 1).reshape(rows.shape) * limit
    return params
