"""The loss over the training set and its gradient; the kernels of a batch are tested in `tests/kernels`."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from fastmlp.config import Config
from fastmlp.model.model import init_model
from fastmlp.settings import LOSSES
from fastmlp.training.objective import Objective
from fastmlp.training.trainer import Trainer

RNG = np.random.default_rng(0)
N = 50
X = RNG.standard_normal((N, 4))
WEIGHTS = RNG.integers(0, 4, N).astype(np.float64)
LABELS = (np.arange(N) % 3).astype(np.int32)
#: Targets that every loss but cross-entropy accepts.
VALUES = RNG.uniform(0, 1, (N, 3))


def make(cls=Objective, X=X, weights=None, n_threads=1, y=None, **settings):
    """An Objective, or a Trainer, of a small network."""
    common = {"hidden": (6, 5), "activation": "tanh", "batch_size": 20, "precision": "float64", "shuffle": False}
    config = Config(**{**common, "seed": 1, **settings})
    y = (LABELS if config.loss == "cross_entropy" else VALUES)[: X.shape[0]] if y is None else y
    return cls(init_model(config, n_features=4, n_classes=3), X, y, weights, n_threads)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_gradient_of_a_single_batch_is_that_of_a_training_step_bit_for_bit(precision):
    objective, trainer = (make(cls, batch_size=N, precision=precision) for cls in (Objective, Trainer))
    before = objective.point
    loss, gradient = objective.loss_and_gradient(before)
    assert loss.loss == trainer.run_epoch(lr=1.0).loss
    objective.model.params.theta[:] = trainer.model.params.theta
    np.testing.assert_array_equal(objective.point, (before - gradient).astype(precision))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_gradients_of_batches_are_added_in_their_order_by_their_weights(weights):
    whole = make(weights=weights)
    loss, gradient = whole.loss_and_gradient(whole.point)
    ref_loss, ref_gradient = 0.0, np.zeros(gradient.size)
    for first in range(0, N, 20):
        rows = slice(first, first + 20)
        total = np.ones(N) if weights is None else weights
        part = make(
            X=X[rows], y=LABELS[rows], weights=None if weights is None else weights[rows], batch_size=len(X[rows])
        )
        mean, part_gradient = part.loss_and_gradient(whole.point)
        share = total[rows].sum() / total.sum()
        ref_loss += share * mean.loss
        ref_gradient += share * part_gradient
    assert loss.loss == ref_loss
    np.testing.assert_array_equal(gradient, ref_gradient)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_the_derivative_of_loss_and_penalty(loss):
    objective = make(loss=loss, weights=WEIGHTS, l2=3.0, l2_scale="batch", label_smoothing=0.2)
    point, direction = objective.point, np.random.default_rng(2).standard_normal(objective.point.size)
    values = [sum(objective.loss_and_gradient(point + step * direction)[0]) for step in (-1e-6, 1e-6)]
    _, gradient = objective.loss_and_gradient(point)
    assert (values[1] - values[0]) / 2e-6 == pytest.approx(gradient @ direction, rel=1e-7)
    np.testing.assert_array_equal(objective.point, point)


def test_a_weight_counts_as_many_copies_of_a_sample():
    rows = np.repeat(np.arange(N), WEIGHTS.astype(int))
    settings = {"l2": 1.0, "l2_scale": "batch"}
    weighted, repeated = make(weights=WEIGHTS, **settings), make(X=X[rows], y=LABELS[rows], **settings)
    (loss, gradient), (ref_loss, ref) = (each.loss_and_gradient(each.point) for each in (weighted, repeated))
    np.testing.assert_allclose(loss, ref_loss, rtol=1e-13)
    np.testing.assert_allclose(gradient, ref, rtol=1e-10, atol=1e-14)


def test_a_batch_whose_weights_are_all_0_has_no_part_in_loss_and_gradient():
    weights = np.where(np.arange(N) < 20, 0, WEIGHTS)
    (loss, gradient), (ref_loss, ref) = (
        each.loss_and_gradient(each.point)
        for each in (make(weights=weights), make(X=X[20:], y=LABELS[20:], weights=weights[20:]))
    )
    assert loss == ref_loss
    np.testing.assert_array_equal(gradient, ref)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(n_threads):
    one, several = (make(n_threads=n) for n in (1, n_threads))
    (loss, gradient), (ref_loss, ref) = (each.loss_and_gradient(one.point) for each in (several, one))
    assert loss == ref_loss
    np.testing.assert_array_equal(gradient, ref)


def test_sparse_samples_give_the_bits_of_dense_ones():
    dense, sparse = make(), make(X=csr_matrix(X), shuffle=True)
    (loss, gradient), (ref_loss, ref) = (each.loss_and_gradient(dense.point) for each in (sparse, dense))
    assert loss == ref_loss
    np.testing.assert_array_equal(gradient, ref)


def test_the_order_of_a_point_is_scikit_learn_s():
    objective = make()
    model = objective.model
    np.testing.assert_array_equal(objective.point, np.concatenate([a.ravel() for a in (*model.weights, *model.biases)]))
