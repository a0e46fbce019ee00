"""Config: the settings of a training run, in one frozen, flat dataclass that is validated as a whole."""

import dataclasses
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, get_args

from fastmlp.errors import ConfigError
from fastmlp.notebook.html import card, details, table
from fastmlp.settings import (
    SETTINGS,
    ActivationName,
    ClassWeight,
    Dtype,
    EarlyStopping,
    EpsForm,
    Init,
    L2Scale,
    LossName,
    OptimizerName,
    Precision,
    Schedule,
    Task,
    dtype_of,
    invalid_settings,
)

#: Settings of `Config.tabular` for every task. docs/tabular.md has the measurements, and what did not help.
TABULAR: dict[str, Any] = {
    "hidden": (256, 128),
    "activation": "relu",
    "init": "glorot_uniform_gain",
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "beta2": 0.95,
    "weight_decay": 0.1,
    "schedule": "one_cycle",
    "batch_size": 32,
}
#: Further settings for classification. Early stopping is worth most of all there, and costs regression 0.005 of R^2.
TABULAR_CLASSES: dict[str, Any] = {
    "dropout": 0.2,
    "label_smoothing": 0.1,
    "early_stopping": "loss",
    "patience": 40,
    "validation_fraction": 0.2,
}
#: Further settings of `Config.tabular`, by task.
TABULAR_BY_TASK: dict[str, dict[str, Any]] = {
    "classification": {**TABULAR_CLASSES, "loss": "cross_entropy"},
    "multilabel": {**TABULAR_CLASSES, "loss": "binary_cross_entropy"},
    # Of rates of the same mean R^2, 0.2 and 0.3, the one that is less far below gradient boosting on its worst table.
    "regression": {"loss": "squared_error", "dropout": 0.3},
}
#: Number of steps by which `Config.tabular` chooses the number of epochs, and the fewest and the most epochs.
TABULAR_STEPS, TABULAR_EPOCHS = 2000, (50, 200)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of a training run; the defaults are the paper's.

    NumPy scalars are stored as Python types, and a list or an array for `hidden` as a tuple. Equation numbers are the
    paper's. docs/definitions.md lists where PyTorch, scikit-learn and Keras define a setting differently.

    Parameters
    ----------
    hidden : tuple of int
        Sizes of the hidden layers, first to last. Without any, the network is softmax regression (eq. 2).
    activation : str
        Activation of the hidden layers; the paper's is sigmoid (eq. 3). gelu is the tanh approximation.
    dropout : float
        Fraction of the hidden neurons that are dropped in a training step, drawn anew for each sample (Srivastava et
        al. 2014); the others are multiplied by 1 / (1 - dropout). It is rounded to a multiple of 1/65,536; a positive
        rate that becomes 0, or one that becomes 1, is refused.
    init : str
        Initialisation of the weights, which the paper does not specify: Glorot uniform, without the activation's gain
        or with it.
    loss : str
        Loss to minimise: the sum over the outputs, and the mean over the samples of a batch. Classification:
        cross_entropy of a softmax (eq. 1 and 2). Several labels per sample, or two classes: binary_cross_entropy of one
        sigmoid per label. Regression: squared_error (half the squared error), huber, or poisson (half the deviance of
        exp(output)).
    label_smoothing : float
        Label smoothing of cross_entropy and binary_cross_entropy: fraction of a target that is spread evenly over the
        classes. train_loss is the loss of the smoothed targets; test_loss and val_loss are those of the labels.
    huber_delta : float
        Absolute error above which the huber loss is linear, with the slope huber_delta; below, it is half the squared
        error.
    class_weight : str
        Class weights for classification. balanced: a sample has the weight n_samples / (n_classes * samples of its
        class).
    optimizer : str
        Update rule: sgd (eq. 9), adam (eq. 10) and others. adamw is adam, for use with weight_decay.
    learning_rate : float
        Base learning rate, gamma_0 of eq. 11.
    schedule : str
        Learning rate schedule over the epochs; within an epoch the rate is constant. The paper's is exponential, which
        is constant at a decay_rate of 0.
    decay_rate : float
        exponential schedule: the learning rate of epoch t, counted from 0, is learning_rate * exp(-decay_rate * t) (eq.
        11).
    step_epochs : int
        step schedule: epochs between two reductions of the learning rate. plateau schedule: number of consecutive
        epochs without improvement of the loss after which the rate is reduced.
    step_factor : float
        step and plateau schedules: factor that the learning rate is multiplied by at each reduction.
    power : float
        inverse schedule: the learning rate of epoch t, counted from 0, is learning_rate / (t + 1) ** power.
    warmup_epochs : int
        cosine schedule: epochs of linear warm-up, before the learning rate decays to 0 over the rest of n_epochs.
    l2 : float
        L2 regularisation strength, lambda of eq. 8: l2 * weight is added to the gradient of each weight, after
        clipping. Biases are not regularised. With weight_decay, the weight is the one that the step's decay has already
        shrunk.
    l2_scale : str
        step: l2 is used as in eq. 8. batch: l2 is divided by the number of samples in the batch, or by the sum of their
        weights, as in eq. 1 and as scikit-learn's alpha is; train_loss then includes the penalty.
    weight_decay : float
        Decoupled weight decay (Loshchilov and Hutter 2019): each step subtracts learning rate * weight_decay * weight
        from each weight, before the gradient is applied. Biases do not decay. With sgd it is added to l2.
    momentum : float
        Momentum coefficient of momentum and nesterov (Sutskever et al. 2013): velocity = momentum * velocity - learning
        rate * gradient, so that a change of the learning rate does not rescale past gradients.
    beta1 : float
        Decay rate of the first-moment estimate of adam, adamw and nadam (eq. 10).
    beta2 : float
        Decay rate of the second-moment estimate of adam, adamw, nadam and rmsprop (eq. 10). RMSprop does not correct
        the estimate's bias: with 0.999 its first steps are 30 times the learning rate, so 0.9 or 0.99 is usual for it.
    eps : float
        Term added to the denominator of adam, adamw, nadam and rmsprop for numerical stability (eq. 10).
    eps_form : str
        Position of eps in adam, adamw and nadam. eps: added to the square root after its bias correction. eps_hat:
        added before the bias correction (Kingma and Ba 2015, end of section 2), as in scikit-learn and TensorFlow.
    clip_norm : float
        Maximum global gradient norm (Pascanu et al. 2013), of the gradient of the loss without l2 and weight_decay; 0
        disables clipping.
    batch_size : int
        Number of samples per step. The last batch of an epoch may be smaller.
    n_epochs : int
        Number of passes over the training set.
    shuffle : bool
        Whether the samples are shuffled before every epoch.
    early_stopping : str
        Metric of the validation set that decides when training stops early: loss or score; none disables early
        stopping. The weights of the best epoch are restored.
    patience : int
        early_stopping: number of consecutive epochs without improvement after which training stops.
    tol : float
        early_stopping and plateau schedule: a change by at most tol does not count as an improvement. A loss of
        regression is in the target's own unit, squared for squared_error.
    validation_fraction : float
        early_stopping: fraction of the training set that is held out for validation, where the data has no validation
        set.
    seed : int
        Seed of the initial weights, the order of the samples, the dropout masks and the choice of held-out samples.
    precision : str
        float32 or float64: dtype of the weights and of all arithmetic. bf16x3, bf16x2, bf16: the weights are float32;
        in training the products of large layers are computed by the CPU's bf16 instructions, each number as the sum of
        3, 2 or 1 bf16 terms. Without suitable instructions, and for the first layer if samples are sparse, float32 is
        used. auto: bf16x3 on AMX for dense uint8 samples, otherwise float32. See docs/precision.md.

    Raises
    ------
    ConfigError
        If a setting is invalid, as given or after rounding to `precision`. The message lists every invalid setting.

    Examples
    --------
    >>> config = Config(optimizer="adam", learning_rate=0.001)
    >>> config.hidden, config.beta1
    ((100, 100), 0.9)
    >>> config.dtype
    'float32'
    >>> Config(hidden=(100, 0), learning_rate=-1)
    Traceback (most recent call last):
    fastmlp.errors.ConfigError: 2 settings cannot be used
      hidden: expected a tuple of integers >= 1, such as (100, 100), or (), got (100, 0)
      learning_rate: expected a finite number > 0, got -1
    """

    hidden: tuple[int, ...] = (100, 100)
    activation: ActivationName = "sigmoid"
    dropout: float = 0.0
    init: Init = "glorot_uniform"
    loss: LossName = "cross_entropy"
    label_smoothing: float = 0.0
    huber_delta: float = 1.0
    class_weight: ClassWeight = "none"
    optimizer: OptimizerName = "sgd"
    learning_rate: float = 0.3
    schedule: Schedule = "exponential"
    decay_rate: float = 0.0
    step_epochs: int = 10
    step_factor: float = 0.1
    power: float = 0.5
    warmup_epochs: int = 0
    l2: float = 0.0
    l2_scale: L2Scale = "step"
    weight_decay: float = 0.0
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    eps_form: EpsForm = "eps"
    clip_norm: float = 0.0
    batch_size: int = 64
    n_epochs: int = 20
    shuffle: bool = True
    early_stopping: EarlyStopping = "none"
    patience: int = 10
    tol: float = 0.0
    validation_fraction: float = 0.1
    seed: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        given = self.to_dict()
        _check(given)
        for name, value in given.items():
            object.__setattr__(self, name, SETTINGS[name].read(value))

    def _repr_html_(self) -> str:
        default = Config().to_dict()
        changed = [(name, value, default[name]) for name, value in self.to_dict().items() if value != default[name]]
        others = {name: value for name, value in default.items() if getattr(self, name) == value}
        return card(
            "Config",
            table(changed, ("setting", "value", "default")) if changed else "",
            details(f"{len(others)} settings at their defaults", table(others.items())),
        )

    def to_dict(self) -> dict[str, Any]:
        """The settings by name, as a dict that ``json.dumps`` accepts.

        Returns
        -------
        dict
            Setting name to value, in the order of the fields.

        Examples
        --------
        >>> Config().to_dict()["batch_size"]
        64
        """
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def dtype(self) -> Dtype:
        """Dtype of the weights: float64 for the precision float64, otherwise float32."""
        return dtype_of(self.precision)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Config":
        """Make a Config from the dict that `to_dict` returns; missing settings take their defaults.

        Parameters
        ----------
        settings : mapping of str to object
            Settings by name, such as the content of a ``config.json``, whose entry ``table`` describes the data of a
            run and is ignored.

        Returns
        -------
        Config
            Equal to the one that `to_dict` was called on.

        Raises
        ------
        ConfigError
            If a setting is unknown or invalid. The message lists all of them.

        Examples
        --------
        >>> Config.from_dict({"hidden": [30], "l2": 0.001}).hidden
        (30,)
        >>> Config.from_dict({"learning-rate": 0.1})
        Traceback (most recent call last):
        fastmlp.errors.ConfigError: unknown setting 'learning-rate'; did you mean 'learning_rate'?
        """
        if not isinstance(settings, Mapping):
            raise ConfigError(f"settings: expected a mapping of names to values, got {reprlib.repr(settings)}")
        settings = {name: value for name, value in settings.items() if name != "table"}
        _check(settings)
        return cls(**settings)

    @classmethod
    def tabular(cls, *, n_samples: int, task: Task, **changes: Any) -> "Config":
        """Settings for tables, such as CSV files: measured on 23 tables, see docs/tabular.md.

        The number of epochs depends on the number of samples, so that a small table gets enough steps, and a large one
        is not visited as often. A batch has no more samples than there are.

        Parameters
        ----------
        n_samples : int
            Number of training samples, those held out for validation included.
        task : {"classification", "multilabel", "regression"}
            The kind of target, which decides the loss and how the network is regularised.
        **changes : object
            Settings by name, which take the place of the preset's. The number of epochs follows batch_size,
            early_stopping and validation_fraction, unless it is given.

        Returns
        -------
        Config
            The settings. Features are expected at a scale of about 1, and regression targets standardised.

        Raises
        ------
        ConfigError
            If n_samples or task is invalid, or a setting is unknown or invalid. The message lists all invalid settings.

        Examples
        --------
        >>> config = Config.tabular(n_samples=1000, task="regression", seed=1)
        >>> config.loss, config.optimizer, config.n_epochs
        ('squared_error', 'adamw', 64)
        >>> Config.tabular(n_samples=50_000, task="classification", batch_size=128).n_epochs
        50
        """
        if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
            raise ConfigError(f"n_samples: expected an integer >= 1, got {n_samples!r}")
        if task not in get_args(Task):
            raise ConfigError(f"task: expected one of {', '.join(get_args(Task))}, got {task!r}")
        low, high = TABULAR_EPOCHS
        # Settings such as warmup_epochs are checked against the number of epochs: first against the largest.
        config = cls.from_dict({"n_epochs": high, **TABULAR, **TABULAR_BY_TASK[task], **changes})
        share = 1.0 if config.early_stopping == "none" else 1.0 - config.validation_fraction
        n_trained = max(1, int(share * int(n_samples)))
        if "batch_size" not in changes:
            config = config.replace(batch_size=min(config.batch_size, n_trained))
        if "n_epochs" in changes:
            return config
        return config.replace(n_epochs=min(max(math.ceil(TABULAR_STEPS * config.batch_size / n_trained), low), high))

    def replace(self, **changes: Any) -> "Config":
        """Copy the Config with some settings changed.

        Parameters
        ----------
        **changes : object
            New values by name.

        Returns
        -------
        Config
            A new, validated Config. The original is not modified.

        Raises
        ------
        ConfigError
            If a setting is unknown or invalid. The message lists all of them.

        Examples
        --------
        >>> Config().replace(seed=1).seed
        1
        """
        return self.from_dict({**self.to_dict(), **changes})


def _check(settings: Mapping[str, Any]) -> None:
    problems = list(invalid_settings(settings, {name: getattr(Config, name) for name in SETTINGS}))
    if len(problems) == 1:
        raise ConfigError(problems[0])
    if problems:
        raise ConfigError("\n  ".join([f"{len(problems)} settings cannot be used", *problems]))
