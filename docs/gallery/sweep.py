"""A sweep over two settings, as a heat map of the test accuracy after the last epoch."""

import matplotlib.pyplot as plt
import numpy as np

import fastmlp

grid = {"learning_rate": [0.03, 0.1, 0.3, 1.0], "batch_size": [16, 32, 64, 128]}
study = fastmlp.sweep(fastmlp.load_data("digits"), fastmlp.Config(hidden=(64,), n_epochs=10), grid, n_repeats=3)
means = [study.statistics(setting, "test_accuracy").mean[-1] for setting in study.settings]
accuracy = np.reshape(means, (4, 4))

_, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
axes.imshow(accuracy, cmap="cividis", origin="lower")
for (row, column), value in np.ndenumerate(accuracy):
    colour = "black" if value > (accuracy.min() + accuracy.max()) / 2 else "white"
    axes.text(column, row, f"{value:.3f}", ha="center", va="center", color=colour)
axes.set_xticks(range(4), grid["batch_size"])
axes.set_yticks(range(4), grid["learning_rate"])
axes.set(xlabel="batch size", ylabel="learning rate", title="Test accuracy, mean of 3 repeats")
plt.show()
