"""Every row of docs/definitions.md: a step, a loss or a schedule equals the other library's, converted as the row says.

The other libraries are PyTorch, scikit-learn and, where it is installed, Keras.
"""

import math
import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.settings import ACTIVATIONS, DROPOUT_DRAWS, OPTIMIZERS, dropped_draws
from fastmlp.training.early_stopping import Plateau
from fastmlp.training.schedule import learning_rate_at

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F = torch.nn.functional

PAGE = Path(__file__).parents[1] / "docs" / "definitions.md"
RNG = np.random.default_rng(0)
N, BATCH, N_OUTPUTS = 12, 12, 3
X = RNG.normal(size=(N, 4))
Y = RNG.normal(size=(N, N_OUTPUTS))
COUNTS = RNG.integers(0, 6, (N, N_OUTPUTS)).astype(np.float64)
LABELS = RNG.integers(0, 2, (N, N_OUTPUTS))
CLASSES = np.arange(N) % 4 % 3  # class 0 has twice as many samples as the others
LR = 0.1
#: Rows of the page that a test checks.
CHECKED = set()


def checks(*rows):
    """Mark a test as the check of rows, by the text of their first cells."""
    CHECKED.update(rows)
    return lambda test: test


def train(y, *, X=X, task="regression", weight_train=None, **settings):
    """Train a small network; returns the network before and the run."""
    dataset = fastmlp.Dataset(X, y, X, y, scale="none", task=task, weight_train=weight_train)
    common = {
        "hidden": (5,),
        "activation": "tanh",
        "loss": "squared_error",
        "learning_rate": LR,
        "batch_size": BATCH,
        "n_epochs": 1,
    }
    config = Config(**{**common, "shuffle": False, "precision": "float64", "seed": 3, **settings})
    model = fastmlp.init_model(config, X.shape[1], int(y.max()) + 1 if task == "classification" else y.shape[1])
    for b in model.biases:
        b[:] = 0.1 + np.arange(b.size) / 10
    return model, fastmlp.train(dataset, config, model)


def train_torch(model, y, loss, make_optimizer, *, X=X, n_steps=1, batch_size=N, before_step=lambda step: None):
    """Train a copy of the network by PyTorch; returns the module and the losses before the steps."""
    net = model.to_torch()
    optimizer = make_optimizer(net)
    losses = []
    for step in range(n_steps):
        rows = slice(step * batch_size % N, step * batch_size % N + batch_size)
        optimizer.zero_grad()
        value = loss(net(torch.tensor(X[rows])), torch.tensor(y[rows]))
        value.backward()
        before_step(step)
        optimizer.step()
        losses.append(value.item())
    return net, losses


def sgd(net, **options):
    """PyTorch's SGD; `weight_decay` applies to the weights, not to the biases."""
    return with_decay(torch.optim.SGD, net, lr=LR, **options)


def with_decay(optimizer, net, weight_decay=0.0, **options):
    weights = [p for p in net.parameters() if p.ndim == 2]
    biases = [p for p in net.parameters() if p.ndim == 1]
    return optimizer(
        [{"params": weights, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}], **options
    )


def distance(model, net):
    """Largest difference between the parameters of a network and those of a module of PyTorch."""
    ours = [array for pair in zip(model.weights, model.biases, strict=True) for array in pair]
    return max(abs(a.T - p.detach().numpy()).max() for a, p in zip(ours, net.parameters(), strict=True))


def assert_same(run, net, atol=1e-12):
    assert distance(run.model, net) < atol


# losses


@checks('`loss="squared_error"`')
def test_squared_error_is_half_the_sum_over_the_outputs():
    model, run = train(Y)
    loss = lambda z, y: F.mse_loss(z, y) * N_OUTPUTS / 2  # noqa: E731
    net, losses = train_torch(model, Y, loss, sgd)
    assert_same(run, net)
    assert run.history["train_loss"] == pytest.approx(losses)


@checks('`loss="squared_error"`')
def test_scikit_learn_reports_the_mean_over_the_outputs():
    neural_network = pytest.importorskip("sklearn.neural_network")
    options = {"solver": "sgd", "learning_rate_init": 1e-300, "alpha": 0.0, "batch_size": N, "max_iter": 1}
    estimator = neural_network.MLPRegressor(hidden_layer_sizes=(5,), **options).partial_fit(X, Y)
    assert estimator.loss_ * N_OUTPUTS == pytest.approx(fastmlp.from_sklearn(estimator).evaluate(X, Y).loss)


