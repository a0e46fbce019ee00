"""Prediction of any number of samples: the entry points that Python calls.

Samples are rows here, and vectors run along the outputs of a layer: Z (m, fan_out) = A (m, fan_in) W (fan_in, fan_out)
+ b. One sample fills the vectors as many samples do, no sample is transposed, and a batch has as many samples as suit
the tiles. Each sum is the same chain as in training, so its bits are the same, whatever the number of samples.

`tables` has one row of entries of `fastmlp.kernels.layout` each for `common`, for the layers from the first to the
last, and for the outputs with samples as columns, as the losses take them. W and B are offsets in `weights`, A and DZ
in `work`. ``data`` is (bytes of the first sample, bytes from one to the next, address of the kernel that scales them).
"""

from typing import Any

import numpy as np

from fastmlp.codegen.denormals import flush_subnormals, restore_control
from fastmlp.codegen.indirect import Implementation
from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address, fma, n_lanes, pointer, vload, vload_as, vstore, zeros
from fastmlp.kernels import layout as at
from fastmlp.kernels.layout import SAMPLE_DTYPES
from fastmlp.kernels.loss import loss_forward
from fastmlp.kernels.matmul import block, matrix
from fastmlp.kernels.predict_layout import (
    BLOCK_SAMPLES,
    FACTOR,
    LARGE_SAMPLES,
    N_ENTRIES,
    NON_FINITE_OUTPUTS,
    OFFSET,
    ROWS_STRIDE,
    SQUARES,
)
from fastmlp.kernels.prototypes import (
    SCALE_SAMPLES,
    call_activation,
    call_product,
    call_scale_samples,
    call_sparse_predict,
)
from fastmlp.kernels.sampling import transpose


