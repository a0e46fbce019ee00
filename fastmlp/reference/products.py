"""Reference implementations of a layer's products: chains of fused multiply-adds, and bf16 products.

`fastmlp.reference` states what holds for all of them.
"""

from collections.abc import Sequence

import numpy as np

from fastmlp.reference.arithmetic import SINGLE, Array, bf16_round, flush, fma, multiply


def product(C0: Array, A: Array, B: Array) -> Array:
    """``C0 + A B``: each element one chain of fused multiply-adds in the order of K."""
    total = C0
    for k in range(len(B)):
        total = fma(A[:, k, None], B[k], total)
    return total


def row_split(x: Array, terms: int) -> list[Array]:
    """float32 numbers as sums of bf16 terms: x rounded, then the remainder rounded, and so on."""
    parts, x = [], flush(x)
    for _ in range(terms):
        parts.append(bf16_round(x))
        x = flush(x - flush(parts[-1]))
    return parts


#: Steps that a bf16 instruction sums before it adds them to the accumulator.
BLOCK_STEPS = 32


def bf16_product(C0: Array, A: Sequence[Array], B: Sequence[Array]) -> Array:
    """``C0 + A B`` as bf16 instructions sum it, A and B given by their terms; see `fastmlp.kernels.bf16_matmul`.

    TDPBF16PS as Intel's manual defines it: for every block of 32 steps, the last filled up with zeros, and for every
    product of terms that is not left out, one chain over the even steps and one over the odd, both from zero. Their sum
    is added to the total.
    """
    total, n_steps, zero = np.broadcast_to(C0, (len(A[0]), B[0].shape[1])), len(B[0]), np.zeros(1, SINGLE)
    for k in range(0, n_steps, BLOCK_STEPS):
        for j, b_term in enumerate(B):
            for a_term in A[: len(A) - j]:
                chains = [np.zeros_like(total), np.zeros_like(total)]
                for step in range(k, k + BLOCK_STEPS):
                    a, b = (a_term[:, step, None], b_term[step]) if step < n_steps else (zero, zero)
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
    """The forward product, the backward product and the gradient of a layer, given its input."""

    def __init__(self, A_below: Array) -> None:
        self.A_below = A_below

    def forward(self, W: Array, b: Array) -> Array:
        """``Z = A_below W + b``."""
        return dense_forward(self.A_below, W, b)

    def backward(self, dZ: Array, W: Array) -> Array:
        """``dA_below = dZ W^T``."""
        return product(np.zeros((len(dZ), len(W)), dZ.dtype), dZ, W.T)

    def gradient(self, dZ: Array) -> Array:
        """``dW = A_below^T dZ``."""
        return dense_gradient(self.A_below, dZ)


class Bf16Layer(Layer):
    """The same with bf16 products; inputs are split into terms, or are pixels, which are bf16 numbers as they are."""

    def __init__(self, terms: int, A_below: Array, pixel_scale: np.float32 | None = None) -> None:
        super().__init__(A_below)
        self.terms, self.scale = terms, np.asarray(1 if pixel_scale is None else pixel_scale, SINGLE)
        self.inputs = row_split(A_below, terms) if pixel_scale is None else [A_below]

    def forward(self, W: Array, b: Array) -> Array:
        """``Z = A_below W + b``; the scale of pixels is applied to the weights."""
        weights, inputs = row_split(multiply(W.T, self.scale), self.terms), [part.T for part in self.inputs]
        return bf16_product(b[:, None], weights, inputs).T

    def backward(self, dZ: Array, W: Array) -> Array:
        """``dA_below = dZ W^T``."""
        zeros = np.zeros((len(W), 1), dZ.dtype)
        return bf16_product(zeros, row_split(W, self.terms), row_split(dZ.T, self.terms)).T

    def gradient(self, dZ: Array) -> Array:
        """``dW = A_below^T dZ``; the scale of pixels is applied to the deltas."""
        zeros = np.zeros((dZ.shape[1], 1), dZ.dtype)
        return bf16_product(zeros, row_split(multiply(dZ.T, self.scale), self.terms), self.inputs).T