@checks('`loss="huber"`')
@pytest.mark.parametrize("delta", [0.3, 2.0])
def test_huber_is_the_sum_over_the_outputs(delta):
    model, run = train(Y, loss="huber", huber_delta=delta)
    net, losses = train_torch(model, Y, lambda z, y: F.huber_loss(z, y, delta=delta) * N_OUTPUTS, sgd)
    assert_same(run, net)
    assert run.history["train_loss"] == pytest.approx(losses)
    smooth, _ = train_torch(model, Y, lambda z, y: F.smooth_l1_loss(z, y, beta=delta) * delta * N_OUTPUTS, sgd)
    assert_same(run, smooth)


@checks("`target_scale`")
@pytest.mark.filterwarnings("ignore:y_train. expected targets of a root mean square near 1")
def test_targets_are_standardised_by_one_power_of_two_and_weights_are_in_their_unit():
    y = 700.0 + 100.0 * Y * [1.0, 2.0, 3.0]
    dataset = fastmlp.Dataset(X, y, X, y, scale="none", task="regression")
    factor, offset = dataset.target_scaling()
    assert factor == 2.0 ** round(math.log2(y.std(axis=0).dot(y.std(axis=0) / N_OUTPUTS) ** 0.5))
    np.testing.assert_allclose(offset, y.mean(axis=0))
    settings = {"activation": "tanh", "loss": "squared_error", "learning_rate": LR, "batch_size": BATCH, "n_epochs": 3}
    config = Config(hidden=(5,), precision="float64", shuffle=False, **settings)
    model = fastmlp.init_model(config, X.shape[1], N_OUTPUTS)
    run = fastmlp.train(dataset, config, model)
    scaled = (y - offset) / factor
    net, losses = train_torch(model, scaled, lambda z, y: F.mse_loss(z, y) * N_OUTPUTS / 2, sgd, n_steps=3)
    assert [loss / factor**2 for loss in run.history["train_loss"]] == pytest.approx(losses)
    with torch.no_grad():
        net[-1].weight *= factor
        net[-1].bias.mul_(factor).add_(torch.tensor(offset))
    assert_same(run, net, atol=1e-10)
    unscaled = fastmlp.train(dataset.replace(target_scale="none"), config.replace(learning_rate=1e-6), model)
    raw = lambda net: torch.optim.SGD(net.parameters(), lr=1e-6)  # noqa: E731
    net, losses = train_torch(model, y, lambda z, y: F.mse_loss(z, y) * N_OUTPUTS / 2, raw, n_steps=3)
    assert_same(unscaled, net)
    assert unscaled.history["train_loss"] == pytest.approx(losses)


@checks('`loss="poisson"`')
def test_poisson_is_half_the_deviance_summed_over_the_outputs():
    model, run = train(COUNTS, loss="poisson")
    net, losses = train_torch(model, COUNTS, lambda z, y: F.poisson_nll_loss(z, y) * N_OUTPUTS, sgd)
    assert_same(run, net)
    constant = np.where(COUNTS > 0, COUNTS * np.log(np.maximum(COUNTS, 1)) - COUNTS, 0).sum() / N
    assert run.history["train_loss"][0] == pytest.approx(losses[0] + constant)
    metrics = pytest.importorskip("sklearn.metrics")
    deviances = [metrics.mean_poisson_deviance(*pair) for pair in zip(COUNTS.T, run.model.predict(X).T, strict=True)]
    assert run.model.evaluate(X, COUNTS).loss == pytest.approx(sum(deviances) / 2)


@checks('`loss="binary_cross_entropy"`')
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_cross_entropy_is_the_sum_over_the_labels(smoothing):
    model, run = train(LABELS, task="multilabel", loss="binary_cross_entropy", label_smoothing=smoothing)

    def loss(z, y):
        y = y.double() * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(z, y) * N_OUTPUTS

    net, losses = train_torch(model, LABELS, loss, sgd)
    assert_same(run, net)
    assert run.history["train_loss"] == pytest.approx(losses)


@checks("`label_smoothing`")
def test_label_smoothing_is_in_train_loss_and_not_in_test_loss():
    model, run = train(CLASSES, task="classification", loss="cross_entropy", label_smoothing=0.3)
    net, losses = train_torch(model, CLASSES, lambda z, y: F.cross_entropy(z, y, label_smoothing=0.3), sgd)
    assert_same(run, net)
    assert run.history["train_loss"] == pytest.approx(losses)
    logits, y = net(torch.tensor(X)), torch.tensor(CLASSES)
    assert run.history["test_loss"][0] == pytest.approx(F.cross_entropy(logits, y).item())
    assert run.history["test_loss"][0] != pytest.approx(F.cross_entropy(logits, y, label_smoothing=0.3).item())


