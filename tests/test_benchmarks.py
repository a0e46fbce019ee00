"""The benchmarks: workloads, validation and summaries of rivals, published tables, threads, the regression check."""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fastmlp

# Last in the path, so that the installed fastmlp is the one that is tested.
sys.path.append(str(Path(__file__).parents[1]))

from benchmarks import (
    compare,
    first_run_report,
    history,
    instruction_limit,
    machine,
    paired,
    peak,
    processor,
    record,
    report,
    rivals,
    sparse_report,
    table_report,
    tables,
    thread_model,
    thread_report,
    thread_worker,
    threads,
    validate,
)
from benchmarks.case import CASES, Case, PredictionError, Workload, make_workload, model_of, synthetic_data
from benchmarks.suite import SUITES
from fastmlp.kernels.layout import GENERATION
from fastmlp.parallel import run_team
from fastmlp.training.trainer import Trainer

TINY = Case(sizes=(8, 5, 3), batch_size=16, n_samples=120)
#: The package that a rival needs.
PACKAGES = {"sklearn_mlp": "sklearn", "fastmlp_estimator": "sklearn", "torch_eager": "torch", "jax_scan": "jax",
            "keras_jax": "keras", "onnx_runtime": "onnxruntime"}  # fmt: skip


@pytest.fixture
def workload():
    return make_workload(TINY, n_epochs=2)[0]


