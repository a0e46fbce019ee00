"""Prediction of any number of samples: the entry points that Python calls.

Samples are rows here, and vectors run along the outputs of a layer: Z (m, fan_out) = A (m, fan_in) W (fan_in, fan_out)
+ b. One sample fills the vectors as many samples do, no sample is transposed, and a batch has as many samples as suit
the tiles. Each sum is the same chain as in training, so its bits are the same, whatever the number of samples.

`tables` has one row of entries of `fastmlp.kernels.layout` each for `common`, for the layers from the first to the
last, and for the outputs with samples as columns, as the losses take them. W and B are offsets in `weights`, A and DZ
in `work`. ``data`` is (bytes of the first sample, bytes from one to the next, code of the dtype).
"""

import numpy as np

from fastmlp.codegen.denormals import flush_subnormals, restore_control
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import fma, n_lanes, vload, vload_as, vstore, zeros
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import activation_forward
from fastmlp.kernels.loss import loss_forward
from fastmlp.kernels.matmul import block, matrix, product_block
from fastmlp.kernels.sampling import FLOAT32, UINT8, transpose

# Entries of `common` besides those of `layout`: offsets in weights of the factor and the offset of each feature; row
# stride of the scaled samples; offset in work of a vector of sums of squares.
FACTOR, OFFSET, ROWS_STRIDE, SQUARES = range(at.N_COMMON_ENTRIES, at.N_COMMON_ENTRIES + 4)
N_ENTRIES = at.N_COMMON_ENTRIES + 4

#: Samples that are scaled, then multiplied, while they are in the cache: a multiple of the heights of the large tiles.
#: Zen 5, 5,000 samples of 784-128-10 and 3072-100-100-10, 12 instead of 24: 3 and 6 % slower; 48 and 96: as fast.
BLOCK_SAMPLES = 24
#: Largest panel of inputs that are multiplied at once, in cache lines; the panels of a layer are of equal width. That
#: few tiles are started matters more than that a panel stays in L1. Zen 5, the same networks, 16 lines: 7 and 4 %
#: slower; 192 lines: 2 and 15 %. Prefetching the next samples gained nothing: they lie in order, and hardware does it.
PREDICT_PANEL_LINES = 64

#: What `predict_chunk` finds: samples that may be beyond the range of the dtype, and outputs that are not finite.
LARGE_SAMPLES, NON_FINITE_OUTPUTS = 1, 2


