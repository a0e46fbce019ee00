"""The settings of a `Config`: activations, losses and optimizers, and the values that each setting accepts.

Each activation, loss and optimizer is one record here. Kernels, reference implementations, exports and the scikit-learn
estimators look up what they need in it; docs/extending.md shows how to add one.
"""

import difflib
import math
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

Task = Literal["classification", "multilabel", "regression"]
#: Activation of the output layer.
Output = Literal["softmax", "sigmoid", "identity", "exp"]

#: Number of values of a draw of dropout, which has 16 bits: rates are multiples of one over it.
DROPOUT_DRAWS = 1 << 16
#: Slope of the leaky rectifier for negative inputs (Maas, Hannun and Ng 2013).
LEAKY_SLOPE = 0.01
#: Largest accepted distance of a feature or target from zero, in units of its spread, in float32. Beyond it, rounding
#: to 24 bits loses more than 1 % of the spread.
MAX_DISTANCE = 2.0**18


@dataclass(frozen=True, kw_only=True)
class Activation:
    """An activation of the hidden layers.

    Attributes
    ----------
    gain : float
        Factor of Glorot's limit with ``init="glorot_uniform_gain"``. Glorot and Bengio (2010) give 4 for the sigmoid;
        the others are those of PyTorch's ``calculate_gain``, which has none for elu, gelu, silu and softplus: gelu and
        silu have relu's here, elu and softplus 1.
    derivative_of : {"output", "input"}
        Argument of the derivative: the output of the activation, in the backward pass; or its input, in the forward
        pass, which stores the derivative.
    sklearn, onnx : str or None
        Name of the activation in scikit-learn, and the ONNX operator that computes it; None where there is none. An
        activation without an ONNX operator is composed of several in `fastmlp.export.onnx`.
    torch : str
        Class in ``torch.nn``.
    torch_arguments : tuple of (str, object)
        Keyword arguments of that class.
    """

    gain: float = 1.0
    derivative_of: Literal["output", "input"] = "output"
    sklearn: str | None = None
    onnx: str | None = None
    torch: str
    torch_arguments: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss, with its activation of the output layer and its metric.

    Attributes
    ----------
    tasks : tuple of str
        The tasks that it can be used for, see `fastmlp.Dataset`.
    output : {"softmax", "sigmoid", "identity", "exp"}
        Activation of the output layer.
    metric : {"accuracy", "r2"}
        Metric by which predictions are scored.
    sklearn_output : str
        ``out_activation_`` of scikit-learn's estimators with that activation of the output layer.
    """

    tasks: tuple[Task, ...]
    output: Output
    metric: Literal["accuracy", "r2"]
    sklearn_output: str


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """An optimizer.

    Attributes
    ----------
    code : int
        The number by which kernels select it; adam and adamw share one.
    moments : {"", "m", "v", "mv"}
        The moment estimates that it stores for each parameter.
    sklearn : str or None
        The corresponding ``solver`` of scikit-learn.
    """

    code: int
    moments: Literal["", "m", "v", "mv"]
    sklearn: str | None = None


ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": Activation(gain=4.0, sklearn="logistic", onnx="Sigmoid", torch="Sigmoid"),
    "tanh": Activation(gain=5 / 3, sklearn="tanh", onnx="Tanh", torch="Tanh"),
    "relu": Activation(gain=math.sqrt(2), sklearn="relu", onnx="Relu", torch="ReLU"),
    "identity": Activation(sklearn="identity", torch="Identity"),
    "leaky_relu": Activation(
        gain=math.sqrt(2 / (1 + LEAKY_SLOPE**2)),
        torch="LeakyReLU",
        torch_arguments=(("negative_slope", LEAKY_SLOPE),),
    ),
    "elu": Activation(torch="ELU"),
    "gelu": Activation(
        gain=math.sqrt(2), derivative_of="input", torch="GELU", torch_arguments=(("approximate", "tanh"),)
    ),
    "silu": Activation(gain=math.sqrt(2), derivative_of="input", torch="SiLU"),
    # PyTorch's default threshold of 20, above which softplus is the identity, is visible in float64.
    "softplus": Activation(torch="Softplus", torch_arguments=(("threshold", 40.0),)),
}

LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(tasks=("classification",), output="softmax", metric="accuracy", sklearn_output="softmax"),
    "binary_cross_entropy": Loss(
        tasks=("multilabel", "classification"),
        output="sigmoid",
        metric="accuracy",
        sklearn_output="logistic",
    ),
    "squared_error": Loss(tasks=("regression",), output="identity", metric="r2", sklearn_output="identity"),
    "huber": Loss(tasks=("regression",), output="identity", metric="r2", sklearn_output="identity"),
    "poisson": Loss(tasks=("regression",), output="exp", metric="r2", sklearn_output="exp"),
}

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(code=0, moments="", sklearn="sgd"),
    "momentum": Optimizer(code=2, moments="m", sklearn="sgd"),
    "nesterov": Optimizer(code=3, moments="m", sklearn="sgd"),
    "rmsprop": Optimizer(code=4, moments="v"),
    "adam": Optimizer(code=1, moments="mv", sklearn="adam"),
    "adamw": Optimizer(code=1, moments="mv"),
    "nadam": Optimizer(code=5, moments="mv"),
}

if TYPE_CHECKING:
    ActivationName: TypeAlias = str
    LossName: TypeAlias = str
    OptimizerName: TypeAlias = str
else:  # the command line and its help list the names of these types
    ActivationName = Literal[tuple(ACTIVATIONS)]
    LossName = Literal[tuple(LOSSES)]
    OptimizerName = Literal[tuple(OPTIMIZERS)]

Init = Literal["glorot_uniform", "glorot_uniform_gain"]
ClassWeight = Literal["none", "balanced"]
Schedule = Literal["exponential", "constant", "step", "cosine", "inverse", "one_cycle", "plateau"]
L2Scale = Literal["step", "batch"]
EpsForm = Literal["eps", "eps_hat"]
EarlyStopping = Literal["none", "loss", "score"]
Precision = Literal["float32", "float64", "bf16x3", "bf16x2", "bf16", "auto"]
Dtype = Literal["float32", "float64"]

#: Number of bf16 terms that a float32 is split into, by precision.
BF16_TERMS = {"bf16x3": 3, "bf16x2": 2, "bf16": 1}


def dtype_of(precision: str) -> Dtype:
    """Dtype of the weights, and of all arithmetic but the bf16 products.

    Examples
    --------
    >>> dtype_of("bf16x3")
    'float32'
    """
    return "float64" if precision == "float64" else "float32"


def uses_bf16(fan_in: int, fan_out: int, batch_size: int) -> bool:
    """Whether a bf16 precision computes the products of a layer of these sizes in bf16.

    In smaller layers bf16 products gain less than splitting their operands costs. The rule is the same on every CPU,
    since the bits of a layer depend on it. Measured with AVX512-BF16 on a Zen 4, one term, speed of an epoch over that
    with the layer in float32: as the first layer of 784 inputs in batches of 64, 8 outputs 1.02, 32 outputs 1.35, 100
    outputs 1.44; in batches of 16 0.92; of 32 inputs 1.06, of 64 inputs 1.21. As a hidden layer, 100 to 100 1.07, 1024
    to 1024 1.30, 100 to 10 0.79. Layers that the rule accepts: from 0.93 (100 to 32, batches of 32) to 1.53. AMX was
    not measured: its operands cost the same, and its products an eighth.

    Examples
    --------
    >>> uses_bf16(784, 100, 64), uses_bf16(100, 10, 64)
    (True, False)
    """
    return fan_in >= 64 and fan_out >= 32 and batch_size >= 32


def dropped_draws(dropout: float) -> int:
    """Number of the DROPOUT_DRAWS values of a draw for which a neuron is dropped.

    Examples
    --------
    >>> dropped_draws(0.25), dropped_draws(1e-6)
    (16384, 0)
    """
    return round(dropout * DROPOUT_DRAWS)


class Accepted(NamedTuple):
    """The values that a setting accepts, in words, and the function that reads a value or raises."""

    words: str
    read: Callable[[Any], Any]


def _integer(low: int) -> Accepted:
    def read(value: Any) -> int:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError
        number = int(value)
        if not low <= number < 2**63:
            raise ValueError
        return number

    return Accepted(f"an integer >= {low} and < 2**63", read)


def _real(words: str, is_accepted: Callable[[float], bool]) -> Accepted:
    def read(value: Any) -> float:
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError
        number = float(value)
        if not math.isfinite(number) or not is_accepted(number):
            raise ValueError
        return number

    return Accepted(words, read)


def _choice(literal: Any) -> Accepted:
    names = get_args(literal)

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError
        return str(value)

    return Accepted("one of " + ", ".join(map(repr, names)), read)


def _flag() -> Accepted:
    def read(value: Any) -> bool:
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError
        return bool(value)

    return Accepted("True or False", read)


def _sizes() -> Accepted:
    size = _integer(1)

    def read(value: Any) -> tuple[int, ...]:
        if not isinstance(value, (tuple, list, np.ndarray)):
            raise TypeError
        return tuple(size.read(item) for item in value)

    return Accepted("a tuple of integers >= 1, such as (100, 100), or ()", read)


_POSITIVE = _real("a finite number > 0", lambda number: number > 0.0)
_NON_NEGATIVE = _real("a finite number >= 0", lambda number: number >= 0.0)
_FACTOR = _real("a number in (0, 1]", lambda number: 0.0 < number <= 1.0)
_HALF_OPEN_FRACTION = _real("a number in [0, 1)", lambda number: 0.0 <= number < 1.0)
_DROPOUT = _real(
    "0, or a number > 1/131,072 and < 1 - 1/131,072, since rates are rounded to multiples of 1/65,536",
    lambda number: number == 0.0 or 0 < dropped_draws(number) < DROPOUT_DRAWS,
)
_FRACTION = _real("a number in [0, 1]", lambda number: 0.0 <= number <= 1.0)
_OPEN_FRACTION = _real("a number in (0, 1)", lambda number: 0.0 < number < 1.0)

SETTINGS: dict[str, Accepted] = {
    "hidden": _sizes(),
    "activation": _choice(ActivationName),
    "dropout": _DROPOUT,
    "init": _choice(Init),
    "loss": _choice(LossName),
    "label_smoothing": _HALF_OPEN_FRACTION,
    "huber_delta": _POSITIVE,
    "class_weight": _choice(ClassWeight),
    "optimizer": _choice(OptimizerName),
    "learning_rate": _POSITIVE,
    "schedule": _choice(Schedule),
    "decay_rate": _NON_NEGATIVE,
    "step_epochs": _integer(1),
    "step_factor": _FACTOR,
    "power": _NON_NEGATIVE,
    "warmup_epochs": _integer(0),
    "l2": _NON_NEGATIVE,
    "l2_scale": _choice(L2Scale),
    "weight_decay": _NON_NEGATIVE,
    "momentum": _FRACTION,
    "beta1": _HALF_OPEN_FRACTION,
    "beta2": _HALF_OPEN_FRACTION,
    "eps": _POSITIVE,
    "eps_form": _choice(EpsForm),
    "clip_norm": _NON_NEGATIVE,
    "batch_size": _integer(1),
    "n_epochs": _integer(1),
    "shuffle": _flag(),
    "early_stopping": _choice(EarlyStopping),
    "patience": _integer(1),
    "tol": _NON_NEGATIVE,
    "validation_fraction": _OPEN_FRACTION,
    "seed": _integer(0),
    "precision": _choice(Precision),
}

#: Advice for those who look for L-BFGS here, which has neither batches nor a state that a checkpoint could have.
LBFGS = "; lbfgs needs SciPy and all samples at every step: use the estimators, as MLPClassifier(solver='lbfgs')"
#: Unknown names that a message lists one by one: finding the nearest setting takes 0.2 ms for each.
MAX_REPORTED = 20


def invalid_settings(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    """Check settings, alone and against each other.

    Parameters
    ----------
    settings : mapping of str to object
        Values by name, as given.
    defaults : mapping of str to object
        Values of the settings that are not given.

    Yields
    ------
    str
        One sentence for each invalid setting: the accepted values, and the given one.
    """
    whole = {**defaults, **settings}
    dtype = dtype_of(whole["precision"]) if _accepts(SETTINGS["precision"], whole["precision"]) else None
    yield from _check_warmup(whole)
    unknown = [name for name in settings if name not in SETTINGS]
    yield from map(_unknown, unknown[:MAX_REPORTED])
    if len(unknown) > MAX_REPORTED:
        yield f"{len(unknown) - MAX_REPORTED:,} more unknown names"
    for name, given in settings.items():
        if name not in SETTINGS:
            continue
        if not _accepts(SETTINGS[name], given):
            advice = LBFGS if (name, given) == ("optimizer", "lbfgs") else ""
            yield f"{name}: expected {SETTINGS[name].words}, got {reprlib.repr(given)}{advice}"
        elif isinstance(SETTINGS[name].read(given), float) and dtype is not None:
            rounded = _rounded(given, dtype)
            if not _accepts(SETTINGS[name], rounded):
                yield f"{name}: expected {SETTINGS[name].words}, got {given!r}, which is {rounded} in {dtype}"
            elif name == "eps" and _vanishes(rounded, whole["beta2"], dtype):
                yield f"eps: got {given!r}; Adam's first step uses eps * sqrt(1 - beta2), which is 0 in {dtype}"


def _check_warmup(settings: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a cosine schedule whose warm-up takes all epochs: the rate would never fall."""
    names = "schedule", "warmup_epochs", "n_epochs"
    given = [settings[name] for name in names]
    if not all(_accepts(SETTINGS[name], value) for name, value in zip(names, given, strict=True)):
        return
    schedule, warmup_epochs, n_epochs = given
    if schedule == "cosine" and warmup_epochs >= n_epochs:
        yield f"warmup_epochs: expected fewer than n_epochs, which is {n_epochs}, got {warmup_epochs}"


def _unknown(name: object) -> str:
    nearest = difflib.get_close_matches(str(name), SETTINGS, n=1, cutoff=0.5)
    known = f"did you mean {nearest[0]!r}?" if nearest else "the settings are " + ", ".join(SETTINGS)
    return f"unknown setting {name!r}; {known}"


def _accepts(accepted: Accepted, value: Any) -> bool:
    try:
        accepted.read(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _vanishes(eps: float, beta2: Any, dtype: str) -> bool:
    """Whether eps is zero in Adam's first step: the update of a weight with zero gradient would be 0 / 0."""
    return _accepts(_HALF_OPEN_FRACTION, beta2) and _rounded(eps * math.sqrt(1.0 - float(beta2)), dtype) == 0.0


def _rounded(number: Any, dtype: str) -> float:
    """The number as kernels use it: rounded to the dtype, subnormal numbers flushed to zero."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = float(np.dtype(dtype).type(number))
    return rounded if abs(rounded) >= np.finfo(dtype).tiny else 0.0
