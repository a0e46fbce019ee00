"""Softmax and cross-entropy: value and delta together, one pass over a batch's logits.

Samples are lanes, so the maximum and the sum over the classes run down the rows, in the order of the classes.
"""

from fastmlp.jit import kernel
from fastmlp.kernels.elementary import exp, log
from fastmlp.simd import n_lanes, vload, vstore, where_equal, where_less, zeros


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
def softmax_backward(work, probs, stride, n_classes, labels, weights, m):
    """``dZ = (probs - onehot(labels)) * weights`` in place of probs: equation (5), the mean's 1/m in the weights.

    weights (m rounded up to vectors): 1/m for each sample, 0 beyond the batch's end, so that its columns add nothing.
    """
    for i in range(0, m, n_lanes(work)):
        label, weight = vload(work, labels + i), vload(work, weights + i)
        for j in range(n_classes):
            at = probs + j * stride + i
            error = vload(work, at) - where_equal(label, float(j), 1.0, 0.0)
            vstore(work, at, error * weight)
