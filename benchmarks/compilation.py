"""Compiled code of fastmlp: ``python -m benchmarks.compilation SET`` counts what a set of runs compiles and caches.

The sets are those of `SETS`. The process answers with a line of JSON, a `Counts`. It uses the public API and Numba
alone, so that it runs with any version of fastmlp. NUMBA_CACHE_DIR is the cache that it fills, or finds filled.
"""

import json
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import cycle, islice, product
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple, get_args

import numpy as np
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import cpu_target

import fastmlp
from fastmlp.settings import ACTIVATIONS, BF16_TERMS, LOSSES, OPTIMIZERS, Dtype, Schedule
from fastmlp.training.precision import resolve

#: Samples and features of the runs: a batch, a shorter one, and layers that a bf16 precision computes in bf16.
N_SAMPLES, BATCH_SIZE, N_FEATURES, HIDDEN = 40, 32, 64, (64, 32)
#: The kernels that run all others; each may be compiled once per dtype of the parameters.
ENGINE = ("fastmlp.kernels.epoch.train_chunk", "fastmlp.kernels.predict.predict_chunk")
#: Modules of Numba's own, emitted in every process.
RUNTIME_MODULES = ("nrt", "global_codegen_module")
INPUT_DTYPES = ("uint8", "float32", "float64")
#: Settings that are added to the runs in turn, where they apply to the loss; and sample weights.
OTHER_SETTINGS: tuple[dict[str, Any], ...] = (
    {}, {"label_smoothing": 0.1}, {"l2": 0.01}, {"l2": 0.01, "l2_scale": "batch"}, {"weight_decay": 0.01},
    {"eps_form": "eps_hat"}, {"class_weight": "balanced"}, {"shuffle": False}, {"early_stopping": "loss"},
    {"early_stopping": "score"}, {"hidden": ()}, {"hidden": (5,)}, {"momentum": 0.0}, {"batch_size": 1},
    {"is_weighted": True},
)  # fmt: skip


class Counts(NamedTuple):
    """What a set of runs compiled and cached.

    Attributes
    ----------
    runs : int
        Trainings.
    functions : int
        Functions that Numba lowered to LLVM's intermediate representation, each set of argument types by itself.
    modules : int
        Modules that LLVM emitted machine code for.
    files, file_bytes : int
        Files in the cache, and their size.
    cpu_s : float
        CPU seconds of the runs, compilation included.
    repeated : list of str
        A sentence for each kernel that was compiled more than once.
    """

    runs: int
    functions: int
    modules: int
    files: int
    file_bytes: int
    cpu_s: float
    repeated: list[str]


@contextmanager
def recorded() -> Iterator[tuple[list[str], list[str]]]:
    """Record the functions that Numba compiles, as `described`, and the names of the modules that LLVM emits.

    Functions come from Numba's event "numba:compile", modules from the object cache of its execution engine, which
    LLVM notifies of each module that it has emitted, but not of code that is loaded from a file.
    """
    engine = cpu_target.target_context.codegen()._engine
    functions, modules, listener = [], [], event.RecordingListener()

    def emitted(module: Any, code: bytes) -> None:
        if module.name not in RUNTIME_MODULES:
            modules.append(module.name)
        JITCodeLibrary._object_compiled_hook(module, code)

    engine.set_object_cache(emitted, JITCodeLibrary._object_getbuffer_hook)
    try:
        with event.install_listener("numba:compile", listener):
            yield functions, modules
    finally:
        engine.set_object_cache(JITCodeLibrary._object_compiled_hook, JITCodeLibrary._object_getbuffer_hook)
        functions += [described(found.data) for _, found in listener.buffer if found.is_start]


def described(data: Mapping[str, Any]) -> str:
    """Name of a function that is compiled, what its closure holds, and its argument types without arrays' layouts."""
    function = data["dispatcher"].py_func
    closure = [getattr(cell.cell_contents, "__name__", cell.cell_contents) for cell in function.__closure__ or ()]
    held = f"[{', '.join(map(str, closure))}]" if closure else ""
    types = re.sub(r"(?:\b\w+ )?[Aa]rray\((\w+), (\d)d?, [^()]*\)", r"\1[\2]", str(data["args"]))
    return f"{function.__module__}.{function.__qualname__}{held}{types}"


def repeated(functions: Iterable[str]) -> list[str]:
    """Sentences for kernels that were compiled again for equal types, and for an engine that was for equal dtypes.

    Of Numba's own functions, each use compiles some again.
    """
    counts = Counter(name for name in functions if name.startswith("fastmlp."))
    sentences = [f"{name}: compiled {n} times" for name, n in counts.items() if n > 1]
    for entry in ENGINE:
        n = sum(count for name, count in counts.items() if name.startswith(f"{entry}("))
        if n > len(get_args(Dtype)):
            sentences.append(f"{entry}: compiled {n} times, expected once for each of {', '.join(get_args(Dtype))}")
    return sentences


def emitted_again(modules: Iterable[str], files: Iterable[Path]) -> list[str]:
    """Sentences for cached modules that were emitted more often than they have files, or have more files than dtypes.

    A file is named by its module, perhaps with the Python module before it, and a hash of the dtype and all else.
    """
    n_emitted, n_files = Counter(modules), Counter(path.stem.rpartition("-")[0].rpartition(".")[2] for path in files)
    limits = {name: min(n, len(get_args(Dtype))) for name, n in n_files.items()}
    return [
        f"{name}: {n_emitted[name]} modules emitted, {n_files[name]} files cached, expected one of each per dtype"
        for name, limit in limits.items()
        if max(n_emitted[name], n_files[name]) > limit
    ]


