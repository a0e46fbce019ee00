"""Compare the initial weights of `Config.init`: mean and standard deviation of test accuracy and loss over seeds.

The network and settings are the paper's unless given otherwise: python scripts/measure_init.py --help
"""

import argparse
from statistics import mean, stdev
from typing import get_args

import fastmlp
from fastmlp.settings import Init


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the initial weights of Config.init.")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--n-epochs", type=int, default=20)
    parser.add_argument("--n-seeds", type=int, default=5)
    parser.add_argument("--decay-rate", type=float, default=0.0)
    return parser.parse_args()


def main() -> None:
    flags = parse_arguments()
    data = fastmlp.load_data(flags.data, flags.data_dir)
    base = fastmlp.Config(n_epochs=flags.n_epochs, decay_rate=flags.decay_rate)
    print(f"{data.name}, {flags.n_epochs} epochs, decay rate {flags.decay_rate:g}, {flags.n_seeds} seeds")
    print(f"{'init':20}  test accuracy      test loss")
    for init in get_args(Init):
        runs = [fastmlp.train(data, base.replace(init=init, seed=seed)) for seed in range(flags.n_seeds)]
        last_rows = [run.history[-1] for run in runs]
        columns = [[row[name] for row in last_rows] for name in ("test_accuracy", "test_loss")]
        shown = [f"{mean(column):.4f} ± {stdev(column):.4f}" for column in columns]
        print(f"{init:20}  {shown[0]}   {shown[1]}", flush=True)


if __name__ == "__main__":
    main()
