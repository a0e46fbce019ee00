"""Public functions of the package: `repeat`, `sweep` and `load_study`."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError, DataTypeError, OutputError
from fastmlp.notebook.progress import progress_shown
from fastmlp.notebook.shell import interrupts_raised, keeps_results
from fastmlp.study.plan import Plan, Vary, make_plan
from fastmlp.study.provenance import describe_study
from fastmlp.study.registry import Registry
from fastmlp.study.result import Study
from fastmlp.study.scheduler import ExecutionOptions, StudyProgress, describe_study_progress, run_missing
from fastmlp.study.store import Shard, Store, read_store
from fastmlp.study.threads import Interrupted
from fastmlp.training.compatibility import n_outputs_of
from fastmlp.training.precision import resolve

Folder = str | os.PathLike[str]
#: Maximum number of runs of a study, all of which are listed in memory.
MAX_RUNS = 1_000_000
ProgressCallback = Callable[[StudyProgress], None] | Literal["auto"] | None


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
    progress: ProgressCallback = "auto",
) -> Study:
    """Train one setting several times, with different initial weights and sample orders.

    Parameters
    ----------
    dataset : Dataset
        Training and test set.
    config : Config
        The setting; its seed is the root from which the seed of each repeat is derived.
    n_repeats : int
        Number of runs.
    n_jobs : int
        Number of concurrent runs; -1 for one per core that is available to this process. No result depends on it.
    out : path-like, optional
        A folder in which each finished run is saved, and from which the study resumes, see `sweep`.
    backend : {"threads", "processes", "dask"}, optional
        See `sweep`; by default threads.
    scheduler : str, optional
        Address of the Dask scheduler, see `sweep`.
    shard : tuple of int, optional
        (i, n), i counted from 1: execute every n-th run, see `sweep`.
    progress : callable, "auto" or None
        Called with a `fastmlp.study.scheduler.StudyProgress`, see `sweep`.

    Returns
    -------
    Study
        A study with one setting, ``{}``, which changes nothing.

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
    plan = _check_and_plan(dataset, config, [{}], n_repeats)
    return _run(dataset, plan, ExecutionOptions(n_jobs, backend, scheduler), out, shard, progress)


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
    progress: ProgressCallback = "auto",
) -> Study:
    """Train several settings, each several times.

    Repeat i of every setting starts from the same weights and visits the samples in the same order (if layers and
    batch sizes are the same), so that comparisons between settings are paired. A run that diverges is a result too.

    Parameters
    ----------
    dataset : Dataset
        Training and test set.
    config : Config
        The settings that all runs share; its seed is the root from which the seed of each repeat is derived.
    vary : mapping of str to list, or list of mappings
        A grid, ``{"l2": [0.01, 0.001], "optimizer": ["sgd", "adam"]}``, every combination of which is a setting; or a
        list of settings, ``[{"l2": 0.01}, {"optimizer": "adam", "learning_rate": 0.001}]``.
    n_repeats : int
        Number of runs per setting.
    n_jobs : int
        Number of concurrent runs; -1 for one per core that is available to this process. No result depends on it.
    out : path-like, optional
        A folder in which each finished run is saved. If it already contains a part of this study, only the missing
        runs are executed. Several processes may share it.
    backend : {"threads", "processes", "dask"}, optional
        By default threads, which share the data, or the backend set by ``joblib.parallel_config``.
    scheduler : str, optional
        Address of the Dask scheduler; by default the current ``dask.distributed.Client`` is used.
    shard : tuple of int, optional
        (i, n), i counted from 1: execute every n-th run, starting with the i-th, and save them in a separate file.
        Requires `out`.
    progress : callable, "auto" or None
        Called in this thread with a `fastmlp.study.scheduler.StudyProgress` after every chunk of an epoch and after
        every run. By default a bar of tqdm in the output of a notebook's cell (extra notebook), once the study has
        taken two seconds, and nothing elsewhere; None shows nothing.

    Returns
    -------
    Study
        All finished runs, including those found in the folder.

    Raises
    ------
    ConfigError
        If an argument is not accepted.
    StudyError
        If `out` contains a different study.
    FileFormatError, OutputError
        If `out` is damaged, or cannot be written to; the attribute ``study`` of an OutputError has the finished runs.
    SchedulerError, WorkerError
        If no scheduler answers, or a worker failed to execute its run. Finished runs are saved in `out`.
    KeyboardInterrupt
        After Ctrl-C; the attribute ``study`` of the exception has the finished runs. In an interactive shell (a
        notebook, IPython, Python's prompt) they are returned with a warning instead, if there are any and no other
        training was interrupted within the last two seconds.

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
    plan = _check_and_plan(dataset, config, vary, n_repeats)
    return _run(dataset, plan, ExecutionOptions(n_jobs, backend, scheduler), out, shard, progress)


def load_study(folder: Folder) -> Study:
    """Load a study from its folder, complete or not.

    Parameters
    ----------
    folder : path-like
        The folder that was given as ``out``.

    Returns
    -------
    Study
        All finished runs in the folder.

    Raises
    ------
    DataNotFoundError
        If the folder contains no study.
    FileFormatError
        If one of its files is damaged; for a damaged line the message gives its number.

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