@kernel(forceinline=True)
def panel_width(K, largest, lanes):
    """Width of a panel: K inputs in as few panels of at most `largest` as possible, equally wide, in whole vectors."""
    n_panels = (K + largest - 1) // largest
    return ((K + n_panels - 1) // n_panels + lanes - 1) // lanes * lanes


@kernel(forceinline=True)
def sample_scale(data, dtype, itemsize, places, columns, weights, common, work):
    """``work[target + c] = X[column + c] * factor + offset`` for one sample, and the sums of squares.

    places: (index of the sample, target).
    """
    X, source, target = data[0], places[0] * data[1], places[1]
    column, width = columns
    factor, offset = common[FACTOR] + column, common[OFFSET] + column
    squares = zeros(work)
    for c in range(0, width, n_lanes(work)):
        x = vload_as(X, source + itemsize * (column + c), dtype, width - c, work)
        scaled = fma(x, vload(weights, factor + c), vload(weights, offset + c))
        vstore(work, target + c, scaled)
        squares = fma(scaled, scaled, squares)
        if itemsize == 8:  # a number beyond float32 may be scaled down by its factor
            squares = fma(x, x, squares)
    vstore(work, common[SQUARES], vload(work, common[SQUARES]) + squares)


@kernel
def samples_scale(data, rows, columns, weights, common, work):
    """``out[i] = X[first + i, column : column + width] * factor + offset``: a panel, samples as rows, at ROWS.

    rows: (first, m). columns: (column, width). Zeros follow from `width` to the end of the last vector. SQUARES is no
    longer finite where a scaled value is NaN, infinite, or larger than the root of the range of the dtype, nor where a
    float64 itself is.
    """
    for i in range(rows[1]):
        places = rows[0] + i, common[at.ROWS] + i * common[ROWS_STRIDE]
        if data[2] == UINT8:
            sample_scale(data, np.uint8, 1, places, columns, weights, common, work)
        elif data[2] == FLOAT32:
            sample_scale(data, np.float32, 4, places, columns, weights, common, work)
        else:
            sample_scale(data, np.float64, 8, places, columns, weights, common, work)


@kernel(inline=True)
def first_layer_predict(data, rows, layer, weights, common, work):
    """``Z = (X * factor + offset) W + b``: each panel of the samples in blocks that are scaled, then multiplied."""
    first, m = rows
    fan_in, fan_out = layer[at.FAN_IN], layer[at.FAN_OUT]
    panel = panel_width(fan_in, common[at.PANEL], n_lanes(work))
    Z, bias = matrix(work, layer[at.A], common[at.AT_STRIDE]), matrix(weights, layer[at.B], 0)
    A, W = matrix(work, common[at.ROWS], common[ROWS_STRIDE]), matrix(weights, layer[at.W], layer[at.W_STRIDE])
    for k in range(0, fan_in, panel):
        width = min(panel, fan_in - k)
        for i in range(0, m, BLOCK_SAMPLES):
            n, C = min(BLOCK_SAMPLES, m - i), block(Z, i, 0)
            samples_scale(data, (first + i, n), (k, width), weights, common, work)
            product_block(C, bias if k == 0 else C, A, block(W, k, 0), n, fan_out, width)


@kernel(inline=True)
def layer_predict(below, layer, m, weights, common, work):
    """``Z = f(Z_below) W + b`` (3), panel by panel; f in place."""
    stride, fan_in, fan_out = common[at.AT_STRIDE], layer[at.FAN_IN], layer[at.FAN_OUT]
    activation_forward(work, below[at.A], below[at.A], stride, m, fan_in, below[at.ACTIVATION])
    panel = panel_width(fan_in, common[at.PANEL], n_lanes(work))
    Z, bias = matrix(work, layer[at.A], stride), matrix(weights, layer[at.B], 0)
    A, W = matrix(work, below[at.A], stride), matrix(weights, layer[at.W], layer[at.W_STRIDE])
    for k in range(0, fan_in, panel):
        C0, width = bias if k == 0 else Z, min(panel, fan_in - k)
        product_block(Z, C0, block(A, 0, k), block(W, k, 0), m, fan_out, width)


@kernel(inline=True)
def outputs_predict(targets, rows, last, columns, outputs, losses, common, work):
    """Outputs of the last layer's Z, among them probabilities (2), and losses (1), unless `losses` is empty.

    Returns NON_FINITE_OUTPUTS if an output is NaN or infinite, and otherwise 0. Without targets, the losses are
    computed for whatever is at TARGETS, and not used.
    """
    first, m = rows
    n_outputs, stride, findings = last[at.FAN_OUT], common[at.STRIDE], 0
    transpose(work, last[at.A], common[at.AT_STRIDE], m, n_outputs, work, columns[at.A], stride)
    if losses.size > 0:
        for i in range(m):
            for j in range(targets.shape[1]):
                work[common[at.TARGETS] + j * stride + i] = targets[first + i, j]
    loss_forward(work, common, columns, (np.int64(0), m))
    for i in range(m):
        for j in range(n_outputs):
            out = work[columns[at.DZ] + j * stride + i]
            outputs[first + i, j] = out
            if out - out != 0.0:
                findings = NON_FINITE_OUTPUTS
    if losses.size > 0:
        for i in range(m):
            losses[first + i] = work[common[at.LOSS] + i]
    return findings


@kernel(cache=True)
def predict_chunk(X, weights, tables, targets, outputs, losses, work, integers):
    """Outputs and, given targets, losses of the samples from `first` to `stop`; returns what it finds, see above.

    Parameters
    ----------
    X : uint8 (sample_bytes,)
        Bytes of the first sample; the others follow in memory. Read-only.
    weights : (n_weights,)
        Factor and offset of each feature; then of each layer W (fan_in, fan_out) and b, rows padded with zeros.
    tables : int64 (n_layers + 2, N_ENTRIES)
        See above.
    targets : (n_samples, 1) or (n_samples, n_outputs)
        Labels for cross-entropy, target values for the other losses. Not read where `losses` is empty.
    outputs : (n_samples, n_outputs)
        Outputs, written.
    losses : float64 (n_samples,) or (0,)
        Losses, written; empty if they are not wanted.
    work : (n_work,)
        Scratch memory of this call.
    integers : tuple of int
        first, stop, bytes from one sample to the next, code of the dtype of the samples.
    """
    first, stop, sample_bytes, dtype_code = integers
    data, common, n_layers, findings = (X, sample_bytes, dtype_code), tables[0], tables.shape[0] - 2, 0
    last, columns, batch = tables[n_layers], tables[n_layers + 1], common[at.BATCH]
    control = flush_subnormals()
    vstore(work, common[SQUARES], zeros(work))
    for start in range(first, stop, batch):
        rows = start, min(batch, stop - start)
        first_layer_predict(data, rows, tables[1], weights, common, work)
        for i in range(2, n_layers + 1):
            layer_predict(tables[i - 1], tables[i], rows[1], weights, common, work)
        findings |= outputs_predict(targets, rows, last, columns, outputs, losses, common, work)
    for i in range(n_lanes(work)):
        total = work[common[SQUARES] + i]
        if total - total != 0.0:
            findings |= LARGE_SAMPLES
    restore_control(control)
    return findings


@kernel(cache=True)
def bits_differ(a, b):
    """Whether two int64 arrays of the same size differ; NumPy takes twice as long."""
    difference = np.int64(0)
    for i in range(a.size):
        difference |= a[i] ^ b[i]
    return difference != 0
