"""The parameter `class_weight`, compared with sample weights computed by hand."""

import numpy as np
import pytest

from fastmlp import FastMLPError

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def test_balanced_weights_predict_the_rare_class_more_often(make_classifier):
    rng = np.random.default_rng(2)
    rare = np.where(rng.random(120) < 0.1, 1, 0)
    X = rng.standard_normal((120, 2)) + rare[:, None]
    shares = [
        make_classifier(max_iter=60, class_weight=weight).fit(X, rare).predict(X).mean()
        for weight in (None, "balanced")
    ]
    assert shares[1] > shares[0] + 0.1
    by_hand = {0: 120 / 2 / (rare == 0).sum(), 1: 120 / 2 / rare.sum()}
    fits = [make_classifier(max_iter=5, class_weight=weight).fit(X, rare) for weight in ("balanced", by_hand)]
    np.testing.assert_allclose(fits[0].coefs_[0], fits[1].coefs_[0], rtol=1e-10)


@pytest.mark.parametrize(
    ("class_weight", "has_sample_weight"),
    [
        ({0: 0.0, 1: 0.0, 2: 0.0}, False),
        ({0: np.nan, 1: 1.0, 2: 1.0}, False),
        ({0: np.inf, 1: 1.0, 2: 1.0}, False),
        ({0: -1.0, 1: 1.0, 2: 1.0}, False),
        ({0: 0.0}, True),
    ],
)
def test_invalid_class_weights_are_refused(make_classifier, X, y, class_weight, has_sample_weight):
    weights = (y == 0).astype(float) if has_sample_weight else None
    with pytest.raises(FastMLPError, match="class_weight times sample_weight"):
        make_classifier(class_weight=class_weight, max_iter=2).fit(X, y, weights)


def test_a_product_of_class_and_sample_weights_that_overflows_is_refused(make_classifier, X, y):
    message = r"^class_weight times sample_weight: expected .* got weights of up to 1e\+200 and 1e\+300; divide"
    with pytest.raises(FastMLPError, match=message):
        make_classifier(class_weight={0: 1e200}).fit(X, y, np.full(120, 1e300))


def test_balanced_weights_of_extreme_sample_weights(make_classifier, X, y):
    networks = [
        make_classifier(max_iter=3, class_weight="balanced", alpha=0.0).fit(X, y, weights)
        for weights in (None, np.choose(y, [1e-300, 1.0, 1e300]))
    ]
    np.testing.assert_allclose(networks[0].coefs_[0], networks[1].coefs_[0], rtol=1e-10)


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 2.0, 2: 5.0}, {1: 3.0}])
def test_a_batch_may_lack_a_class_that_has_a_weight(make_classifier, X, y, class_weight):
    X, y = X[y > 0], y[y > 0]
    weighted = make_classifier(class_weight=class_weight).partial_fit(X, y, classes=[0, 1, 2])
    by_hand = make_classifier().partial_fit(X, y, [class_weight.get(label, 1.0) for label in y], classes=[0, 1, 2])
    np.testing.assert_array_equal(weighted.coefs_[0], by_hand.coefs_[0])


def test_a_batch_may_lack_a_label_that_has_a_weight(make_classifier, X, y):
    labels = np.column_stack([np.ones(120), y == 1]).astype(int)
    class_weight = [{0: 2.0, 1: 3.0}, {1: 5.0}]
    weighted = make_classifier(class_weight=class_weight).partial_fit(X, labels, classes=[0, 1])
    by_hand = make_classifier().partial_fit(X, labels, 3.0 * np.where(labels[:, 1], 5.0, 1.0), classes=[0, 1])
    np.testing.assert_array_equal(weighted.coefs_[0], by_hand.coefs_[0])