@checks("`class_weight` with `label_smoothing`")
def test_class_weights_apply_to_the_smoothed_loss_of_a_sample():
    settings = {"class_weight": "balanced", "label_smoothing": 0.3}
    model, run = train(CLASSES, task="classification", loss="cross_entropy", **settings)
    weight = torch.tensor(N / (3 * np.bincount(CLASSES)))

    def loss(z, y):
        return (F.cross_entropy(z, y, label_smoothing=0.3, reduction="none") * weight[y]).sum() / weight[y].sum()

    assert_same(run, train_torch(model, CLASSES, loss, sgd)[0])
    per_term, _ = train_torch(
        model, CLASSES, lambda z, y: F.cross_entropy(z, y, weight=weight, label_smoothing=0.3), sgd
    )
    assert distance(run.model, per_term) > 1e-4


@checks("`weight_train`")
def test_a_batch_is_averaged_by_its_weights_and_an_epoch_by_its_numbers_of_samples():
    weights = RNG.uniform(0.1, 3.0, N)
    model, run = train(Y, weight_train=weights, batch_size=8)
    w = iter(torch.tensor(weights).split(8))

    def loss(z, y):
        part = next(w)
        return ((z - y).square().sum(1) / 2 * part).sum() / part.sum()

    net, losses = train_torch(model, Y, loss, sgd, n_steps=2, batch_size=8)
    assert_same(run, net)
    assert run.history["train_loss"][0] == pytest.approx((losses[0] * 8 + losses[1] * 4) / N)


@checks("`batch_size`, `train_loss`")
def test_the_last_batch_is_smaller_and_train_loss_is_the_mean_over_the_samples():
    model, run = train(Y, batch_size=5)
    net, losses = train_torch(model, Y, lambda z, y: F.mse_loss(z, y) * N_OUTPUTS / 2, sgd, n_steps=3, batch_size=5)
    assert_same(run, net)
    assert run.history["train_loss"][0] == pytest.approx(np.average(losses, weights=[5, 5, 2]))


# L2, weight decay, clipping, dropout


def half_squares(z, y):
    return (z - y).square().sum(1).mean() / 2


@checks("`l2`")
def test_l2_is_pytorch_s_weight_decay_of_the_weights():
    model, run = train(Y, l2=0.3)
    net, losses = train_torch(model, Y, half_squares, lambda net: sgd(net, weight_decay=0.3))
    assert_same(run, net)
    assert run.history["train_loss"] == pytest.approx(losses)


@checks('`l2_scale="batch"`')
def test_l2_by_the_batch_is_divided_by_its_number_of_samples_and_part_of_train_loss():
    model, run = train(Y, l2=0.3, l2_scale="batch")
    net, losses = train_torch(model, Y, half_squares, lambda net: sgd(net, weight_decay=0.3 / N))
    assert_same(run, net)
    penalty = 0.3 / (2 * N) * sum(np.square(W).sum() for W in model.weights)
    assert run.history["train_loss"][0] == pytest.approx(losses[0] + penalty)
    neural_network = pytest.importorskip("sklearn.neural_network")
    options = {"solver": "sgd", "learning_rate_init": 1e-300, "batch_size": N, "max_iter": 1}
    plain, penalised = (
        neural_network.MLPRegressor(hidden_layer_sizes=(5,), alpha=alpha, random_state=0, **options).partial_fit(X, Y)
        for alpha in (0.0, 0.3)
    )
    squares = sum(np.square(W).sum() for W in plain.coefs_)
    assert penalised.loss_ == pytest.approx(plain.loss_ + 0.3 / (2 * N) * squares)


@checks("`weight_decay`")
def test_weight_decay_is_decoupled_from_the_velocity():
    model, run = train(Y, optimizer="momentum", weight_decay=0.3, n_epochs=4)
    net = model.to_torch()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9)
    for _ in range(4):
        optimizer.zero_grad()
        half_squares(net(torch.tensor(X)), torch.tensor(Y)).backward()
        with torch.no_grad():
            for layer in net[::2]:
                layer.weight *= 1 - LR * 0.3
        optimizer.step()
    assert_same(run, net)
    l2, _ = train_torch(model, Y, half_squares, lambda net: sgd(net, momentum=0.9, weight_decay=0.3), n_steps=4)
    assert distance(run.model, l2) > 1e-4


