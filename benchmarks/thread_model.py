"""Cost model of a step, or of a prediction, with several threads: fitted with one and two, it predicts for more.

A step of n threads takes the sum of these, each counted for the thread with the most work, plus three barriers and its
share of the start of the threads of a chunk:

- products: the rows of W of the first layer, and all rows in updates, are divided by n and rounded up; the samples of
  forward and backward passes above the first layer are divided in whole cache lines, 16 samples in float32;
- activations and losses, per neuron and sample, divided as those samples;
- updates by Adam, per weight, divided as the rows;
- the gather, per input and sample of two batches, not divided: each thread gathers for itself;
- traffic: the bytes that a thread reads and another wrote, at the bandwidth between near cores, or between far ones;
- a constant.

docs/performance.md has the formula, its assumptions, the constants of a machine, and predictions.
"""

from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median

import numpy as np

from benchmarks.threads import by_distance
from fastmlp.codegen.cpu import LINE_BYTES
from fastmlp.kernels.predict_layout import BLOCK_SAMPLES
from fastmlp.training.thread_trials import CHUNK_S

ITEM_BYTES = 4
BARRIERS_PER_STEP = 3
#: The parts of a step whose unit costs are fitted, and the units.
PARTS = {
    "products": "FLOP", "activations": "neuron and sample", "Adam": "weight", "gather": "input and sample",
    "traffic": "byte", "far traffic": "byte", "constant": "step",
}  # fmt: skip
#: How many times as long a byte, and a barrier, takes between far cores as between near ones: measured on a Zen 5, and
#: used where a record has only one of them.
FAR_FACTOR = 5.0
#: Assumption, not measured: how many times as long a cache line takes from the other socket as from a far core.
SOCKET_FACTOR = 2.0


def counts_of(entry: dict, n: int, n_groups: int = 1) -> dict[str, float]:
    """The units of each part of `PARTS` in a step of n threads, for the thread with the most work.

    entry: a case of a record, see `benchmarks.threads`. n_groups: groups of cores that are far from each other.
    """
    sizes, batch = [int(size) for size in entry["network"].split("-")], entry["batch_size"]
    per_line = LINE_BYTES // ITEM_BYTES
    columns = min(batch, _share(_share(batch, per_line), n) * per_line)
    rows = [_share(size, n) for size in sizes[1:]]
    above = list(pairwise(sizes))[1:]
    weights, updated = sum(i * o for i, o in above), sum(i * r for (i, _), r in zip(above, rows[1:], strict=True))
    # Written by all threads, read by each: weights above the first layer and Z of the first layer for the thread's
    # samples; deltas of its rows; activations of hidden layers as rows.
    read = weights + sizes[1] * columns + sum(rows) * batch + sum(sizes[1:-1]) * batch
    traffic, far = read * ITEM_BYTES * (n - 1) / n, _far_share(n, n_groups)
    return {
        "products": 4 * rows[0] * sizes[0] * batch + 4 * weights * columns + 2 * updated * batch,
        "activations": sum(sizes[1:]) * columns,
        "Adam": (rows[0] * sizes[0] + updated) * (entry["optimizer"] == "adam"),
        "gather": 2 * sizes[0] * batch,
        "traffic": traffic * (1 - far),
        "far traffic": traffic * far,
        "constant": 1,
    }


