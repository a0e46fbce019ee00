"""Validation of a case before it is timed: fastmlp's loss after some steps against that of the NumPy network."""

from dataclasses import replace

import numpy as np

import fastmlp
from benchmarks.case import N_LOSS_SAMPLES, Case, Workload, config_of, make_workload, model_of
from benchmarks.rivals.numpy_blas import Network

#: Full batches of a validation run, and samples of the shorter batch that follows them.
N_BATCHES, N_REMAINING = 40, 5
#: Relative difference of the losses after these steps. Another order of summation changes the loss by less than 1e-8
#: with SGD and 3e-6 with Adam; a wrong gradient, batch or learning rate changes it by more than 1e-3.
TOLERANCE = 1e-5


def shorten(case: Case) -> Case:
    """The case with few batches, the last one shorter.

    Rounding errors grow with further steps: with Adam, the difference of two losses grows tenfold in 50 steps.
    """
    n_samples = N_BATCHES * case.batch_size + N_REMAINING
    return replace(case, n_samples=n_samples)


def numpy_loss(workload: Workload) -> float:
    """Loss of the NumPy network after the workload's first epoch."""
    network = Network(workload)
    for batch in workload.batches(workload.orders[0]):
        network.step(workload.inputs, workload.y, batch)
    return workload.loss(network.weights, network.biases)


def check_training(case: Case) -> None:
    """Raise an AssertionError if fastmlp's loss, from uint8 or from float32 samples, differs from NumPy's."""
    workload, _ = make_workload(shorten(case), n_epochs=1)
    ref, y = numpy_loss(workload), workload.y
    for X, scale in ((workload.X, "auto"), (workload.inputs, "none")):
        dataset = fastmlp.Dataset(X, y, X[:N_LOSS_SAMPLES], y[:N_LOSS_SAMPLES], scale)
        got = fastmlp.train(dataset, config_of(workload.case, 1), model_of(workload)).history[-1]["test_loss"]
        np.testing.assert_allclose(got, ref, rtol=TOLERANCE, err_msg=f"{case.name}, {X.dtype}")