def _check_and_plan(dataset: Dataset, config: Config, vary: Vary, n_repeats: int) -> Plan:
    """The plan, with the precision resolved once, so that all runs share it.

    A precision that varies must be available: a substitute would be compared under the wrong name.
    """
    if not isinstance(dataset, Dataset):
        raise DataTypeError(f"dataset: expected a Dataset, got a {type(dataset).__name__}; see fastmlp.load_data")
    if not isinstance(config, Config):
        raise ConfigError(f"config: expected a fastmlp.Config, got a {type(config).__name__}")
    resolved, reason = resolve(config, dataset.X_train)
    if reason and config.precision != "auto":
        warnings.warn(reason, stacklevel=3)
    plan = make_plan(resolved, vary, n_repeats)
    if len(plan.settings) * plan.n_repeats > MAX_RUNS:
        n_runs = f"{len(plan.settings):,} settings with {plan.n_repeats:,} repeats"
        raise ConfigError(f"n_repeats: expected a study of at most {MAX_RUNS:,} runs, got {n_runs}")
    for setting in plan.settings:
        varied = resolved.replace(**setting)
        n_outputs_of(dataset, varied)  # refuses a loss that does not fit the data before a folder is created
        _, reason = resolve(varied, dataset.X_train)
        if reason and "precision" in setting:
            given = setting["precision"]
            raise ConfigError(f"precision: expected only values that this machine supports, got {given!r} ({reason})")
    return plan


def _run(
    dataset: Dataset,
    plan: Plan,
    options: ExecutionOptions,
    out: Folder | None,
    shard: Shard | None,
    progress: ProgressCallback,
) -> Study:
    options.check()
    specs = plan.run_specs() if shard is None else plan.run_specs()[_first_run(shard, out) :: shard[1]]
    about = describe_study(dataset)
    registry = Registry() if out is None else Store(Path(out), plan, about, shard)
    try:
        with progress_shown(progress, describe_study_progress) as report, interrupts_raised():
            run_missing(specs, dataset, about["data"]["checksum"], registry, options, report)
    except KeyboardInterrupt:
        registry.refresh()  # the interrupt may have come after a record was written and before it was registered
        n_done = sum(spec.key in registry.records for spec in specs)
        if n_done and keeps_results():
            text = f"{n_done} of {len(specs)} runs are finished, and are returned"
            warnings.warn(f"Study interrupted by user: {text}.", stacklevel=3)
            return Study(plan, about, registry.records)
        place = f"saved in {out}; start the same command again for the rest" if out else "in this exception's study"
        raise Interrupted(f"{n_done} of {len(specs)} runs are {place}", Study(plan, about, registry.records)) from None
    except OutputError as error:
        failure = OutputError(f"{error}; free some space and start the same study again for the rest")
        failure.study = Study(plan, about, registry.records)
        raise failure from error
    finally:
        registry.close()
    return Study(plan, about, registry.records)


def _first_run(shard: Shard, out: Folder | None) -> int:
    """Index of the first run of a shard."""
    if len(shard) != 2 or not all(isinstance(part, int) for part in shard) or not 1 <= shard[0] <= shard[1]:
        raise ConfigError(f"shard: expected (i, n) with 1 <= i <= n, got {shard!r}")
    if out is None:
        raise ConfigError("shard: expected only together with out, got no out; give the folder of the study as out")
    return shard[0] - 1
