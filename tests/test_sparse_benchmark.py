"""The benchmark on sparse input: its cases and data, the two sides in their processes, and its tables."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# Last in the path, so that the installed fastmlp is the one that is tested.
sys.path.append(str(Path(__file__).parents[1]))

from benchmarks import machine, memory, sparse, sparse_case, sparse_report, sparse_worker
from benchmarks.case import PredictionError
from benchmarks.paired import ROOT
from benchmarks.record import LossError
from benchmarks.sparse_case import FITS, PREDICTIONS, SparseCase

pytest.importorskip("sklearn")
TINY = SparseCase(n_features=300, n_nonzeros=5, hidden=4, n_samples=120, batch_size=50)


@pytest.fixture(scope="module")
def data():
    return sparse_case.make_data(TINY)


def test_each_row_has_its_non_zeros_in_different_columns_and_the_norm_1(data):
    X, y = data
    assert X.has_canonical_format
    assert (X.dtype, X.indices.dtype, X.shape) == (np.float32, np.int32, (120, 300))
    np.testing.assert_array_equal(np.diff(X.indptr), 5)
    assert X.data.min() > 0
    np.testing.assert_allclose(X.multiply(X).sum(axis=1), 1, rtol=1e-6)
    assert set(y) <= set(range(10))


def test_a_case_is_read_back_as_it_was_saved(data, tmp_path):
    sparse_case.save(TINY, tmp_path)
    case, X, y = sparse_case.load(tmp_path)
    assert case == TINY
    assert (data[0] != X).nnz == 0
    np.testing.assert_array_equal(y, data[1])


def test_there_is_a_fit_of_each_shape_width_batch_and_solver():
    assert len(FITS) == 3 * 2 * 2 * 2
    assert len(PREDICTIONS) == 3 * 2
    assert FITS["fit-1048576-100-200-adam"].n_samples == 1000
    assert {case.n_samples for name, case in FITS.items() if "-100-200-" not in name} == {6000}
    assert {case.n_epochs for case in FITS.values()} >= {3, 20}
    assert all(case.n_samples % case.batch_size == 0 for case in FITS.values())


def test_cases_are_chosen_by_parts_of_their_names():
    assert sparse.chosen(()) == sparse.CASES
    assert {task: list(cases) for task, cases in sparse.chosen(["20000-10-3000", "predict-1048576-100"]).items()} == {
        "fit": ["fit-20000-10-3000-adam", "fit-20000-10-3000-sgd"],
        "predict": ["predict-1048576-100"],
    }


def test_the_worker_imports_neither_side():
    names = "{'fastmlp', 'numba', 'llvmlite', 'sklearn'}"
    program = f"import sys, benchmarks.sparse_worker; print({names} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("side", sparse.SIDES)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_an_epoch_takes_less_than_the_whole_fit(side, data):
    seconds = sparse_worker.fit_seconds(side, TINY, *data)
    assert 0 < 10 * seconds["epoch_s"] < seconds["fit_s"]  # of 20 epochs


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators_that_learn_nothing_keep_the_same_weights(data):
    settings = {"learning_rate_init": sparse_worker.NO_LEARNING, "max_iter": 1}
    ours, theirs = (sparse_worker.make_estimator(side, TINY, **settings).fit(*data) for side in sparse.SIDES)
    for got, ref in zip([*ours.coefs_, *ours.intercepts_], theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_array_equal(got, ref)
    expected = sparse_case.reference(data[0], theirs.coefs_, theirs.intercepts_)
    np.testing.assert_allclose(theirs.predict_proba(data[0]), expected, rtol=1e-5)


def test_wrong_probabilities_of_one_sample_are_refused():
    X, expected = np.ones((3, 2)), np.full((3, 2), 0.5)
    wrong = {3: 1.0, 1: 1.0001}
    with pytest.raises(PredictionError, match=r"within 1e-05 \(relative\) of those in float64, got .* 0\.0001"):
        sparse_worker.check_predictions(lambda rows: wrong[len(rows)] * expected[: len(rows)], X, [X[:1]], expected)


def run_case(task, monkeypatch):
    monkeypatch.setattr(machine, "pin", lambda n_threads: [])
    record = sparse.run({"fit": {}, "predict": {}, task: {"tiny": TINY}}, 2)
    (entry,) = record[task].values()
    json.dumps(record)
    assert sparse_report.tables(record).count("| 300 x 5, 4 hidden") == 1
    for side in sparse.SIDES:
        results = entry["sides"][side]
        assert 0 < results["warm_mb"] <= results["peak_mb"]
        assert all(len(results[time]) == 2 and min(results[time]) > 0 for time in sparse.TIMES[task])
    return entry


def test_fits_are_measured_in_two_processes_with_the_same_losses(monkeypatch):
    entry = run_case("fit", monkeypatch)
    ours, theirs = (entry["sides"][side]["losses"] for side in sparse.SIDES)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert len(ours) == sparse_worker.CHECKED_EPOCHS


def test_predictions_are_measured_in_two_processes_and_validated(monkeypatch):
    entry = run_case("predict", monkeypatch)
    assert all(0 < entry["sides"][side]["error"] < 1e-5 for side in sparse.SIDES)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak cannot be reset")
def test_the_peak_of_memory_begins_anew():
    np.ones(25_000_000)
    before = memory.peak_memory_mb()
    warm = memory.reset_peak_memory()
    assert warm < before - 100
    np.ones(10_000_000)
    assert memory.peak_memory_mb() > warm + 70


def example_record(n_pairs=3, ours_s=0.5, limits=()):
    description = machine.describe(1) | {"limits": list(limits)}
    record = {"machine": description}
    for task, cases in sparse.CASES.items():
        sides = {
            side: {"version": "1", "warm_mb": 150.0, "peak_mb": 1750.0, "losses": [1.0, 0.5]}
            | {time: [seconds] * n_pairs for time in sparse.TIMES[task]}
            for side, seconds in zip(sparse.SIDES, (ours_s, 1.0), strict=True)
        }
        record[task] = {name: {**vars(case), "n_epochs": case.n_epochs, "sides": sides} for name, case in cases.items()}
    return record


def test_the_tables_of_sparse_input_show_times_ratios_and_memory():
    lines = sparse_report.tables(example_record()).splitlines()
    times, memories = "**500 ms** | 1 s | **2.00 x**", "1,750 MB<br>(1,600) | 1,750 MB<br>(1,600)"
    assert f"| 1,048,576 x 50, 100 hidden, batch 3,000, Adam | {times} | 2.00 x | {memories} |" in lines
    assert f"| 100,000 x 100, 10 hidden | {times} | {times} | {memories} |" in lines
    assert sum("over 3 pairs of fits" in line for line in lines) == 1


def test_a_record_of_sparse_input_is_complete_with_all_cases_and_pairs():
    assert sparse_report.is_complete(example_record())
    assert not sparse_report.is_complete(example_record(n_pairs=2))
    assert not sparse_report.is_complete(example_record(limits=["FASTMLP_VECTOR_BITS"]))
    some = example_record()
    del some["predict"]["predict-20000-10"]
    assert not sparse_report.is_complete(some)


@pytest.mark.parametrize("theirs", [1.0001, float("nan")])
def test_a_different_loss_of_the_second_epoch_is_refused(theirs):
    sides = {"fastmlp": {"losses": [2.0, 1.0]}, "sklearn": {"losses": [2.0, theirs], "version": "1"}}
    with pytest.raises(LossError, match=r"scikit-learn: expected a loss within 1e-05 .* after epoch 2"):
        sparse._check_losses(sides)
