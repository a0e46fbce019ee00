"""Config: every setting of a training run, frozen, flat and checked as a whole. Knows neither data nor kernels."""

import dataclasses
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastmlp.errors import ConfigError
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
    dtype_of,
    invalid_settings,
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting of a training run; the defaults are the paper's.

    NumPy's numbers, and a list or an array for `hidden`, are taken and stored as Python's own.

    Parameters
    ----------
    hidden : tuple of int
        Sizes of the hidden layers, first to last; without any, the network is softmax regression (eq. 2).
    activation : str
        What every hidden layer applies to its sums; the paper's is sigmoid (eq. 3). gelu is its form with tanh.
    dropout : float
        Share of the hidden units that a training step leaves out, drawn anew for each sample (Srivastava et al. 2014).
    init : str
        How the weights begin, about which the paper is silent.
    loss : str
        What training lowers: cross_entropy of a softmax over classes (eq. 1 and 2), binary_cross_entropy of a sigmoid
        for each label, or for numbers squared_error (half of it), huber, or poisson (half the deviance of exp(output)).
    label_smoothing : float
        cross_entropy, binary_cross_entropy: share of a target that is spread evenly over the classes.
    huber_delta : float
        huber: the error from which on the loss grows as a line does.
    class_weight : str
        cross_entropy: balanced weighs a sample by n_samples / (n_classes * samples of its class).
    optimizer : str
        The update rule: sgd (eq. 9), adam (eq. 10) and others; adamw is adam, meant to go with weight_decay.
    learning_rate : float
        Length of a step, gamma_0 of eq. 11.
    schedule : str
        How the learning rate goes on from epoch to epoch; the paper's is exponential, with a decay rate of 0 constant.
    decay_rate : float
        exponential: the rate of epoch t, from 0, is learning_rate * exp(-decay_rate * t) (eq. 11).
    step_epochs : int
        step: epochs from one fall of the rate to the next; plateau: epochs without a lower loss before a fall.
    step_factor : float
        step, plateau: what the rate is multiplied by at a fall.
    power : float
        inverse: the rate of epoch t, from 0, is learning_rate / (t + 1) ** power.
    warmup_epochs : int
        cosine: epochs in which the rate rises, before it falls to 0 over the rest of n_epochs.
    l2 : float
        L2 regularisation, lambda of eq. 8: l2 * weight is added to a weight's gradient, to a bias's nothing.
    l2_scale : str
        step: as in eq. 8. batch: l2 is divided by the samples of the batch, or the sum of their weights, as in eq. 1
        and as scikit-learn's alpha is; train_loss then includes the penalty.
    weight_decay : float
        Share of a weight, times the rate, that every step takes away (Loshchilov and Hutter 2019), of a bias nothing.
    momentum : float
        momentum, nesterov: share of the last step that is taken again (Sutskever et al. 2013).
    beta1 : float
        adam, adamw, nadam: memory of the gradient (eq. 10).
    beta2 : float
        adam, adamw, nadam, rmsprop: memory of the squared gradient (eq. 10). RMSprop corrects no bias: with 0.999 its
        first steps are 30 times the rate, so 0.9 or 0.99 is what others give it.
    eps : float
        adam, adamw, nadam, rmsprop: what is added to the denominator (eq. 10).
    eps_form : str
        adam, adamw, nadam: eps_hat adds eps to the root before its bias correction (Kingma and Ba 2015, end of section
        2), as scikit-learn and TensorFlow do; eps after it.
    clip_norm : float
        Most that the norm of all gradients together may be (Pascanu et al. 2013); 0: whatever it is.
    batch_size : int
        Samples a step; an epoch's last batch may be shorter.
    n_epochs : int
        Passes over the training data.
    shuffle : bool
        Whether every epoch goes through the samples in a new order.
    early_stopping : str
        Whether training ends, with the best weights put back, once the validation set's loss or score has not improved
        for a while.
    patience : int
        early_stopping: training ends after so many epochs on end without improvement.
    tol : float
        early_stopping, plateau: an improvement is one by more than this.
    validation_fraction : float
        early_stopping: share of the training set that is held out where the data has no validation set.
    seed : int
        Decides the initial weights, the order of the samples, what is dropped and what is held out.
    precision : str
        float32 or float64: type of the weights and of all arithmetic. bf16x3, bf16x2, bf16: weights are float32, and in
        training the products of large layers are left to the CPU's bf16 unit, numbers being the sum of so many bf16
        terms; float32 where there is no suitable unit. auto: bf16x3 on AMX for uint8 samples, else float32. See
        docs/precision.md.

    Raises
    ------
    ConfigError
        Some settings are not accepted, also where one is only so after rounding to `precision`; all are named.

    Examples
    --------
    >>> config = Config(optimizer="adam", learning_rate=0.001)
    >>> config.hidden, config.beta1
    ((100, 100), 0.9)
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

    def to_dict(self) -> dict[str, Any]:
        """The settings by name, fit for ``json.dumps``.

        Returns
        -------
        dict
            Name to value, in the order of the fields.

        Examples
        --------
        >>> Config().to_dict()["batch_size"]
        64
        """
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def dtype(self) -> Dtype:
        """Type of the weights: float32, but for the precision float64."""
        return dtype_of(self.precision)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Config":
        """The Config that `to_dict` was asked of; what is missing takes its default.

        Parameters
        ----------
        settings : mapping of str to object
            Settings by name, such as a ``config.json`` holds.

        Returns
        -------
        Config
            Equal to the one that was written.

        Raises
        ------
        ConfigError
            A setting is unknown or not accepted; all are named.

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
        _check(settings)
        return cls(**settings)

    def replace(self, **changes: Any) -> "Config":
        """The same Config with some settings changed.

        Parameters
        ----------
        **changes : object
            New values by name.

        Returns
        -------
        Config
            A new, checked Config; the old one stays as it is.

        Raises
        ------
        ConfigError
            A setting is unknown or not accepted; all are named.

        Examples
        --------
        >>> Config().replace(seed=1).seed
        1
        """
        return self.from_dict({**self.to_dict(), **changes})


def _check(settings: Mapping[str, Any]) -> None:
    found = list(invalid_settings(settings, {name: getattr(Config, name) for name in SETTINGS}))
    if len(found) == 1:
        raise ConfigError(found[0])
    if found:
        raise ConfigError("\n  ".join([f"{len(found)} settings cannot be used", *found]))
