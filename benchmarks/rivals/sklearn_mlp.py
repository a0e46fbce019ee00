"""scikit-learn's MLPClassifier in float32, without momentum, early stopping or a check of the data for NaN per epoch.

Each call of `partial_fit` trains one epoch and keeps the optimizer's state; it gathers its batches as `fit` does.
Predictions are those of the estimator that `Model.to_sklearn` makes. Its products are NumPy's.
"""

from importlib.metadata import version as version_of
from time import perf_counter

import numpy as np

label = "scikit-learn"


def version():
    return f"scikit-learn {version_of('scikit-learn')}"


def train(workload, ready, report):
    import sklearn
    from sklearn.neural_network import MLPClassifier

    sklearn.set_config(assume_finite=True)
    case, X, orders = workload.case, workload.inputs, _GivenOrders(workload.orders)
    network = MLPClassifier(
        hidden_layer_sizes=case.sizes[1:-1], activation="logistic", solver=case.optimizer, alpha=0.0,
        batch_size=case.batch_size, learning_rate_init=case.learning_rate, momentum=0.0, nesterovs_momentum=False,
        n_iter_no_change=workload.n_epochs + 2, tol=0.0, random_state=0,
    )  # fmt: skip
    first = slice(0, case.batch_size)
    network.partial_fit(X[first], workload.y[first], classes=np.arange(case.sizes[-1]))
    del network._optimizer
    network.random_state = orders
    for ours, theirs in zip(workload.weights + workload.biases, network.coefs_ + network.intercepts_, strict=True):
        theirs[...] = ours
    ready(0.0)
    for _ in workload.orders:
        start = perf_counter()
        network.partial_fit(X, workload.y)
        report(perf_counter() - start, workload.loss(network.coefs_, network.intercepts_))


def predictor(workload):
    import sklearn

    from benchmarks.case import model_of

    sklearn.set_config(assume_finite=True)
    return model_of(workload).to_sklearn().predict_proba


class _GivenOrders(np.random.RandomState):
    """Random state whose `shuffle` gives the workload's orders, one after another."""

    def __init__(self, orders):
        super().__init__(0)
        self.orders = iter(orders)

    def shuffle(self, x):
        x[:] = next(self.orders)
