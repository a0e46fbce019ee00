"""Interrupt training at random moments and while it writes checkpoints; check that resumed runs give the same bits.

First, runs of a network with Adam and dropout are ended with kill -9 and resumed until they finish: the digest of the
weights and the history must equal those of an uninterrupted run. Then Ctrl-C and SIGTERM are sent at random moments of
training, of a sweep and of the paper's figures: each must end within a second with its exit code, and leave files to
resume from. Finally, the cost of checkpoints is measured. The delays are drawn from --seed, but the exact moments vary.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep

import fastmlp
from fastmlp.io.atomic import temporary_prefix
from fastmlp.study.run import digest
from fastmlp.training import checkpoint
from fastmlp.training.history import History

# The command line with another interval between checkpoints, so short that there is a new one at every kill.
CHILD = """
import sys
from fastmlp.training import checkpoint
from fastmlp.__main__ import main
checkpoint.INTERVAL_S, checkpoint.MAX_TIME_FRACTION = float(sys.argv.pop(1)), float("inf")
sys.exit(main())
"""
NETWORK = {"hidden": (100, 100), "optimizer": "adam", "learning_rate": 0.001, "dropout": 0.2, "early_stopping": "loss"}
# Its checkpoints have 60 MB, so that most of the time is spent writing them.
LARGE = {"hidden": (1500, 1500), "optimizer": "adam", "learning_rate": 0.001, "dropout": 0.2}


def flags_of(settings: dict[str, object]) -> list[str]:
    """Settings as options of the command line."""
    words = []
    for name, value in settings.items():
        values = map(str, value) if isinstance(value, tuple) else [str(value)]
        words += [f"--{name.replace('_', '-')}", *values]
    return words


def start(interval_s: float, *words: object) -> "subprocess.Popen[str]":
    """Start the command line with an interval between checkpoints."""
    command = [sys.executable, "-c", CHILD, str(interval_s), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result_of(folder: Path) -> tuple[str, dict[str, list[float]]]:
    """Digest of the weights, and the history without times."""
    history = History.from_csv(folder / "history.csv").to_dict()
    return digest(fastmlp.load_model(folder / "model.npz")), without_seconds(history)


def without_seconds(history: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: values for name, values in history.items() if not name.endswith("_s")}


def kill_and_resume(
    data: str, settings: dict[str, object], n_kills: int, interval_s: float, wait: Callable[[Path], bool]
) -> bool:
    """Kill and resume runs until there were n_kills kills; whether all runs equal an uninterrupted one.

    `wait` waits for the moment of a kill in the run's folder, and returns False if it has passed.
    """
    config = fastmlp.Config(**settings)  # type: ignore[arg-type]
    run = fastmlp.train(fastmlp.load_data(data), config)
    ref = digest(run.model), without_seconds(run.history.to_dict())
    n_killed, n_runs, results, words = 0, 0, [], ["train", "--data", data, *flags_of(settings)]
    while n_killed < n_kills:
        n_runs += 1
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            while not (folder / "model.npz").exists() or checkpoint.holds_checkpoint(folder):
                process = start(interval_s, *words, "--out", folder)
                if n_killed < n_kills and kill_at(process, folder, wait):
                    n_killed += 1
                errors = process.communicate()[1]
                if process.returncode not in (0, -signal.SIGKILL):
                    print(errors)
                    return False
            results.append(result_of(folder))
    same = sum(result == ref for result in results)
    print(
        f"{n_killed} kills in {n_runs} runs; {same} of {n_runs} equal the uninterrupted run, {ref[0][:16]}", flush=True
    )
    return same == n_runs


def kill_at(process: "subprocess.Popen[str]", folder: Path, wait: Callable[[Path], bool]) -> bool:
    """Kill the process at the moment that `wait` waits for, unless it has ended before; whether it was killed."""
    before = files_of(folder)
    while process.poll() is None and files_of(folder) == before:  # until this process writes its first checkpoint
        sleep(0.001)
    if process.poll() is not None or not wait(folder):
        return False
    process.kill()
    return process.wait() == -signal.SIGKILL


def files_of(folder: Path) -> set[tuple[str, int]]:
    """Names and modification times of the .npz files."""
    found = set()
    for path in folder.glob("*.npz"):
        try:
            found.add((path.name, path.stat().st_mtime_ns))
        except FileNotFoundError:  # moved in the meantime
            continue
    return found


def is_being_written(folder: Path) -> bool:
    """Whether a temporary file of a checkpoint exists."""
    return any(folder.glob(f"{temporary_prefix(folder / checkpoint.NEWEST)}*"))


def interrupt(words: list[str], n_times: int, draw: random.Random, max_s: float, begun: str, left: str) -> bool:
    """Send SIGINT and SIGTERM in turn, up to max_s seconds after the file `begun` appears.

    Returns whether each process ended within a second, left the file `left`, and printed how to resume.
    """
    seconds, n_right = [], 0
    for number in range(n_times):
        sent, code = ((signal.SIGINT, 130), (signal.SIGTERM, 143))[number % 2]
        with tempfile.TemporaryDirectory() as name:
            process = start(30.0, *words, "--out", name)
            while process.poll() is None and not any(Path(name).rglob(begun)):
                sleep(0.001)
            sleep(draw.uniform(0, max_s))
            start_s = perf_counter()
            process.send_signal(sent)
            last_line = (process.communicate()[1].splitlines() or [""])[-1]
            seconds.append(perf_counter() - start_s)
            is_saved = any(Path(name).rglob(left)) and "the same command" in last_line
            if process.returncode == code and is_saved:
                n_right += 1
            else:
                found = sorted(path.name for path in Path(name).rglob("*"))
                print(f"{sent.name}: exit code {process.returncode}, last line {last_line!r}, files {found}")
    slowest = ", ".join(f"{s:.2f}" for s in sorted(seconds, reverse=True)[:3])
    print(f"{words[0]}: {n_right} of {n_times} saved their state; the slowest ended after {slowest} s", flush=True)
    return n_right == n_times and max(seconds) < 1


def measure(data: str, settings: dict[str, object]) -> None:
    """Measure the time of one checkpoint, and its share of the training time at the default interval."""
    dataset = fastmlp.load_data(data)
    start_s = perf_counter()
    dataset.checksum()
    checksum_s, costs = perf_counter() - start_s, []
    save = checkpoint.Checkpoint.save

    def timed(self: checkpoint.Checkpoint, state: checkpoint.State) -> None:
        start_s = perf_counter()
        save(self, state)
        costs.append(perf_counter() - start_s)

    checkpoint.Checkpoint.save, checkpoint.INTERVAL_S, checkpoint.MAX_TIME_FRACTION = timed, 0.0, float("inf")  # type: ignore
    with tempfile.TemporaryDirectory() as folder:
        fastmlp.train(dataset, fastmlp.Config(**settings, n_epochs=2), checkpoint=folder)  # type: ignore[arg-type]
        size = (Path(folder) / checkpoint.NEWEST).stat().st_size
    cost = sorted(costs)[len(costs) // 2]
    print(
        f"{data}, {settings['hidden']}: {size / 1e6:.1f} MB in {1000 * cost:.0f} ms, {cost / max(30, 100 * cost):.2%} "
        f"of the time; the data's checksum, once per run, {checksum_s:.2f} s",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-kills", type=int, default=50)
    parser.add_argument("--n-writing", type=int, default=10)
    parser.add_argument("--n-signals", type=int, default=20)
    parser.add_argument("--data", default="cifar10", help="cifar10, or digits, which needs no download")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw, data = random.Random(given.seed), given.data
    n_epochs, max_s = (8, 1.0) if data == "cifar10" else (100, 0.3)

    def wait_randomly(_: Path) -> bool:
        sleep(draw.uniform(0, max_s))
        return True

    def wait_for_writing(folder: Path) -> bool:
        until = perf_counter() + 20
        while not is_being_written(folder) and perf_counter() < until:
            pass
        sleep(draw.uniform(0, 0.05))
        return is_being_written(folder)

    fastmlp.warmup(fastmlp.Config(**NETWORK))
    checks = []
    if given.n_kills:
        checks.append(kill_and_resume(data, {**NETWORK, "n_epochs": n_epochs}, given.n_kills, 0.2, wait_randomly))
    if given.n_writing:
        checks.append(kill_and_resume("digits", {**LARGE, "n_epochs": 12}, given.n_writing, 0.0, wait_for_writing))
    if given.n_signals:
        train = ["train", "--data", data, "--n-epochs", "1000", *flags_of(NETWORK), "--patience", "1000"]
        sweep = ["sweep", "--data", "digits", "--vary", "l2=0.1,0.01", "--n-epochs", "100", "--n-jobs", "2"]
        paper = ["paper", "--data", "digits", "--n-jobs", "2"]
        checks += [
            interrupt(train, given.n_signals, draw, 3.0, checkpoint.LOCK, checkpoint.NEWEST),
            interrupt(sweep, given.n_signals, draw, 1.0, "runs.jsonl", "runs.jsonl"),
            interrupt(paper, given.n_signals, draw, 3.0, "runs.jsonl", "runs.jsonl"),
        ]
    measure(data, NETWORK)
    if given.n_writing:
        measure("digits", LARGE)
    return 0 if all(checks) else 1


if __name__ == "__main__":
    sys.exit(main())