@kernel(forceinline=True)
def panel_width(K, largest, lanes):
    """Width of a panel: K inputs in as few panels of at most `largest` as possible, equally wide, in whole vectors."""
    n_panels = (K + largest - 1) // largest
    return ((K + n_panels - 1) // n_panels + lanes - 1) // lanes * lanes


@kernel(forceinline=True)
def sample_scale(X, dtype, itemsize, places, columns, weights, common, work):
    """``work[target + c] = X[column + c] * factor + offset`` for one sample, and the sums of squares.

    places: (first byte of the sample, target).
    """
    (source, target), (column, width) = places, columns
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


def _scale_samples(dtype: Any) -> Implementation:
    """``out[i] = X[first + i, column : column + width] * factor + offset``: a panel, samples as rows, at ROWS.

    rows: (first, m). columns: (column, width). Zeros follow from `width` to the end of the last vector. SQUARES is no
    longer finite where a scaled value is NaN, infinite, or larger than the root of the range of the dtype, nor where a
    float64 itself is.
    """
    itemsize = np.dtype(dtype).itemsize

    def scale_samples(X, sample_bytes, rows, columns, weights, common, work):
        for i in range(rows[1]):
            source, target = (rows[0] + i) * sample_bytes, common[at.ROWS] + i * common[ROWS_STRIDE]
            sample_scale(X, dtype, itemsize, (source, target), columns, weights, common, work)

    return SCALE_SAMPLES.implementation(scale_samples, f"scale_samples_{np.dtype(dtype)}")


#: Implementations by the dtype of the samples.
SCALE = {name: _scale_samples(getattr(np, name)) for name in SAMPLE_DTYPES}


@kernel
def first_layer_predict(data, rows, layer, weights, common, work):
    """``Z = (X * factor + offset) W + b``: each panel of the samples in blocks that are scaled, then multiplied."""
    first, m = rows
    fan_in, fan_out = layer[at.FAN_IN], layer[at.FAN_OUT]
    panel = panel_width(fan_in, common[at.PANEL], n_lanes(work))
    Z, bias = matrix(work, layer[at.A], common[at.AT_STRIDE]), matrix(weights, layer[at.B], 0)
    A, W = matrix(work, common[at.ROWS], common[ROWS_STRIDE]), matrix(weights, layer[at.W], layer[at.W_STRIDE])
    for k in range(0, fan_in, panel):
        width = smaller(panel, fan_in - k)
        for i in range(0, m, BLOCK_SAMPLES):
            n, C = smaller(BLOCK_SAMPLES, m - i), block(Z, i, 0)
            rows_and_columns = (first + i, n), (k, width)
            call_scale_samples(data[2], (data[0], data[1], *rows_and_columns, weights, common, work))
            C0 = bias if k == 0 else C
            call_product(common[at.PRODUCT], (C, C0, A, block(W, k, 0), n, fan_out, width))


@kernel
def layer_predict(below, layer, m, weights, common, work):
    """``Z = f(Z_below) W + b`` (3), panel by panel; f in place."""
    stride, fan_in, fan_out = common[at.AT_STRIDE], layer[at.FAN_IN], layer[at.FAN_OUT]
    call_activation(common[at.ACTIVATION_FORWARD], (work, below[at.A], below[at.A], stride, m, fan_in))
    panel = panel_width(fan_in, common[at.PANEL], n_lanes(work))
    Z, bias = matrix(work, layer[at.A], stride), matrix(weights, layer[at.B], 0)
    A, W = matrix(work, below[at.A], stride), matrix(weights, layer[at.W], layer[at.W_STRIDE])
    for k in range(0, fan_in, panel):
        C0, width = bias if k == 0 else Z, smaller(panel, fan_in - k)
        call_product(common[at.PRODUCT], (Z, C0, block(A, 0, k), block(W, k, 0), m, fan_out, width))


@kernel
def outputs_predict(targets, rows, last, columns, outputs, losses, common, work):
    """Outputs of the last layer's Z, among them probabilities (2), and losses (1), unless there are no targets.

    targets: (pointer, targets per sample), none for 0. Returns NON_FINITE_OUTPUTS if an output is NaN or infinite, and
    otherwise 0. Without targets, the losses are computed for whatever is at TARGETS, and not used.
    """
    (first, m), (y, n_targets) = rows, targets
    n_outputs, stride, findings = last[at.FAN_OUT], common[at.STRIDE], 0
    transpose(work, last[at.A], common[at.AT_STRIDE], m, n_outputs, work, columns[at.A], stride)
    for i in range(m):
        for j in range(n_targets):
            work[common[at.TARGETS] + j * stride + i] = y[(first + i) * n_targets + j]
    loss_forward(work, common, columns, (np.int64(0), m))
    for i in range(m):
        for j in range(n_outputs):
            out = work[columns[at.DZ] + j * stride + i]
            outputs[(first + i) * n_outputs + j] = out
            if out - out != 0.0:
                findings = NON_FINITE_OUTPUTS
    if n_targets > 0:
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
        first, stop, bytes from one sample to the next, address of the kernel that scales samples of this dtype,
        addresses of indptr and indices. The last two are 0 for dense samples; for sparse ones, X has the bytes of the
        values, and the kernel is the one that converts them.
    """
    first, stop, sample_bytes, scale, indptr, indices = integers
    n_layers, findings, n_targets = tables.shape[0] - 2, 0, targets.shape[1] if losses.size > 0 else 0
    data, common, work = (address(X, 0), sample_bytes, scale), address(tables, 0), address(work, 0)
    weights, losses = address(weights, 0), address(losses, 0)
    given, outputs = (address(targets, 0), n_targets), address(outputs, 0)
    last, columns = address(common, n_layers * N_ENTRIES), address(common, (n_layers + 1) * N_ENTRIES)
    control, batch = flush_subnormals(), common[at.BATCH]
    vstore(work, common[SQUARES], zeros(work))
    for start in range(first, stop, batch):
        rows = start, smaller(batch, stop - start)
        if indptr != 0:
            samples = data[0], pointer(indptr, np.int64), pointer(indices, np.int32), scale
            arguments = samples, rows, address(common, N_ENTRIES), weights, common, work
            call_sparse_predict(common[at.FIRST_LAYER], arguments)
        else:
            first_layer_predict(data, rows, address(common, N_ENTRIES), weights, common, work)
        for i in range(2, n_layers + 1):
            below, layer = address(common, (i - 1) * N_ENTRIES), address(common, i * N_ENTRIES)
            layer_predict(below, layer, rows[1], weights, common, work)
        findings |= outputs_predict(given, rows, last, columns, outputs, losses, common, work)
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
