"""Predictor: what a network's predictions need besides the samples, made once for many calls."""

import threading
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.codegen.cpu import LINE_BYTES, row_stride
from fastmlp.config import Config
from fastmlp.data.check import read_only
from fastmlp.data.scaling import accepts_small_samples
from fastmlp.kernels import layout as at
from fastmlp.kernels.implementations import CONVERSIONS, SCALE, for_prediction, sparse_predict
from fastmlp.kernels.predict import bits_differ, predict_chunk
from fastmlp.kernels.predict_layout import (
    BLOCK_SAMPLES,
    FACTOR,
    N_ENTRIES,
    OFFSET,
    PREDICT_PANEL_LINES,
    ROWS_STRIDE,
    SQUARES,
)
from fastmlp.model.compilation import announce, prediction_kernels
from fastmlp.model.csr import CsrArrays, forward_in_windows, is_scaled, keeps_zeros
from fastmlp.model.kernel_args import samples_in_memory
from fastmlp.model.params import Params, aligned_zeros
from fastmlp.model.parts import Scaling
from fastmlp.parallel import Threads, run_team, threads_for

#: Samples per batch: each batch reads all weights, and its activations should stay in L2. A multiple of BLOCK_SAMPLES.
#: Zen 5, 192 and 240: as fast. No result depends on it.
PREDICT_BATCH = 96
#: Work per call into the kernels in prediction, a quarter of a second at 20 GFLOP/s: between calls, Ctrl-C is handled.
PREDICT_FLOPS = 5e9
#: Least work of each thread with which "auto" takes another one: a thread is started and joined for each call.
CALL_FLOPS_PER_THREAD = 5e7

_NO_LOSSES = np.zeros(0)


