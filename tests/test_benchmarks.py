"""The benchmarks: workloads, validation and summaries of rivals, published tables, and the regression check."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fastmlp

# Last in the path, so that the installed fastmlp is the one that is tested.
sys.path.append(str(Path(__file__).parents[1]))

from benchmarks import compare, history, paired, peak, record, report, rivals, validate
from benchmarks.case import CASES, Case, Workload, make_workload, synthetic_data

TINY = Case(sizes=(8, 5, 3), batch_size=16, n_samples=120)


@pytest.fixture
def workload():
    return make_workload(TINY, n_epochs=2)[0]


def example_comparison(name, ours_s, rival_s, peaks=(1e9, 1e9)):
    return paired.PairedComparison(
        name, name, "1.0", 0.0, 0.0, list(peaks), list(ours_s), list(rival_s), [(1.0, 1.0)]
    ).to_dict()


@pytest.fixture
def example_record():
    comparisons = {
        "numpy_blas": example_comparison("numpy_blas", (1.0, 2.0), (3.0, 8.0)),
        "torch_eager": example_comparison("torch_eager", (1.0, 1.0), (6.0, 6.0)),
        "torch_compiled": example_comparison("torch_compiled", (1.0, 1.0), (5.0, 5.0)),
        "torch_bf16": example_comparison("torch_bf16", (1.0, 1.0), (0.5, 0.5)),
        "jax_scan": example_comparison("jax_scan", (1.0, 1.0), (2.0, 2.0)),
    }
    case = {"network": "8-5-3", "batch_size": 16, "optimizer": "sgd", "n_samples": 100, "n_steps": 10, "flops": 5e8}
    machine = {
        "cpu": "a CPU",
        "date": "2026-01-02T03:04:05",
        "n_threads": 1,
        "vector_bits": 512,
        "versions": {"x": "1"},
    }
    return {"machine": machine, "cases": {"tiny": {**case, "data": "synthetic", "comparisons": comparisons}}}


def test_the_papers_network_takes_1294800_flops_per_sample():
    assert CASES["paper"].flops / CASES["paper"].n_samples == 1_294_800


def test_synthetic_data_can_be_learnt_in_part():
    X, y = synthetic_data(4000, 784, 10)
    run = fastmlp.train(fastmlp.Dataset(X, y, X, y), fastmlp.Config(hidden=(), n_epochs=5, learning_rate=0.1))
    assert 0.2 < run.history[-1]["test_accuracy"] < 0.9


def test_a_workload_is_read_back_as_it_was_saved(workload, tmp_path):
    workload.save(tmp_path / "workload")
    got = Workload.load(tmp_path / "workload")
    assert got.case == workload.case
    for name in ("X", "y", "orders"):
        np.testing.assert_array_equal(getattr(got, name), getattr(workload, name))
    for ours, theirs in zip(workload.weights + workload.biases, got.weights + got.biases, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_batches_hold_each_sample_of_an_order_once(workload):
    np.testing.assert_array_equal(np.concatenate(workload.batches(workload.orders[1])), workload.orders[1])
    assert sorted(workload.orders[1]) == list(range(TINY.n_samples))


def test_a_workloads_loss_equals_that_of_model_evaluate(workload):
    model = fastmlp.init_model(fastmlp.Config(hidden=(5,)), 8, 3)
    model.weights, model.biases = workload.weights, workload.biases
    ref = model.evaluate(workload.inputs, workload.y).loss
    assert workload.loss(workload.weights, workload.biases) == pytest.approx(ref, rel=1e-6)


@pytest.mark.parametrize("changes", [{}, {"l2": 0.01}, {"optimizer": "adam", "learning_rate": 0.01}], ids=str)
def test_fastmlp_learns_what_numpy_learns(changes):
    validate.check_training(replace(TINY, **changes))


@pytest.mark.parametrize("name", ["fastmlp_float32", "fastmlp_uint8", "numpy_blas", "sklearn_mlp"])
def test_a_rival_reports_every_epoch_and_reaches_the_same_loss(workload, name):
    if name == "sklearn_mlp":
        pytest.importorskip("sklearn")
    ready, losses = [], []
    rivals.load(name).train(workload, ready.append, lambda epoch_s, loss: losses.append(loss))
    assert len(ready) == 1
    assert losses[0] == pytest.approx(validate.numpy_loss(workload), rel=1e-5)
    assert len(losses) == workload.n_epochs


@pytest.mark.parametrize("name", [rivals.OURS, *rivals.NAMES])
def test_every_rival_has_a_label_a_version_and_train(name):
    module = rivals.load(name)
    assert isinstance(module.label, str)
    assert callable(module.version)
    assert callable(module.train)


def test_a_paired_comparison_runs_in_two_processes(workload, tmp_path):
    workload.save(tmp_path / "workload")
    comparison = paired.run_pairs("numpy_blas", tmp_path / "workload", 1)
    assert len(comparison.losses) == 2
    assert comparison.ours_s[0] > 0
    assert comparison.rival_s[0] > 0
    record.check_losses(comparison, 1e-5)


def test_the_error_of_a_worker_that_ended_names_the_cause(tmp_path):
    with pytest.raises(paired.WorkerError, match=r"benchmarks\.rivals\.unknown"):
        paired.Worker(["-m", "benchmarks.worker", "unknown", str(tmp_path)])


@pytest.mark.parametrize("theirs", [1.02, 0.98, float("nan")])
def test_a_rival_with_a_different_loss_is_refused(theirs):
    comparison = paired.PairedComparison("numpy_blas", "NumPy", "1.0", 0.0, 0.0, losses=[(1.0, 1.0), (1.0, theirs)])
    expected = rf"NumPy: expected a loss within 0.01 of fastmlp's 1.000000 \(relative\), got {theirs:f} after epoch 2"
    with pytest.raises(record.LossError, match=expected):
        record.check_losses(comparison, 0.01)


def test_ratios_are_medians_over_pairs(example_record):
    case = example_record["cases"]["tiny"]
    assert record.ratio(case["comparisons"]["numpy_blas"]) == 3.5
    assert record.ours_s(case) == 1.0
    assert record.share_of_peak(case) == 0.5
    assert record.fastest_rival(case, ("numpy_blas", "jax_scan", "sklearn_mlp")) == ("jax_scan", 2.0)
    assert record.fastest_rival(case, ("sklearn_mlp",)) is None


def test_the_full_table_has_a_row_per_rival_and_none_for_a_missing_one(example_record):
    rows = report.full_table(example_record).splitlines()
    assert rows[0] == "|  | 8-5-3<br>batch 16 | geometric<br>mean |"
    assert rows[2:7] == [
        "| **fastmlp**, time per step | **100 ms** | **1 x** |",
        "| fastmlp, share of the FMA peak | 0.50 |  |",
        "| NumPy | 3.50 x | 3.50 x |",
        "| PyTorch | 6.00 x | 6.00 x |",
        "| PyTorch, compiled | 5.00 x | 5.00 x |",
    ]
    assert not any("scikit-learn |" in row for row in rows)
    conditions = "CPU: a CPU (512-bit vectors), one thread, float32, 2026-01-02"
    assert rows[-1].endswith(f"{conditions}, FMA peak 1 GFLOP/s per core; x 1.")


def test_the_short_table_has_four_rows_and_names_the_fastest_float32_rival(example_record):
    rows = report.summary_table(example_record).splitlines()
    assert rows[2:7] == [
        "| **fastmlp**, time per step | **100 ms** | **1 x** |",
        "| fastest rival | JAX, 2.00 x | 2.00 x |",
        "| PyTorch | 5.00 x | 5.00 x |",
        "| scikit-learn |  |  |",
        "",
    ]
    assert rows[-1].endswith("CPU: a CPU (512-bit vectors), one thread, float32, 2026-01-02.")


def test_a_geometric_mean_is_over_all_networks(example_record):
    case = example_record["cases"]["tiny"]
    other = {**case, "comparisons": {"jax_scan": example_comparison("jax_scan", (1.0,), (8.0,), peaks=(1e9,))}}
    example_record["cases"]["small"] = other
    rows = report.full_table(example_record).splitlines()
    assert "| JAX | 2.00 x | 8.00 x | 4.00 x |" in rows
    assert "| NumPy | 3.50 x |  |  |" in rows


def test_pages_are_filled_between_their_markers_only(example_record, tmp_path):
    pages = tmp_path / "README.md", tmp_path / "performance.md"
    markers = report.README_MARKERS, report.PERFORMANCE_MARKERS
    for page, (start, end) in zip(pages, markers, strict=True):
        page.write_text(f"before\n{start}\nold\n{end}\nafter\n")
    report.fill_pages(example_record, *pages)
    report.fill_pages(example_record, *pages)
    tables = report.summary_table(example_record), report.full_table(example_record)
    for page, (start, end), table in zip(pages, markers, tables, strict=True):
        assert page.read_text(encoding="utf-8") == f"before\n{start}\n{table}\n{end}\nafter\n"


def test_a_page_without_markers_is_refused(example_record, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("no markers")
    with pytest.raises(ValueError, match=r"expected one line <!-- benchmarks summary:start --> .*, got 0 and 0"):
        report.fill_pages(example_record, page, page)
    assert page.read_text() == "no markers"


def test_the_published_tables_are_those_of_the_newest_record(tmp_path):
    stored = map(record.load, sorted(record.FOLDER.glob("*T*.json"), reverse=True))
    newest = next(one for one in stored if record.is_complete(one) and one["machine"]["n_threads"] == 1)
    copies = [Path(shutil.copy(page, tmp_path)) for page in (report.README, report.PERFORMANCE)]
    report.fill_pages(newest, *copies)
    for copy, page in zip(copies, (report.README, report.PERFORMANCE), strict=True):
        assert copy.read_text(encoding="utf-8") == page.read_text(encoding="utf-8"), "run python -m benchmarks table"


def test_the_readme_shows_the_short_table_in_its_first_forty_lines():
    first = report.README.read_text(encoding="utf-8").splitlines()[:40]
    assert set(report.README_MARKERS) <= set(first)


def test_the_plot_is_written(example_record, tmp_path):
    pytest.importorskip("matplotlib")
    report.plot(example_record, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_history_is_relative_to_the_first_record_of_each_benchmark():
    points = [history.Point("step", "tiny", "abc", date, flops) for date, flops in (("1", 4.0), ("2", 5.0))]
    assert history.series(points) == {"step": {"tiny": [("1", 1.0), ("2", 1.25)]}}


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([1.08] * 9, True),
        ([1.08] * 8 + [0.97], True),
        ([1.08] * 6 + [0.97] * 3, False),
        ([1.03] * 9, False),
        ([1.0] * 5 + [1.5] * 4, False),
        ([], False),
    ],
)
def test_a_candidate_needs_a_high_median_and_nearly_all_pairs(ratios, expected):
    assert compare.is_candidate(ratios, 1.04) is expected


def test_a_candidate_is_slower_only_if_new_pairs_agree():
    slow, quiet = [1.08] * 9, [1.0] * 9
    assert compare.Verdict("paper", slow, slow, 1.04).is_slower
    assert not compare.Verdict("paper", slow, quiet, 1.04).is_slower
    assert not compare.Verdict("paper", quiet, [], 1.04).is_slower


def test_the_table_of_the_regression_check_names_slower_probes():
    measured = {"paper": ([1.08] * 9, [1.09] * 9), "tiny": ([0.9] * 9, []), "paper, bf16": ([], [])}
    rows = compare.table(compare.Verdict(name, *ratios, 1.04) for name, ratios in measured.items()).splitlines()
    assert [row.split("  ")[-1] for row in rows[1:]] == ["SLOWER", "faster", "left out"]


def test_the_measured_fma_peak_is_plausible():
    assert 1e9 < peak.measure() < 1e12
