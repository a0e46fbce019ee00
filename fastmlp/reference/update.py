"""Reference implementations of the optimizers; `fastmlp.reference` states what holds for all of them."""

from collections import namedtuple

import numpy as np

from fastmlp.config import Config
from fastmlp.reference.arithmetic import Array, flush, fma, multiply
from fastmlp.reference.elementwise import reciprocal
from fastmlp.settings import OPTIMIZERS

#: Coefficients of a step: lr and lr_g are negated, co_beta is 1 - beta, decay is -lr weight_decay.
Coefficients = namedtuple("Coefficients", "lr l2 beta1 beta2 eps co_beta1 co_beta2 mu decay lr_g")
#: 0.96**0.004 (Dozat 2016; PyTorch's constants).
PSI = 0.9998367253526752784


def coefficients_of_step(config: Config, lr: float, powers: Array, total: float = 1.0) -> Coefficients:
    """Coefficients of the next step, computed in float64, then rounded; updates `powers` in place.

    total: the sum of the batch's sample weights. Adam's bias corrections (10) are moved out of the update:
    ``lr mhat / (sqrt(vhat) + eps) = lr c2 / c1 * m / (sqrt(v) + eps c2)``, c1 = 1 - beta1**t, c2 = sqrt(1 - beta2**t).
    powers: beta1**t, beta2**t, PSI**t, and the product of Nadam's momenta, each ``beta1 (1 - PSI**t / 2)``.
    """
    beta1, beta2, eps, lr_g, l2 = config.beta1, config.beta2, config.eps, 0.0, config.l2
    decay = lr * config.weight_decay
    if config.l2_scale == "batch":
        l2 = l2 / total if total > 0 else 0.0
    if config.optimizer == "sgd":
        l2, decay = l2 + config.weight_decay, 0.0
    if OPTIMIZERS[config.optimizer].moments == "mv":
        powers[:2] = multiply(powers[:2], np.array([beta1, beta2]))
        correction = np.sqrt(1 - powers[1])
        if config.eps_form == "eps":
            eps = eps * correction
        if config.optimizer == "nadam":
            powers[2] *= PSI
            mu, next_mu = beta1 * (1 - 0.5 * powers[2]), beta1 * (1 - 0.5 * (powers[2] * PSI))
            powers[3:4] = multiply(powers[3:4], np.array([mu]))
            lr_g = lr * correction * (1 - mu) / (1 - powers[3])
            lr = lr * correction * next_mu / (1 - powers[3] * next_mu)
        else:
            lr = lr * correction / (1 - powers[0])
    momentum = config.momentum
    numbers = np.array([-lr, l2, beta1, beta2, eps, 1 - beta1, 1 - beta2, momentum, -decay, -lr_g])
    return Coefficients(*flush(numbers.astype(config.dtype)))


def sgd_update(w: Array, g: Array, c: Coefficients) -> Array:
    """``w - lr g``: equation (9), g including the L2 term of (8).

    g is the gradient of the mean loss, to which (8) adds ``l2 w``. The gradient of (1) has ``l2 / m w``: the paper's
    equations disagree by this factor of m, and the update follows (8).
    """
    return fma(c.lr, g, w)


def momentum_moment(m: Array, g: Array, c: Coefficients) -> Array:
    """``momentum m - lr g``: the velocity (Sutskever et al. 2013, eq. 1)."""
    return fma(c.mu, m, multiply(c.lr, g))


def nesterov_update(w: Array, m: Array, g: Array, c: Coefficients) -> Array:
    """``w + momentum m - lr g``, m the new velocity (Bengio et al. 2013, eq. 7)."""
    return flush(w + fma(c.mu, m, multiply(c.lr, g)))


def second_moment(v: Array, g: Array, c: Coefficients) -> Array:
    """Equation (10), second line: the estimate of the gradient's second moment."""
    return fma(c.beta2, v, multiply(multiply(c.co_beta2, g), g))


def adam_moments(m: Array, v: Array, g: Array, c: Coefficients) -> tuple[Array, Array]:
    """Equation (10), first two lines: the estimates of the gradient's first and second moments."""
    return fma(c.beta1, m, multiply(c.co_beta1, g)), second_moment(v, g, c)


def adam_update(w: Array, m: Array, v: Array, c: Coefficients) -> Array:
    """Equation (10), last two lines, with the bias corrections in the coefficients; RMSprop's with g for m."""
    return fma(c.lr, multiply(m, reciprocal(np.sqrt(v) + c.eps)), w)


def nadam_update(w: Array, m: Array, v: Array, g: Array, c: Coefficients) -> Array:
    """Adam with Nesterov momentum (Dozat 2016): first moment and gradient, each with its own learning rate."""
    return fma(fma(c.lr, m, multiply(c.lr_g, g)), reciprocal(np.sqrt(v) + c.eps), w)


# The step of each optimizer: new weights w and moments m, v, given the gradient g with the L2 term.

Step = tuple[Array, Array, Array]


def sgd_step(w: Array, m: Array, v: Array, g: Array, c: Coefficients) -> Step:
    """`sgd_update`."""
    return sgd_update(w, g, c), m, v


def momentum_step(w: Array, m: Array, v: Array, g: Array, c: Coefficients) -> Step:
    """``w + m``, m the new velocity."""
    m = momentum_moment(m, g, c)
    return flush(w + m), m, v


def nesterov_step(w: Array, m: Array, v: Array, g: Array, c: Coefficients) -> Step:
    """`nesterov_update`."""
    m = momentum_moment(m, g, c)
    return nesterov_update(w, m, g, c), m, v


def rmsprop_step(w: Array, m: Array, v: Array, g: Array, c: Coefficients) -> Step:
    """`adam_update` with the gradient in place of its first moment (Tieleman and Hinton 2012)."""
    v = second_moment(v, g, c)
    return adam_update(w, g, v, c), m, v


def adam_step(w: Array, m: Array, v: Array, g: Array, c: Coefficients) -> Step:
    """`adam_update`."""
    m, v = adam_moments(m, v, g, c)
    return adam_update(w, m, v, c), m, v


#: Adam with decoupled weight decay (Loshchilov and Hutter 2019): `weights_shrink` comes before every optimizer's step.
adamw_step = adam_step


def nadam_step(w: Array, m: Array, v: Array, g: Array, c: Coefficients) -> Step:
    """`nadam_update`."""
    m, v = adam_moments(m, v, g, c)
    return nadam_update(w, m, v, g, c), m, v


def optimizer_step(optimizer: str, w: Array, m: Array, v: Array, g: Array, c: Coefficients) -> Step:
    """The step of an optimizer, by its name."""
    step: Step = globals()[f"{optimizer}_step"](w, m, v, g, c)
    return step


def weights_shrink(w: Array, c: Coefficients) -> Array:
    """``w - lr weight_decay w`` (Loshchilov and Hutter 2019), before the gradient is applied."""
    return fma(c.decay, w, w) if c.decay != 0 else w
