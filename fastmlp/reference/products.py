"""A layer's products in plain NumPy: as chains of fused multiply-adds, and in the order of the CPU's bf16 instructions.

Each function equals the function of the same name in `fastmlp.kernels` bit for bit. Samples are rows, W is (fan_in,
fan_out).
"""

from collections.abc import Sequence

import numpy as np

from fastmlp.reference.arithmetic import SINGLE, Array, bf16_round, flush, fma, multiply


def product(start: Array, P: Array, Q: Array) -> Array:
    """``start + P Q``: each element one chain of fused multiply-adds over k = 0, 1, ..., in this order."""
    total = start
    for k in range(len(Q)):
        total = fma(P[:, k, None], Q[k], total)
    return total


def row_split(x: Array, terms: int) -> list[Array]:
    """float32 numbers as sums of bf16 ones: x rounded, then what is left of it rounded, and so on."""
    parts, x = [], flush(x)
    for _ in range(terms):
        parts.append(bf16_round(x))
        x = flush(x - flush(parts[-1]))
    return parts


#: Steps of a sum that a bf16 instruction sums before it adds them to the total.
BLOCK_STEPS = 32


def bf16_product(start: Array, P: Sequence[Array], Q: Sequence[Array]) -> Array:
    """``start + P Q`` in the order of the bf16 instructions, P and Q lists of terms; see `fastmlp.kernels.bf16_matmul`.

    TDPBF16PS of Intel's manual: for every 32 steps (padded with zeros) and every product of terms that is not omitted,
    one chain over the even steps and one over the odd, both from zero; their sum is added to the total.
    """
    total, n_steps, nothing = np.broadcast_to(start, (len(P[0]), Q[0].shape[1])), len(Q[0]), np.zeros(1, SINGLE)
    for k in range(0, n_steps, BLOCK_STEPS):
        for j, q in enumerate(Q):
            for p in P[: len(P) - j]:
                chains = [np.zeros_like(total), np.zeros_like(total)]
                for step in range(k, k + BLOCK_STEPS):
                    a, b = (p[:, step, None], q[step]) if step < n_steps else (nothing, nothing)
                    chains[step % 2] = fma(a, b, chains[step % 2])
                total = flush(total + flush(chains[0] + chains[1]))
    return total


def dense_forward(A_below: Array, W: Array, b: Array) -> Array:
    """``Z = A_below W + b``; a sum starts from the bias."""
    return product(b, A_below, W)


def dense_gradient(A_below: Array, dZ: Array) -> Array:
    """``dW = A_below^T dZ``, (4) and (5), over the samples in their order, from zero."""
    return product(np.zeros((A_below.shape[1], dZ.shape[1]), dZ.dtype), A_below.T, dZ)


def bias_gradient(dZ: Array) -> Array:
    """db, the sum of dZ over the samples in their order, from zero."""
    db: Array = np.zeros_like(dZ[0])
    for row in dZ:
        db = flush(db + row)
    return db


class Layer:
    """A layer's three products, given its input."""

    def __init__(self, A_below: Array) -> None:
        self.A_below = A_below

    def forward(self, W: Array, b: Array) -> Array:
        """Z."""
        return dense_forward(self.A_below, W, b)

    def backward(self, dZ: Array, W: Array) -> Array:
        """DA of the layer below."""
        return product(np.zeros((len(dZ), len(W)), dZ.dtype), dZ, W.T)

    def gradient(self, dZ: Array) -> Array:
        """DW."""
        return dense_gradient(self.A_below, dZ)


class Bf16Layer(Layer):
    """The same on a bf16 unit, from inputs split or taken as the pixels that they are."""

    def __init__(self, terms: int, A_below: Array, pixel_scale: np.float32 | None = None) -> None:
        super().__init__(A_below)
        self.terms, self.scale = terms, np.asarray(1 if pixel_scale is None else pixel_scale, SINGLE)
        self.inputs = row_split(A_below, terms) if pixel_scale is None else [A_below]

    def forward(self, W: Array, b: Array) -> Array:
        """Z; pixels are scaled by way of the weights."""
        P, Q = row_split(multiply(W.T, self.scale), self.terms), [part.T for part in self.inputs]
        return bf16_product(b[:, None], P, Q).T

    def backward(self, dZ: Array, W: Array) -> Array:
        """DA of the layer below."""
        zeros = np.zeros((len(W), 1), dZ.dtype)
        return bf16_product(zeros, row_split(W, self.terms), row_split(dZ.T, self.terms)).T

    def gradient(self, dZ: Array) -> Array:
        """dW; pixels are scaled by way of the deltas."""
        zeros = np.zeros((dZ.shape[1], 1), dZ.dtype)
        return bf16_product(zeros, row_split(multiply(dZ.T, self.scale), self.terms), self.inputs).T