@checks("`weight_decay`")
@pytest.mark.parametrize(
    ("optimizer", "make", "atol"),
    [
        ("adamw", torch.optim.AdamW, 1e-12),
        # PyTorch keeps the products of NAdam's momenta in float32.
        ("nadam", partial(torch.optim.NAdam, decoupled_weight_decay=True), 1e-6),
    ],
)
def test_weight_decay_of_adamw_and_nadam_is_pytorch_s(optimizer, make, atol):
    model, run = train(Y, optimizer=optimizer, weight_decay=0.3, n_epochs=4)
    net, _ = train_torch(model, Y, half_squares, lambda net: with_decay(make, net, 0.3, lr=LR), n_steps=4)
    assert_same(run, net, atol)


@checks("`weight_decay` with `l2`")
@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
def test_l2_sees_the_weight_that_the_step_has_decayed(optimizer):
    decay, l2 = 1.0, 0.5
    model, run = train(Y, optimizer=optimizer, weight_decay=decay, l2=l2, n_epochs=3)
    got = {}
    for factor in (1.0, 1 - LR * decay):
        net = model.to_torch()
        weights = [layer.weight for layer in net[::2]]
        make = {"momentum": torch.optim.SGD, "adamw": torch.optim.AdamW}[optimizer]
        options = {"momentum": 0.9} if optimizer == "momentum" else {"weight_decay": 0.0}
        peer = make(net.parameters(), lr=LR, **options)
        for _ in range(3):
            peer.zero_grad()
            penalty = sum(W.square().sum() for W in weights) * l2 * factor / 2
            (half_squares(net(torch.tensor(X)), torch.tensor(Y)) + penalty).backward()
            with torch.no_grad():
                for W in weights:
                    W *= 1 - LR * decay
            peer.step()
        got[factor] = distance(run.model, net)
    assert got[1 - LR * decay] < 1e-12 < 1e-4 < got[1.0]


@checks("`weight_decay` with `l2`")
def test_sgd_adds_weight_decay_to_l2():
    model, run = train(Y, weight_decay=0.7, l2=0.5, n_epochs=3)
    net, _ = train_torch(model, Y, half_squares, lambda net: sgd(net, weight_decay=1.2), n_steps=3)
    assert_same(run, net)


@checks("`clip_norm`")
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_the_norm_is_clipped_before_l2_is_added(optimizer):
    max_norm, l2 = 0.05, 0.5
    model, run = train(Y, optimizer=optimizer, clip_norm=max_norm, l2=l2, n_epochs=3)
    for epsilon, atol in ((0.0, 1e-12), (1e-6, 1e-5)):
        net = model.to_torch()
        peer = sgd(net, momentum=0.9 if optimizer == "momentum" else 0.0, weight_decay=l2)
        for _ in range(3):
            peer.zero_grad()
            half_squares(net(torch.tensor(X)), torch.tensor(Y)).backward()
            if epsilon:
                torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm)  # divides by norm + 1e-6
            else:
                norm = torch.cat([p.grad.flatten() for p in net.parameters()]).norm()
                assert norm > max_norm
                for p in net.parameters():
                    p.grad *= max_norm / norm
            peer.step()
        assert_same(run, net, atol)


@checks("`dropout`")
def test_dropout_s_rate_is_a_multiple_of_one_65536th_and_kept_neurons_are_scaled_by_it():
    rate, n_neurons = 0.3, 20_000
    share = dropped_draws(rate) / DROPOUT_DRAWS
    assert 0 < abs(share - rate) < 1e-5
    one = np.ones((1, 1))
    settings = {"hidden": (n_neurons,), "activation": "identity", "loss": "squared_error", "precision": "float64"}
    model = fastmlp.init_model(Config(**settings, dropout=rate, n_epochs=1, batch_size=1, learning_rate=1e-300), 1, 1)
    model.weights[0], model.biases[0] = 0 * model.weights[0], np.ones(n_neurons)
    model.weights[1] = np.ones((n_neurons, 1))
    assert model.predict(one) == n_neurons  # nothing is dropped or scaled
    # The loss is half the square of the output, which is the number of kept neurons times 1 / (1 - share).
    run = fastmlp.train(
        fastmlp.Dataset(one, 0 * one, one, 0 * one, scale="none", task="regression"), model.config, model
    )
    n_kept = math.sqrt(2 * run.history["train_loss"][0]) * (1 - share)
    assert n_kept == pytest.approx(round(n_kept), abs=1e-6)
    assert n_kept / n_neurons == pytest.approx(1 - rate, abs=0.02)


