"""``solver="lbfgs"``: scikit-learn's iterations and messages, and what the estimators add to them."""

import os
import signal
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.utils.class_weight import compute_sample_weight

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
]

RNG = np.random.default_rng(0)
N = 103
X = RNG.standard_normal((N, 6))
SUMS = X @ RNG.standard_normal((6, 3))
WEIGHTS = RNG.uniform(0.1, 3.0, N)
DIGITS, DIGIT = load_digits(return_X_y=True)
X_LABELS, LABELS = make_multilabel_classification(N, 6, n_classes=4, random_state=0)
TASKS = {
    "two classes": (MLPClassifier, SklearnClassifier, X, SUMS[:, 0] > 0, {}),
    "ten classes": (
        MLPClassifier,
        SklearnClassifier,
        DIGITS[:300] / 16,
        DIGIT[:300].astype(str),
        {"activation": "tanh"},
    ),
    "multilabel": (MLPClassifier, SklearnClassifier, X_LABELS / 10, LABELS, {}),
    "number": (MLPRegressor, SklearnRegressor, X, SUMS[:, 0], {}),
    "numbers": (MLPRegressor, SklearnRegressor, X, SUMS, {}),
    "counts": (MLPRegressor, SklearnRegressor, X, np.floor(np.exp(SUMS / 4)), {"loss": "poisson"}),
}


def make_both(task="two classes", **parameters):
    """Our estimator and scikit-learn's, not fitted, and the data."""
    ours, theirs, data, target, more = TASKS[task]
    common = {"solver": "lbfgs", "hidden_layer_sizes": (9, 5), "max_iter": 20, "random_state": 3, "alpha": 0.1, **more}
    common.update(parameters)
    return ours(**common), theirs(**common), data, target


def fit_both(task="two classes", *sample_weight, **parameters):
    ours, theirs, data, target = make_both(task, **parameters)
    return ours.fit(data, target, *sample_weight), theirs.fit(data, target, *sample_weight)


def assert_same(ours, theirs, atol=1e-8):
    """Compare weights, losses and fitted attributes."""
    for name in ("coefs_", "intercepts_"):
        for got, ref in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            np.testing.assert_allclose(got, ref, rtol=0, atol=atol)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=atol)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("loss_curve_", "best_loss_", "best_validation_score_"):
        assert not hasattr(ours, name)


def weights(estimator):
    return np.concatenate([array.ravel() for array in (*estimator.coefs_, *estimator.intercepts_)])


@pytest.fixture
def small_batches(monkeypatch):
    """Gradients of several batches are added up, the last of which is smaller."""
    monkeypatch.setattr("fastmlp.estimator.base.LBFGS_BATCH", 32)


@pytest.mark.parametrize("max_iter", [5, 20])
@pytest.mark.parametrize("task", TASKS)
def test_iterations_are_scikit_learn_s(task, max_iter, small_batches):
    if task == "counts":
        pytest.importorskip("sklearn", minversion="1.7")
    assert_same(*fit_both(task, max_iter=max_iter))


@pytest.mark.parametrize("task", ["ten classes", "multilabel", "numbers"])
def test_sample_weights_are_scikit_learn_s(task, small_batches):
    pytest.importorskip("sklearn", minversion="1.7")
    assert_same(*fit_both(task, np.resize(WEIGHTS, len(TASKS[task][2])), alpha=0.1))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh"])
def test_activations_and_their_initial_weights_are_scikit_learn_s(activation):
    assert_same(*fit_both(activation=activation, alpha=0.5))


def test_parameters_of_the_other_solvers_have_no_effect():
    ignored = {"early_stopping": True, "batch_size": 1000, "learning_rate_init": 9.0, "learning_rate": "adaptive"}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Got `batch_size`")
        assert_same(*fit_both(**ignored, momentum=0.0, shuffle=False, validation_fraction=0.0))