# The sets of runs


def default_run() -> int:
    """Train with the default settings on float32 samples, and predict."""
    return train("cross_entropy", "classification", "float32", {})


def all_optimizers() -> int:
    """The default settings with each optimizer."""
    return sum(train("cross_entropy", "classification", "float32", {"optimizer": name}) for name in OPTIMIZERS)


def everything() -> int:
    """Each activation, loss, optimizer, schedule and dtype of samples, in each precision, with and without the rest."""
    values = ACTIVATIONS, LOSSES, OPTIMIZERS, get_args(Schedule)
    rows = list(islice(zip(*map(cycle, values), strict=True), max(map(len, values))))
    return run_all(rows) + estimators()


def combinations() -> int:
    """All combinations of activation, loss, optimizer and schedule in each precision, with and without the rest.

    The dtype of the samples changes from run to run: since schedules, of which there are more, choose no kernel, each
    combination of the others has each dtype.
    """
    return run_all(list(product(ACTIVATIONS, LOSSES, OPTIMIZERS, get_args(Schedule)))) + estimators()


SETS: dict[str, Callable[[], int]] = {
    kind.__name__: kind for kind in (default_run, all_optimizers, everything, combinations)
}


def run_all(rows: Iterable[tuple[str, str, str, str]]) -> int:
    """Train networks with the activation, loss, optimizer and schedule of each row; return the number of trainings.

    Each row is trained in each precision, with and without dropout and clipping.
    """
    n_runs, dtypes, others = 0, cycle(INPUT_DTYPES), cycle(OTHER_SETTINGS)
    combined = product(precisions(), (0.0, 0.3), (0.0, 1.0), rows)
    for precision, dropout, clip_norm, (activation, loss, optimizer, schedule) in combined:
        settings = {"precision": precision, "dropout": dropout, "clip_norm": clip_norm, "activation": activation,
                    "optimizer": optimizer, "schedule": schedule}  # fmt: skip
        dtype = next(dtypes)
        for task in LOSSES[loss].tasks:
            n_runs += train(loss, task, dtype, settings | _applicable(next(others), loss))
    return n_runs


def _applicable(settings: dict[str, Any], loss: str) -> dict[str, Any]:
    losses = {"label_smoothing": ("cross_entropy", "binary_cross_entropy"), "class_weight": ("cross_entropy",)}
    return {name: value for name, value in settings.items() if loss in losses.get(name, LOSSES)}


def precisions() -> list[str]:
    """The precisions that this CPU computes in, those of bf16 last but float64."""
    samples = np.zeros((1, 1), np.uint8)
    bf16 = [name for name in BF16_TERMS if not resolve(fastmlp.Config(precision=name), samples)[1]]
    return ["float32", *bf16, "float64"]


def train(loss: str, task: str, dtype: str, settings: Mapping[str, Any]) -> int:
    """Train for an epoch and predict; return 1."""
    common = {"hidden": HIDDEN, "batch_size": BATCH_SIZE, "n_epochs": 1, "learning_rate": 1e-4, "is_weighted": False}
    settings = common | settings
    dataset = _dataset(2 if loss == "binary_cross_entropy" else 3, task, dtype, settings.pop("is_weighted"))
    run = fastmlp.train(dataset, fastmlp.Config(loss=loss, **settings))
    run.model.predict(dataset.X_test)
    return 1


@cache
def _dataset(n_values: int, task: str, dtype: str, is_weighted: bool) -> fastmlp.Dataset:
    """Random samples with targets of so many different values."""
    random = np.random.default_rng(0)
    X = random.integers(0, 256, (N_SAMPLES, N_FEATURES)).astype(dtype)
    y = random.integers(0, n_values, N_SAMPLES if task == "classification" else (N_SAMPLES, 2))
    weight = random.random(N_SAMPLES) if is_weighted else None
    return fastmlp.Dataset(X, y, X[:8], y[:8], task=task, weight_train=weight)


def estimators() -> int:
    """Fit both estimators to samples of each dtype, and predict; none if scikit-learn is missing."""
    try:
        kinds = fastmlp.MLPClassifier, fastmlp.MLPRegressor
    except fastmlp.errors.MissingExtraError:
        return 0
    for kind, dtype, solver in product(kinds, INPUT_DTYPES, ("sgd", "adam")):
        X, y = np.random.default_rng(0).random((N_SAMPLES, N_FEATURES)), np.arange(N_SAMPLES) % 3
        kind(max_iter=1, solver=solver).fit(X.astype(dtype), y).predict(X.astype(dtype))
    return len(kinds) * len(INPUT_DTYPES) * 2


def count(kind: str) -> Counts:
    """Run a set, and count what it compiles."""
    start = process_time()
    with recorded() as (functions, modules), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        n_runs = SETS[kind]()
    cpu_s = process_time() - start
    files = [path for path in Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*") if path.is_file()]
    n_bytes, again = sum(path.stat().st_size for path in files), repeated(functions) + emitted_again(modules, files)
    return Counts(n_runs, len(functions), len(modules), len(files), n_bytes, cpu_s, again)


if __name__ == "__main__":
    print(json.dumps(count(sys.argv[1])._asdict()))
