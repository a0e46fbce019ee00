"""Run the paper's three figures and print a verdict on each claim: python scripts/reproduce_paper.py FOLDER

`fastmlp paper --out FOLDER` does the same with a progress bar, and writes the figures and a report.
"""

import argparse
from pathlib import Path

import fastmlp
from fastmlp.paper.claims import check_claims
from fastmlp.paper.figures import FIGURES, run_figure

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("folder", type=Path)
parser.add_argument("--data", default="cifar10")
parser.add_argument("--n-repeats", type=int, default=10)
parser.add_argument("--n-epochs", type=int, default=20)
flags = parser.parse_args()

dataset, options = fastmlp.load_data(flags.data), {"n_repeats": flags.n_repeats, "n_epochs": flags.n_epochs}
for claim in check_claims({number: run_figure(number, dataset, flags.folder, **options) for number in FIGURES}):
    print(f"{'holds' if claim.holds else 'does not hold'}: {claim.text}\n  {claim.measured}")
