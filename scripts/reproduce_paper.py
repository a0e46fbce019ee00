"""Run the paper's three figures and compare its claims with the results: python scripts/reproduce_paper.py FOLDER

`fastmlp paper --out FOLDER` does the same with a progress bar, and writes the figures and a report.
"""

import argparse
from pathlib import Path

import fastmlp
from fastmlp.paper.claims import check_claims
from fastmlp.paper.figures import FIGURES, deviations_of, run_figure

VERDICTS = {True: "holds", False: "does not hold", None: "no verdict"}
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("folder", type=Path)
parser.add_argument("--data", default="cifar10")
parser.add_argument("--n-repeats", type=int, default=10)
parser.add_argument("--n-epochs", type=int, default=20)
flags = parser.parse_args()

dataset, options = fastmlp.load_data(flags.data), {"n_repeats": flags.n_repeats, "n_epochs": flags.n_epochs}
studies = {number: run_figure(number, dataset, flags.folder, **options) for number in FIGURES}
if found := deviations_of(list(studies.values())):
    print(f"rehearsal: {', '.join(found)}; no verdicts on the paper's claims")
for claim in check_claims(studies):
    print(f"{VERDICTS[claim.holds]}: {claim.text}\n  {claim.measured}")
