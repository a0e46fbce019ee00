"""The first layer for sparse samples (CSR): its products cost one row of outputs per non-zero.

The weights of this layer are stored with one row per feature, which has its outputs, see `fastmlp.model.params.Params`.
Vectors run along the outputs, and each sum is the chain of `fastmlp.kernels.matmul` without the multiply-adds by zero,
which change no finite sum: Z in the order of the features, dW in the order of the samples. So dense and sparse samples
give the same bits, but for three cases. Where weights or deltas are infinite or NaN, zero times them is NaN, and sparse
samples skip it. A sum of -0, as of a bias of -0 and nothing else, becomes +0 by adding a zero. Subnormal weights, which
kernels take for 0 and never compute, are stored as 0 by an update; plain SGD leaves those without non-zeros.

Threads divide the outputs, in whole cache lines: each reads and writes its columns of W alone. The arguments are those
of `fastmlp.kernels.dense`.
"""

from typing import Any

import numpy as np

from fastmlp.codegen.cpu import LINE_BYTES
from fastmlp.codegen.indirect import Implementation
from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address, fma, n_lanes, prefetch, vload, vload_as, vstore
from fastmlp.kernels import layout as at
from fastmlp.kernels.layout import BLOCK_FEATURES, SAMPLE_DTYPES
from fastmlp.kernels.matmul import block, matrix
from fastmlp.kernels.microkernel import WIDEST_ROW, sparse_product_tile
from fastmlp.kernels.optimizer_state import DECAY, L2
from fastmlp.kernels.predict_layout import FACTOR, ROWS_STRIDE, SQUARES
from fastmlp.kernels.prototypes import CONVERT, FIRST_LAYER, SPARSE_PREDICT, call_convert, call_update
from fastmlp.kernels.sampling import transpose
from fastmlp.kernels.team import VECTORS_PER_LINE, share_of_columns

#: Samples whose non-zeros are requested before they are needed: 5 to 12 % of an epoch of 20,000 or 100,000 features,
#: 60 or 100 non-zeros per sample and 10 outputs (Zen 5).
SAMPLES_AHEAD = 4
INDEX_BYTES = 4
#: Rows of weights that are requested before they are updated. With plain SGD in batches of 3,000, 100,000 features, 100
#: non-zeros per sample and 10 outputs, an epoch was 2.6 times as fast; in batches of 200, 2**20 features, 50 non-zeros
#: and 100 outputs, 2.1 times (Zen 5). With 24 rows the same.
ROWS_AHEAD = 8


def _convert(dtype: Any) -> Implementation:
    """``out[start : start + n] = X[first : first + n]``; zeros follow to the end of the last vector."""
    itemsize = np.dtype(dtype).itemsize

    def convert(X, first, n, out, start):
        for i in range(0, n, n_lanes(out)):
            vstore(out, start + i, vload_as(X, (first + i) * itemsize, dtype, n - i, out))

    return CONVERT.implementation(convert, f"convert_{np.dtype(dtype)}")


#: Implementations by the dtype of the values.
CONVERSIONS = {name: _convert(getattr(np, name)) for name in SAMPLE_DTYPES}


@kernel(forceinline=True)
def sparse_product(C, C0, A, B, indices, N, K):
    """``C = C0 + A B`` for one row: the K non-zeros A of a sparse row, whose columns are `indices`, times a matrix.

    C, C0, A, B: matrices, see `fastmlp.kernels.matmul.product`, C and C0 of one row and N columns, B of N columns.
    """
    lanes = n_lanes(C[0])
    n_vectors = (N + lanes - 1) // lanes
    for first in range(0, n_vectors, WIDEST_ROW):
        column, vectors = first * lanes, smaller(WIDEST_ROW, n_vectors - first)
        sparse_product_tile(block(C, 0, column), block(C0, 0, column), A, block(B, 0, column), indices, vectors, K)


@kernel
def values_scale(work, start, n, factor, indices, first):
    """Multiply n values at ``work[start]`` by the factors of their features."""
    for i in range(n):
        work[start + i] *= factor[indices[first + i]]


@kernel
def non_zeros(data, row):
    """(first, number) of the non-zeros of a sample."""
    first = data.indptr[row]
    return first, data.indptr[row + 1] - first


