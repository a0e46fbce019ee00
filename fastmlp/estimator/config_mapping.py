"""What the estimators' parameters accept, and the Config that they come to. Knows no data and no network."""

from numbers import Integral, Real
from typing import Any, get_args

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from fastmlp.config import Config
from fastmlp.errors import ConfigError
from fastmlp.export.from_sklearn import sgd_variant
from fastmlp.settings import ACTIVATIONS, OPTIMIZERS, Schedule

#: What scikit-learn calls our sigmoid.
SYNONYMS = {"logistic": "sigmoid"}
#: What `schedule` may set besides the schedule's name.
SCHEDULE_SETTINGS = ("decay_rate", "step_epochs", "step_factor", "power", "warmup_epochs")

_SHARE = [Interval(Real, 0, 1, closed="left")]
_NOT_NEGATIVE = [Interval(Real, 0, None, closed="left")]
_COUNT = Interval(Integral, 1, None, closed="left")

#: The parameters of both estimators, in scikit-learn's terms.
CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", _COUNT],
    "activation": [StrOptions({*ACTIVATIONS, *SYNONYMS})],
    "solver": [StrOptions({*OPTIMIZERS, "lbfgs"})],
    "alpha": _NOT_NEGATIVE,
    "batch_size": [StrOptions({"auto"}), _COUNT],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": _NOT_NEGATIVE,
    "max_iter": [_COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": _NOT_NEGATIVE,
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": _SHARE,
    "beta_1": _SHARE,
    "beta_2": _SHARE,
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [_COUNT, Options(Real, {np.inf})],
    "max_fun": [_COUNT],
    "dropout": _SHARE,
    "weight_decay": _NOT_NEGATIVE,
    "schedule": [StrOptions({*get_args(Schedule)}), dict, None],
    "callbacks": [list, tuple, callable, None],
    "n_repeats": [_COUNT],
}


def hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """The hidden layers' sizes, of which one may be given as a number."""
    sizes = np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=object)).tolist()
    if any(not isinstance(size, Integral) or size <= 0 for size in sizes):
        raise ConfigError(
            f"hidden_layer_sizes must be > 0, got {sizes}: whole numbers, one a hidden layer, are expected"
        )
    return tuple(int(size) for size in sizes)


def config_of(estimator: Any, objective: dict[str, Any], precision: str, batch_size: int, seed: int) -> Config:
    """The Config that an estimator's parameters come to.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Its parameters are checked by scikit-learn already.
    objective : dict
        The loss, and the settings that go with it.
    precision : str
        ``"float32"`` or ``"float64"``, of the samples.
    batch_size, seed : int
        What ``"auto"`` and `random_state` came to.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If the solver is scikit-learn's L-BFGS, or the engine does not accept a value.
    """
    return Config(
        **objective,
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
    if estimator.solver == "lbfgs":
        raise ConfigError(
            "solver: given 'lbfgs'; it takes the whole training set at every step, and the kernels are for batches: "
            "use 'adam' or 'sgd', or scikit-learn's own estimator"
        )
    return sgd_variant(estimator) if estimator.solver == "sgd" else estimator.solver


def _schedule_of(estimator: Any) -> dict[str, Any]:
    given = estimator.schedule
    settings = dict(given) if isinstance(given, dict) else {"schedule": given or "constant"}
    unknown = [name for name in settings if name not in ("schedule", *SCHEDULE_SETTINGS)]
    if unknown or "schedule" not in settings:
        names = ", ".join(map(repr, SCHEDULE_SETTINGS))
        raise ConfigError(f"schedule: expected a name, or {{'schedule': name}} with any of {names}, got {given!r}")
    return {"power": estimator.power_t, **settings}
