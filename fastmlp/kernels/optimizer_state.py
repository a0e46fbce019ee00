"""Entries of an optimizer's state: hyperparameters, powers and coefficients of a step; and the optimizers' codes.

They are numbers without Numba, which Python fills in and kernels read, see `fastmlp.kernels.update`.
"""

from fastmlp.settings import OPTIMIZERS

#: Codes of the optimizers that `coefficients_of_step` treats differently from the others.
SGD, ADAM, NADAM = (OPTIMIZERS[name].code for name in ("sgd", "adam", "nadam"))

# Coefficients of a step. DECAY: what weight decay adds per unit of weight, negative; LR_G: Nadam's learning rate for
# the gradient, where LR is the one for its mean.
LR, L2, BETA1, BETA2, EPS, ONE_MINUS_BETA1, ONE_MINUS_BETA2, MU, DECAY, LR_G = range(10)
N_COEFFICIENTS = 10
# Powers, which are carried from step to step: beta1**t, beta2**t; Nadam's PSI**t and the product of its momenta; the
# number of steps taken, which is exact whenever no kernel runs.
BETA1_POWER, BETA2_POWER, PSI_POWER, MU_PRODUCT, STEPS = range(5)
N_POWERS = 5
# Hyperparameters, in float64. L2_PER_WEIGHT: 1 where l2 is divided by the batch's weight; EPS_HAT: 1 where eps is added
# before the bias correction.
HYPER_LR, HYPER_L2, HYPER_BETA1, HYPER_BETA2, HYPER_EPS, HYPER_MOMENTUM, HYPER_DECAY, HYPER_CLIP = range(8)
L2_PER_WEIGHT, EPS_HAT = range(8, 10)
N_HYPERPARAMETERS = 10
#: 0.96**0.004, by whose powers Nadam's momentum rises (Dozat 2016, section 4; PyTorch's constants).
PSI = 0.9998367253526752784