def test_float32_samples_are_trained_on_in_float64():
    ours, theirs, data, target = make_both("number")
    data = data.astype(np.float32)
    # scikit-learn evaluates the loss at weights that SciPy rounds to the dtype of the first ones
    assert_same(ours.fit(data, target), theirs.fit(data, target), atol=1e-5)
    assert ours.coefs_[0].dtype == ours.predict(data).dtype == np.float64


@pytest.mark.parametrize("limits", [{"max_iter": 3}, {"max_fun": 5}, {"tol": 0.1}], ids=str)
def test_warnings_are_scikit_learn_s_in_so_many_words(limits):
    ours, theirs, data, target = make_both("ten classes", **limits)
    messages = []
    for estimator in (ours, theirs):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(data, target)
        messages.append([(warning.category, str(warning.message)) for warning in caught])
    assert messages[0] == messages[1]
    assert [category for category, _ in messages[0]] == ([] if "tol" in limits else [ConvergenceWarning])
    assert_same(ours, theirs)


def test_verbose_prints_what_scikit_learn_prints(capfd):
    printed = []
    ours, theirs, data, target = make_both(verbose=True)
    for estimator in (ours, theirs):
        estimator.fit(data, target)
        printed.append(capfd.readouterr().out)
    assert printed[0] == printed[1]


def test_warm_start_continues_from_the_current_weights_as_in_scikit_learn():
    ours, theirs, data, target = make_both("multilabel", warm_start=True, max_iter=4)
    for _ in range(3):
        assert_same(ours.fit(data, target), theirs.fit(data, target))


def test_solvers_may_follow_each_other():
    ours, theirs, data, target = make_both("number", warm_start=True, max_iter=4, shuffle=False, batch_size=20)
    for solver in ("adam", "lbfgs", "adam"):
        for estimator in (ours, theirs):
            estimator.set_params(solver=solver).fit(data, target)
    assert len(ours.loss_curve_) == 8
    np.testing.assert_allclose(weights(ours), weights(theirs), atol=1e-6)
    ours.set_params(solver="lbfgs", warm_start=False).fit(data.astype(np.float32), target)
    assert not hasattr(ours, "loss_curve_")
    ours.set_params(solver="adam").partial_fit(data, target).fit(data, target)
    assert ours.best_loss_ == min(ours.loss_curve_)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(n_threads, small_batches):
    one, several = (make_both("ten classes", max_iter=5)[0] for _ in range(2))
    _, _, data, target, _ = TASKS["ten classes"]
    one.set_params(n_threads=1).fit(data, target)
    several.set_params(n_threads=n_threads).fit(data, target)
    np.testing.assert_array_equal(weights(one), weights(several))


def test_sparse_samples_give_the_bits_of_dense_ones(small_batches):
    ours, _, data, target = make_both("ten classes", max_iter=5)
    ref = weights(ours.fit(data, target))
    np.testing.assert_array_equal(weights(ours.fit(csr_matrix(data), target)), ref)


# what the estimators add


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dropout": 0.5}, r"dropout: expected 0.0 with solver='lbfgs', .*, got 0.5; use another solver"),
        ({"weight_decay": 0.1}, "weight_decay: expected 0.0"),
        ({"schedule": "cosine"}, "schedule: expected None .*, got 'cosine'"),
    ],
)
def test_parameters_that_need_minibatches_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(solver="lbfgs", **parameters).fit(X, SUMS[:, 0] > 0)


@pytest.mark.parametrize("kind", [{False: 5.0}, "balanced"], ids=["dict", "balanced"])
def test_class_weights_are_sample_weights(kind, small_batches):
    y = SUMS[:, 0] > 1
    ref = make_both()[0].fit(X, y, compute_sample_weight(kind, y))
    np.testing.assert_array_equal(weights(make_both()[0].set_params(class_weight=kind).fit(X, y)), weights(ref))


