"""Keras on JAX, and so on XLA: its model, loss and optimizer, by the stateless functions that Keras has for JAX.

An epoch is one `lax.scan` over `stateless_call` and `stateless_apply`, as in `jax_scan`. Microseconds per step of
64-32-10 (784-128-10, the paper's network), on a Zen 5: 9 (300, 860); one such step per call 23 (340, 890);
`Model.fit` with the samples in order beforehand, `jit_compile` and 32 `steps_per_execution` 41 (350, 950), with one 92
(400, 1020). Microseconds per prediction of one sample of 64-100-100-10: `stateless_call` compiled with the weights as
constants 16, as arguments 17, `predict_on_batch` 56, `predict` 326, the model itself 453; of 5,000 samples 1280, 1350,
1370, 1960, 1870.
"""

import os
from functools import partial
from importlib.metadata import version as version_of

from benchmarks.rivals import jax_scan

label = "Keras"


def version():
    return f"keras {version_of('keras')}"


def train(workload, ready, report):
    jax_scan.set_flags(workload.n_threads)
    keras = _keras()
    import jax
    import jax.numpy as jnp

    case, model = workload.case, _model(workload)
    kind = {"sgd": keras.optimizers.SGD, "adam": partial(keras.optimizers.Adam, epsilon=1e-8)}[case.optimizer]
    optimizer = kind(case.learning_rate)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def batch_loss(params, x, labels):
        return loss(labels, model.stateless_call(params, [], x, training=True)[0])

    def step(X, y, state, batch):
        params, moments = state
        x, labels = (a.at[batch].get(mode="promise_in_bounds") for a in (X, y))
        gradients = jax.grad(batch_loss)(params, x, labels)
        return optimizer.stateless_apply(moments, gradients, params), None

    state = tuple([jnp.copy(v.value) for v in part] for part in (model.trainable_variables, optimizer.variables))
    jax_scan.train_epochs(workload, step, state, ready, lambda state: (state[0][::2], state[0][1::2]), report)


def predictor(workload):
    jax_scan.set_flags(workload.n_threads)
    keras = _keras()
    import jax
    import numpy as np

    model = _model(workload)
    params = [variable.value for variable in model.trainable_variables]
    predict = jax.jit(lambda x: keras.ops.softmax(model.stateless_call(params, [], x)[0]))
    return lambda X: np.asarray(predict(X))


def _keras():
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    return keras


def _model(workload):
    """The network up to its logits, with the workload's weights."""
    keras, (n_features, *hidden, n_classes) = _keras(), workload.case.sizes
    layers = [keras.layers.Dense(size, activation="sigmoid") for size in hidden]
    model = keras.Sequential([keras.Input((n_features,)), *layers, keras.layers.Dense(n_classes)])
    model.set_weights([array for pair in zip(workload.weights, workload.biases, strict=True) for array in pair])
    return model
