"""Whether fastmlp trains a case aright: its loss after some steps against NumPy's, before anything is timed."""

from dataclasses import replace

import numpy as np

import fastmlp
from benchmarks.case import N_JUDGED, Case, Workload, config_of, make_workload
from benchmarks.rivals.numpy_blas import Network

#: Full batches of a short task, and samples of the short batch behind them.
N_BATCHES, N_LEFT = 40, 5
#: Sums in another order leave a loss within 1e-8 after so many steps of SGD, within 3e-6 after Adam's; a wrong
#: gradient, batch or learning rate does not leave it within 1e-3.
TOLERANCE = 1e-5


def shorten(case: Case) -> Case:
    """The case with few batches, the last one short. Later, losses part: Adam's tenfold in 50 steps."""
    n_samples = N_BATCHES * case.batch_size + N_LEFT
    return replace(case, n_samples=n_samples)


def numpy_loss(task: Workload) -> float:
    """Loss of NumPy's network after the task's first epoch."""
    network = Network(task)
    for batch in task.batches(task.orders[0]):
        network.step(task.inputs, task.y, batch)
    return task.loss(network.weights, network.biases)


def check_training(case: Case) -> None:
    """Refuse to go on where fastmlp's loss, from either type of input, is not NumPy's."""
    task, _ = make_workload(shorten(case), n_epochs=1)
    ref = numpy_loss(task)
    for X, scale in ((task.X, "auto"), (task.inputs, "none")):
        dataset = fastmlp.Dataset(X, task.y, X[:N_JUDGED], task.y[:N_JUDGED], scale)
        got = fastmlp.train(dataset, config_of(task.case, 1)).history[-1]["test_loss"]
        np.testing.assert_allclose(got, ref, rtol=TOLERANCE, err_msg=f"{case.name}, {X.dtype}")