@pytest.fixture(autouse=True)
def subnormal_numbers():
    """Undo what PyTorch's rivals set in this process, which would flush subnormal numbers in later tests."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


def example_comparison(name, ours_s, rival_s, peaks=(1e9, 1e9)):
    return paired.PairedComparison(
        name, name, "1.0", 0.0, 0.0, None, list(peaks), list(ours_s), list(rival_s), [(1.0, 1.0)]
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
    return {
        "machine": example_machine(),
        "complete": ["train"],
        "suites": {"train": {"tiny": {**case, "data": "synthetic", "comparisons": comparisons}}},
    }


def example_machine(**changes):
    machine = {
        "cpu": "a CPU",
        "microarchitecture": "Zen 9",
        "instructions": "AVX-512",
        "caches": {"L1": "48 KiB", "L2": "1 MiB"},
        "limits": [],
        "limited_to": None,
        "date": "2026-01-02T03:04:05",
        "n_threads": 1,
        "vector_bits": 512,
        "versions": {"x": "1"},
    }
    return machine | changes


def example_predictions(onnx_s=0.5):
    """Both suites of predictions, each with one network."""
    comparisons = {"onnx_runtime": example_comparison("onnx_runtime", (1.0, 1.0), (onnx_s, onnx_s))}
    case = {"network": "8-5-3", "optimizer": "sgd", "flops": 5e8, "data": "synthetic", "comparisons": comparisons}
    return {
        "predict-1": {"small": {**case, "batch_size": 1, "n_samples": 64, "n_steps": 64}},
        "predict-n": {"small": {**case, "batch_size": 5000, "n_samples": 5000, "n_steps": 1}},
    }


@pytest.fixture
def two_kinds(example_record):
    """Records of CPUs with AVX-512 and AVX2, with predictions, and of a limited run."""
    example_record["suites"] |= example_predictions()
    example_record["complete"] = list(SUITES)
    slow = json.loads(json.dumps(example_record))
    slow["machine"] = example_machine(cpu="an old CPU", microarchitecture=None, instructions="AVX2", caches={})
    slow["suites"]["train"]["tiny"]["comparisons"]["jax_scan"] = example_comparison("jax_scan", (1.0,) * 2, (1.5,) * 2)
    limited = json.loads(json.dumps(example_record))
    limited["machine"] = example_machine(limited_to="AVX2", limits=["NUMBA_CPU_FEATURES"])
    limited["suites"]["train"]["tiny"]["comparisons"]["jax_scan"] = example_comparison(
        "jax_scan", (1.0,) * 2, (9.0,) * 2
    )
    return [example_record, slow, limited]


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


@pytest.mark.parametrize(
    "name", ["fastmlp_float32", "fastmlp_estimator", "numpy_blas", "sklearn_mlp", "torch_eager", "onnx_runtime"]
)
@pytest.mark.parametrize("batch_size", [1, 120])
def test_a_rival_predicts_the_probabilities_in_float64(name, batch_size):
    pytest.importorskip(PACKAGES.get(name, "numpy"))
    workload, _ = make_workload(replace(TINY, batch_size=batch_size), n_epochs=1)
    predict = rivals.load(name).predictor(workload)
    assert workload.check_predictions(predict) < 1e-5
    assert predict(workload.calls[0]).shape == (batch_size, 3)


def test_wrong_probabilities_are_refused():
    workload, _ = make_workload(TINY, n_epochs=1)
    predict = rivals.load("numpy_blas").predictor(workload)
    with pytest.raises(PredictionError, match=r"within 1e-05 \(relative\) of those in float64, got a difference of"):
        workload.check_predictions(lambda X: predict(X) * np.float32(1.0001))


def test_a_wrong_bias_is_noticed():
    workload, _ = make_workload(TINY, n_epochs=1)
    without = replace(workload, biases=[np.zeros_like(b) for b in workload.biases])
    with pytest.raises(PredictionError):
        workload.check_predictions(rivals.load("numpy_blas").predictor(without))


def test_the_samples_of_a_workload_are_aligned_to_cache_lines(workload):
    assert workload.inputs.ctypes.data % 64 == 0
    np.testing.assert_array_equal(workload.inputs, workload.X * np.float32(1 / 255))


def test_the_calls_of_a_prediction_hold_all_samples(workload):
    assert [len(X) for X in workload.calls] == [16] * 7 + [8]
    np.testing.assert_array_equal(np.concatenate(workload.calls), workload.inputs)


@pytest.mark.parametrize("task", ["train", "predict"])
def test_every_rival_has_a_label_a_version_and_its_task(task):
    for name in (rivals.OURS, *rivals.NAMES[task]):
        module = rivals.load(name)
        assert isinstance(module.label, str)
        assert callable(module.version)
        assert callable(module.train if task == "train" else module.predictor)


def test_every_module_of_rivals_belongs_to_a_task():
    modules = {path.stem for path in Path(rivals.__file__).parent.glob("*.py")} - {"__init__", rivals.OURS}
    assert modules == {name for names in rivals.NAMES.values() for name in names}


def test_suites_of_predictions_have_one_or_5000_samples_per_call():
    sizes = {name: {(case.batch_size, case.n_steps) for case in SUITES[name].cases.values()} for name in SUITES}
    assert sizes["predict-1"] == {(1, 64)}
    assert sizes["predict-n"] == {(5000, 1)}
    assert SUITES["predict-n"].flops(SUITES["predict-n"].cases["mnist"]) == 2 * 5000 * (784 * 128 + 128 * 10)


def test_a_paired_comparison_runs_in_two_processes(workload, tmp_path):
    workload.save(tmp_path / "workload")
    comparison = paired.run_pairs("train", "numpy_blas", tmp_path / "workload", 1)
    assert len(comparison.losses) == 2
    assert comparison.ours_s[0] > 0
    assert comparison.rival_s[0] > 0
    record.check_losses(comparison, 1e-5)


def test_a_paired_comparison_of_predictions_is_validated(workload, tmp_path):
    workload.save(tmp_path / "workload")
    comparison = paired.run_pairs("predict", "numpy_blas", tmp_path / "workload", 1)
    assert max(comparison.errors) < 1e-5
    assert comparison.ours_s[0] > 0
    assert comparison.rival_s[0] > 0
    assert comparison.losses == []


def test_the_error_of_a_worker_that_ended_names_the_cause(tmp_path):
    with pytest.raises(paired.WorkerError, match=r"benchmarks\.rivals\.unknown"):
        paired.Worker(["-m", "benchmarks.worker", "train", "unknown", str(tmp_path)])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("import keras; ModuleNotFoundError: No module named 'keras'", "No module named 'keras'"),
        ("fastmlp.errors.MissingExtraError: no onnx; run: pip install x", "no onnx; run: pip install x"),
        ("benchmarks.rivals.NoBf16Error: this CPU has no bf16", "this CPU has no bf16"),
        ("ValueError: no module", None),
    ],
)
def test_a_rival_is_left_out_for_a_reason_in_one_sentence(lines, expected):
    error = paired.WorkerError(f"-m benchmarks.worker train a_rival /tmp/workload: {lines}")
    assert record.reason_unavailable(error) == expected


@pytest.mark.parametrize("chosen", [("predict-1", ["tiny"], []), ("train", [], ["onnx_runtime"])])
def test_a_suite_without_the_cases_or_rivals_is_not_run(chosen, monkeypatch):
    monkeypatch.setattr(record, "_run_case", pytest.fail)
    monkeypatch.setattr(machine, "pin", lambda n_threads: [])
    suite, cases, against = chosen
    assert record.run([suite], cases, against, 1, 1)["suites"] == {}


@pytest.mark.parametrize("theirs", [1.02, 0.98, float("nan")])
def test_a_rival_with_a_different_loss_is_refused(theirs):
    comparison = paired.PairedComparison("numpy_blas", "NumPy", "1.0", 0.0, 0.0, losses=[(1.0, 1.0), (1.0, theirs)])
    expected = rf"NumPy: expected a loss within 0.01 of fastmlp's 1.000000 \(relative\), got {theirs:f} after epoch 2"
    with pytest.raises(record.LossError, match=expected):
        record.check_losses(comparison, 0.01)


def test_ratios_are_medians_over_pairs(example_record):
    case = example_record["suites"]["train"]["tiny"]
    assert record.ratio(case["comparisons"]["numpy_blas"]) == 3.5
    assert record.ours_s(case) == 1.0
    assert record.share_of_peak(case) == 0.5
    assert record.fastest_rival(case, ("numpy_blas", "jax_scan", "sklearn_mlp")) == ("jax_scan", 2.0)
    assert record.fastest_rival(case, ("sklearn_mlp",)) is None


def test_the_full_table_has_a_row_per_rival_and_none_for_a_missing_one(example_record):
    rows = report.full_table(example_record, "train").splitlines()
    assert rows[0] == "|  | 8-5-3<br>batch 16 | geometric<br>mean |"
    assert rows[2:7] == [
        "| **fastmlp**, time per step | **100 ms** | **1 x** |",
        "| fastmlp, share of the FMA peak | 0.50 |  |",
        "| NumPy | 3.50 x | 3.50 x |",
        "| PyTorch | 6.00 x | 6.00 x |",
        "| PyTorch, compiled | 5.00 x | 5.00 x |",
    ]
    assert not any("scikit-learn |" in row for row in rows)
    conditions = "CPU: a CPU (Zen 9) with AVX-512 (L1 48 KiB, L2 1 MiB), one thread, float32, 2026-01-02"
    assert rows[-1].endswith(f"{conditions}, FMA peak 1 GFLOP/s per core; x 1.")


def test_the_short_table_of_one_kind_has_four_rows_and_names_the_fastest_float32_rival(example_record):
    rows = report.summary_tables(record.newest([example_record])).splitlines()
    assert rows[2:7] == [
        "| **fastmlp**, time per step | **100 ms** | **1 x** |",
        "| fastest rival | JAX, 2.00 x | 2.00 x |",
        "| PyTorch | 5.00 x | 5.00 x |",
        "| scikit-learn |  |  |",
        "",
    ]
    assert rows[-1].endswith("CPU: a CPU (Zen 9) with AVX-512 (L1 48 KiB, L2 1 MiB), one thread, float32, 2026-01-02.")


def test_the_short_tables_show_the_kinds_with_the_best_and_the_worst_ratios(two_kinds):
    rows = report.summary_tables(record.newest(two_kinds)).splitlines()
    assert rows[2:10] == [
        "| **fastmlp**, time per step, AVX-512 | **100 ms** | **1 x** |",
        "| fastest rival | JAX, 2.00 x | 2.00 x |",
        "| PyTorch | 5.00 x | 5.00 x |",
        "| scikit-learn |  |  |",
        "| **fastmlp**, time per step, AVX2 | **100 ms** | **1 x** |",
        "| fastest rival | JAX, 1.50 x | 1.50 x |",
        "| PyTorch | 5.00 x | 5.00 x |",
        "| scikit-learn |  |  |",
    ]
    assert rows[11] == "|  | 8-5-3<br>1 sample | 8-5-3<br>5,000 samples |"
    assert rows[13:15] == [
        "| **fastmlp**, time per call, AVX-512 | **15.6 ms** | **1 s** |",
        "| fastest rival | ONNX Runtime, 0.50 x | ONNX Runtime, 0.50 x |",
    ]
    assert "an old CPU with AVX2, one thread" in rows[-1]
    assert "limited" not in rows[-1]


def test_the_full_tables_have_a_chapter_per_kind_and_limited_runs_last(two_kinds):
    lines = report.full_tables(record.newest(two_kinds[::-1])).splitlines()
    assert [line for line in lines if line.startswith("## ")] == [
        "## CPUs with AVX2",
        "## CPUs with AVX-512",
        "## AVX2 code on a CPU (Zen 9), a second opinion",
    ]
    assert sum(line == "### Prediction of one sample per call" for line in lines) == 3
    assert "a CPU (Zen 9) with AVX-512 (L1 48 KiB, L2 1 MiB), limited to AVX2 code, one thread" in lines[-1]


def test_several_threads_have_tables_of_their_own_and_none_in_the_readme(two_kinds):
    several = {**two_kinds[0], "machine": example_machine(n_threads=2)}
    published = record.newest([*two_kinds, several])
    assert published["AVX-512"]["train"]["machine"]["n_threads"] == 1
    assert report.summary_tables(published) == report.summary_tables(record.newest(two_kinds))
    lines = report.full_tables(published).splitlines()
    assert lines.index("## CPUs with AVX2") < lines.index("## CPUs with AVX-512, 2 threads")
    assert "| fastmlp, share of the FMA peak | 0.25 |  |" in lines  # of two cores


def test_of_each_kind_and_suite_the_newest_complete_record_is_published(example_record):
    later = {**example_record, "suites": example_predictions(), "complete": ["predict-1"]}
    assert record.newest([example_record, later]) == {"AVX-512": {"train": example_record, "predict-1": later}}


def test_a_suite_is_complete_with_all_cases_and_rivals():
    def example(n_pairs=record.MIN_PAIRS, missing=(), cases=SUITES["predict-1"].cases, **changes):
        seconds = [1.0] * n_pairs
        names = [name for name in rivals.NAMES["predict"] if name not in missing]
        comparisons = {name: example_comparison(name, seconds, seconds) for name in names}
        suites = {"predict-1": {case: {"comparisons": comparisons} for case in cases}}
        return {"machine": example_machine(**changes), "suites": suites}

    limited = {"limited_to": "AVX2", "limits": ["NUMBA_CPU_FEATURES"]}
    assert record._is_complete(example(), "predict-1")
    assert not record._is_complete(example(cases=["small"]), "predict-1")
    assert not record._is_complete(example(missing=["jax_scan"]), "predict-1")
    assert not record._is_complete(example(n_pairs=1), "predict-1")
    assert record._is_complete(example(n_threads=2), "predict-1")
    assert not record._is_complete(example(limits=["FASTMLP_VECTOR_BITS"]), "predict-1")
    assert not record._is_complete(example(missing=["onnx_runtime"]), "predict-1")
    assert record._is_complete(example(missing=["onnx_runtime"], **limited), "predict-1")


@pytest.mark.parametrize("path", sorted(record.FOLDER.glob("[0-9]*.json")), ids=lambda path: path.stem)
def test_every_stored_record_can_be_read(path):
    stored = record.load(path)
    assert record.kind_of(stored)
    for name in stored["suites"]:
        assert report.full_table(stored, name)


def test_a_record_of_training_only_is_of_the_kind_of_its_vector_width(tmp_path, example_record):
    first = {"machine": example_record["machine"], "cases": example_record["suites"]["train"]}
    for name in ("microarchitecture", "instructions", "caches", "limits", "limited_to"):
        del first["machine"][name]
    path = tmp_path / "record.json"
    path.write_text(json.dumps(first))
    got = record.load(path)
    assert record.kind_of(got) == "AVX-512"
    assert record.cpu_of(got) == "a CPU"
    assert got["complete"] == []


def test_a_geometric_mean_is_over_all_networks(example_record):
    cases = example_record["suites"]["train"]
    comparisons = {"jax_scan": example_comparison("jax_scan", (1.0,), (8.0,), peaks=(1e9,))}
    cases["small"] = {**cases["tiny"], "comparisons": comparisons}
    rows = report.full_table(example_record, "train").splitlines()
    assert "| JAX | 2.00 x | 8.00 x | 4.00 x |" in rows
    assert "| NumPy | 3.50 x |  |  |" in rows


def test_pages_are_filled_between_their_markers_only(example_record, tmp_path):
    pages = tmp_path / "README.md", tmp_path / "performance.md"
    markers = report.README_MARKERS, report.PERFORMANCE_MARKERS
    for page, (start, end) in zip(pages, markers, strict=True):
        page.write_text(f"before\n{start}\nold\n{end}\nafter\n")
    published = record.newest([example_record])
    report.fill_pages(published, *pages)
    report.fill_pages(published, *pages)
    tables = report.summary_tables(published), report.full_tables(published)
    for page, (start, end), table in zip(pages, markers, tables, strict=True):
        assert page.read_text(encoding="utf-8") == f"before\n{start}\n{table}\n{end}\nafter\n"


def test_a_page_without_markers_is_refused(example_record, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("no markers")
    with pytest.raises(ValueError, match=r"expected one line <!-- benchmarks summary:start --> .*, got 0 and 0"):
        report.fill_pages(record.newest([example_record]), page, page)
    assert page.read_text() == "no markers"


def test_the_published_tables_are_those_of_the_stored_records(tmp_path):
    pages = report.README, report.PERFORMANCE, table_report.PAGE
    copies = [Path(shutil.copy(page, tmp_path)) for page in pages]
    report.fill_pages(record.published(), *copies[:2])
    thread_report.fill_page(copies[1])
    first_run_report.fill_page(copies[1])
    sparse_report.fill_page(copies[1])
    table_report.fill_page(copies[2])
    for copy, page in zip(copies, pages, strict=True):
        assert copy.read_text(encoding="utf-8") == page.read_text(encoding="utf-8"), "run python -m benchmarks table"


def test_the_readme_shows_the_short_tables_in_its_first_sixty_lines():
    lines = report.README.read_text(encoding="utf-8").splitlines()
    assert report.README_MARKERS[0] in lines[:30]
    assert report.README_MARKERS[1] in lines[:60]


def test_the_plot_is_written(example_record, tmp_path):
    pytest.importorskip("matplotlib")
    example_record["suites"] |= example_predictions()
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


CPUINFO = """processor\t: 0
vendor_id\t: {vendor}
cpu family\t: {family}
model\t\t: {model}
model name\t: a name
stepping\t: {stepping}