# optimizers


@checks('`optimizer="momentum"`', '`optimizer="nesterov"`')
@pytest.mark.parametrize("optimizer", ["momentum", "nesterov"])
@pytest.mark.parametrize("decay_rate", [0.0, 0.5])
def test_the_velocity_contains_the_learning_rate(optimizer, decay_rate):
    model, run = train(Y, optimizer=optimizer, decay_rate=decay_rate, n_epochs=4)
    rates, distances = run.history["learning_rate"], {}
    for is_rescaled in (False, True):
        peers = []

        def make(net, peers=peers):
            peers.append(torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9, nesterov=optimizer == "nesterov"))
            return peers[0]

        def before_step(step, peers=peers, is_rescaled=is_rescaled):
            peers[0].param_groups[0]["lr"] = rates[step]
            for state in peers[0].state.values():
                if is_rescaled:
                    state["momentum_buffer"] *= rates[step - 1] / rates[step]

        net, _ = train_torch(model, Y, half_squares, make, n_steps=4, before_step=before_step)
        distances[is_rescaled] = distance(run.model, net)
    assert distances[True] < 1e-12
    assert (distances[False] < 1e-12) == (decay_rate == 0.0)


@checks('`solver="lbfgs"`')
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize(("factor", "is_same"), [(1.0, True), (1e4, False)])
def test_lbfgs_is_scikit_learn_s_where_it_clips_no_probability(factor, is_same):
    neural_network = pytest.importorskip("sklearn.neural_network")
    options = {"hidden_layer_sizes": (5,), "solver": "lbfgs", "max_iter": 10, "random_state": 0}
    classifiers = [module.MLPClassifier(**options).fit(factor * X, CLASSES) for module in (fastmlp, neural_network)]
    got, ref = (classifier.loss_ for classifier in classifiers)
    assert (got == pytest.approx(ref, rel=1e-9)) == is_same


@checks('`optimizer="rmsprop"`')
def test_rmsprop_is_pytorch_s_with_beta2_for_alpha():
    model, run = train(Y, optimizer="rmsprop", beta2=0.9, eps=0.01, n_epochs=4)
    make = lambda net: torch.optim.RMSprop(net.parameters(), lr=LR, alpha=0.9, eps=0.01)  # noqa: E731
    assert_same(run, train_torch(model, Y, half_squares, make, n_steps=4)[0])
    assert (Config().beta2, torch.optim.RMSprop([torch.zeros(1)]).defaults["alpha"]) == (0.999, 0.99)


@checks('`optimizer="nadam"`')
def test_nadam_is_pytorch_s():
    model, run = train(Y, optimizer="nadam", eps=0.01, n_epochs=4)
    make = lambda net: torch.optim.NAdam(net.parameters(), lr=LR, eps=0.01)  # noqa: E731
    net, _ = train_torch(model, Y, half_squares, make, n_steps=4)
    assert_same(run, net, 1e-6)  # PyTorch keeps the products of its momenta in float32


@checks("`eps`, `eps_form`")
def test_eps_is_pytorch_s_and_eps_hat_scikit_learn_s():
    model, run = train(Y, optimizer="adam", eps=0.01, n_epochs=4)
    make = lambda net: torch.optim.Adam(net.parameters(), lr=LR, eps=0.01)  # noqa: E731
    assert_same(run, train_torch(model, Y, half_squares, make, n_steps=4)[0])

    neural_network = pytest.importorskip("sklearn.neural_network")
    options = {
        "activation": "tanh",
        "solver": "adam",
        "epsilon": 0.01,
        "alpha": 0.0,
        "batch_size": N,
        "random_state": 0,
        "shuffle": False,
    }
    start = neural_network.MLPRegressor(hidden_layer_sizes=(5,), learning_rate_init=1e-300, **options).partial_fit(X, Y)
    peer = neural_network.MLPRegressor(hidden_layer_sizes=(5,), learning_rate_init=LR, **options)
    for _ in range(3):
        peer.partial_fit(X, Y)
    dataset = fastmlp.Dataset(X, Y, X, Y, scale="none", task="regression")
    for eps_form, is_same in (("eps_hat", True), ("eps", False)):
        initial = fastmlp.from_sklearn(start)
        config = initial.config.replace(learning_rate=LR, eps_form=eps_form, n_epochs=3, shuffle=False)
        got = fastmlp.train(dataset, config, initial).model.weights
        assert all(np.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(got, peer.coefs_, strict=True)) == is_same


