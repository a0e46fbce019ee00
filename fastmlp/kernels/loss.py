"""The losses: outputs and values in one pass over a batch's pre-activations, deltas in another.

Lanes are samples, so the maximum and the sum over the outputs run down the rows, in their order.

Cross-entropy has kernels of its own. Any other loss in `fastmlp.settings.LOSSES` is the function NAME_loss of
pre-activation, output, target and Huber's delta. Its derivative by the pre-activation is output minus target, where the
derivative of the output activation cancels that of the loss; otherwise it is the function NAME_backward of output,
target and Huber's delta.
"""

import math
from typing import Any

from fastmlp.codegen.indirect import Implementation
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import broadcast, fma, n_lanes, vload, vstore, where_equal, where_less, zeros
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import identity, sigmoid, softplus
from fastmlp.kernels.prototypes import LOSS, SMOOTHING, call_loss, call_smoothing
from fastmlp.kernels.vector_math import clamp_finite, exp, expm1, log
from fastmlp.settings import LOSSES

#: Activations of the output layer other than softmax.
OUTPUTS = {"sigmoid": sigmoid, "identity": identity, "exp": exp}


@kernel
def softmax_forward(work, logits, probs, stride, n_classes, labels, loss, m):
    """``probs = softmax(logits)`` (2), and each sample's ``loss = -log probs[label]``: (1) without its penalty.

    All are parts of `work`, given by their offsets: logits, probs (n_classes, stride); labels, as floats, and loss (m
    rounded up to whole vectors). The loss is ``log(sum of exp(z - max)) - (z[label] - max)``, which stays finite where
    the probability underflows. An infinite logit gives the limits: probabilities 0 and 1, and a loss of 0 or infinity.
    If several logits are the same infinity and none is larger, there is no limit, and the results are NaN.
    """
    for i in range(0, m, n_lanes(work)):
        top = vload(work, logits + i)
        for j in range(1, n_classes):
            z = vload(work, logits + j * stride + i)
            top = where_less(top, z, z, top)
        label, chosen, total = vload(work, labels + i), zeros(work), zeros(work)
        for j in range(n_classes):
            z = vload(work, logits + j * stride + i)
            z = where_equal(z, top, 0.0, z - top)
            e = exp(z)
            total = total + e
            chosen = where_equal(label, float(j), z, chosen)
            vstore(work, probs + j * stride + i, e)
        total = total + where_less(1.5, total, top * 0.0, 0.0)  # NaN where two logits are the same infinity
        vstore(work, loss + i, log(total) - chosen)
        for j in range(n_classes):
            p = probs + j * stride + i
            vstore(work, p, vload(work, p) / total)


@SMOOTHING.implementation
def smoothing_forward(work, logits, stride, n_classes, labels, loss, smoothing, m):
    """Cross-entropy with smoothed labels (Szegedy et al. 2016): ``loss + smoothing * (z[label] - mean of z)``.

    The logits are scaled by a power of two, which changes no bit, so that neither their sum nor the difference
    overflows. The difference is at least -loss; the rounding error of the mean of large logits could make it less. An
    infinite logit makes the loss infinite, since every class has a share of the target.
    """
    scale = 0.5
    while scale * n_classes > 1.0:
        scale *= 0.5
    share = broadcast(work, smoothing) * (1.0 / scale)
    for i in range(0, m, n_lanes(work)):
        label, chosen, total = vload(work, labels + i), zeros(work), zeros(work)
        for j in range(n_classes):
            z = vload(work, logits + j * stride + i) * scale
            total = total + z
            chosen = where_equal(label, float(j), z, chosen)
        value = vload(work, loss + i)
        difference, least = chosen - total / float(n_classes), value * (0.0 - scale)
        smoothed = fma(share, where_less(difference, least, least, difference), value)
        vstore(work, loss + i, where_equal(total * 0.0, 0.0, smoothed, value + math.inf))


@kernel
def softmax_backward(work, probs, stride, n_classes, labels, weights, scalars, m):
    """``dZ = (probs - target) * weights`` in place of probs: equation (5), with the mean's 1/m in the weights.

    weights (m rounded up to vectors): each sample's fraction of the batch, 0 beyond its end, so that those columns add
    nothing. The target is ON for the label and OFF for the others: 1 and 0 without smoothing.
    """
    on, off = broadcast(work, scalars + at.ON), broadcast(work, scalars + at.OFF)
    for i in range(0, m, n_lanes(work)):
        label, weight = vload(work, labels + i), vload(work, weights + i)
        for j in range(n_classes):
            offset = probs + j * stride + i
            error = vload(work, offset) - where_equal(label, float(j), on, off)
            vstore(work, offset, error * weight)


@kernel(forceinline=True)
def binary_cross_entropy_loss(z, out, y, delta):
    """``log(1 + e**z) - y z``: cross-entropy of a sigmoid output, y from 0 to 1.

    For an infinite z, it is 0 if y is the class of z's sign with certainty, and infinity otherwise.
    """
    limited, excluded = clamp_finite(z), where_less(z, 0.0, y, 1.0 - y)
    value = fma(0.0 - y, limited, softplus(limited))
    return where_equal(z, limited, value, where_less(0.0, excluded, z * z, value))


@kernel(forceinline=True)
def error_backward(out, y, delta):
    """``out - y``, the derivative of a loss whose output activation is canonical."""
    return out - y