processor\t: 1
vendor_id\t: another
"""


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "expected"),
    [
        ("AuthenticAMD", 23, 0x31, 0, "Zen 2"),
        ("AuthenticAMD", 25, 0x01, 1, "Zen 3"),
        ("AuthenticAMD", 25, 0x11, 1, "Zen 4"),
        ("AuthenticAMD", 25, 0xA0, 1, "Zen 4"),
        ("AuthenticAMD", 26, 0x02, 1, "Zen 5"),
        ("AuthenticAMD", 99, 0x02, 1, None),
        ("GenuineIntel", 6, 0x55, 4, "Skylake"),
        ("GenuineIntel", 6, 0x55, 7, "Cascade Lake"),
        ("GenuineIntel", 6, 0x6A, 6, "Ice Lake"),
        ("GenuineIntel", 6, 143, 8, "Sapphire Rapids"),
        ("GenuineIntel", 6, 207, 2, "Emerald Rapids"),
        ("GenuineIntel", 6, 173, 1, "Granite Rapids"),
        ("GenuineIntel", 6, 0xFF, 1, None),
        ("another", 6, 0x55, 1, None),
    ],
)
def test_a_microarchitecture_is_known_by_family_and_model(vendor, family, model, stepping, expected):
    got = processor.identify(CPUINFO.format(vendor=vendor, family=family, model=model, stepping=stepping))
    assert got == ("a name", family, model, stepping, expected)


def test_a_processor_without_cpuinfo_has_a_name():
    got = processor.identify("")
    assert got.name
    assert got[1:] == (None, None, None, None)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (("avx2", "avx512f", "amx-tile"), "AVX-512 with AMX"),
        (("avx2", "avx512f"), "AVX-512"),
        (("avx2",), "AVX2"),
        ((), "SSE"),
    ],
)
def test_a_kind_of_cpu_is_its_widest_instruction_set(monkeypatch, features, expected):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert processor.instructions(dict.fromkeys(features, True)) == expected
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert processor.instructions({}) == "NEON"


def test_caches_for_data_are_read_from_the_first_core(tmp_path):
    levels = ("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K"), ("3", "Unified", "33792K")
    for index, values in enumerate(levels):
        (tmp_path / f"index{index}").mkdir()
        for name, value in zip(("level", "type", "size"), values, strict=True):
            (tmp_path / f"index{index}" / name).write_text(f"{value}\n")
    assert processor.caches(tmp_path) == {"L1": "48 KiB", "L2": "2 MiB", "L3": "33 MiB"}
    assert processor.caches(tmp_path / "missing") == {}


def test_a_description_names_the_limits_of_the_instructions(monkeypatch):
    for name in machine.LIMITS:
        monkeypatch.delenv(name, raising=False)
    assert machine.describe(1)["limits"] == []
    monkeypatch.setenv("FASTMLP_VECTOR_BITS", "256")
    description = machine.describe(1)
    assert description["limits"] == ["FASTMLP_VECTOR_BITS"]
    assert description["limited_to"] is None
    assert {"instructions", "microarchitecture", "caches", "family", "model", "stepping"} <= set(description)


def test_a_limit_to_avx2_is_active_only_if_all_its_variables_are_set(monkeypatch):
    assert not instruction_limit.is_active()
    variables = instruction_limit.environment()
    assert "+avx512" not in variables["NUMBA_CPU_FEATURES"]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert instruction_limit.is_active()
    assert machine.describe(1)["limited_to"] == "AVX2"
    assert variables.items() <= instruction_limit.worker_environment().items()
    monkeypatch.delenv("XLA_FLAGS")
    assert not instruction_limit.is_active()


def test_a_worker_does_not_inherit_a_choice_of_code(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("FASTMLP_VECTOR_BITS", "256")
    variables = instruction_limit.worker_environment()
    assert "OPENBLAS_CORETYPE" not in variables
    assert variables["FASTMLP_VECTOR_BITS"] == "256"
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"


def test_a_limit_restarts_the_command_with_its_variables(monkeypatch):
    calls = []
    monkeypatch.setattr("os.execve", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(instruction_limit.llvm, "get_host_cpu_features", lambda: {"avx2": True, "avx512f": True})
    instruction_limit.restart(["--instructions", "avx2"])
    [(program, arguments, environment)] = calls
    assert program == sys.executable
    assert arguments[1:] == ["-m", "benchmarks", "--instructions", "avx2"]
    assert environment["ATEN_CPU_CAPABILITY"] == "avx2"


def test_a_limit_is_refused_on_a_cpu_without_avx512(monkeypatch):
    monkeypatch.setattr(instruction_limit.llvm, "get_host_cpu_features", lambda: {"avx2": True})
    with pytest.raises(SystemExit, match="--instructions: expected a CPU with AVX-512"):
        instruction_limit.restart([])


@pytest.mark.parametrize("name", ["fastmlp_float32", "fastmlp_estimator"])
def test_fastmlp_runs_with_the_threads_of_the_workload(workload, name, monkeypatch):
    pytest.importorskip(PACKAGES.get(name, "numpy"))
    numbers = []

    def counted(call, n_threads, *others):
        numbers.append(n_threads)
        return run_team(call, n_threads, *others)

    monkeypatch.setattr("fastmlp.training.trainer.run_team", counted)
    monkeypatch.setattr("fastmlp.model.predictor.run_team", counted)
    workload = replace(workload, n_threads=3)
    rival = rivals.load(name)
    if name == "fastmlp_float32":
        rival.train(workload, lambda compile_s: None, lambda epoch_s, loss: None)
    else:
        predict = rival.predictor(workload)
        numbers.clear()
        predict(workload.inputs)
    assert set(numbers) == {3}


def test_threads_get_cores_of_their_own_before_a_core_gets_two(tmp_path):
    for number, siblings in enumerate(["0,1", "0,1", "2,3", "2,3"]):
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{siblings}\n")
    assert machine.cores(1, range(4), tmp_path) == [3]
    assert machine.cores(2, range(4), tmp_path) == [1, 3]
    assert machine.cores(3, range(4), tmp_path) == [1, 2, 3]
    assert machine.cores(9, range(4), tmp_path) == [0, 1, 2, 3]
    assert machine.cores(2, range(4), tmp_path / "missing") == [2, 3]


def thread_entry(name="paper", **changes):
    """A case of a record of several threads, without times."""
    case = CASES[name]
    return {
        "network": "-".join(map(str, case.sizes)), "batch_size": case.batch_size, "optimizer": case.optimizer,
        "n_steps": case.n_steps, "data": "synthetic", "counts": {}, **changes,
    }  # fmt: skip


def thread_record(model):
    """A record of two threads, on near and on far cores, that took the times that a model computes."""
    train, predict = ({name: thread_entry(name) for name in threads.TASKS[task]} for task in ("train", "predict"))
    for entry in train.values():
        one, near, far = (model.step_seconds(entry, *arguments) for arguments in ((1,), (2,), (2, 2)))
        entry["counts"]["2"] = thread_times(model, one, near, far)
    for entry in predict.values():
        entry["batch_size"] = 5000
        entry["counts"]["2"] = thread_times(model, 1.0, 0.5, 0.5)
    start_s = {"2": [model.start_s]}
    return {
        "machine": example_machine(n_threads=2),
        "counts": [2],
        "start_s": start_s,
        "train": train,
        "predict": predict,
    }


def thread_times(model, one, near, far):
    """Pairs of which the last was measured on far cores."""
    n, barrier_s, far_barrier_s = thread_report.MIN_PAIRS, 2 * model.barrier_s, 2 * model.far_barrier_s
    return {
        "n_processes": 2, "one_s": [one] * n, "team_s": [near] * (n - 1) + [far],
        "barrier_s": [barrier_s] * (n - 1) + [far_barrier_s], "process_s": [one] * n, "processes_s": [1.25 * one] * n,
    }  # fmt: skip


@pytest.fixture
def cost_model():
    units = {
        "products": 4e-12,
        "activations": 4e-10,
        "Adam": 3e-10,
        "gather": 2e-10,
        "traffic": 5e-11,
        "constant": 1e-6,
    }
    return thread_model.ThreadModel(units | {"far traffic": 2e-10}, 5e-8, 1.5e-7, 8e-5)


def test_the_busiest_of_two_threads_of_the_papers_network_has_half_of_all_but_the_gather():
    one, two = (thread_model.counts_of(thread_entry("paper-adam"), n) for n in (1, 2))
    assert one["products"] == CASES["paper-adam"].flops / CASES["paper-adam"].n_samples * 64
    assert one["traffic"] == 0
    assert one["Adam"] == 3072 * 100 + 100 * 100 + 100 * 10
    assert {name for name in one if 2 * two[name] == one[name] > 0} == {"products", "activations", "Adam"}
    assert two["gather"] == one["gather"] == 2 * 3072 * 64
    assert two["traffic"] == 4 * (100 * 100 + 100 * 10 + 100 * 32 + (50 + 50 + 5) * 64 + 200 * 64) / 2


@pytest.mark.parametrize(("n", "columns"), [(1, 64), (2, 32), (3, 32), (4, 16), (64, 16)])
def test_samples_are_divided_in_whole_cache_lines(n, columns):
    assert thread_model.counts_of(thread_entry(), n)["activations"] == 210 * columns


@pytest.mark.parametrize("n_threads", [2, 3])
def test_a_step_has_as_many_barriers_as_the_model_counts(workload, n_threads):
    trainer = Trainer(model_of(workload), workload.inputs, workload.y, n_threads=n_threads)
    trainer.run_epoch(
        0.1
    )  # in one chunk: one barrier at its start, after the shuffle, and after the first forward pass
    n_crossings = trainer.workspace.barrier[GENERATION]
    assert n_crossings == thread_model.BARRIERS_PER_STEP * trainer.steps_per_epoch + 3


def test_the_fit_finds_the_costs_of_which_the_times_are_made(cost_model):
    got = thread_model.fit(thread_record(cost_model))
    assert got.unit_s == pytest.approx(cost_model.unit_s, rel=1e-3)
    assert (got.barrier_s, got.far_barrier_s, got.start_s) == pytest.approx((5e-8, 1.5e-7, 8e-5))


def test_without_far_cores_their_costs_are_those_of_near_ones_times_a_factor(cost_model):
    record = thread_record(cost_model)
    for entry in (*record["train"].values(), *record["predict"].values()):
        entry["counts"]["2"] = threads.by_distance(entry["counts"]["2"], 2)["near"]
    got, factor = thread_model.fit(record), thread_model.FAR_FACTOR
    assert got.unit_s["traffic"] == pytest.approx(5e-11, rel=1e-3)
    assert got.unit_s["far traffic"] == factor * got.unit_s["traffic"]
    assert got.far_barrier_s == factor * got.barrier_s


def test_pairs_are_divided_by_the_time_of_their_barrier(cost_model):
    pairs = threads.by_distance(thread_times(cost_model, 3.0, 2.0, 2.5), 2)
    assert {name: chosen["team_s"] for name, chosen in pairs.items()} == {"near": [2.0] * 6, "far": [2.5]}


def test_cores_of_several_groups_and_sockets_are_farther(cost_model):
    entry = thread_entry("small")
    seconds = [cost_model.step_seconds(entry, 64, *groups) for groups in ((1, 1), (2, 1), (8, 1), (8, 2))]
    assert seconds == sorted(set(seconds))
    near, far = (thread_model.counts_of(entry, 2, n_groups) for n_groups in (1, 2))
    assert near["traffic"] == far["far traffic"] > near["far traffic"] == far["traffic"] == 0


def test_no_more_threads_pay_than_the_least_with_nearly_the_shortest_time(cost_model):
    entry = thread_entry()
    n = thread_model.threads_that_pay(cost_model, entry)
    assert 2 < n < 64
    assert cost_model.step_seconds(entry, n) <= 1.05 * min(cost_model.step_seconds(entry, i) for i in range(1, 65))


def test_the_tables_of_threads_show_measured_and_computed_times(cost_model):
    record = thread_record(cost_model)
    text = thread_report.tables(record)
    entry = record["train"]["mnist"]
    one, near, far = (cost_model.step_seconds(entry, *arguments) for arguments in ((1,), (2,), (2, 2)))
    rows = [line for line in text.splitlines() if line.startswith("| 784-128-10, batch 128 |") and "**" in line]
    for row, n, distance, team, barrier in zip(rows, "61", ("near", "far"), (near, far), (1e-7, 3e-7), strict=True):
        speedup = f"**{one / team:.2f}** ({one / team:.2f} to {one / team:.2f})"
        assert [cell.strip() for cell in row.split("|")[2:-1]] == [
            f"2, {distance}", n, report.duration(one), report.duration(team), speedup, "1.60",
            f"{100 * 3 * barrier / team:.2g} %", report.duration(team),
        ]  # fmt: skip
    assert "2 threads on near cores 100 ns (100 to 100); 2 threads on far cores 300 ns (300 to 300)." in text
    assert "gather 200 ps per input and sample" in text
    assert thread_report.is_complete(record)


def test_a_record_of_some_cases_has_no_computed_times(cost_model):
    record = thread_record(cost_model)
    del record["train"]["large"]
    assert not thread_report.is_complete(record)
    assert "Constants" not in thread_report.tables(record)


@pytest.mark.parametrize("task", threads.TASKS)
def test_a_team_is_timed_against_one_thread_and_has_its_bits(workload, task, monkeypatch):
    monkeypatch.setattr(threads, "MIN_S", 1e-4)
    got = threads.team_pairs(task, workload, workload.inputs, 2, 2)
    assert {name: len(seconds) for name, seconds in got.items()} == {"one_s": 2, "team_s": 2, "barrier_s": 2}
    assert min(threads.speedups(got)) > 0


def test_processes_on_one_thread_are_timed_alone_and_together(workload, tmp_path, monkeypatch):
    workload.save(tmp_path / "workload")
    np.save(tmp_path / "inputs.npy", workload.inputs)
    got = threads.process_seconds("train", tmp_path, 1, 1)
    assert got["n_processes"] == 1
    assert 0.3 < threads.speedups(got, "processes")[0] < 3


def test_a_runner_counts_the_steps_of_an_epoch_and_the_calls_of_a_prediction(workload):
    assert [thread_worker.runner(task, workload, workload.inputs, 1)[1] for task in ("train", "predict")] == [8, 1]


def test_a_barrier_and_the_start_of_a_team_take_nanoseconds_to_milliseconds(monkeypatch):
    monkeypatch.setattr(threads, "N_CROSSINGS", 200)
    assert 1e-9 < threads.barrier_seconds(2) < 0.1
    assert 1e-6 < np.median(threads.start_seconds(2)) < 0.1


def test_all_threads_of_default_are_cores():
    assert all(1 < n <= (os.cpu_count() or 1) for n in threads.default_counts())


ROWS = {"size": [*range(40)], "colour": ["red", "blue"] * 20, "y": ["no"] * 20 + ["yes"] * 20}


@pytest.fixture
def table_file(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(ROWS).to_csv(tmp_path / "sizes.csv", index=False)
    monkeypatch.setenv("FASTMLP_TABLES", str(tmp_path))
    monkeypatch.setattr(tables, "TABLES", {"sizes.csv": ("y", None)})
    monkeypatch.setattr(machine, "pin", lambda n_threads: [])
    monkeypatch.setattr(fastmlp, "warmup", lambda: None)


def table_record(n_seeds=5):
    def results(scores, seconds):
        return {"score": [scores] * n_seeds, "cpu_s": [seconds] * n_seeds}

    entries = {}
    for number, name in enumerate(tables.TABLES):
        task = "regression" if number else "classification"
        found = {key: results(0.5, 1.0) for key, item in tables.COMPETITORS.items() if task in item.tasks}
        found |= {"fastmlp": results(0.75, 0.5), "fastmlp_paper": results(None, 0.25)}
        entries[name] = {"task": task, "n_rows": 1000, "n_features": 3, "results": found}
    return {"machine": machine.describe(1), "tables": entries}


def test_tables_are_fitted_by_every_competitor_that_is_available(table_file):
    names = ["fastmlp", "fastmlp_paper", "boosting", "sklearn_mlp", "sklearn_mlp_scaled"]
    entry = tables.run((), names, [0])["tables"]["sizes.csv"]
    assert (entry["task"], entry["n_rows"], entry["n_features"]) == ("classification", 40, 3)
    assert set(entry["results"]) == set(names) - {"sklearn_mlp_scaled"}
    assert entry["results"]["fastmlp"]["score"][0] > 0.8
    assert all(0 <= result["score"][0] <= 1 <= len(result["cpu_s"]) for result in entry["results"].values())


def test_each_seed_of_a_table_has_its_own_split(table_file):
    pairs = tables.datasets(tables.folder() / "sizes.csv", "y", None, [0, 1, 0])
    first, second, third = (dataset.X_test for _, dataset in pairs)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, third)


@pytest.mark.parametrize("name", ["fastmlp", "sklearn_mlp", "sklearn_mlp_scaled", "boosting"])
def test_the_score_of_a_regression_is_r2(name):
    x = np.linspace(0, 1, 60)[:, None]
    dataset = fastmlp.Dataset(x, 1000 * x, x[::2], 1000 * x[::2], task="regression")
    score, seconds = tables.measure(tables.COMPETITORS[name].fit, dataset, 0)
    assert score <= 1
    assert seconds > 0
    if name == "fastmlp":
        assert score > 0.9


def test_a_table_on_which_a_competitor_diverged_has_no_score():
    x = np.linspace(0, 1e6, 60)[:, None]
    dataset = fastmlp.Dataset(x, 1e9 * x, x, 1e9 * x, task="regression")
    assert tables.measure(tables.COMPETITORS["fastmlp_paper"].fit, dataset, 0)[0] is None


def test_a_missing_folder_of_tables_is_an_error(monkeypatch):
    monkeypatch.setenv("FASTMLP_TABLES", "/nowhere")
    with pytest.raises(FileNotFoundError, match="FASTMLP_TABLES"):
        tables.run((), ["fastmlp"], [0])


def test_the_tables_of_scores_show_means_and_times():
    record = table_record()
    assert table_report.is_complete(record)
    assert table_report.mean_score(record, "fastmlp_paper") == table_report.FLOOR
    assert table_report.mean_score(record, "sklearn_mlp_scaled") is None
    assert table_report.relative_time(record, "realmlp") == pytest.approx(2)
    text = table_report.text(record)
    n = len(tables.TABLES)
    assert f"| **fastmlp, preset tabular** | 0.750 | 0.750 | 0.750 | {n / 2:.1f} s | 1 x |" in text
    assert "| scikit-learn MLP, standardised target |  | 0.500 |  |  | 2 x |" in text
    assert "| 1,000 x 3 | accuracy | 0.750 | -1.000 |" in text


def test_a_record_of_tables_is_complete_with_all_competitors_and_seeds():
    record = table_record(n_seeds=4)
    assert not table_report.is_complete(record)
    record = table_record()
    del next(iter(record["tables"].values()))["results"]["realmlp"]
    assert not table_report.is_complete(record)


def test_fewer_seeds_of_a_competitor_are_said():
    record = table_record()
    record["tables"]["diamonds.csv"]["results"]["realmlp"]["score"] = [0.5]
    assert f"{tables.COMPETITORS['realmlp'].label} on diamonds.csv 1" in table_report.text(record)
