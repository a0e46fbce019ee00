"""Callbacks of the estimators: functions, and those of scikit-learn."""

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import FastMLPError

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def test_a_callback_is_called_after_each_epoch_and_can_end_training(make_classifier, X, y):
    losses = []
    callbacks = [lambda net: losses.append(net.loss_), lambda net: net.n_iter_ == 4]
    fitted = make_classifier(callbacks=callbacks).fit(X, y)
    assert losses == fitted.loss_curve_
    assert fitted.n_iter_ == 4


@pytest.mark.parametrize("callbacks", [[3], [print, "print"]])
def test_a_callback_that_cannot_be_called_is_refused_before_training(make_classifier, X, y, callbacks):
    network = make_classifier(callbacks=callbacks)
    with pytest.raises(FastMLPError, match=f"^callbacks: expected functions, got {callbacks[-1]!r}; .*set_callbacks"):
        network.fit(X, y)
    assert not hasattr(network, "model_")


def test_an_exception_in_a_callback_ends_training_and_keeps_the_weights(make_classifier, X, y):
    def fail(net):
        if net.n_iter_ == 30:
            raise OSError("the disk is full")

    network = make_classifier(callbacks=fail)
    with pytest.raises(OSError, match="the disk is full"):
        network.fit(X, y)
    assert network.score(X, y) > 0.9
    assert len(network.loss_curve_) == 30
    assert network.set_params(callbacks=None).partial_fit(X, y).t_ == 31 * 120


def test_after_an_exception_early_stopping_restores_the_best_weights(make_classifier, X, y):
    def fail(net):
        if net.n_iter_ == 5:
            net.coefs_[0][:] = 0
            raise KeyError("no")

    network = make_classifier(callbacks=fail, early_stopping=True)
    with pytest.raises(KeyError):
        network.fit(X, y)
    assert (network.coefs_[0] != 0).any()


def test_scikit_learns_callbacks_are_called_after_each_epoch(make_classifier, X, y):
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    fitted = make_classifier(max_iter=6).set_callbacks(monitor).fit(X, y)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 6
    assert scores[-1] == fitted.score(X, y)
    assert scores[0] < scores[-1]


def test_scikit_learns_callbacks_are_passed_on_by_a_pipeline(make_classifier, X, y):
    callback = pytest.importorskip("sklearn.callback")

    class Counter:
        max_propagation_depth = None

        def __init__(self):
            self.names = []

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            self.names.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            self.names.append(context.task_name)
            return self.names.count("epoch") == 3

    counter = Counter()
    assert isinstance(counter, callback.AutoPropagatedCallback)
    pipeline = make_pipeline(StandardScaler(), make_classifier()).set_callbacks(counter).fit(X, y)
    assert counter.names.count("epoch") == 3
    assert counter.names[-1] == "teardown"
    assert pipeline[-1].n_iter_ == 3