@kernel(forceinline=True)
def squared_error_loss(z, out, y, delta):
    """Half the squared error."""
    error = z - y
    return 0.5 * error * error


@kernel(forceinline=True)
def huber_loss(z, out, y, delta):
    """Half the squared error, linear beyond delta (Huber 1964)."""
    error = z - y
    size = where_less(error, 0.0, 0.0 - error, error)
    return where_less(size, delta, squared_error_loss(z, out, y, delta), delta * (size - 0.5 * delta))


@kernel(forceinline=True)
def huber_backward(out, y, delta):
    """``out - y``, clamped to delta."""
    error = out - y
    return where_less(error, 0.0 - delta, 0.0 - delta, where_less(delta, error, delta, error))


@kernel(forceinline=True)
def poisson_loss(z, out, y, delta):
    """Half the deviance, ``out - y z + y log(y) - y``, of counts y whose mean is ``out = e**z``; 0 where out is y.

    Computed as ``y (e**d - 1 - d)``, d = log(out / y): the difference of large terms would be noise in float32. `exp`
    and `expm1` are clamped. Beyond 88, d is lost in rounding ``e**d - d``; there it is added, not subtracted, so that
    the loss of an infinite d is infinity.
    """
    d = z - log(where_less(0.0, y, y, 1.0))
    value = y * (expm1(d) - where_less(88.0, d, 0.0 - d, d))
    return where_less(0.0, y, value, out + where_less(88.0, d, d, 0.0))


def _values_forward(loss: str) -> Implementation:
    """Outputs for target values, and each sample's loss, summed over the outputs in their order."""
    output: Any = OUTPUTS[LOSSES[loss].output]
    loss_of: Any = globals().get(f"{loss}_loss")

    def values_forward(work, common, last, column, m):
        stride, delta = common[at.STRIDE], broadcast(work, common[at.SCALARS] + at.HUBER_DELTA)
        Z, out, targets = last[at.A] + column, last[at.DZ] + column, common[at.TARGETS] + column
        for i in range(0, m, n_lanes(work)):
            total = zeros(work)
            for row in range(i, i + last[at.FAN_OUT] * stride, stride):
                z, y = vload(work, Z + row), vload(work, targets + row)
                a = output(z)
                vstore(work, out + row, a)
                total = total + loss_of(z, a, y, delta)
            vstore(work, common[at.LOSS] + column + i, total)

    return LOSS.implementation(values_forward, f"loss_{loss}")


def _values_backward(loss: str) -> Implementation:
    """``dZ`` in place of the outputs: the loss's derivative by the pre-activation, times the sample's weight."""
    derivative: Any = globals().get(f"{loss}_backward", error_backward)

    def values_backward(work, common, last, column, m):
        stride, delta = common[at.STRIDE], broadcast(work, common[at.SCALARS] + at.HUBER_DELTA)
        out, targets, weights = last[at.DZ] + column, common[at.TARGETS] + column, common[at.WEIGHTS] + column
        for row in range(0, last[at.FAN_OUT] * stride, stride):
            for i in range(0, m, n_lanes(work)):
                a, y = vload(work, out + row + i), vload(work, targets + row + i)
                vstore(work, out + row + i, derivative(a, y, delta) * vload(work, weights + i))

    return LOSS.implementation(values_backward, f"loss_backward_{loss}")


@LOSS.implementation
def cross_entropy_forward(work, common, last, column, m):
    """`softmax_forward`, and `smoothing_forward` where labels are smoothed."""
    stride, n, labels, loss = common[at.STRIDE], last[at.FAN_OUT], common[at.TARGETS] + column, common[at.LOSS] + column
    Z, out, smoothing = last[at.A] + column, last[at.DZ] + column, common[at.SCALARS] + at.SMOOTHING
    softmax_forward(work, Z, out, stride, n, labels, loss, m)
    if common[at.SMOOTHING_FORWARD] != 0:
        call_smoothing(common[at.SMOOTHING_FORWARD], (work, Z, stride, n, labels, loss, smoothing, m))


@LOSS.implementation
def cross_entropy_backward(work, common, last, column, m):
    """`softmax_backward`."""
    out, labels, weights = last[at.DZ] + column, common[at.TARGETS] + column, common[at.WEIGHTS] + column
    softmax_backward(work, out, common[at.STRIDE], last[at.FAN_OUT], labels, weights, common[at.SCALARS], m)


_VALUES = [name for name, loss in LOSSES.items() if loss.output in OUTPUTS]
#: By the name of the loss: outputs, in place of the last layer's deltas, and each sample's loss.
FORWARD = {name: _values_forward(name) for name in _VALUES}
FORWARD["cross_entropy"] = cross_entropy_forward
#: By the name of the loss: the last layer's deltas, in place of the outputs.
BACKWARD = {name: _values_backward(name) for name in _VALUES}
BACKWARD["cross_entropy"] = cross_entropy_backward


@kernel
def loss_forward(work, common, last, columns):
    """Outputs, in place of the last layer's deltas, and each sample's loss; columns: (first, number)."""
    call_loss(common[at.LOSS_FORWARD], (work, common, last, columns[0], columns[1]))


@kernel
def loss_backward(work, common, last, columns):
    """The last layer's deltas, in place of the outputs; columns: (first, number)."""
    call_loss(common[at.LOSS_BACKWARD], (work, common, last, columns[0], columns[1]))
