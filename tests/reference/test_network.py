"""The kernels' gradients against finite differences, a step against numbers worked by hand, five against scikit-learn.

tests/kernels compares the kernels with the reference implementations, bit for bit.
"""

import math

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

import fastmlp
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.settings import ACTIVATIONS, LOSSES


def one_step(X, y, weights, biases, **settings):
    """The parameters after one step of the kernels on one batch, in float64."""
    sizes = [len(weights[0]), *map(len, biases)]
    config = Config(
        hidden=tuple(sizes[1:-1]), batch_size=len(X), n_epochs=1, shuffle=False, precision="float64", **settings
    )
    begun = fastmlp.init_model(config, sizes[0], sizes[-1])
    begun.weights, begun.biases = weights, biases
    model = fastmlp.train(Dataset(X, y, X, y, scale="none", task=LOSSES[config.loss].tasks[0]), config, begun).model
    return [*model.weights, *model.biases]


def central_differences(loss, array, h=1e-5):
    """Derivative of ``loss()`` by each element of an array, which is changed and put back."""
    derivatives = np.empty_like(array)
    for at in np.ndindex(array.shape):
        kept = array[at]
        array[at] = kept + h
        above = loss()
        array[at] = kept - h
        derivatives[at] = (above - loss()) / (2 * h)
        array[at] = kept
    return derivatives


@pytest.fixture
def check_gradient(plain_activations, plain_losses, random_problem):
    """Compare a step of length 1 with finite differences of mean loss and penalty, computed in plain NumPy."""

    def objective(X, y, weights, biases, config):
        """Mean loss and the penalty whose gradient is l2 W (8), or with l2_scale="batch" l2 / m W."""
        for W, b in zip(weights[:-1], biases[:-1], strict=True):
            X = plain_activations[config.activation](X @ W + b)
        losses = plain_losses[config.loss](X @ weights[-1] + biases[-1], y, config)
        penalty = config.l2 / 2 * sum(np.sum(W**2) for W in weights)
        return losses.mean() + penalty / (len(X) if config.l2_scale == "batch" else 1)

    def check(sizes=(3, 5, 4, 3), **settings):
        config = Config(learning_rate=1.0, **settings)
        X, y, weights, biases = random_problem(sizes, 6, loss=config.loss)
        after = one_step(X, y, weights, biases, learning_rate=1.0, **settings)
        for before, now in zip([*weights, *biases], after, strict=True):
            ref = central_differences(lambda: objective(X, y, weights, biases, config), before)
            assert abs(before - now - ref).max() < 1e-7 * abs(ref).max()

    return check


