"""JAX: a whole epoch in one `lax.scan`, with parameters and moments donated and batches gathered inside it.

It is compiled ahead of time, so that no training precedes the measurement. Four steps per iteration of the scan,
one-hot labels in place of `take_along_axis`, and oneDNN's matrix products made no difference above the noise. XLA
prefers vectors of 256 bits; with 512 bits, a Zen 4 is as fast, and a Zen 5 needs 0.92 to 1.03 of the time. XLA flushes
subnormal numbers by itself.

A prediction has the weights as constants. Microseconds for one sample (5,000) of 64-100-100-10, on a Zen 5: 16 (1240);
with the weights as arguments 17 (1360), compiled ahead of time 16 (1280), samples by DLPack 39 (1270). 5,000 samples of
3072-100-100-10 take 17 ms if the array is aligned to 64 bytes, as the workload's is, and 42 ms if JAX has to copy it.
"""

import os
from functools import partial
from time import perf_counter

label = "JAX"


def version():
    import jax

    return f"jax {jax.__version__}"


def set_flags(n_threads, *flags):
    """Set XLA's flags, before JAX is imported; those of the environment have precedence."""
    from fastmlp.codegen import cpu

    single = ["--xla_cpu_multi_thread_eigen=false"] if n_threads == 1 else []
    width = f"--xla_cpu_prefer_vector_width={cpu.vector_bits()}"
    os.environ["XLA_FLAGS"] = " ".join([*single, width, *flags, os.environ.get("XLA_FLAGS", "")])


def train(workload, ready, report, flags=()):
    set_flags(workload.n_threads, *flags)
    train_without_flags(workload, ready, report)


def train_without_flags(workload, ready, report):
    """Train with the flags that are set already, if any; fastmlp is not imported."""
    import jax
    import jax.numpy as jnp

    params = [(jnp.array(W), jnp.array(b)) for W, b in zip(workload.weights, workload.biases, strict=True)]
    zeros = jax.tree.map(jnp.zeros_like, params)
    n_moments = 2 if workload.case.optimizer == "adam" else 0
    state = params, tuple(jax.tree.map(jnp.copy, zeros) for _ in range(n_moments)), jnp.zeros((), jnp.float32)
    train_epochs(workload, partial(_step, workload.case), state, ready, _parameters, report)


def predictor(workload):
    set_flags(workload.n_threads)
    return predictor_without_flags(workload)


def predictor_without_flags(workload):
    """The predictor with the flags that are set already, if any; fastmlp is not imported."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    params = [(jnp.array(W), jnp.array(b)) for W, b in zip(workload.weights, workload.biases, strict=True)]
    predict = jax.jit(lambda x: jax.nn.softmax(_logits(params, x)))
    return lambda X: np.asarray(predict(X))


def _parameters(state):
    return zip(*state[0], strict=True)


def train_epochs(workload, step, state, ready, parameters_of, report):
    """Train by a step of samples, labels, state and batch; the state starts with what `parameters_of` reads."""
    import jax
    import jax.numpy as jnp

    data = jnp.array(workload.inputs), jnp.array(workload.y)
    start = perf_counter()
    compiled = jax.jit(partial(_epoch, step, workload.case.batch_size), donate_argnums=0)
    epoch = compiled.lower(state, *data, jnp.array(workload.orders[0])).compile()
    ready(perf_counter() - start)
    for order in workload.orders:
        order = jax.block_until_ready(jnp.array(order))
        start = perf_counter()
        state = jax.block_until_ready(epoch(state, *data, order))
        elapsed = perf_counter() - start
        report(elapsed, workload.loss(*parameters_of(jax.device_get(state))))


def _epoch(step, batch_size, state, X, y, order):
    """Train on all full batches in a scan, then on the shorter last batch."""
    import jax

    n_full = order.size // batch_size * batch_size
    step = partial(step, X, y)
    state, _ = jax.lax.scan(step, state, order[:n_full].reshape(-1, batch_size))
    return step(state, order[n_full:])[0] if n_full < order.size else state


def _step(case, X, y, state, batch):
    import jax
    import jax.numpy as jnp

    params, moments, t = state
    x, labels = (a.at[batch].get(mode="promise_in_bounds") for a in (X, y))
    gradients = jax.grad(_loss)(params, x, labels)
    t = t + 1
    if case.optimizer == "sgd":
        params = jax.tree.map(lambda p, g: p - case.learning_rate * g, params, gradients)
        return (params, moments, t), None
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], gradients)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], gradients)
    correction = jnp.sqrt(1 - 0.999**t)
    rate, eps = case.learning_rate * correction / (1 - 0.9**t), 1e-8 * correction
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + eps), params, m, v)
    return (params, (m, v), t), None


def _loss(params, x, labels):
    import jax
    import jax.numpy as jnp

    log_probs = jax.nn.log_softmax(_logits(params, x))
    return -jnp.mean(jnp.take_along_axis(log_probs, labels[:, None], axis=1))


def _logits(params, x):
    import jax

    for W, b in params[:-1]:
        x = jax.nn.sigmoid(x @ W + b)
    W, b = params[-1]
    return x @ W + b