class Predictor:
    """The weights of a network laid out for prediction, the kernels' tables, and scratch memory.

    It is not changed, but for the list of free scratch memory, which threads take from and return to, and the note of
    the last comparison: several may predict at once. `is_current` tells whether the network is still the one that it
    was made from.

    Parameters
    ----------
    params : Params
        The parameters, which are copied.
    config : Config
        Its activation, loss and huber_delta.
    scaling : tuple of ndarray, or None
        Factor and offset of each feature.

    Attributes
    ----------
    checks_samples : bool
        Whether no samples can be accepted without `fastmlp.data.scaling.check_representable`, however small they are.

    Examples
    --------
    >>> params = Params((2, 3), "float32")
    >>> predictor = Predictor(params, Config(hidden=()), None)
    >>> predictor.is_current(params, predictor.config, None)
    True
    >>> params.biases[0] = [1, 2, 3]
    >>> predictor.is_current(params, predictor.config, None)
    False
    """

    def __init__(self, params: Params, config: Config, scaling: Scaling | None) -> None:
        self.config, self.scaling, self._n_features = config, scaling, params.sizes[0]
        # In this order: what is written to the parameters from here on is noticed.
        self._latest_write, self._latest_end = params.writes.latest, params.writes.latest_end
        self._theta, self._copied = params.read(), None
        # A first layer with a row per feature is laid out as predictions need it, and used where it is.
        first = params.starts[0][2] if params.row_per_feature else 0
        theta = self._theta[first:]
        self._given = _bits(theta)
        if params.writes.has_views or self._latest_end is not None:
            theta = theta.copy()
            self._copied = _bits(theta)
        self.checks_samples = not accepts_small_samples(scaling, config.dtype)
        self._dtype, self._n_outputs = params.dtype, params.sizes[-1]
        self._no_targets = np.zeros((0, 1), params.dtype)
        flops = 2 * sum(fan_in * fan_out for fan_in, fan_out in pairwise(params.sizes))
        self._chunk = max(1, int(PREDICT_FLOPS / flops) // PREDICT_BATCH) * PREDICT_BATCH
        self._samples_per_thread = CALL_FLOPS_PER_THREAD / flops
        self._tables = np.zeros((len(params.sizes) + 1, N_ENTRIES), np.int64)
        self._weights = self._lay_out(theta, first, params)
        self._work_size = self._lay_out_work(params.sizes)
        self._free: list[NDArray[Any]] = []
        announce(prediction_kernels(self.config.activation, self.config.loss, self._dtype.name))
        for entry, implementation in for_prediction(self.config.activation, self.config.loss).items():
            self._tables[0, entry] = implementation.address(self._dtype.name)
        self._tables[0, at.IS_SCALED] = is_scaled(scaling)
        #: Address of the kernel that scales samples, by the bytes of a feature.
        self._scale: dict[int, int] = {}
        #: Address of the kernel that converts the values of sparse samples, by the number of their dtype.
        self._convert: dict[int, int] = {}

    def __reduce__(self) -> Any:
        raise TypeError("a predictor has addresses of compiled kernels, which other processes do not have")

    def is_current(self, params: Params, config: Config, scaling: Scaling | None) -> bool:
        """Whether config and scaling are the same objects as in the constructor, and the parameters unchanged.

        Parameters of which a view is referred to, or was since the last comparison, are compared bit by bit: 1 us for
        64-100-100-10.
        """
        if params.writes.latest is not self._latest_write or config is not self.config or scaling is not self.scaling:
            return False
        has_views, latest_end = params.writes.has_views, params.writes.latest_end  # in this order, see `Writes`
        if not has_views and latest_end is self._latest_end:
            return True
        if self._copied is None or bits_differ(self._given, self._copied):
            return False
        self._latest_end = latest_end
        return True

    def forward(
        self, X: Any, targets: NDArray[Any] | None = None, n_threads: Threads = "auto"
    ) -> tuple[NDArray[Any], Any, int]:
        """Outputs and losses of samples, and what the kernel found.

        Parameters
        ----------
        X : ndarray (n_samples, n_features) or CSR matrix
            Samples as `fastmlp.data.check.check_X` returns them. A CSR matrix is made dense, window by window, if the
            scaling makes other numbers of zeros.
        targets : ndarray (n_samples, 1) or (n_samples, n_outputs)
            Labels or target values in the dtype of the parameters; without them, no losses are computed.
        n_threads : int or "auto"
            Number of threads that the samples are divided among; it changes no result.

        Returns
        -------
        outputs : ndarray (n_samples, n_outputs)
            In the dtype of the parameters.
        losses : ndarray (n_samples,) of float64
            Empty without targets.
        findings : int
            See `fastmlp.kernels.predict_layout`: LARGE_SAMPLES, NON_FINITE_OUTPUTS.
        """
        if hasattr(X, "indptr"):
            if not keeps_zeros(self.scaling):
                return forward_in_windows(self.forward, X, targets, n_threads)
            first_sample, indptr, indices = CsrArrays.of(X, self._n_features)
            convert = self._convert.get(X.dtype.num) or self._load_sparse(X.dtype)
            samples = 0, convert, indptr.ctypes.data, indices.ctypes.data
        else:
            first_sample, sample_bytes, itemsize = samples_in_memory(X, self._n_features)
            samples = sample_bytes, self._scale.get(itemsize) or self._load_scale(itemsize, X.dtype.name), 0, 0
        n = X.shape[0]
        outputs, losses = np.empty((n, self._n_outputs), self._dtype), _NO_LOSSES
        if targets is None:
            targets = self._no_targets
        else:
            losses = np.empty(n)
        arrays = first_sample, self._weights, self._tables, targets, outputs, losses
        # The calls that one sample's latency is measured by, and those that end long before Ctrl-C would be noticed.
        if n <= BLOCK_SAMPLES or (n < 2 * self._samples_per_thread and n_threads in ("auto", 1)):
            findings = self._predict(arrays, (0, n, *samples))
        else:
            findings = self._predict_on_threads(arrays, n, samples, n_threads)
        return outputs, losses, findings

    def _load_scale(self, itemsize: int, dtype: str) -> int:
        self._scale[itemsize] = SCALE[dtype].address(self._dtype.name)
        return self._scale[itemsize]

    def _load_sparse(self, dtype: np.dtype[Any]) -> int:
        self._tables[0, at.FIRST_LAYER] = sparse_predict.address(self._dtype.name)
        self._convert[dtype.num] = CONVERSIONS[dtype.name].address(self._dtype.name)
        return self._convert[dtype.num]

    def _predict(self, arrays: tuple[Any, ...], integers: tuple[int, ...]) -> int:
        """Call `predict_chunk` with scratch memory that no other thread uses; returns its findings."""
        try:
            work = self._free.pop()
        except IndexError:
            work = self._new_work()
        try:
            findings: int = predict_chunk(*arrays, work, integers)
            return findings
        finally:
            self._free.append(work)

    def _predict_on_threads(
        self, arrays: tuple[Any, ...], n_samples: int, samples: tuple[int, ...], n_threads: Threads
    ) -> int:
        """Divide the samples among threads in whole blocks, and each part into chunks; returns the findings of all.

        Whole batches would divide the samples no better, and 5,000 among two threads 4 % worse.
        """
        n_blocks = -(-n_samples // BLOCK_SAMPLES)
        n_that_pay = min(n_blocks, max(1, int(n_samples / self._samples_per_thread)))
        aborted = threading.Event()
        with threads_for(n_threads if n_threads == "auto" else min(n_threads, n_blocks), n_that_pay) as n_parts:
            bounds = [min(n_samples, n_blocks * part // n_parts * BLOCK_SAMPLES) for part in range(n_parts + 1)]

            def predict_part(rank: int) -> int:
                stop, findings = bounds[rank + 1], 0
                for first in range(bounds[rank], stop, self._chunk):
                    if aborted.is_set():
                        break
                    findings |= self._predict(arrays, (first, min(first + self._chunk, stop), *samples))
                return findings

            return reduce(or_, run_team(predict_part, n_parts, aborted.set))

    def _lay_out(self, theta: NDArray[Any], first: int, params: Params) -> NDArray[Any]:
        """The scaling, and of each layer W (fan_in, fan_out), rows padded, and b; their offsets go into the tables.

        theta: the parameters from the one at `first` on.
        """
        sizes, itemsize = params.sizes, params.dtype.itemsize
        common, layers = self._tables[0], self._tables[1:-1]
        common[[FACTOR, OFFSET]] = 0, row_stride(sizes[0], itemsize)
        size = 2 * common[OFFSET]
        layers[:, at.FAN_IN], layers[:, at.FAN_OUT] = sizes[:-1], sizes[1:]
        for i, (layer, (fan_in, fan_out)) in enumerate(zip(layers, pairwise(sizes), strict=True)):
            stride, n_rows = row_stride(fan_out, itemsize), 0 if first and i == 0 else fan_in
            layer[[at.W, at.W_STRIDE, at.B]] = size, stride, size + n_rows * stride
            size += (n_rows + 1) * stride
        weights = aligned_zeros(int(size), params.dtype)
        scaling = weights[: 2 * common[OFFSET]].reshape(2, -1)[:, : sizes[0]]
        with np.errstate(over="ignore"):
            scaling[:] = self.scaling or ([[1.0], [0.0]])
        for layer, (start, given_stride, b) in zip(layers, params.starts, strict=True):
            fan_in, fan_out, stride = layer[at.FAN_IN], layer[at.FAN_OUT], layer[at.W_STRIDE]
            weights[layer[at.B] : layer[at.B] + fan_out] = theta[b - first : b - first + fan_out]
            if start >= first:
                W = theta[start - first : b - first].reshape(fan_out, given_stride)[:, :fan_in].T
                weights[layer[at.W] : layer[at.B]].reshape(fan_in, stride)[:, :fan_out] = W
        if first:  # both arrays are aligned to a cache line
            layers[0, at.W] = (self._theta.ctypes.data - weights.ctypes.data) // itemsize
        return weights

    def _lay_out_work(self, sizes: tuple[int, ...]) -> int:
        """The size of the scratch memory of a call; the offsets of its parts go into the tables."""
        per_line, itemsize, size = LINE_BYTES // self._dtype.itemsize, self._dtype.itemsize, 0

        def reserve(n: int) -> int:
            nonlocal size
            size += n
            return size - n

        common, layers, columns = self._tables[0], self._tables[1:-1], self._tables[-1]
        batch, stride = -(-PREDICT_BATCH // per_line) * per_line, row_stride(PREDICT_BATCH, itemsize)
        common[[at.BATCH, at.STRIDE, at.PANEL]] = PREDICT_BATCH, stride, PREDICT_PANEL_LINES * per_line
        common[ROWS_STRIDE] = row_stride(min(sizes[0], PREDICT_PANEL_LINES * per_line), itemsize)
        common[at.AT_STRIDE] = row_stride(max(sizes[1:]), itemsize)
        common[at.ROWS] = reserve(BLOCK_SAMPLES * int(common[ROWS_STRIDE]))
        # A layer is computed from the one below: two matrices of activations take turns.
        turns = [reserve(batch * int(common[at.AT_STRIDE])) for _ in range(2)]
        layers[:, at.A] = [turns[i % 2] for i in range(len(layers))]
        n_rows = -(-self._n_outputs // per_line) * per_line
        columns[at.FAN_OUT] = self._n_outputs
        columns[at.A], columns[at.DZ] = reserve(n_rows * stride), reserve(n_rows * stride)
        common[at.TARGETS] = reserve((1 if self.config.loss == "cross_entropy" else self._n_outputs) * stride)
        common[at.LOSS], common[SQUARES] = reserve(stride), reserve(per_line)
        common[at.SCALARS] = reserve(per_line)
        return size

    def _new_work(self) -> NDArray[Any]:
        work = aligned_zeros(self._work_size, self._dtype)
        work[self._tables[0, at.SCALARS] + at.HUBER_DELTA] = self.config.huber_delta
        return work


def _bits(theta: NDArray[Any]) -> NDArray[np.int64]:
    """The bits of the parameters, read-only, which `bits_differ` is compiled for. Rows of theta are whole lines."""
    return read_only(theta.view(np.int64))
