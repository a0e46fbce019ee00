"""Train ten times on the handwritten digits; print mean and standard deviation of the test accuracy per epoch."""

import fastmlp

study = fastmlp.repeat(fastmlp.load_data("digits"), fastmlp.Config(hidden=(64,), n_epochs=10), n_repeats=10)
accuracy = study.statistics({}, "test_accuracy")
for epoch, mean, std in zip(accuracy.epoch, accuracy.mean, accuracy.std, strict=True):
    print(f"epoch {epoch:2}  test accuracy {mean:.4f} ± {std:.4f}")
