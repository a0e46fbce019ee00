"""JAX: a whole epoch in one `lax.scan`, with parameters and moments donated and batches gathered inside it.

It is compiled ahead of time, so that no training precedes the measurement. Four steps per iteration of the scan,
one-hot labels in place of `take_along_axis`, 512-bit vectors and oneDNN's matrix products made no difference above the
noise. XLA flushes subnormal numbers by itself.
"""

import os
from functools import partial
from time import perf_counter

label = "JAX"


def version():
    import jax

    return f"jax {jax.__version__}"


def train(workload, ready, report, flags=""):
    single = "--xla_cpu_multi_thread_eigen=false " if workload.n_threads == 1 else ""
    os.environ["XLA_FLAGS"] = single + flags
    import jax
    import jax.numpy as jnp

    params = [(jnp.array(W), jnp.array(b)) for W, b in zip(workload.weights, workload.biases, strict=True)]
    zeros = jax.tree.map(jnp.zeros_like, params)
    n_moments = 2 if workload.case.optimizer == "adam" else 0
    state = params, tuple(jax.tree.map(jnp.copy, zeros) for _ in range(n_moments)), jnp.zeros((), jnp.float32)
    data = jnp.array(workload.inputs), jnp.array(workload.y)
    start = perf_counter()
    lowered = jax.jit(partial(_epoch, workload.case), donate_argnums=0).lower(
        state, *data, jnp.array(workload.orders[0])
    )
    epoch = lowered.compile()
    ready(perf_counter() - start)
    for order in workload.orders:
        order = jax.block_until_ready(jnp.array(order))
        start = perf_counter()
        state = jax.block_until_ready(epoch(state, *data, order))
        elapsed = perf_counter() - start
        weights, biases = zip(*jax.device_get(state[0]), strict=True)
        report(elapsed, workload.loss(weights, biases))


def _epoch(case, state, X, y, order):
    """Train on all full batches in a scan, then on the shorter last batch."""
    import jax

    n_full = order.size // case.batch_size * case.batch_size
    step = partial(_step, case, X, y)
    state, _ = jax.lax.scan(step, state, order[:n_full].reshape(-1, case.batch_size))
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

    for W, b in params[:-1]:
        x = jax.nn.sigmoid(x @ W + b)
    W, b = params[-1]
    log_probs = jax.nn.log_softmax(x @ W + b)
    return -jnp.mean(jnp.take_along_axis(log_probs, labels[:, None], axis=1))
