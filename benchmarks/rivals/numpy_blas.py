"""NumPy: all buffers allocated before training, all products and updates in place, float32 throughout."""

from time import perf_counter

import numpy as np

label = "NumPy"


def version():
    return f"numpy {np.__version__}"


def train(workload, ready, report):
    network = Network(workload)
    X, y = workload.inputs, workload.y.astype(np.intp)
    ready(0.0)
    for order in workload.orders:
        batches = workload.batches(order.astype(np.intp))
        start = perf_counter()
        for batch in batches:
            network.step(X, y, batch)
        report(perf_counter() - start, workload.loss(network.weights, network.biases))


def predictor(workload):
    return Network(workload).predict_proba


class Network:
    """A network, its training step and its predictions."""

    def __init__(self, workload):
        case = self.case = workload.case
        self.weights, self.biases = [W.copy() for W in workload.weights], [b.copy() for b in workload.biases]
        self.dW, self.db = [np.empty_like(W) for W in self.weights], [np.empty_like(b) for b in self.biases]
        self.A = [np.empty((case.batch_size, size), np.float32) for size in case.sizes]
        self.dZ = [np.empty_like(A) for A in self.A[1:]]
        self.derivatives = [np.empty_like(A) for A in self.A[1:-1]]
        self.rows = np.arange(case.batch_size)
        self.update = {"sgd": _sgd, "adam": _Adam(self.weights + self.biases)}[case.optimizer]

    def step(self, X, y, batch):
        m = len(batch)
        A, dZ = [A[:m] for A in self.A], [dZ[:m] for dZ in self.dZ]
        # The default mode="raise" gathers into a temporary buffer and copies that.
        np.take(X, batch, axis=0, out=A[0], mode="clip")
        self._forward(A)
        _softmax_delta(A[-1], self.rows[:m], y[batch], out=dZ[-1])
        for layer in range(len(dZ) - 1, -1, -1):
            np.matmul(A[layer].T, dZ[layer], out=self.dW[layer])
            np.sum(dZ[layer], axis=0, out=self.db[layer])
            if self.case.l2:
                self.dW[layer] += np.float32(self.case.l2) * self.weights[layer]
            if layer:
                derivative = self.derivatives[layer - 1][:m]
                np.subtract(1, A[layer], out=derivative)
                derivative *= A[layer]
                np.matmul(dZ[layer], self.weights[layer].T, out=dZ[layer - 1])
                dZ[layer - 1] *= derivative
        self.update(self.weights + self.biases, self.dW + self.db, self.case.learning_rate)

    def predict_proba(self, X):
        A = [X, *(A[: len(X)] for A in self.A[1:])]
        self._forward(A)
        return _softmax(A[-1], out=A[-1])

    def _forward(self, A):
        for layer, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            Z = np.matmul(A[layer], W, out=A[layer + 1])
            Z += b
            if layer + 1 < len(self.weights):
                np.negative(Z, out=Z)
                np.exp(Z, out=Z)
                Z += 1
                np.reciprocal(Z, out=Z)


def _softmax(logits, out):
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=out)
    out /= out.sum(axis=1, keepdims=True)
    return out


def _softmax_delta(logits, rows, labels, out):
    _softmax(logits, out)
    out[rows, labels] -= 1
    out *= np.float32(1 / len(out))


def _sgd(params, gradients, lr):
    for p, g in zip(params, gradients, strict=True):
        g *= np.float32(lr)
        p -= g


class _Adam:
    """Adam, with the bias corrections folded into two factors per step (Kingma and Ba, end of section 2)."""

    def __init__(self, params):
        self.m, self.v = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
        self.scratch = [np.empty_like(p) for p in params]
        self.t = 0

    def __call__(self, params, gradients, lr, beta1=0.9, beta2=0.999, eps=1e-8):
        self.t += 1
        correction = (1 - beta2**self.t) ** 0.5
        rate, eps = np.float32(lr * correction / (1 - beta1**self.t)), np.float32(eps * correction)
        for p, g, m, v, s in zip(params, gradients, self.m, self.v, self.scratch, strict=True):
            m *= np.float32(beta1)
            np.multiply(g, np.float32(1 - beta1), out=s)
            m += s
            v *= np.float32(beta2)
            np.multiply(g, g, out=g)
            g *= np.float32(1 - beta2)
            v += g
            np.sqrt(v, out=s)
            s += eps
            np.divide(m, s, out=s)
            s *= rate
            p -= s
