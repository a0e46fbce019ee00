"""What the precisions of a bf16 unit cost in accuracy: the paper's run on CIFAR-10, beside float32 and float64.

Run as: python scripts/measure_precision.py [DATA]     DATA is cifar10 unless given. Takes a quarter of an hour.

Every precision is run on this CPU's unit, also where `fastmlp.train` would take float32 because that is faster: the
units' bits are the same.
"""

import sys
from statistics import mean, stdev

import numpy as np

import fastmlp
from fastmlp.codegen.amx import unavailable_reason
from fastmlp.model.model import init_model
from fastmlp.training.trainer import Trainer

N_SEEDS = 10
MODES = "float32", "bf16x3", "bf16x2", "bf16"


def trained(dataset, precision, n_epochs, seed=0):
    """The paper's network after some epochs; it begins as all others of its seed do."""
    config = fastmlp.Config(precision=precision, seed=seed)
    model = init_model(config, dataset.n_features, dataset.n_classes)
    model.scaling = dataset.scaling()
    begun = init_model(config.replace(precision="float32"), dataset.n_features, dataset.n_classes)
    model.weights = list(begun.weights)
    trainer = Trainer(model, dataset.X_train, dataset.y_train)
    for _ in range(n_epochs):
        trainer.run_epoch(config.learning_rate)
    return model


def main():
    """Print the errors after one epoch, then the accuracies."""
    if obstacle := unavailable_reason():
        sys.exit(f"no bf16 unit: {obstacle}")
    dataset = fastmlp.load_data(sys.argv[1] if len(sys.argv) > 1 else "cifar10")
    exact = trained(dataset, "float64", 1)
    print("weights after one epoch, less those of float64: root of the mean square, and the largest; of float32's own")
    errors = {}
    for mode in MODES:
        model = trained(dataset, mode, 1)
        rest = np.concatenate([(W - E).ravel() for W, E in zip(model.weights, exact.weights, strict=True)])
        errors[mode] = np.sqrt(np.mean(rest**2)), abs(rest).max()
        ratios = [error / own for error, own in zip(errors[mode], errors["float32"], strict=True)]
        print(f"{mode:8} {errors[mode][0]:.2e} {errors[mode][1]:.2e}   {ratios[0]:8.2f} {ratios[1]:8.2f}", flush=True)
    n_epochs = fastmlp.Config().n_epochs
    print(f"test accuracy after {n_epochs} epochs, {N_SEEDS} seeds: mean, standard deviation, and standard error")
    for mode in MODES:
        models = (trained(dataset, mode, n_epochs, seed) for seed in range(N_SEEDS))
        scores = [model.evaluate(dataset.X_test, dataset.y_test).score for model in models]
        print(f"{mode:8} {mean(scores):.4f} {stdev(scores):.4f} {stdev(scores) / N_SEEDS**0.5:.4f}", flush=True)


if __name__ == "__main__":
    main()