# schedules


def rates_of(**settings):
    config = Config(**{"n_epochs": 12, **settings})
    return [learning_rate_at(config, epoch) for epoch in range(config.n_epochs)]


def rates_of_torch(make, n=12):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler, rates = make(optimizer), []
    for _ in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return pytest.approx(rates, rel=1e-9)


@checks("`schedule`", '`schedule="exponential"`')
def test_exponential_and_step_are_pytorch_s_per_epoch():
    schedulers = torch.optim.lr_scheduler
    gamma = math.exp(-0.2)
    assert rates_of(decay_rate=0.2) == rates_of_torch(lambda o: schedulers.ExponentialLR(o, gamma))
    ref = rates_of_torch(lambda o: schedulers.StepLR(o, 5, 0.2))
    assert rates_of(schedule="step", step_epochs=5, step_factor=0.2) == ref


@checks('`schedule="cosine"`')
@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_cosine_is_pytorch_s_after_a_linear_warm_up():
    schedulers = torch.optim.lr_scheduler
    ref = rates_of_torch(lambda o: schedulers.CosineAnnealingLR(o, T_max=12))
    assert rates_of(schedule="cosine") == ref

    def warm_up(optimizer):
        linear = schedulers.LinearLR(optimizer, start_factor=1 / 4, total_iters=3)
        cosine = schedulers.CosineAnnealingLR(optimizer, T_max=9)
        return schedulers.SequentialLR(optimizer, [linear, cosine], milestones=[3])

    assert rates_of(schedule="cosine", warmup_epochs=3) == rates_of_torch(warm_up)


@checks('`schedule="one_cycle"`')
def test_one_cycle_is_pytorch_s_with_epochs_for_steps_and_a_constant_momentum():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.3, total_steps=12)
    rates, momenta = [], set()
    for epoch in range(12):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.add(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if epoch < 11:
            scheduler.step()
    assert rates_of(schedule="one_cycle") == pytest.approx(rates, rel=1e-9)
    assert len(momenta) > 1


@checks('`schedule="inverse"`')
def test_scikit_learn_s_inverse_scaling_counts_samples():
    neural_network = pytest.importorskip("sklearn.neural_network")
    options = {
        "solver": "sgd",
        "learning_rate": "invscaling",
        "power_t": 0.5,
        "learning_rate_init": 0.3,
        "batch_size": N,
    }
    estimator, rates = neural_network.MLPRegressor(hidden_layer_sizes=(5,), **options), []
    for _ in range(4):
        estimator.partial_fit(X, Y)
        rates.append(estimator._optimizer.learning_rate)  # of the next epoch
    assert estimator.t_ == 4 * N
    assert rates == pytest.approx([0.3 / (epoch * N + 1) ** 0.5 for epoch in range(1, 5)])
    assert rates_of(schedule="inverse", power=0.5)[1:5] == pytest.approx(
        [0.3 / (epoch + 1) ** 0.5 for epoch in range(1, 5)]
    )


@checks('`schedule="plateau"`')
def test_the_plateau_schedule_is_pytorch_s_with_one_epoch_more_of_patience():
    losses = np.round(RNG.uniform(0, 1, 60), 2) / np.arange(1, 61) ** 0.3
    ours = Plateau(Config(schedule="plateau", step_epochs=3, step_factor=0.5, tol=0.01))
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=2, threshold=0.01, threshold_mode="abs", eps=0.0
    )
    for loss in losses:
        ours.update(loss)
        theirs.step(loss)
        assert ours.factor == optimizer.param_groups[0]["lr"]
    assert ours.factor < 1e-3


# activations and initial weights


@checks('`activation="gelu"`', '`activation="softplus"`', '`activation="leaky_relu"`')
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_and_its_derivative_are_pytorch_s(activation):
    """At 0 too, which zero weights and biases give; and far from it."""
    for scale in (0.0, 1.0, 40.0):
        model, _ = train(Y, activation=activation, learning_rate=1e-300)
        model.weights[0], model.biases[0] = scale * model.weights[0], 0.0 * model.biases[0]
        dataset = fastmlp.Dataset(X, Y, X, Y, scale="none", task="regression")
        run = fastmlp.train(dataset, model.config.replace(learning_rate=LR), model)
        assert_same(run, train_torch(model, Y, half_squares, sgd)[0], atol=1e-9)


