"""Accuracy of the bf16 precisions: the paper's run on CIFAR-10, compared with float32 and float64.

Run as: python scripts/measure_precision.py [DATA]     Takes a quarter of an hour.

Each precision uses this CPU's bf16 instructions, even where `fastmlp.train` would choose float32 because it is faster.
AMX and AVX512-BF16 give the same bits.
"""

import argparse
import sys
from statistics import mean, stdev

import numpy as np

import fastmlp
from fastmlp.codegen.amx import unavailable_reason
from fastmlp.model.model import init_model
from fastmlp.training.trainer import Trainer

N_SEEDS = 10
PRECISIONS = "float32", "bf16x3", "bf16x2", "bf16"


def trained(dataset, precision, n_epochs, seed=0):
    """The paper's network after some epochs, from the same initial weights for each seed in all precisions."""
    config = fastmlp.Config(precision=precision, seed=seed)
    model = init_model(config, dataset.n_features, dataset.n_classes)
    model.scaling = dataset.scaling()
    initial = init_model(config.replace(precision="float32"), dataset.n_features, dataset.n_classes)
    model.weights = list(initial.weights)
    trainer = Trainer(model, dataset.X_train, dataset.y_train)
    for _ in range(n_epochs):
        trainer.run_epoch(config.learning_rate)
    return model


def main():
    """Print the errors after one epoch, then the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "data", nargs="?", default="cifar10", metavar="DATA", help="name of a data set (default cifar10)"
    )
    data = parser.parse_args().data
    if reason := unavailable_reason():
        sys.exit(f"bf16 instructions are not available: {reason}")
    dataset = fastmlp.load_data(data)
    exact = trained(dataset, "float64", 1)
    print("weights after one epoch, difference from float64's: root mean square, maximum; both relative to float32's")
    errors = {}
    for precision in PRECISIONS:
        model = trained(dataset, precision, 1)
        difference = np.concatenate([(W - E).ravel() for W, E in zip(model.weights, exact.weights, strict=True)])
        rms, maximum = errors[precision] = np.sqrt(np.mean(difference**2)), abs(difference).max()
        ratios = [error / float32 for error, float32 in zip(errors[precision], errors["float32"], strict=True)]
        print(f"{precision:8} {rms:.2e} {maximum:.2e}   {ratios[0]:8.2f} {ratios[1]:8.2f}", flush=True)
    n_epochs = fastmlp.Config().n_epochs
    print(f"test accuracy after {n_epochs} epochs, {N_SEEDS} seeds: mean, standard deviation, and standard error")
    for precision in PRECISIONS:
        models = (trained(dataset, precision, n_epochs, seed) for seed in range(N_SEEDS))
        scores = [model.evaluate(dataset.X_test, dataset.targets()["y_test"]).score for model in models]
        print(f"{precision:8} {mean(scores):.4f} {stdev(scores):.4f} {stdev(scores) / N_SEEDS**0.5:.4f}", flush=True)


if __name__ == "__main__":
    main()