def test_label_smoothing_changes_the_weights():
    plain, smooth = (make_both()[0].set_params(label_smoothing=s).fit(X, SUMS[:, 0] > 0) for s in (0.0, 0.3))
    assert abs(weights(plain) - weights(smooth)).max() > 1e-3


def test_changes_of_weights_by_callbacks_have_no_effect():
    def callback(network):
        network.coefs_[0][:] = 0

    ref, changed = (make_both()[0].set_params(callbacks=c).fit(X, SUMS[:, 0] > 0) for c in (None, callback))
    np.testing.assert_array_equal(weights(changed), weights(ref))


def test_standardised_targets_of_any_unit_are_learnt():
    regressor = MLPRegressor(hidden_layer_sizes=(20,), solver="lbfgs", target_scale="auto", random_state=0)
    large = regressor.fit(X, 2.0**40 * SUMS)
    assert large.score(X, 2.0**40 * SUMS) > 0.99
    loss = large.loss_
    assert loss == 2.0**80 * regressor.fit(X, SUMS).loss_


def test_repeats_differ():
    network = make_both()[0].set_params(n_repeats=3).fit(X, SUMS[:, 0] > 0)
    assert len({weights(each).tobytes() for each in (network, *network.repeats_)}) == 3


def test_a_validation_set_is_evaluated_after_every_iteration():
    network = make_both(max_iter=6)[0].fit(X, SUMS[:, 0] > 0, X_val=X, y_val=SUMS[:, 0] > 0)
    assert len(network.validation_losses_) == len(network.validation_scores_) == network.n_iter_ == 6
    assert network.validation_scores_[-1] == network.score(X, SUMS[:, 0] > 0)


def test_callbacks_are_called_after_every_iteration_and_may_end_training():
    seen = []

    def callback(network):
        seen.append((network.n_iter_, network.loss_, weights(network)))
        return network.n_iter_ == 3

    network = make_both()[0].set_params(callbacks=callback).fit(X, SUMS[:, 0] > 0)
    ref, _ = fit_both(max_iter=3)
    assert [n_iter for n_iter, _, _ in seen] == [1, 2, 3]
    assert network.loss_ == seen[-1][1] == ref.loss_
    np.testing.assert_array_equal(weights(network), weights(ref))
    np.testing.assert_array_equal(seen[-1][2], weights(ref))


@pytest.mark.parametrize("error", [ZeroDivisionError, StopIteration])
def test_an_exception_in_a_callback_is_raised_and_the_weights_of_the_last_iteration_are_kept(error):
    def callback(network):
        if network.n_iter_ == 4:
            raise error("in the callback")

    network = make_both()[0].set_params(callbacks=callback)
    with pytest.raises(error, match="in the callback"):
        network.fit(X, SUMS[:, 0] > 0)
    ref, _ = fit_both(max_iter=4)
    assert (network.n_iter_, network.loss_) == (4, ref.loss_)
    np.testing.assert_array_equal(weights(network), weights(ref))


def test_ctrl_c_warns_and_keeps_the_weights_of_the_last_iteration():
    def interrupt(network):
        if network.n_iter_ == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.warns(UserWarning, match=r"Training interrupted by user\.") as caught:
        network = make_both()[0].set_params(callbacks=interrupt).fit(X, SUMS[:, 0] > 0)
    assert caught[0].filename == __file__
    ref, _ = fit_both(max_iter=4)
    np.testing.assert_array_equal(weights(network), weights(ref))


def test_ctrl_c_before_the_end_of_the_first_iteration_is_raised(monkeypatch):
    def interrupt(*_):
        os.kill(os.getpid(), signal.SIGINT)
        return 0.0, np.zeros(0)

    monkeypatch.setattr("fastmlp.estimator.lbfgs.LbfgsLoop._loss_and_gradient", interrupt)
    network = make_both()[0]
    with pytest.raises(KeyboardInterrupt):
        network.fit(X, SUMS[:, 0] > 0)
    with pytest.raises(NotFittedError):
        network.predict(X)
