"""The scratch memory of a run, sized once, and the tables of sizes and offsets that kernels read."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastmlp import settings
from fastmlp.codegen import cpu
from fastmlp.codegen.bf16 import STEPS, WORDS
from fastmlp.config import Config
from fastmlp.kernels import layout as at
from fastmlp.kernels.bf16_dense import BLOCK_TILES
from fastmlp.kernels.bf16_matmul import TILE, tile_height
from fastmlp.kernels.update import N_COEFFICIENTS
from fastmlp.model.params import Params, aligned_zeros
from fastmlp.settings import ACTIVATIONS, BF16_TERMS, LOSSES


class Workspace:
    """Scratch memory for training in batches of up to `batch_size` samples through a network.

    Parameters
    ----------
    params : Params
        The parameters of the network, whose offsets go into the table of layers.
    config : Config
        Its activation, loss, dropout and precision.
    batch_size : int
        Number of samples in a full batch.
    pixel_scale : float, optional
        The factor of the input where it is uint8 pixels times one number. Pixels are bf16 numbers, so that such an
        input is not split into terms.

    Attributes
    ----------
    layers, work, common : ndarray
        See `fastmlp.kernels.layout.NetworkArrays`.
    coefficients : ndarray
        Scratch for the coefficients of a step.
    bf16 : True or None
        Whether layers may be computed in bf16, as the kernels take it.
    """

    def __init__(
        self,
        params: Params,
        config: Config,
        batch_size: int,
        pixel_scale: float | None = None,
    ) -> None:
        dtype, sizes = params.dtype, params.sizes
        self._size, self._per_line = 0, cpu.LINE_BYTES // dtype.itemsize
        common = np.zeros(at.N_COMMON_ENTRIES, np.int64)
        layers = np.zeros((len(sizes) - 1, at.N_LAYER_ENTRIES), np.int64)
        layers[:, at.FAN_IN], layers[:, at.FAN_OUT] = sizes[:-1], sizes[1:]
        layers[:, [at.W, at.W_STRIDE, at.B]] = params.starts
        layers[:, at.ACTIVATION] = ACTIVATIONS[config.activation].code
        self.coefficients = aligned_zeros(2 * N_COEFFICIENTS, dtype)

        stride = cpu.row_stride(batch_size, dtype.itemsize)
        panel = min(cpu.panel_bytes(batch_size) // dtype.itemsize, _round_up(max(sizes[:-1]), STEPS))
        padded_batch = _round_up(batch_size, self._per_line)
        common[[at.BATCH, at.STRIDE, at.PANEL, at.TILE_HEIGHT]] = batch_size, stride, panel, WORDS
        common[at.AT_STRIDE] = cpu.row_stride(max(sizes[1:-1], default=1), dtype.itemsize)
        common[at.ROWS] = self._reserve(padded_batch * panel)
        common[at.COLUMNS] = self._reserve(panel * stride)
        common[at.AT] = self._reserve(padded_batch * common[at.AT_STRIDE])
        common[at.GRADIENT] = self._reserve(max(cpu.BLOCK_ROWS, BLOCK_TILES * WORDS) * panel)
        common[at.ZEROS] = self._reserve(max(panel, stride))
        for entry in (at.WEIGHTS, at.LOSS, at.MASK):
            common[entry] = self._reserve(stride)
        common[at.TARGETS] = self._reserve((1 if config.loss == "cross_entropy" else sizes[-1]) * stride)
        common[at.SCALARS] = self._reserve(self._per_line)
        common[at.LOSS_CODE] = LOSSES[config.loss].code
        common[at.DROPPED] = settings.dropped_draws(config.dropout)
        self.bf16 = True if config.precision in BF16_TERMS else None
        if self.bf16:
            layers[:, at.BF16] = [settings.uses_bf16(*pair, batch_size) for pair in pairwise(sizes)]
        if layers[:, at.BF16].any():
            self._reserve_tiles(common, layers, BF16_TERMS[config.precision], pixel_scale is not None)
        is_stored = ACTIVATIONS[config.activation].derivative_of == "input" or common[at.DROPPED] > 0
        self._reserve_layers(common, layers, is_stored)
        work = aligned_zeros(self._size, dtype)
        smoothing, n_classes = config.label_smoothing, sizes[-1]
        scalars = work[common[at.SCALARS] :]
        scalars[at.ON], scalars[at.OFF] = 1.0 - smoothing + smoothing / n_classes, smoothing / n_classes
        scalars[at.HUBER_DELTA], scalars[at.SMOOTHING] = config.huber_delta, smoothing
        scalars[at.PIXEL_SCALE] = 1.0 if pixel_scale is None else pixel_scale
        scalars[at.KEEP_SCALE] = settings.DROPOUT_DRAWS / (settings.DROPOUT_DRAWS - common[at.DROPPED])
        self.layers, self.work, self.common = layers, work, common

    def network(self, arrays: at.ParamArrays) -> at.NetworkArrays:
        """The parameters and this workspace, as the kernels take them."""
        return at.NetworkArrays(arrays, self.layers, self.work, self.common)

    def _reserve_layers(self, common: NDArray[np.int64], layers: NDArray[np.int64], stores_derivatives: bool) -> None:
        """Activations, deltas and derivatives: rows of whole cache lines, and whole tiles where bf16 products store."""
        for row in layers:
            n_rows = _round_up(int(row[at.FAN_OUT]), self._per_line)
            if self.bf16:
                n_rows = max(n_rows, _round_up(int(row[at.FAN_OUT]), int(common[at.TILE_HEIGHT])))
            size = n_rows * int(common[at.STRIDE])
            row[[at.A, at.DZ]] = self._reserve(size), self._reserve(size)
            row[at.DERIVATIVE] = self._reserve(size) if stores_derivatives else row[at.A]

    def _reserve_tiles(self, common: NDArray[np.int64], layers: NDArray[np.int64], terms: int, is_raw: bool) -> None:
        """Packed operands of bf16 products. The layer with the most weights decides the height of a tile."""
        largest = layers[np.argmax(layers[:, at.FAN_IN] * layers[:, at.FAN_OUT] * layers[:, at.BF16])]
        height, input_terms = tile_height(int(largest[at.FAN_OUT])), 1 if is_raw else terms
        fan_in, widest = int(layers[0, at.FAN_IN]), int(layers[:, at.FAN_OUT].max())
        n_blocks, n_groups = common[at.PANEL] // STEPS, -(-common[at.BATCH] // STEPS)
        common[[at.TERMS, at.INPUT_TERMS, at.IS_RAW, at.TILE_HEIGHT]] = terms, input_terms, is_raw, height
        common[at.WEIGHT_TILES] = self._reserve(BLOCK_TILES * n_blocks * terms * TILE)
        common[at.DELTA_TILES] = self._reserve(-(-widest // height) * n_groups * terms * TILE)
        common[at.FEATURE_TILES] = self._reserve(2 * n_groups * n_blocks * terms * TILE)
        whole = 2 * -(-fan_in // STEPS) * n_groups * input_terms * TILE if layers[0, at.BF16] else 0
        common[[at.PREVIOUS_TILES, at.NEXT_TILES]] = self._reserve(whole), self._reserve(whole)
        common[at.PACKED] = self._reserve(terms * TILE)

    def _reserve(self, n: int) -> int:
        start = self._size
        self._size += int(n)
        return start


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
