"""Accepted values of the estimators' parameters, and the `Config` that corresponds to them."""

from numbers import Integral, Real
from typing import Any, get_args

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from fastmlp.config import Config
from fastmlp.errors import ConfigError
from fastmlp.export.from_sklearn import sgd_variant
from fastmlp.settings import ACTIVATIONS, OPTIMIZERS, Schedule

#: Names of activations in scikit-learn that differ from ours.
SYNONYMS = {record.sklearn: name for name, record in ACTIVATIONS.items() if record.sklearn not in (None, name)}
#: Settings of a schedule that a dict as `schedule` may contain besides its name.
SCHEDULE_SETTINGS = ("decay_rate", "step_epochs", "step_factor", "power", "warmup_epochs")

#: Parameters that have no meaning for lbfgs and that scikit-learn does not have, and the value that disables each.
STOCHASTIC = {"dropout": 0.0, "weight_decay": 0.0, "schedule": None}
#: Samples per batch with lbfgs, which adds up the gradients of all batches. One core of a Zen 5, ms per evaluation of
#: 64-100-10 on 20,000 samples in float64, by batch size: 128 11.2, 256 9.7, 512 9.1, 1,024 9.1, 4,096 12.4; of
#: 64-256-256-10: 90, 88, 91, 96, 119. A single batch would need memory for the activations of all samples.
LBFGS_BATCH = 1024

_FRACTION = [Interval(Real, 0, 1, closed="left")]
_NON_NEGATIVE = [Interval(Real, 0, None, closed="left")]
_COUNT = Interval(Integral, 1, None, closed="left")

#: Constraints of the parameters that both estimators have, in the form of scikit-learn's `_parameter_constraints`.
CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", _COUNT],
    "activation": [StrOptions({*ACTIVATIONS, *SYNONYMS})],
    "solver": [StrOptions({*OPTIMIZERS, "lbfgs"})],
    "alpha": _NON_NEGATIVE,
    "batch_size": [StrOptions({"auto"}), _COUNT],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": _NON_NEGATIVE,
    "max_iter": [_COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": _NON_NEGATIVE,
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": _FRACTION,
    "beta_1": _FRACTION,
    "beta_2": _FRACTION,
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [_COUNT, Options(Real, {np.inf})],
    "max_fun": [_COUNT],
    "dropout": _FRACTION,
    "weight_decay": _NON_NEGATIVE,
    "schedule": [StrOptions({*get_args(Schedule)}), dict, None],
    "callbacks": [list, tuple, callable, None],
    "n_repeats": [_COUNT],
    "n_threads": [StrOptions({"auto"}), _COUNT],
}


def hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Sizes of the hidden layers; an integer means one layer."""
    sizes = np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=object)).tolist()
    if any(not isinstance(size, Integral) or size <= 0 for size in sizes):
        raise ConfigError(f"hidden_layer_sizes must be > 0: expected one integer >= 1 per hidden layer, got {sizes}")
    return tuple(int(size) for size in sizes)


def config_of(estimator: Any, loss_settings: dict[str, Any], precision: str, batch_size: int, seed: int) -> Config:
    """The `Config` that corresponds to the parameters of an estimator.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        The estimator, with parameters that satisfy `CONSTRAINTS`.
    loss_settings : dict
        The loss, and the settings that belong to it.
    precision : str
        ``"float32"`` or ``"float64"``, the dtype of the samples.
    batch_size, seed : int
        Resolved from `batch_size`, which may be ``"auto"``, and from `random_state`.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If `Config` does not accept a value, or the solver is lbfgs and one of `STOCHASTIC` has another value.
    """
    if estimator.solver == "lbfgs":
        _check_lbfgs(estimator)
    return Config(
        **loss_settings,
        **_schedule_of(estimator),
        hidden=hidden_sizes(estimator.hidden_layer_sizes),
        activation=SYNONYMS.get(estimator.activation, estimator.activation),
        dropout=estimator.dropout,
        optimizer=_optimizer_of(estimator),
        learning_rate=estimator.learning_rate_init,
        l2=estimator.alpha,
        l2_scale="batch",
        weight_decay=estimator.weight_decay,
        momentum=estimator.momentum,
        beta1=estimator.beta_1,
        beta2=estimator.beta_2,
        eps=estimator.epsilon,
        eps_form="eps_hat",
        batch_size=batch_size,
        n_epochs=estimator.max_iter,
        shuffle=estimator.shuffle,
        tol=estimator.tol,
        seed=seed,
        precision=precision,  # type: ignore[arg-type]
    )


def _optimizer_of(estimator: Any) -> Any:
    if estimator.solver == "lbfgs":  # which a Config does not have: the default, with which training may go on
        return "adam"
    return sgd_variant(estimator) if estimator.solver == "sgd" else estimator.solver


def _check_lbfgs(estimator: Any) -> None:
    """Refuse parameters that have no meaning for lbfgs; scikit-learn's own have no effect, as in scikit-learn."""
    for name, disabled in STOCHASTIC.items():
        given = getattr(estimator, name)
        if given != disabled:
            raise ConfigError(
                f"{name}: expected {disabled} with solver='lbfgs', which has neither minibatches nor a learning rate, "
                f"got {given!r}; use another solver, such as 'adam'"
            )


def _schedule_of(estimator: Any) -> dict[str, Any]:
    given = estimator.schedule
    settings = dict(given) if isinstance(given, dict) else {"schedule": given or "constant"}
    unknown = [name for name in settings if name not in ("schedule", *SCHEDULE_SETTINGS)]
    if unknown or "schedule" not in settings:
        names = ", ".join(map(repr, SCHEDULE_SETTINGS))
        raise ConfigError(f"schedule: expected a name, or {{'schedule': name}} and any of {names}, got {given!r}")
    return {"power": estimator.power_t, **settings}
