"""A confusion matrix, and the misclassified digits of which the network is most certain."""

import matplotlib.pyplot as plt
import numpy as np

import fastmlp

digits = fastmlp.load_data("digits")
model = fastmlp.train(digits, fastmlp.Config(n_epochs=20)).model
y, probabilities = digits.y_test, model.predict_proba(digits.X_test)
certainty, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
wrong = np.flatnonzero(predicted != y)
most_confused = wrong[np.argsort(-certainty[wrong])][:6]

figure, axes = plt.subplot_mosaic("mmm01;mmm23;mmm45", figsize=(11, 5.5), layout="constrained")
fastmlp.plot_confusion(model, digits.X_test, y, axes["m"])
for panel, i in zip("012345", most_confused, strict=True):
    axes[panel].imshow(digits.X_test[i].reshape(8, 8), cmap="gray_r")
    axes[panel].set_title(f"{y[i]}, predicted {predicted[i]} ({certainty[i]:.0%})", fontsize=9)
    axes[panel].set_axis_off()
plt.show()
