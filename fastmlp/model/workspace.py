"""The scratch memory of a run, sized once, and the tables of sizes and offsets that kernels read."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp import settings
from fastmlp.codegen import cpu
from fastmlp.codegen.bf16_tiles import BLOCK_TILES, STEPS, TILE, WORDS, tile_height
from fastmlp.config import Config
from fastmlp.kernels import implementations
from fastmlp.kernels import layout as at
from fastmlp.kernels.optimizer_state import N_COEFFICIENTS
from fastmlp.model.compilation import implementations_of
from fastmlp.model.params import Params, aligned_zeros
from fastmlp.settings import ACTIVATIONS, BF16_TERMS


class Workspace:
    """Memory for training in batches of up to `batch_size` samples through a network, by one or more threads.

    Activations, deltas, targets and losses are shared by the threads. What a thread uses as scratch memory is its own;
    memory of threads that never run is reserved, and takes no space.

    Parameters
    ----------
    params : Params
        The parameters of the network, whose offsets go into the table of layers.
    config : Config
        Its activation, loss, optimizer, clip_norm, dropout, label_smoothing and precision.
    batch_size : int
        Number of samples in a full batch.
    pixel_scale : float, optional
        The factor of the input where it is uint8 pixels times one number. Pixels are bf16 numbers, so that such an
        input is not split into terms.
    n_threads : int
        The largest number of threads.
    updates : bool
        Whether a step updates the weights, or stores the gradient.
    n_non_zeros : int
        For sparse samples, whose network has parameters with ``row_per_feature``: the largest number of non-zeros of a
        batch.

    Attributes
    ----------
    layers, work : ndarray
        See `fastmlp.kernels.layout.NetworkArrays`.
    commons : list of ndarray
        The table `common` of each thread.
    coefficients : list of ndarray
        Scratch for the coefficients of a step, of each thread.
    barrier : ndarray
        Memory of the threads' barrier, see `fastmlp.kernels.layout`.
    entries : ndarray of int32
        Scratch memory for the non-zeros of a batch, see `fastmlp.kernels.sparse`.
    """

    def __init__(
        self,
        params: Params,
        config: Config,
        batch_size: int,
        pixel_scale: float | None = None,
        n_threads: int = 1,
        updates: bool = True,
        n_non_zeros: int = 0,
    ) -> None:
        dtype, sizes, is_sparse = params.dtype, params.sizes, params.row_per_feature
        self._size, self._per_line = 0, cpu.LINE_BYTES // dtype.itemsize
        common = np.zeros(at.N_COMMON_ENTRIES, np.int64)
        layers = np.zeros((len(sizes) - 1, at.N_LAYER_ENTRIES), np.int64)
        layers[:, at.FAN_IN], layers[:, at.FAN_OUT] = sizes[:-1], sizes[1:]
        layers[:, [at.W, at.W_STRIDE, at.B]] = params.starts
        self.coefficients = [aligned_zeros(2 * N_COEFFICIENTS, dtype) for _ in range(n_threads)]
        self.barrier = np.zeros(at.N_BARRIER_ENTRIES, np.int64)

        stride = cpu.row_stride(batch_size, dtype.itemsize)
        inputs = sizes[1:-1] if is_sparse else sizes[:-1]  # of the layers with dense products
        panel = min(cpu.panel_bytes(batch_size) // dtype.itemsize, _round_up(max(inputs, default=1), STEPS))
        common[[at.BATCH, at.STRIDE, at.PANEL, at.TILE_HEIGHT]] = batch_size, stride, panel, WORDS
        common[at.AT_STRIDE] = cpu.row_stride(max(sizes[1:-1], default=1), dtype.itemsize)
        common[at.SAMPLE_STRIDE] = cpu.row_stride(sizes[1], dtype.itemsize) if is_sparse else 0
        common[at.ZEROS] = self._reserve(max(panel, stride, common[at.SAMPLE_STRIDE]))
        common[at.WEIGHTS], common[at.LOSS] = self._reserve(stride), self._reserve(stride)
        # Sums of the squares of the columns of all weights, and of biases.
        common[at.COLUMN_SQUARES] = self._reserve(sum(_round_up(n, self._per_line) for n in (*sizes[:-1], *sizes[1:])))
        common[at.TARGETS] = self._reserve((1 if config.loss == "cross_entropy" else sizes[-1]) * stride)
        common[at.SCALARS] = self._reserve(self._per_line)
        common[at.N_LAYERS] = len(layers)
        common[at.DROPPED] = settings.dropped_draws(config.dropout)
        if config.precision in BF16_TERMS:
            layers[:, at.BF16] = [settings.uses_bf16(*pair, batch_size) for pair in pairwise(sizes)]
            layers[0, at.BF16] *= not is_sparse
        if layers[:, at.BF16].any():
            self._choose_tiles(common, layers, BF16_TERMS[config.precision], pixel_scale is not None)
        is_stored = ACTIVATIONS[config.activation].derivative_of == "input" or common[at.DROPPED] > 0
        self._reserve_layers(common, layers, is_stored)
        common[at.SAMPLE_ROWS] = self._reserve(_round_up(batch_size, self._per_line) * int(common[at.SAMPLE_STRIDE]))
        common[at.N_THREADS], n_entries = n_threads, 0
        self.commons: list[NDArray[np.int64]] = []
        for rank in range(n_threads):
            common[at.RANK] = rank
            self._reserve_scratch(common)
            if layers[:, at.BF16].any():
                self._reserve_tiles(common, layers)
            if is_sparse:
                n_entries = self._reserve_entries(common, sizes[0], n_non_zeros, n_entries)
            self.commons.append(common.copy())
        work = aligned_zeros(self._size, dtype)
        smoothing, n_classes = config.label_smoothing, sizes[-1]
        scalars = work[common[at.SCALARS] :]
        scalars[at.ON], scalars[at.OFF] = 1.0 - smoothing + smoothing / n_classes, smoothing / n_classes
        scalars[at.HUBER_DELTA], scalars[at.SMOOTHING] = config.huber_delta, smoothing
        scalars[at.PIXEL_SCALE] = 1.0 if pixel_scale is None else pixel_scale
        scalars[at.KEEP_SCALE] = settings.DROPOUT_DRAWS / (settings.DROPOUT_DRAWS - common[at.DROPPED])
        self.layers, self.work, self.entries = layers, work, np.zeros(n_entries, np.int32)
        self._set_addresses(implementations_of(config, bool(layers[:, at.BF16].any()), updates))

    def __reduce__(self) -> Any:
        raise TypeError("a workspace has addresses of compiled kernels, which other processes do not have")

    def networks(self, arrays: at.ParamArrays) -> list[at.NetworkArrays]:
        """The parameters and this workspace, as the kernels of each thread take them."""
        shared = self.barrier, self.entries
        return [at.NetworkArrays(arrays, self.layers, self.work, common, *shared) for common in self.commons]

    def set_samples(self, dtype: str, is_sparse: bool = False, is_scaled: bool = True) -> None:
        """Set the dtype of the samples of the next calls; for sparse ones, whether they have factors other than 1."""
        self._set_addresses(implementations.for_samples(dtype, is_sparse))
        for common in self.commons:
            common[at.IS_SCALED] = is_scaled

    def _set_addresses(self, choice: implementations.Choice) -> None:
        for entry, implementation in choice.items():
            address = implementation.address(self.work.dtype.name)
            for common in self.commons:
                common[entry] = address

    def make_ready(self, n_threads: int) -> None:
        """Set the number of threads of the next call, and the barrier to its first generation."""
        for common in self.commons[:n_threads]:
            common[at.N_THREADS] = n_threads
        self.barrier[:] = 0

    def abort(self) -> None:
        """Free the threads that wait for one that has failed."""
        self.barrier[at.ABORTED] = 1

    def _reserve_scratch(self, common: NDArray[np.int64]) -> None:
        """Panels of a batch, the block of a gradient and a row of dropout masks, of one thread."""
        batch, panel, stride = (int(n) for n in common[[at.BATCH, at.PANEL, at.STRIDE]])
        common[at.ROWS] = self._reserve(_round_up(batch, self._per_line) * panel)
        common[at.COLUMNS] = self._reserve(panel * stride)
        block = max(cpu.BLOCK_ROWS, BLOCK_TILES * WORDS) * panel
        common[at.GRADIENT] = self._reserve(max(block, at.BLOCK_FEATURES * int(common[at.SAMPLE_STRIDE])))
        common[at.MASK] = self._reserve(stride)

    def _reserve_layers(self, common: NDArray[np.int64], layers: NDArray[np.int64], stores_derivatives: bool) -> None:
        """Activations, deltas and derivatives: rows of whole cache lines, and whole tiles where bf16 products store."""
        at_size = _round_up(int(common[at.BATCH]), self._per_line) * int(common[at.AT_STRIDE])
        for row in layers:
            n_rows = _round_up(int(row[at.FAN_OUT]), self._per_line)
            if common[at.TERMS] > 0:
                n_rows = max(n_rows, _round_up(int(row[at.FAN_OUT]), int(common[at.TILE_HEIGHT])))
            size = n_rows * int(common[at.STRIDE])
            row[[at.A, at.DZ]] = self._reserve(size), self._reserve(size)
            row[at.DERIVATIVE] = self._reserve(size) if stores_derivatives else row[at.A]
        for row in layers[:-1]:
            row[at.AT] = self._reserve(at_size)

    def _choose_tiles(self, common: NDArray[np.int64], layers: NDArray[np.int64], terms: int, is_raw: bool) -> None:
        """The terms of bf16 products, and the height of a tile, which the layer with the most weights decides."""
        largest = layers[np.argmax(layers[:, at.FAN_IN] * layers[:, at.FAN_OUT] * layers[:, at.BF16])]
        height, input_terms = tile_height(int(largest[at.FAN_OUT])), 1 if is_raw else terms
        common[[at.TERMS, at.INPUT_TERMS, at.IS_RAW, at.TILE_HEIGHT]] = terms, input_terms, is_raw, height

    def _reserve_tiles(self, common: NDArray[np.int64], layers: NDArray[np.int64]) -> None:
        """Packed operands of bf16 products, of one thread."""
        fan_in, widest = int(layers[0, at.FAN_IN]), int(layers[:, at.FAN_OUT].max())
        n_blocks, n_groups = common[at.PANEL] // STEPS, -(-common[at.BATCH] // STEPS)
        terms, input_terms, height = common[[at.TERMS, at.INPUT_TERMS, at.TILE_HEIGHT]]
        common[at.WEIGHT_TILES] = self._reserve(BLOCK_TILES * n_blocks * terms * TILE)
        common[at.DELTA_TILES] = self._reserve(-(-widest // height) * n_groups * terms * TILE)
        common[at.FEATURE_TILES] = self._reserve(2 * n_groups * n_blocks * terms * TILE)
        whole = 2 * -(-fan_in // STEPS) * n_groups * input_terms * TILE if layers[0, at.BF16] else 0
        common[[at.PREVIOUS_TILES, at.NEXT_TILES]] = self._reserve(whole), self._reserve(whole)
        common[at.PACKED] = self._reserve(terms * TILE)

    def _reserve_entries(self, common: NDArray[np.int64], n_features: int, n_non_zeros: int, start: int) -> int:
        """The non-zeros of a batch of one thread, whose part of `entries` begins at start; returns where it ends."""
        # The values of each sample are written in whole vectors, those of the last one beyond the non-zeros.
        common[at.VALUES] = self._reserve(_round_up(n_non_zeros + self._per_line - 1, self._per_line))
        common[at.FEATURE_VALUES] = self._reserve(_round_up(n_non_zeros, self._per_line))
        n_touched = min(n_features, n_non_zeros) + 1
        sizes = {at.ENDS: n_features, at.TOUCHED: n_touched, at.STARTS: n_touched, at.PLACES: n_non_zeros}
        for entry, size in sizes.items():
            common[entry] = start
            start += size
        return start

    def _reserve(self, n: int) -> int:
        start = self._size
        self._size += int(n)
        return start


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
