"""Loss and accuracy of a network on the handwritten digits, over the epochs."""

import matplotlib.pyplot as plt

import fastmlp

digits = fastmlp.load_data("digits")
config = fastmlp.Config(hidden=(64,), activation="relu", optimizer="adam", learning_rate=0.003, n_epochs=15)
run = fastmlp.train(digits, config)

_, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
run.plot(axes)
plt.show()
