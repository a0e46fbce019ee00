"""Ten repeats with different seeds: mean and standard deviation of each epoch."""

import matplotlib.pyplot as plt

import fastmlp

study = fastmlp.repeat(fastmlp.load_data("digits"), fastmlp.Config(hidden=(64,), n_epochs=15), n_repeats=10)

_, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
study.plot(axes)
plt.show()