@pytest.mark.parametrize("l2", [0.0, 0.5])
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("sizes", [(5, 3), (4, 6, 3), (3, 5, 4, 3)], ids=str)
def test_the_gradient_equals_finite_differences_of_the_loss(check_gradient, sizes, activation, l2):
    check_gradient(sizes, activation=activation, l2=l2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_of_any_loss_equals_finite_differences(check_gradient, loss, activation):
    check_gradient(loss=loss, activation=activation, huber_delta=0.7, l2=0.5, l2_scale="batch")


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_the_gradient_of_smoothed_labels_equals_finite_differences(check_gradient, loss):
    check_gradient(loss=loss, label_smoothing=0.2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_step_on_rows_of_zeros_equals_pytorch_s(random_problem, activation):
    """Without biases, pre-activations of such rows are exactly 0: leaky_relu's derivative there is its slope."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    peers = {"identity": lambda z: z, "gelu": lambda z: functional.gelu(z, approximate="tanh")}
    function = peers.get(activation) or getattr(functional, activation)
    X, y, weights, biases = random_problem((3, 6, 5, 4), 8)
    X[::2], biases = 0, [np.zeros_like(b) for b in biases]
    after = one_step(X, y, weights, biases, activation=activation, learning_rate=1.0)
    params = [torch.tensor(p, requires_grad=True) for p in (*weights, *biases)]
    A = torch.tensor(X)
    for W, b in zip(params[:2], params[3:5], strict=True):
        A = function(A @ W + b)
    functional.cross_entropy(A @ params[2] + params[5], torch.tensor(y)).backward()
    for before, now in zip(params, after, strict=True):
        np.testing.assert_allclose(now, (before - before.grad).detach().numpy(), rtol=1e-12, atol=1e-13)


# A step worked by hand.


@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_a_step_equals_the_one_worked_by_hand(l2):
    """Two inputs, two sigmoids, two classes, a batch of the same sample twice, once of each class, learning rate 1/2.

    The weights are such that a person can do it: sigmoid(ln 3) = 3/4, sigmoid(0) = 1/2, softmax(0, ln 3) = (1/4, 3/4).
    """
    ln3 = math.log(3)
    x, W_1, b1 = np.array([1.0, 2.0]), np.array([[ln3, 0.5], [0.0, -0.25]]), np.zeros(2)
    W_2, b2 = np.array([[0.0, 2.0], [0.0, -3.0]]), np.array([0.0, ln3])
    # Z1 = x W_1 + b1 = (ln3 + 0, 1/2 - 1/2) = (ln3, 0), so A1 = (3/4, 1/2).
    # Z2 = A1 W_2 + b2 = (0, 3/4 * 2 - 1/2 * 3 + ln3) = (0, ln3), so the probabilities are (1/4, 3/4).
    # (5) dZ2 = ((1/4 - 1, 3/4) + (1/4, 3/4 - 1)) / 2 = (-1/4, 1/4): both samples together, which is db2.
    db2 = np.array([-1 / 4, 1 / 4])
    # (4) dW_2 = A1^T dZ2, A1 = (3/4, 1/2).
    dW_2 = np.array([[-3 / 16, 3 / 16], [-1 / 8, 1 / 8]])
    # (6) dA1 = dZ2 W_2^T = (-1/4 * 0 + 1/4 * 2, -1/4 * 0 - 1/4 * 3) = (1/2, -3/4).
    # (7) dZ1 = dA1 * A1 (1 - A1) = (1/2 * 3/16, -3/4 * 1/4) = (3/32, -3/16), which is db1.
    db1 = np.array([3 / 32, -3 / 16])
    # dW_1 = x^T dZ1, x = (1, 2).
    dW_1 = np.array([[3 / 32, -3 / 16], [3 / 16, -3 / 8]])
    # (8, 9) w - 1/2 (dw + l2 w), without l2 for biases.
    ref = [W_1 - (dW_1 + l2 * W_1) / 2, W_2 - (dW_2 + l2 * W_2) / 2, b1 - db1 / 2, b2 - db2 / 2]
    got = one_step(np.array([x, x]), [0, 1], [W_1, W_2], [b1, b2], learning_rate=0.5, l2=l2)
    for one, other in zip(got, ref, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-15)


# Five steps compared with scikit-learn's.

N_STEPS, BATCH = 5, 8


def five_steps_of_sklearn(X, y, weights, biases, activation, optimizer, l2):
    """scikit-learn divides its penalty by the batch, as (1) does: its alpha is l2 times the batch."""
    peer = MLPClassifier(
        hidden_layer_sizes=[len(b) for b in biases[:-1]], activation=ACTIVATIONS[activation].sklearn,
        solver=optimizer, alpha=l2 * BATCH, batch_size=BATCH, learning_rate_init=0.125, shuffle=False,
        momentum=0.0, nesterovs_momentum=False, epsilon=1e-30,
    )  # fmt: skip
    peer.partial_fit(X[:BATCH], y[:BATCH], classes=np.unique(y))
    peer.coefs_, peer.intercepts_ = [W.copy() for W in weights], [b.copy() for b in biases]
    del peer._optimizer
    for first in range(0, len(X), BATCH):
        peer.partial_fit(X[first : first + BATCH], y[first : first + BATCH])
    return [*peer.coefs_, *peer.intercepts_]


@pytest.mark.parametrize("l2", [0.0, 0.125])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("activation", [name for name, record in ACTIVATIONS.items() if record.sklearn])
def test_five_steps_equal_scikit_learn_s(random_problem, activation, optimizer, l2):
    """eps is next to nothing: scikit-learn adds it to sqrt(v), and equation (10) to sqrt(vhat)."""
    X, y, weights, biases = random_problem((7, 6, 5, 4), N_STEPS * BATCH)
    ref = five_steps_of_sklearn(X, y, weights, biases, activation, optimizer, l2)
    config = Config(
        hidden=(6, 5), activation=activation, optimizer=optimizer, learning_rate=0.125, l2=l2, eps=1e-30,
        batch_size=BATCH, n_epochs=1, shuffle=False, precision="float64",
    )  # fmt: skip
    begun = fastmlp.init_model(config, 7, 4)
    begun.weights, begun.biases = weights, biases
    model = fastmlp.train(Dataset(X, y, X, y, scale="none"), config, begun).model
    for got, expected in zip([*model.weights, *model.biases], ref, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10)