def _share(items: int, n: int) -> int:
    """Items of the thread that has the most of them."""
    return -(-items // n)


def _far_share(n: int, n_groups: int) -> float:
    """Of the other threads, the share that is far."""
    return (n - n / n_groups) / (n - 1) if n > 1 else 0.0


@dataclass(frozen=True)
class ThreadModel:
    """Costs on one machine.

    Attributes
    ----------
    unit_s : dict of str to float
        Seconds per unit of each of `PARTS`, fitted.
    barrier_s, far_barrier_s, start_s : float
        Seconds of a barrier per thread, of near and of far cores, and of the start and end of a thread: measured, and
        assumed to be the same for each further thread, since a barrier's counter moves from core to core, and threads
        are started in turn.
    """

    unit_s: dict[str, float]
    barrier_s: float
    far_barrier_s: float
    start_s: float

    def step_seconds(self, entry: dict, n: int, n_groups: int = 1, n_sockets: int = 1) -> float:
        """Computed seconds of a step of n threads on some groups of cores, which are on some sockets."""
        seconds = sum(self.parts(entry, n, n_groups, n_sockets).values())
        return seconds + self.starts(entry, n, seconds)

    def parts(self, entry: dict, n: int, n_groups: int = 1, n_sockets: int = 1) -> dict[str, float]:
        """Computed seconds of each part of a step and of its barriers."""
        far, crossing = _far_share(n, n_groups), _far_share(n, n_sockets)
        distance = 1 + (SOCKET_FACTOR - 1) * (crossing / far if far else 0.0)
        units = counts_of(entry, n, n_groups)
        parts = {part: units[part] * self.unit_s[part] for part in PARTS}
        barrier = self.barrier_s * (1 - far) + self.far_barrier_s * far * distance
        barriers = BARRIERS_PER_STEP * barrier * n if n > 1 else 0.0
        return parts | {"far traffic": parts["far traffic"] * distance, "barriers": barriers}

    def starts(self, entry: dict, n: int, step_s: float) -> float:
        """Seconds per step to start threads: once per quarter of a second, or per epoch where that is shorter."""
        return (n - 1) * self.start_s / min(entry["n_steps"], max(1.0, CHUNK_S / step_s))

    def call_seconds(self, entry: dict, n: int) -> float:
        """Computed seconds of a prediction by n threads: whole blocks of samples, and the start of the threads."""
        n_blocks = _share(entry["batch_size"], BLOCK_SAMPLES)
        one = median(s for measured in entry["counts"].values() for s in measured["one_s"])
        return one * _share(n_blocks, n) / n_blocks + (n - 1) * self.start_s


def fit(record: dict) -> ThreadModel:
    """The model of a record's machine, by its measurements with one and two threads; relative errors are minimised."""
    from scipy.optimize import nnls

    entries = [(entry, by_distance(entry["counts"]["2"], 2)) for entry in record["train"].values()]
    barriers = {"near": [], "far": []}
    for entry in (*record["train"].values(), *record["predict"].values()):
        for n, measured in entry["counts"].items():
            for distance, pairs in by_distance(measured, int(n)).items():
                barriers[distance] += [seconds / int(n) for seconds in pairs["barrier_s"]]
    near, far = (median(barriers[distance]) if barriers[distance] else None for distance in ("near", "far"))
    near, far = near or far / FAR_FACTOR, far or near * FAR_FACTOR
    start_s = mean(median(seconds) / (int(n) - 1) for n, seconds in record["start_s"].items())
    fixed = ThreadModel(dict.fromkeys(PARTS, 0.0), near, far, start_s)
    rows, shares = [], []
    for entry, pairs in entries:
        times = [(1, 1, median(entry["counts"]["2"]["one_s"]))]
        times += [(2, 1 + (distance == "far"), median(chosen["team_s"])) for distance, chosen in pairs.items()]
        for n, n_groups, seconds in times:
            known = sum(fixed.parts(entry, n, n_groups).values()) + fixed.starts(entry, n, seconds)
            rows.append(np.array(list(counts_of(entry, n, n_groups).values()), np.float64) / seconds)
            shares.append(1 - known / seconds)
    scale = np.maximum(np.max(rows, axis=0), np.finfo(float).tiny)
    solution = nnls(np.array(rows) / scale, np.array(shares))[0] / scale
    unit_s = dict(zip(PARTS, map(float, solution), strict=True))
    if not barriers["far"]:
        unit_s["far traffic"] = unit_s["traffic"] * FAR_FACTOR
    elif not barriers["near"]:
        unit_s["traffic"] = unit_s["far traffic"] / FAR_FACTOR
    return ThreadModel(unit_s, near, far, start_s)


def threads_that_pay(model: ThreadModel, entry: dict, most: int = 64) -> int:
    """The least number of threads whose computed step takes at most 5 % more than the shortest with up to `most`."""
    seconds = {n: model.step_seconds(entry, n) for n in range(1, most + 1)}
    return min(n for n, s in seconds.items() if s <= 1.05 * min(seconds.values()))
