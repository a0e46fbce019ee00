"""Door: repeat, sweep, load_study. What is asked for is checked here; the rest is done by others."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError, DataTypeError
from fastmlp.study.plan import Plan, Vary, make_plan
from fastmlp.study.provenance import describe_study
from fastmlp.study.registry import Registry
from fastmlp.study.result import Study
from fastmlp.study.scheduler import Execution, StudyProgress, run_missing
from fastmlp.study.store import Shard, Store, read_store
from fastmlp.study.threads import Interrupted
from fastmlp.training.precision import resolve

Folder = str | os.PathLike[str]
ProgressCallback = Callable[[StudyProgress], None]


def repeat(
    dataset: Dataset,
    config: Config = Config(),
    n_repeats: int = 10,
    n_jobs: int = -1,
    *,
    out: Folder | None = None,
    backend: str | None = None,
    scheduler: str | None = None,
    shard: Shard | None = None,
    progress: ProgressCallback | None = None,
) -> Study:
    """Train one setting again and again, each time from other initial weights and in another order of the samples.

    Parameters
    ----------
    dataset : Dataset
        What to train and test on.
    config : Config
        The setting; its seed is the root from which the seed of every repeat is derived.
    n_repeats : int
        How often.
    n_jobs : int
        Runs at a time; -1 for one on every core that this process may use. No result depends on it.
    out, backend, scheduler, shard, progress
        See `sweep`.

    Returns
    -------
    Study
        Of one setting, which changes nothing: ``{}``.

    Raises
    ------
    FastMLPError
        As `sweep` does.

    Examples
    --------
    >>> import fastmlp
    >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(20,), n_epochs=3)
    >>> study = fastmlp.repeat(digits, config, n_repeats=3)
    >>> accuracy = study.statistics({}, "test_accuracy")
    >>> accuracy.n[-1], accuracy.mean[-1] > 0.8
    (3, True)
    """
    plan = _planned(dataset, config, [{}], n_repeats)
    return _run(dataset, plan, Execution(n_jobs, backend, scheduler), out, shard, progress)


def sweep(
    dataset: Dataset,
    config: Config,
    vary: Vary,
    n_repeats: int = 10,
    n_jobs: int = -1,
    *,
    out: Folder | None = None,
    backend: str | None = None,
    scheduler: str | None = None,
    shard: Shard | None = None,
    progress: ProgressCallback | None = None,
) -> Study:
    """Train several settings, each again and again.

    Repeat i of every setting begins with the same weights and goes through the samples in the same order (as far as
    layers and batches are the same), so that settings are compared pair by pair. A run that diverges is a result.

    Parameters
    ----------
    dataset : Dataset
        What to train and test on.
    config : Config
        What all settings share; its seed is the root from which the seed of every repeat is derived.
    vary : mapping of str to list, or list of mappings
        A grid, ``{"l2": [0.01, 0.001], "optimizer": ["sgd", "adam"]}``, of which every combination is a setting; or
        the settings one by one, ``[{"l2": 0.01}, {"optimizer": "adam", "learning_rate": 0.001}]``.
    n_repeats : int
        Runs a setting.
    n_jobs : int
        Runs at a time; -1 for one on every core that this process may use. No result depends on it.
    out : path-like, optional
        A folder that keeps every finished run. Where it holds a part of this study already, only what is missing is
        run; several processes may share it.
    backend : {"threads", "processes", "dask"}, optional
        Without it threads, which share the data, or what ``joblib.parallel_config`` has set.
    scheduler : str, optional
        Address of Dask's scheduler; without it the current ``dask.distributed.Client``.
    shard : tuple of int, optional
        (i, n), from 1: of all runs every n-th, from the i-th on, into a file of its own; needs `out`.
    progress : callable, optional
        Called in this thread with a `fastmlp.study.scheduler.StudyProgress` after every stretch and every run.

    Returns
    -------
    Study
        All runs of the folder or the study.

    Raises
    ------
    ConfigError
        If a name, a value, a list or a number is not accepted.
    StudyError
        If `out` holds another study.
    FileFormatError, OutputError
        If `out` is damaged, or cannot be written to.
    SchedulerError, WorkerError
        If no scheduler answers, or a worker could not do its run; what was finished is kept.
    KeyboardInterrupt
        After Ctrl-C; the exception's ``study`` has what was finished.

    Examples
    --------
    >>> import fastmlp
    >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(20,), n_epochs=3)
    >>> study = fastmlp.sweep(digits, config, {"l2": [0.1, 0.001]}, n_repeats=2)
    >>> study.best()
    {'l2': 0.001}
    >>> [record["repeat"] for record in study.records()]
    [0, 1, 0, 1]
    """
    plan = _planned(dataset, config, vary, n_repeats)
    return _run(dataset, plan, Execution(n_jobs, backend, scheduler), out, shard, progress)


def load_study(folder: Folder) -> Study:
    """Read a study from its folder, complete or not.

    Parameters
    ----------
    folder : path-like
        What was given as ``out``.

    Returns
    -------
    Study

    Raises
    ------
    DataNotFoundError
        If it holds no study.
    FileFormatError
        If it is damaged; of a line, the number is named.

    Examples
    --------
    >>> import fastmlp, tempfile
    >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(20,), n_epochs=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = fastmlp.repeat(digits, config, n_repeats=2, out=folder)
    ...     fastmlp.load_study(folder).records() == study.records()
    True
    """
    return Study(*read_store(Path(folder)))


def _planned(dataset: Dataset, config: Config, vary: Vary, n_repeats: int) -> Plan:
    """The plan with the precision that is taken here, so that all runs have one; what cannot be had is not compared."""
    if not isinstance(dataset, Dataset):
        raise DataTypeError(f"dataset is a {type(dataset).__name__}; a Dataset is expected: see fastmlp.load_data")
    if not isinstance(config, Config):
        raise ConfigError(f"config is a {type(config).__name__}; a fastmlp.Config is expected")
    settled, reason = resolve(config, dataset.X_train)
    if reason and config.precision != "auto":
        warnings.warn(reason, stacklevel=3)
    plan = make_plan(settled, vary, n_repeats)
    for setting in plan.settings:
        _, reason = resolve(settled.replace(**setting), dataset.X_train)
        if reason and "precision" in setting:
            given = setting["precision"]
            raise ConfigError(f"precision: given {given!r}; accepted, if it varies: what this machine has ({reason})")
    return plan


def _run(
    dataset: Dataset,
    plan: Plan,
    execution: Execution,
    out: Folder | None,
    shard: Shard | None,
    progress: ProgressCallback | None,
) -> Study:
    execution.check()
    tasks = plan.tasks() if shard is None else plan.tasks()[_first(shard, out) :: shard[1]]
    about = describe_study(dataset)
    registry = Registry() if out is None else Store(Path(out), plan, about, shard)
    try:
        run_missing(tasks, dataset, about["data"]["checksum"], registry, execution, progress or (lambda _: None))
    except KeyboardInterrupt:
        registry.refresh()  # it may have come between writing a record and taking note of it
        n_done = sum(task.key in registry.records for task in tasks)
        how = f"kept in {out}; the same command goes on with the rest" if out else "on this exception, as its study"
        raise Interrupted(f"{n_done} of {len(tasks)} runs are {how}", Study(plan, about, registry.records)) from None
    finally:
        registry.close()
    return Study(plan, about, registry.records)


def _first(shard: Shard, out: Folder | None) -> int:
    if len(shard) != 2 or not all(isinstance(part, int) for part in shard) or not 1 <= shard[0] <= shard[1]:
        raise ConfigError(f"shard: expected (i, n) with 1 <= i <= n, got {shard!r}")
    if out is None:
        raise ConfigError("a shard needs a folder: give out")
    return shard[0] - 1