@checks('`activation="gelu"`', '`activation="softplus"`')
def test_defaults_of_pytorch_s_gelu_and_softplus_differ():
    z = torch.linspace(-4, 4, 1001, dtype=torch.float64)
    difference = (F.gelu(z) - F.gelu(z, approximate="tanh")).abs().max().item()
    assert 4e-4 < difference < 5e-4
    z = torch.tensor([20.5], dtype=torch.float64)
    assert 0 < F.softplus(z, threshold=40.0) - F.softplus(z) < 1.3e-9


@checks("`init`")
def test_weights_are_glorot_uniform_and_biases_zero():
    neural_network = pytest.importorskip("sklearn.neural_network")
    n_in, n_out = 300, 400
    limit, peer = math.sqrt(6 / (n_in + n_out)), 1 / math.sqrt(n_in)
    model = fastmlp.init_model(Config(hidden=(n_out,)), n_in, 2)
    assert limit * 0.999 < abs(model.weights[0]).max() < limit
    assert not model.biases[0].any()
    linear = torch.nn.Linear(n_in, n_out)
    assert peer * 0.99 < linear.weight.abs().max() < peer
    assert peer * 0.9 < linear.bias.abs().max() < peer
    features, y = np.zeros((2, n_in)), [0, 1]
    for activation, factor in (("relu", 6), ("logistic", 2)):
        options = {"solver": "sgd", "learning_rate_init": 1e-300, "activation": activation}
        estimator = neural_network.MLPClassifier((n_out,), **options).partial_fit(features, y, classes=y)
        bound = math.sqrt(factor / (n_in + n_out))
        assert bound * 0.999 < abs(estimator.coefs_[0]).max() < bound
        assert bound * 0.9 < abs(estimator.intercepts_[0]).max() < bound


@checks("`init`")
def test_gains_are_pytorch_s_but_for_the_sigmoid():
    for name in ("tanh", "relu", "identity"):
        gain = torch.nn.init.calculate_gain({"identity": "linear"}.get(name, name))
        assert ACTIVATIONS[name].gain == pytest.approx(gain)
    assert ACTIVATIONS["leaky_relu"].gain == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.01))
    assert (ACTIVATIONS["sigmoid"].gain, torch.nn.init.calculate_gain("sigmoid")) == (4, 1)


# metrics and early stopping


@checks("`patience`")
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_training_stops_after_exactly_patience_epochs_without_improvement():
    neural_network = pytest.importorskip("sklearn.neural_network")
    _, run = train(Y, learning_rate=1e-300, early_stopping="loss", patience=3, n_epochs=50, batch_size=5)
    assert len(run.history) == 1 + 3
    options = {"solver": "sgd", "learning_rate_init": 1e-300, "n_iter_no_change": 3, "max_iter": 50}
    assert neural_network.MLPRegressor(hidden_layer_sizes=(5,), **options).fit(X, Y).n_iter_ == 1 + 3 + 1


@checks("`test_accuracy`, `test_r2`")
def test_scores_are_scikit_learn_s():
    metrics = pytest.importorskip("sklearn.metrics")
    _, run = train(LABELS, task="multilabel", loss="binary_cross_entropy", n_epochs=20)
    assert run.history["test_accuracy"][-1] == metrics.accuracy_score(LABELS, run.model.predict(X))
    targets = np.column_stack([Y[:, :2], np.ones(N)])
    _, run = train(targets)
    ref = metrics.r2_score(targets, run.model.predict(X))
    assert run.history["test_r2"][0] == pytest.approx(ref)


# Keras, where it is installed


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def steps_of(keras, optimizer, gradients, rates):
    """The values of one variable, 1 at first, after each of the steps of a Keras optimizer."""
    variable, values = keras.Variable(np.ones(1), dtype="float64"), []
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor([gradient], dtype="float64")], [variable])
        values.append(float(keras.ops.convert_to_numpy(variable)[0]))
    return values


