"""Every buffer that a run needs, sized once: the kernels' scratch, and the tables that say where each part begins.

Knows sizes and offsets; nothing of what is computed in them.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastmlp import cpu
from fastmlp.bf16 import STEPS, WORDS
from fastmlp.config import Config
from fastmlp.kernels import layout as at
from fastmlp.kernels import loss
from fastmlp.kernels.activation import CODES, TWO_SIDED
from fastmlp.kernels.dense import BLOCK_ROWS
from fastmlp.kernels.sweep import BLOCK_TILES
from fastmlp.kernels.unit import TILE, unit_height
from fastmlp.kernels.update import N_COEFFICIENTS
from fastmlp.params import Params, aligned_zeros
from fastmlp.rules import TERMS

#: Of so many draws `dropout` takes its share: a draw has 16 bits.
DRAWS = 1 << 16


class Workspace:
    """Scratch for batches of up to `batch_size` samples through a network.

    Parameters
    ----------
    params : Params
        The network's parameters, whose offsets go into the table of layers.
    config : Config
        Its activation, loss and dropout are what matters here.
    batch_size : int
        Most samples in a batch.
    for_training : bool
        Whether units are dropped, labels smoothed and slopes kept, and the bf16 units used where the config asks.
    pixel_scale : float, optional
        Where the input is pixels times a number: that number. Pixels are bf16 numbers, so that no input is split.

    Attributes
    ----------
    tables : tuple of ndarray
        The table of layers (int64), the scratch in the parameters' dtype, and its frame (int64): see
        `fastmlp.kernels.layout`.
    coefficients : ndarray
        Scratch for a step's coefficients.
    unit : True or None
        Whether layers may be on a bf16 unit, as the kernels are told.
    """

    def __init__(
        self,
        params: Params,
        config: Config,
        batch_size: int,
        for_training: bool = True,
        pixel_scale: float | None = None,
    ) -> None:
        dtype, sizes = params.theta.dtype, params.sizes
        self._size, self._per_line = 0, cpu.LINE_BYTES // dtype.itemsize
        frame = np.zeros(at.N_PLACES, np.int64)
        layers = np.zeros((len(sizes) - 1, at.N_COLUMNS), np.int64)
        layers[:, at.FAN_IN], layers[:, at.FAN_OUT] = sizes[:-1], sizes[1:]
        layers[:, [at.W, at.W_STRIDE, at.B]], layers[:, at.ACTIVATION] = params.starts, CODES[config.activation]
        self.coefficients = aligned_zeros(2 * N_COEFFICIENTS, dtype)

        stride = cpu.row_stride(batch_size, dtype.itemsize)
        panel = min(cpu.panel_bytes() // dtype.itemsize, _round_up(max(sizes[:-1]), STEPS))
        padded_batch = _round_up(batch_size, self._per_line)
        frame[[at.BATCH, at.STRIDE, at.PANEL, at.HEIGHT]] = batch_size, stride, panel, WORDS
        frame[at.AT_STRIDE] = cpu.row_stride(max(sizes[1:-1], default=1), dtype.itemsize)
        frame[at.ROWS] = self._reserve(padded_batch * panel)
        frame[at.COLUMNS] = self._reserve(panel * stride)
        frame[at.AT] = self._reserve(padded_batch * frame[at.AT_STRIDE])
        frame[at.GRADIENT] = self._reserve(max(BLOCK_ROWS, BLOCK_TILES * WORDS) * panel)
        frame[at.ZEROS] = self._reserve(max(panel, stride))
        for place in (at.WEIGHTS, at.LOSS, at.MASK):
            frame[place] = self._reserve(stride)
        frame[at.TARGETS] = self._reserve((1 if config.loss == "cross_entropy" else sizes[-1]) * stride)
        frame[at.NUMBERS] = self._reserve(self._per_line)
        frame[at.OBJECTIVE] = loss.CODES[config.loss]
        frame[at.DROPPED] = min(round(config.dropout * DRAWS), DRAWS - 1) if for_training else 0
        self.unit = True if for_training and config.precision in TERMS else None
        if self.unit:
            layers[:, at.UNIT] = [cpu.bf16_pays(*pair, batch_size) for pair in pairwise(sizes)]
        if layers[:, at.UNIT].any():
            self._reserve_tiles(frame, layers, TERMS[config.precision], pixel_scale is not None)
        keeps_slopes = for_training and (config.activation in TWO_SIDED or frame[at.DROPPED] > 0)
        self._reserve_layers(frame, layers, keeps_slopes)
        work = aligned_zeros(self._size, dtype)
        smoothing, n_classes = config.label_smoothing if for_training else 0.0, sizes[-1]
        numbers = work[frame[at.NUMBERS] :]
        numbers[at.ON], numbers[at.OFF] = 1.0 - smoothing + smoothing / n_classes, smoothing / n_classes
        numbers[at.DELTA], numbers[at.SMOOTHING] = config.huber_delta, smoothing
        numbers[at.PIXEL] = 1.0 if pixel_scale is None else pixel_scale
        numbers[at.KEPT] = DRAWS / (DRAWS - frame[at.DROPPED])
        self.tables = layers, work, frame

    def _reserve_layers(self, frame: NDArray[np.int64], layers: NDArray[np.int64], keeps_slopes: bool) -> None:
        """Activations, deltas and slopes: rows of whole lines, and of whole tiles where the units store those."""
        for row in layers:
            n_rows = _round_up(int(row[at.FAN_OUT]), self._per_line)
            if self.unit:
                n_rows = max(n_rows, _round_up(int(row[at.FAN_OUT]), int(frame[at.HEIGHT])))
            size = n_rows * int(frame[at.STRIDE])
            row[[at.A, at.DZ]] = self._reserve(size), self._reserve(size)
            row[at.SLOPE] = self._reserve(size) if keeps_slopes else row[at.A]

    def _reserve_tiles(self, frame: NDArray[np.int64], layers: NDArray[np.int64], terms: int, is_raw: bool) -> None:
        """Operands of the bf16 units. The layer that has most to do decides the height of a tile."""
        largest = layers[np.argmax(layers[:, at.FAN_IN] * layers[:, at.FAN_OUT] * layers[:, at.UNIT])]
        height, input_terms = unit_height(int(largest[at.FAN_OUT])), 1 if is_raw else terms
        fan_in, widest = int(layers[0, at.FAN_IN]), int(layers[:, at.FAN_OUT].max())
        n_blocks, n_groups = frame[at.PANEL] // STEPS, -(-frame[at.BATCH] // STEPS)
        frame[[at.TERMS, at.INPUT_TERMS, at.IS_RAW, at.HEIGHT]] = terms, input_terms, is_raw, height
        frame[at.WEIGHT_TILES] = self._reserve(BLOCK_TILES * n_blocks * terms * TILE)
        frame[at.DELTA_TILES] = self._reserve(-(-widest // height) * n_groups * terms * TILE)
        frame[at.FEATURE_TILES] = self._reserve(2 * n_groups * n_blocks * terms * TILE)
        whole = 2 * -(-fan_in // STEPS) * n_groups * input_terms * TILE if layers[0, at.UNIT] else 0
        frame[[at.PAST_TILES, at.COMING_TILES]] = self._reserve(whole), self._reserve(whole)
        frame[at.PACKED] = self._reserve(terms * TILE)

    def _reserve(self, n: int) -> int:
        start = self._size
        self._size += int(n)
        return start


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
