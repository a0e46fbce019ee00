"""Train, evaluate and predict on table files by the command line, as a user would, and print a table of the results.

For each file: ``fastmlp train --data FILE --target T`` with no other option; ``fastmlp evaluate`` on the whole file;
and ``fastmlp predict`` on its first rows with the columns in reverse order, which must give the same predictions, and
without one column, which must be refused by the name of that column. Files without a header are matched by position:
they are predicted as they are, and rows with a cell less must be refused.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import pandas

from fastmlp.model.model import load_model
from fastmlp.table.options import ReadOptions
from fastmlp.table.source import read_table
from fastmlp.table.target import find_target


class Outcome(NamedTuple):
    """What the commands gave for one file; empty where one failed."""

    result: str
    train_s: float
    whole: str
    exchanged: str
    dropped: str


def fastmlp(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line."""
    command = [sys.executable, "-m", "fastmlp", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def check_file(path: Path, target: str, folder: Path) -> Outcome:
    """Run all commands on one file."""
    start = perf_counter()
    done = fastmlp("train", "--data", path, "--target", target, "--out", folder / "run")
    seconds = perf_counter() - start
    if done.returncode != 0:
        print(f"{path.name}: {done.stderr.splitlines()[-1]}", file=sys.stderr)
        return Outcome("", seconds, "", "", "")
    model = folder / "run" / "model.npz"
    evaluated = fastmlp("evaluate", model, "--data", path)
    whole = re.sub(r"^test | \(.*|, test.*", "", evaluated.stdout.strip()) if evaluated.returncode == 0 else ""
    table = read_table(path, ReadOptions())
    decimal = str(table.reading.get("decimal", "."))
    rows = table.frame.drop(columns=find_target(list(table.frame), target, table.has_header)[0]).head(100)
    before = predict(model, rows, folder, table.has_header, decimal)
    exchanged = (
        predict(model, rows[rows.columns[::-1]], folder, table.has_header, decimal) if table.has_header else before
    )
    is_same = before.returncode == exchanged.returncode == 0 and before.stdout == exchanged.stdout
    column = load_model(model).table.inputs[-1].name
    refused = predict(model, rows.drop(columns=column), folder, table.has_header, decimal)
    reason = refused.stderr.strip().splitlines()[-1]
    is_refused = refused.returncode == 2 and (repr(column) in reason or not table.has_header)
    print(f"{path.name}: {reason}", file=sys.stderr)
    return Outcome(done.stdout.strip(), seconds, whole, "same" if is_same else "", "refused" if is_refused else "")


def predict(
    model: Path, rows: pandas.DataFrame, folder: Path, header: bool, decimal: str
) -> subprocess.CompletedProcess[str]:
    """Predict rows, written as a CSV file."""
    sep = ";" if decimal == "," else ","
    rows.to_csv(folder / "rows.csv", index=False, header=header, sep=sep, decimal=decimal)
    return fastmlp("predict", model, folder / "rows.csv")


def main() -> None:
    """Check the files, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE=TARGET", help="file, and name or position of its target")
    print("| file | `train`: test set | s | `evaluate`: all rows | columns reversed | a column dropped |")
    print("| --- | --- | ---: | --- | --- | --- |")
    files = parser.parse_args().files
    n_trained = 0
    for word in files:
        name, _, target = word.rpartition("=")
        with tempfile.TemporaryDirectory() as folder:
            outcome = check_file(Path(name), target, Path(folder))
        n_trained += bool(outcome.result)
        result = re.sub(r"^test |, test loss.*| \(.*", "", outcome.result)
        print("|", " | ".join([Path(name).name, result, f"{outcome.train_s:.1f}", *outcome[2:]]), "|", flush=True)
    print(f"\n{n_trained} of {len(files)} files train")


if __name__ == "__main__":
    main()