def nadam_of_keras(w, m, v, g, t, c, products):
    m, v = c.beta1 * m + (1 - c.beta1) * g, c.beta2 * v + (1 - c.beta2) * g**2
    mu, next_mu = (c.beta1 * (1 - 0.5 * 0.96**i) for i in (t, t + 1))
    products.append(products[-1] * mu)
    mean = next_mu * m / (1 - products[-1] * next_mu) + (1 - mu) * g / (1 - products[-1])
    return w - c.learning_rate * mean / (math.sqrt(v / (1 - c.beta2**t)) + c.eps), m, v


@pytest.mark.filterwarnings("ignore")  # Keras imports what is deprecated
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_of_keras(keras, plain_steps, optimizer):
    gradients, rates = [1.0, -0.5, 2.0, 0.25], [0.125, 0.125, 0.0625, 0.0625]
    make = {
        "sgd": lambda: keras.optimizers.SGD(),
        "momentum": lambda: keras.optimizers.SGD(momentum=0.9),
        "nesterov": lambda: keras.optimizers.SGD(momentum=0.9, nesterov=True),
        "rmsprop": lambda: keras.optimizers.RMSprop(rho=0.9, epsilon=1e-12),
        "adam": lambda: keras.optimizers.Adam(epsilon=1e-12),
        "adamw": lambda: keras.optimizers.AdamW(epsilon=1e-12, weight_decay=0.0),
        "nadam": lambda: keras.optimizers.Nadam(epsilon=1e-12),
    }[optimizer]
    if optimizer == "nadam":
        # Its momentum rises by 0.96**t, where Dozat (2016) has 0.96**(t / 250).
        plain_steps = {"nadam": partial(nadam_of_keras, products=[1.0])}
    got = steps_of(keras, make(), gradients, rates)
    w, m, v, ref = 1.0, 0.0, 0.0, []
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        config = Config(learning_rate=rate, eps=1e-12, beta2=0.9 if optimizer == "rmsprop" else 0.999)
        w, m, v = plain_steps[optimizer](w, m, v, gradient, t, config)
        ref.append(float(w))
    assert got == pytest.approx(ref, rel=1e-6)


@pytest.mark.filterwarnings("ignore")  # Keras imports what is deprecated
def test_losses_layers_and_regularizers_of_keras(keras):
    y, z = np.array([[1.0, 0.0, 1.0]]), np.array([[0.5, 0.25, 3.0]])
    errors, losses = abs(y - z)[0], keras.losses
    assert float(losses.MeanSquaredError()(y, z)) == pytest.approx((errors**2).mean())
    huber = np.where(errors < 1, errors**2 / 2, errors - 0.5)
    assert float(losses.Huber(delta=1.0)(y, z)) == pytest.approx(huber.mean())
    binary = np.logaddexp(0, z[0]) - y[0] * z[0]
    assert float(losses.BinaryCrossentropy(from_logits=True)(y, z)) == pytest.approx(binary.mean())
    assert float(keras.regularizers.L2(0.5)(keras.ops.convert_to_tensor(z))) == pytest.approx(0.5 * np.square(z).sum())
    assert keras.layers.LeakyReLU().negative_slope == pytest.approx(0.3)
    gelu = float(keras.ops.convert_to_numpy(keras.activations.gelu(keras.ops.convert_to_tensor([1.0])))[0])
    assert gelu == pytest.approx(F.gelu(torch.tensor(1.0)).item())
    assert keras.optimizers.RMSprop().rho == pytest.approx(0.9)
    accuracy = keras.metrics.BinaryAccuracy()
    accuracy.update_state(y, [[1.0, 0.0, 0.0]])
    assert float(accuracy.result()) == pytest.approx(2 / 3)


@pytest.mark.filterwarnings("ignore")  # Keras imports what is deprecated
@pytest.mark.parametrize("optimizer", ["RMSprop", "Adam"])
def test_eps_of_keras(keras, optimizer):
    make = getattr(keras.optimizers, optimizer)
    (got,) = steps_of(keras, make(epsilon=0.5), [2.0], [0.125])
    if optimizer == "RMSprop":
        ref = 1 - 0.125 * 2.0 / math.sqrt(0.1 * 4.0 + 0.5)
    else:  # eps_hat: m and v without bias correction, which is in the learning rate
        ref = 1 - 0.125 * math.sqrt(0.001) / 0.1 * 0.2 / (math.sqrt(0.001 * 4.0) + 0.5)
    assert got == pytest.approx(ref, rel=1e-5)


def test_every_row_of_the_page_has_a_check_and_every_check_a_row():
    table = re.findall(r"^\| (`[^|]+?) \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(table) == len(set(table)) > 20
    assert set(table) == CHECKED
