"""Compare two optimizers at three learning rates on the handwritten digits."""

import fastmlp

grid = {"optimizer": ["sgd", "adam"], "learning_rate": [0.3, 0.03, 0.003]}
study = fastmlp.sweep(fastmlp.load_data("digits"), fastmlp.Config(hidden=(64,), n_epochs=5), grid, n_repeats=3)
for setting in study.settings:
    accuracy = study.statistics(setting, "test_accuracy")
    print(f"{setting}  {accuracy.mean[-1]:.4f} ± {accuracy.std[-1]:.4f}")
print(f"best: {study.best()}")
