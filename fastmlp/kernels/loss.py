"""The losses: outputs and value in one pass over a batch's sums, deltas in another.

Samples are lanes, so the maximum and the sum over the outputs run down the rows, in their order. But for Huber's, a
delta is output less target: each loss goes with the output whose slope cancels its own.
"""

from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import sigmoid, softplus
from fastmlp.kernels.elementary import exp, expm1, log
from fastmlp.simd import broadcast, fma, n_lanes, vload, vstore, where_equal, where_less, zeros

SOFTMAX, SIGMOID, SQUARED, HUBER, POISSON = range(5)
CODES = {
    "cross_entropy": SOFTMAX, "binary_cross_entropy": SIGMOID, "squared_error": SQUARED, "huber": HUBER,
    "poisson": POISSON,
}  # fmt: skip


@kernel
def softmax_forward(work, logits, probs, stride, n_classes, labels, loss, m):
    """``probs = softmax(logits)`` (2), and each sample's ``loss = -log probs[label]``: (1) without its penalty.

    All are parts of `work`, given by where they begin: logits, probs (n_classes, stride); labels, as numbers of the
    logits' type, and loss (m rounded up to whole vectors). The loss is ``log(sum of exp(z - max)) - (z[label] - max)``:
    it stays finite where the probability underflows.
    """
    for i in range(0, m, n_lanes(work)):
        top = vload(work, logits + i)
        for j in range(1, n_classes):
            z = vload(work, logits + j * stride + i)
            top = where_less(top, z, z, top)
        label, chosen, total = vload(work, labels + i), zeros(work), zeros(work)
        for j in range(n_classes):
            z = vload(work, logits + j * stride + i) - top
            e = exp(z)
            total = total + e
            chosen = where_equal(label, float(j), z, chosen)
            vstore(work, probs + j * stride + i, e)
        vstore(work, loss + i, log(total) - chosen)
        for j in range(n_classes):
            p = probs + j * stride + i
            vstore(work, p, vload(work, p) / total)


@kernel
def smoothing_forward(work, logits, stride, n_classes, labels, loss, share, m):
    """Cross-entropy with smoothed labels (Szegedy et al. 2016): ``loss + share * (z[label] - mean of z)``."""
    for i in range(0, m, n_lanes(work)):
        label, chosen, total = vload(work, labels + i), zeros(work), zeros(work)
        for j in range(n_classes):
            z = vload(work, logits + j * stride + i)
            total = total + z
            chosen = where_equal(label, float(j), z, chosen)
        vstore(work, loss + i, fma(broadcast(work, share), chosen - total / float(n_classes), vload(work, loss + i)))


@kernel
def softmax_backward(work, probs, stride, n_classes, labels, weights, numbers, m):
    """``dZ = (probs - target) * weights`` in place of probs: equation (5), the mean's 1/m in the weights.

    weights (m rounded up to vectors): 1/m for each sample, 0 beyond the batch's end, so that its columns add nothing.
    The target is ON for the label and OFF for the others: 1 and 0 without smoothing.
    """
    on, off = broadcast(work, numbers + at.ON), broadcast(work, numbers + at.OFF)
    for i in range(0, m, n_lanes(work)):
        label, weight = vload(work, labels + i), vload(work, weights + i)
        for j in range(n_classes):
            place = probs + j * stride + i
            error = vload(work, place) - where_equal(label, float(j), on, off)
            vstore(work, place, error * weight)


@kernel(inline=True)
def sigmoid_loss(z, y):
    """``log(1 + e**z) - y z``: cross-entropy of a sigmoid output, y from 0 to 1."""
    return fma(0.0 - y, z, softplus(z))


@kernel(inline=True)
def huber_loss(error, delta):
    """Half of the squared error, and a line beyond delta (Huber 1964)."""
    size = where_less(error, 0.0, 0.0 - error, error)
    return where_less(size, delta, 0.5 * error * error, delta * (size - 0.5 * delta))


@kernel(inline=True)
def poisson_loss(z, mean, y):
    """Half of the deviance, ``mean - y z + y log(y) - y``, of counts y whose mean is ``e**z``; 0 where it is y.

    As ``y (e**d - 1 - d)``, d the logarithm of mean / y: the difference of large terms would be noise in float32.
    """
    d = z - log(where_less(0.0, y, y, 1.0))
    return where_less(0.0, y, y * (expm1(d) - d), mean)


@kernel
def values_forward(work, Z, out, stride, n_outputs, targets, loss, numbers, m, code):
    """``out`` = what the network says of each target, and each sample's loss, summed over the targets in their order.

    out is a sigmoid of Z for binary cross-entropy, e**Z for Poisson's loss, Z itself for the others.
    """
    delta = broadcast(work, numbers + at.DELTA)
    for i in range(0, m, n_lanes(work)):
        total = zeros(work)
        for row in range(i, i + n_outputs * stride, stride):
            z, y = vload(work, Z + row), vload(work, targets + row)
            if code == SIGMOID:
                vstore(work, out + row, sigmoid(z))
                total = total + sigmoid_loss(z, y)
            elif code == POISSON:
                mean = exp(z)
                vstore(work, out + row, mean)
                total = total + poisson_loss(z, mean, y)
            else:
                error = z - y
                vstore(work, out + row, z)
                total = total + (huber_loss(error, delta) if code == HUBER else 0.5 * error * error)
        vstore(work, loss + i, total)


@kernel
def values_backward(work, out, stride, n_outputs, targets, weights, numbers, m, code):
    """``dZ = (out - target) * weights`` in place of out; Huber's error is cut off at delta."""
    delta = broadcast(work, numbers + at.DELTA)
    for row in range(0, n_outputs * stride, stride):
        for i in range(0, m, n_lanes(work)):
            error = vload(work, out + row + i) - vload(work, targets + row + i)
            if code == HUBER:
                error = where_less(error, 0.0 - delta, 0.0 - delta, where_less(delta, error, delta, error))
            vstore(work, out + row + i, error * vload(work, weights + i))


@kernel(merge=True)
def loss_forward(work, frame, last, m):
    """Outputs, in place of the last layer's deltas, and each sample's loss."""
    stride, numbers, code = frame[at.STRIDE], frame[at.NUMBERS], frame[at.OBJECTIVE]
    Z, out, n, targets, loss = last[at.A], last[at.DZ], last[at.FAN_OUT], frame[at.TARGETS], frame[at.LOSS]
    if code == SOFTMAX:
        softmax_forward(work, Z, out, stride, n, targets, loss, m)
        if work[numbers + at.SMOOTHING] > 0.0:
            smoothing_forward(work, Z, stride, n, targets, loss, numbers + at.SMOOTHING, m)
    else:
        values_forward(work, Z, out, stride, n, targets, loss, numbers, m, code)


@kernel(merge=True)
def loss_backward(work, frame, last, m):
    """The last layer's deltas, in place of the outputs."""
    stride, numbers, code = frame[at.STRIDE], frame[at.NUMBERS], frame[at.OBJECTIVE]
    out, n, targets, weights = last[at.DZ], last[at.FAN_OUT], frame[at.TARGETS], frame[at.WEIGHTS]
    if code == SOFTMAX:
        softmax_backward(work, out, stride, n, targets, weights, numbers, m)
    else:
        values_backward(work, out, stride, n, targets, weights, numbers, m, code)
