"""Kill training again and again, at random moments and while it writes, and see whether it comes to the same bits.

Runs of a network with Adam and dropout, ended with kill -9 and begun again until they are finished: the digest of the
weights, and the history, must be those of the run that nobody broke off. Then Ctrl-C and SIGTERM at random moments of
training, of a sweep and of the paper's figures: each must end within a second with its exit code, and leave what goes
on. At last what checkpoints cost. The moments come from --seed; when they strike, nobody can repeat.
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

# The command line with checkpoints as often as there are stretches, so that every kill finds one that is new.
CHILD = """
import sys
from fastmlp.training import checkpoint
from fastmlp.__main__ import main
checkpoint.INTERVAL_S, checkpoint.MAX_TIME_FRACTION = float(sys.argv.pop(1)), float("inf")
sys.exit(main())
"""
NETWORK = {"hidden": (100, 100), "optimizer": "adam", "learning_rate": 0.001, "dropout": 0.2, "early_stopping": "loss"}
# Its checkpoints have 60 MB: they are written nearly all the time.
LARGE = {"hidden": (1500, 1500), "optimizer": "adam", "learning_rate": 0.001, "dropout": 0.2}


def flags_of(settings: dict[str, object]) -> list[str]:
    words = []
    for name, value in settings.items():
        values = map(str, value) if isinstance(value, tuple) else [str(value)]
        words += [f"--{name.replace('_', '-')}", *values]
    return words


def start(interval_s: float, *words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CHILD, str(interval_s), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result_of(folder: Path) -> tuple[str, dict[str, list[float]]]:
    history = History.from_csv(folder / "history.csv").to_dict()
    return digest(fastmlp.load_model(folder / "model.npz")), without_seconds(history)


def without_seconds(history: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: values for name, values in history.items() if not name.endswith("_s")}


def kill_and_resume(
    data: str, settings: dict[str, object], n_kills: int, interval_s: float, strike: Callable[[Path], bool]
) -> bool:
    """Run after run, each killed until it is finished, or until there were enough kills: then the last may finish."""
    config = fastmlp.Config(**settings)  # type: ignore[arg-type]
    run = fastmlp.train(fastmlp.load_data(data), config)
    ref = digest(run.model), without_seconds(run.history.to_dict())
    n_struck, n_runs, results, words = 0, 0, [], ["train", "--data", data, *flags_of(settings)]
    while n_struck < n_kills:
        n_runs += 1
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            while not (folder / "model.npz").exists() or checkpoint.holds_checkpoint(folder):
                process = start(interval_s, *words, "--out", folder)
                if n_struck < n_kills and strike_at(process, folder, strike):
                    n_struck += 1
                said = process.communicate()[1]
                if process.returncode not in (0, -signal.SIGKILL):
                    print(said)
                    return False
            results.append(result_of(folder))
    same = sum(result == ref for result in results)
    print(f"{n_struck} kills in {n_runs} runs; {same} of {n_runs} came to the unbroken run's {ref[0][:16]}", flush=True)
    return same == n_runs


def strike_at(process: "subprocess.Popen[str]", folder: Path, strike: Callable[[Path], bool]) -> bool:
    """Kill the process at the moment that `strike` waits for, unless it has ended before."""
    before = files_of(folder)
    while process.poll() is None and files_of(folder) == before:  # the folder changes with the first checkpoint
        sleep(0.001)
    if process.poll() is not None or not strike(folder):
        return False
    process.kill()
    return process.wait() == -signal.SIGKILL


def files_of(folder: Path) -> set[tuple[str, int]]:
    found = set()
    for path in folder.glob("*.npz"):
        try:
            found.add((path.name, path.stat().st_mtime_ns))
        except FileNotFoundError:  # it was moved in the meantime
            continue
    return found


def is_being_written(folder: Path) -> bool:
    return any(folder.glob(f"{temporary_prefix(folder / checkpoint.NEWEST)}*"))


def interrupt(words: list[str], n_times: int, draw: random.Random, most_s: float, begun: str, left: str) -> bool:
    """Send both signals in turn; what is left must be there, and what is said must say how to go on."""
    took, right = [], 0
    for number in range(n_times):
        sent, code = ((signal.SIGINT, 130), (signal.SIGTERM, 143))[number % 2]
        with tempfile.TemporaryDirectory() as name:
            process = start(30.0, *words, "--out", name)
            while process.poll() is None and not any(Path(name).rglob(begun)):
                sleep(0.001)
            sleep(draw.uniform(0, most_s))
            asked = perf_counter()
            process.send_signal(sent)
            last = (process.communicate()[1].splitlines() or [""])[-1]
            took.append(perf_counter() - asked)
            is_cached = any(Path(name).rglob(left)) and "the same command goes on" in last
            if process.returncode == code and is_cached:
                right += 1
            else:
                found = sorted(path.name for path in Path(name).rglob("*"))
                print(f"{sent.name}: exit code {process.returncode}, said {last!r}, left {found}")
    slow = ", ".join(f"{seconds:.2f}" for seconds in sorted(took, reverse=True)[:3])
    print(f"{words[0]}: {right} of {n_times} left their state; the slowest ended after {slow} s", flush=True)
    return right == n_times and max(took) < 1


def measure(data: str, settings: dict[str, object]) -> None:
    """What one checkpoint costs, and what share of the time that is at the interval that is kept to."""
    dataset = fastmlp.load_data(data)
    begin = perf_counter()
    dataset.checksum()
    checksum_s, costs = perf_counter() - begin, []
    plain = checkpoint.Checkpoint.save

    def timed(self: checkpoint.Checkpoint, state: checkpoint.State) -> None:
        begin = perf_counter()
        plain(self, state)
        costs.append(perf_counter() - begin)

    checkpoint.Checkpoint.save, checkpoint.INTERVAL_S, checkpoint.MAX_TIME_FRACTION = timed, 0.0, float("inf")  # type: ignore
    with tempfile.TemporaryDirectory() as folder:
        fastmlp.train(dataset, fastmlp.Config(**settings, n_epochs=2), checkpoint=folder)  # type: ignore[arg-type]
        size = (Path(folder) / checkpoint.NEWEST).stat().st_size
    cost = sorted(costs)[len(costs) // 2]
    print(
        f"{data}, {settings['hidden']}: {size / 1e6:.1f} MB in {1000 * cost:.0f} ms, {cost / max(30, 100 * cost):.2%} "
        f"of the time; the data's checksum, once a run, {checksum_s:.2f} s",
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
    n_epochs, most_s = (8, 1.0) if data == "cifar10" else (100, 0.3)

    def soon(_: Path) -> bool:
        sleep(draw.uniform(0, most_s))
        return True

    def within_writing(folder: Path) -> bool:
        until = perf_counter() + 20
        while not is_being_written(folder) and perf_counter() < until:
            pass
        sleep(draw.uniform(0, 0.05))
        return is_being_written(folder)

    fastmlp.warmup()
    checks = []
    if given.n_kills:
        checks.append(kill_and_resume(data, {**NETWORK, "n_epochs": n_epochs}, given.n_kills, 0.2, soon))
    if given.n_writing:
        checks.append(kill_and_resume("digits", {**LARGE, "n_epochs": 12}, given.n_writing, 0.0, within_writing))
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
