"""Early stopping: training ends when the validation loss no longer falls; the weights of its minimum are restored."""

import matplotlib.pyplot as plt
import numpy as np

import fastmlp

digits = fastmlp.load_data("digits")
few = fastmlp.Dataset(digits.X_train[:400], digits.y_train[:400], digits.X_test, digits.y_test)
config = fastmlp.Config(activation="relu", optimizer="adam", learning_rate=0.01, n_epochs=200, early_stopping="loss")
run = fastmlp.train(few, config)
best = run.history["epoch"][int(np.argmin(run.history["val_loss"]))]

_, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for panel in run.plot(axes):
    panel.axvline(best, color="#333333", linestyle=":")
plt.show()