@kernel
def prefetch_non_zeros(data, row):
    """Prefetch the values and the features of a sample."""
    first, n = non_zeros(data, row)
    for byte in range(first * data.itemsize, (first + n) * data.itemsize, LINE_BYTES):
        prefetch(data.X, byte)
    for k in range(first, first + n, LINE_BYTES // INDEX_BYTES):
        prefetch(data.indices, k)


@kernel
def batch_values(data, order, batch, work, common):
    """The values of a batch, scaled, sample by sample at VALUES."""
    start = common[at.VALUES]
    for i in range(batch[0], batch[0] + batch[1]):
        prefetch_non_zeros(data, order[smaller(i + SAMPLES_AHEAD, batch[0] + batch[1] - 1)])
        first, n = non_zeros(data, order[i])
        call_convert(common[at.CONVERT], (data.X, first, n, work, start))
        if common[at.IS_SCALED] != 0:
            values_scale(work, start, n, data.factor, data.indices, first)
        start += n


@kernel
def sparse_forward(data, order, net, layer, batch):
    """``Z = X W + b`` of a batch, in a thread's outputs: sample by sample, then transposed."""
    work, common, theta = net.work, net.common, net.params.theta
    output, n_outputs = share_of_columns(net, layer[at.FAN_OUT])
    rows, stride, value = common[at.SAMPLE_ROWS] + output, common[at.SAMPLE_STRIDE], common[at.VALUES]
    W, b = matrix(theta, layer[at.W] + output, layer[at.W_STRIDE]), matrix(theta, layer[at.B] + output, 0)
    batch_values(data, order, batch, work, common)
    for i in range(batch[1]):
        first, n = non_zeros(data, order[batch[0] + i])
        operands = matrix(work, rows + i * stride, 0), b, matrix(work, value, 0), W
        sparse_product(*operands, address(data.indices, first), n_outputs, n)
        value += n
    A = layer[at.A] + output * common[at.STRIDE]
    transpose(work, rows, stride, batch[1], n_outputs, work, A, common[at.STRIDE])


@kernel
def features_count(data, order, batch, net):
    """Count the non-zeros of each feature in a batch, at ENDS, and list the features at TOUCHED; returns their number.

    ENDS must be 0 before.
    """
    ends, touched = address(net.entries, net.common[at.ENDS]), address(net.entries, net.common[at.TOUCHED])
    n_touched = np.int64(0)
    for i in range(batch[0], batch[0] + batch[1]):
        first, n = non_zeros(data, order[i])
        for k in range(first, first + n):
            feature = data.indices[k]
            before = ends[feature]
            ends[feature], touched[n_touched] = before + 1, feature
            n_touched += np.int64(before == 0)  # no branch, which the CPU could not predict
    return n_touched


@kernel
def every_start(net, n_features):
    """Where the group of each feature begins, at ENDS in place of its count: in the order of the features."""
    ends, start = address(net.entries, net.common[at.ENDS]), 0
    for feature in range(n_features):
        n, ends[feature] = ends[feature], start
        start += n


@kernel
def touched_starts(net, n_touched):
    """Where the group of each feature begins, at ENDS in place of its count, in the order of TOUCHED.

    STARTS has the same in that order, and the end of the last group.
    """
    entries, common, start = net.entries, net.common, 0
    ends, starts = address(entries, common[at.ENDS]), address(entries, common[at.STARTS])
    touched = address(entries, common[at.TOUCHED])
    for group in range(n_touched):
        feature = touched[group]
        n, ends[feature], starts[group] = ends[feature], start, start
        start += n
    starts[n_touched] = start


@kernel
def batch_group(data, order, batch, net):
    """Group the non-zeros of a batch by feature, each group in the order of the samples.

    ENDS has where the group of each feature begins, and then where it ends. In `entries`, PLACES gets the place of the
    sample in the batch, group by group, as FEATURE_VALUES gets the values in `work`.

    With a table of groups in the order of their first occurrence, which takes one more random access per non-zero and a
    branch, grouping took 1.1 times as long for 20,000 features, and 1.6 times for 100,000 (Zen 5).
    """
    work, common, entries = net.work, net.common, net.entries
    ends, places, entry = address(entries, common[at.ENDS]), address(entries, common[at.PLACES]), 0
    values, feature_values = address(work, common[at.VALUES]), address(work, common[at.FEATURE_VALUES])
    for i in range(batch[1]):
        first, n = non_zeros(data, order[batch[0] + i])
        for k in range(first, first + n):
            feature = data.indices[k]
            target = ends[feature]
            ends[feature], places[target], feature_values[target] = target + 1, i, values[entry]
            entry += 1


@kernel(forceinline=True)
def feature_gradient(net, first, n, out, dZ, n_outputs):
    """The row of ``dW = X^T dZ`` of a feature, whose group of n non-zeros begins at first.

    Inlined, as `sparse_product` is: an epoch of 20,000 features and 10 outputs took 1.07 to 1.15 times as long (Zen 5).
    """
    work, common = net.work, net.common
    values, places = matrix(work, common[at.FEATURE_VALUES] + first, 0), address(net.entries, common[at.PLACES] + first)
    sparse_product(matrix(work, out, 0), matrix(work, common[at.ZEROS], 0), values, dZ, places, n_outputs, n)


@kernel
def touched_update(net, n_touched, start, stride, dZ, n_outputs, c):
    """Update of the rows of W whose features have a non-zero in the batch; exact where a gradient of 0 changes nothing.

    start, stride: of a thread's columns of W in theta.
    """
    work, common, entries, out = net.work, net.common, net.entries, net.common[at.GRADIENT]
    G, touched, starts = matrix(work, out, 0), common[at.TOUCHED], common[at.STARTS]
    for group in range(n_touched):
        ahead = start + entries[touched + smaller(group + ROWS_AHEAD, n_touched - 1)] * stride
        for j in range(0, n_outputs, n_lanes(work) * VECTORS_PER_LINE):
            prefetch(net.params.theta, ahead + j)
        feature, first = entries[touched + group], entries[starts + group]
        feature_gradient(net, first, entries[starts + group + 1] - first, out, dZ, n_outputs)
        call_update(common[at.UPDATE], (net.params, start + feature * stride, stride, G, 1, n_outputs, c))
        entries[common[at.ENDS] + feature] = 0


@kernel
def every_update(net, n_features, start, stride, dZ, n_outputs, c):
    """Update of all rows of W, in blocks of `BLOCK_FEATURES`; start, stride: of a thread's columns in theta."""
    work, common, G_stride = net.work, net.common, net.common[at.SAMPLE_STRIDE]
    G, ends, first = matrix(work, common[at.GRADIENT], G_stride), address(net.entries, common[at.ENDS]), np.int64(0)
    for k in range(0, n_features, BLOCK_FEATURES):
        n = smaller(BLOCK_FEATURES, n_features - k)
        for r in range(n):
            end, ends[k + r] = ends[k + r], 0
            feature_gradient(net, first, end - first, common[at.GRADIENT] + r * G_stride, dZ, n_outputs)
            first = np.int64(end)
        call_update(common[at.UPDATE], (net.params, start + k * stride, stride, G, n, n_outputs, c))


@kernel
def sparse_update(data, order, net, layer, batch, c):
    """``dW = X^T dZ`` of a batch, and the update of a thread's columns of W."""
    work, common = net.work, net.common
    output, n_outputs = share_of_columns(net, layer[at.FAN_OUT])
    rows, stride, deltas = common[at.SAMPLE_ROWS] + output, common[at.SAMPLE_STRIDE], output * common[at.STRIDE]
    transpose(work, layer[at.DZ] + deltas, common[at.STRIDE], n_outputs, batch[1], work, rows, stride)
    dZ, start, n_touched = matrix(work, rows, stride), layer[at.W] + output, features_count(data, order, batch, net)
    if common[at.DESCENT] != 0 and c[L2] == 0.0 and c[DECAY] == 0.0:  # SGD alone, whose step is lr times the gradient
        touched_starts(net, n_touched)
        batch_group(data, order, batch, net)
        touched_update(net, n_touched, start, layer[at.W_STRIDE], dZ, n_outputs, c)
    else:
        every_start(net, layer[at.FAN_IN])
        batch_group(data, order, batch, net)
        every_update(net, layer[at.FAN_IN], start, layer[at.W_STRIDE], dZ, n_outputs, c)


@FIRST_LAYER.implementation
def sparse_update_forward(data, order, net, layer, previous, next_batch, c):
    """Update the first layer with the previous batch, then compute the pre-activations of the next.

    A batch of 0 samples stands for none. The previous batch is the one whose pre-activations were computed last.
    """
    if previous[1] > 0:
        sparse_update(data, order, net, layer, previous, c)
    if next_batch[1] > 0:
        sparse_forward(data, order, net, layer, next_batch)


@kernel
def squares_add(work, start, n, out):
    """Add the squares of the vectors from ``work[start]`` on to the sums at ``work[out]``."""
    squares = vload(work, out)
    for i in range(0, n, n_lanes(work)):
        x = vload(work, start + i)
        squares = fma(x, x, squares)
    vstore(work, out, squares)


@SPARSE_PREDICT.implementation
def sparse_predict(samples, rows, layer, weights, common, work):
    """``Z = (X * factor) W + b``, in steps of ROWS_STRIDE non-zeros.

    samples: (bytes of the values, indptr, indices, address of the kernel that converts the values). rows: (first,
    number). SQUARES is no longer finite where a value is NaN, infinite, or larger than the root of the range of the
    dtype, as it is or scaled.
    """
    X, indptr, indices, convert = samples
    values, widest, fan_out = common[at.ROWS], common[ROWS_STRIDE], layer[at.FAN_OUT]
    W, factor = matrix(weights, layer[at.W], layer[at.W_STRIDE]), address(weights, common[FACTOR])
    A = matrix(work, values, 0)
    for i in range(rows[1]):
        first, stop = indptr[rows[0] + i], indptr[rows[0] + i + 1]
        Z, C0 = matrix(work, layer[at.A] + i * common[at.AT_STRIDE], 0), matrix(weights, layer[at.B], 0)
        while True:
            n, columns = smaller(widest, stop - first), address(indices, first)
            call_convert(convert, (X, first, n, work, values))
            squares_add(work, values, n, common[SQUARES])
            if common[at.IS_SCALED] != 0:
                values_scale(work, values, n, factor, columns, np.int64(0))
                squares_add(work, values, n, common[SQUARES])
            sparse_product(Z, C0, A, W, columns, fan_out, n)
            C0, first = Z, first + n
            if first >= stop:
                break
