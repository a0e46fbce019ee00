"""The benchmarks' own logic: what is given to rivals, how they are judged and summed up, when the gate falls."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fastmlp

# Behind everything else, so that an installed fastmlp is still the one that is tested.
sys.path.append(str(Path(__file__).parents[1]))

from benchmarks import compare, history, paired, peak, record, report, rivals, validate
from benchmarks.case import CASES, Case, Workload, make_workload, synthetic_data

TINY = Case(sizes=(8, 5, 3), batch_size=16, n_samples=120)


@pytest.fixture
def task():
    return make_workload(TINY, n_epochs=2)[0]


def made_up_duel(name, ours_s, rival_s, peaks=(1e9, 1e9)):
    return paired.PairedComparison(
        name, name, "1.0", 0.0, 0.0, list(peaks), list(ours_s), list(rival_s), [(1.0, 1.0)]
    ).to_dict()


@pytest.fixture
def made_up_record():
    comparisons = {
        "numpy_blas": made_up_duel("numpy_blas", (1.0, 2.0), (3.0, 8.0)),
        "jax_scan": made_up_duel("jax_scan", (1.0, 1.0), (2.0, 2.0)),
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


def test_the_papers_network_costs_what_the_design_says():
    assert CASES["paper"].flops / CASES["paper"].n_samples == 1_294_800


def test_synthetic_data_can_be_learnt_but_not_wholly():
    X, y = synthetic_data(4000, 784, 10)
    run = fastmlp.train(fastmlp.Dataset(X, y, X, y), fastmlp.Config(hidden=(), n_epochs=5, learning_rate=0.1))
    assert 0.2 < run.history[-1]["test_accuracy"] < 0.9


def test_a_task_survives_its_files(task, tmp_path):
    task.save(tmp_path / "task")
    got = Workload.load(tmp_path / "task")
    assert got.case == task.case
    for name in ("X", "y", "orders"):
        np.testing.assert_array_equal(getattr(got, name), getattr(task, name))
    for ours, theirs in zip(task.weights + task.biases, got.weights + got.biases, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_batches_hold_every_sample_of_an_order_once(task):
    np.testing.assert_array_equal(np.concatenate(task.batches(task.orders[1])), task.orders[1])
    assert sorted(task.orders[1]) == list(range(TINY.n_samples))


def test_the_judge_agrees_with_a_models_own_evaluation(task):
    model = fastmlp.init_model(fastmlp.Config(hidden=(5,)), 8, 3)
    model.weights, model.biases = task.weights, task.biases
    assert task.loss(task.weights, task.biases) == pytest.approx(model.evaluate(task.inputs, task.y).loss, rel=1e-6)


@pytest.mark.parametrize("changes", [{}, {"l2": 0.01}, {"optimizer": "adam", "learning_rate": 0.01}], ids=str)
def test_fastmlp_learns_what_numpy_learns(changes):
    validate.check_training(replace(TINY, **changes))


@pytest.mark.parametrize("name", ["fastmlp_float32", "fastmlp_uint8", "numpy_blas", "sklearn_mlp"])
def test_a_rival_reports_every_epoch_and_reaches_the_same_loss(task, name):
    if name == "sklearn_mlp":
        pytest.importorskip("sklearn")
    ready, losses = [], []
    rivals.load(name).train(task, ready.append, lambda epoch_s, loss: losses.append(loss))
    assert len(ready) == 1
    assert losses[0] == pytest.approx(validate.numpy_loss(task), rel=1e-5)
    assert len(losses) == task.n_epochs


@pytest.mark.parametrize("name", [rivals.OURS, *rivals.NAMES])
def test_every_rival_has_the_same_three_names(name):
    module = rivals.load(name)
    assert isinstance(module.label, str)
    assert callable(module.version)
    assert callable(module.train)


def test_a_duel_is_fought_in_two_processes(task, tmp_path):
    task.save(tmp_path / "task")
    fought = paired.run_pairs("numpy_blas", tmp_path / "task", 1)
    assert len(fought.losses) == 2
    assert fought.ours_s[0] > 0
    assert fought.rival_s[0] > 0
    record.check_losses(fought, 1e-5)


def test_a_worker_that_dies_says_what_it_died_of(tmp_path):
    with pytest.raises(paired.WorkerError, match=r"benchmarks\.rivals\.nobody"):
        paired.Worker(["-m", "benchmarks.worker", "nobody", str(tmp_path)])


@pytest.mark.parametrize("theirs", [1.02, 0.98, float("nan")])
def test_another_loss_is_refused(theirs):
    fought = paired.PairedComparison("numpy_blas", "NumPy", "1.0", 0.0, 0.0, losses=[(1.0, 1.0), (1.0, theirs)])
    with pytest.raises(record.LossError, match=r"NumPy: loss .* after epoch 2"):
        record.check_losses(fought, 0.01)


def test_ratios_are_medians_over_pairs(made_up_record):
    case = made_up_record["cases"]["tiny"]
    assert record.ratio(case["comparisons"]["numpy_blas"]) == 3.5
    assert record.ours_s(case) == 1.0
    assert record.share_of_peak(case) == 0.5


def test_the_table_has_a_row_a_rival_and_no_row_for_the_absent(made_up_record):
    rows = report.table(made_up_record).splitlines()
    assert rows[2] == "| **fastmlp**, a step | **100 ms** |"
    assert rows[3] == "| share of the FMA peak | 0.50 |"
    assert rows[4:6] == ["| NumPy | 3.50 x |", "| JAX | 2.00 x |"]
    assert not any("scikit-learn |" in row for row in rows)


def test_the_readme_is_filled_between_its_markers_only(made_up_record, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.START}\nold\n{report.END}\nafter\n")
    report.fill_readme(made_up_record, readme)
    report.fill_readme(made_up_record, readme)
    text = readme.read_text()
    assert text == f"before\n{report.START}\n{report.table(made_up_record)}\n{report.END}\nafter\n"


def test_a_readme_without_markers_is_refused(made_up_record, tmp_path):
    (tmp_path / "README.md").write_text("no markers")
    with pytest.raises(ValueError, match="benchmarks:start"):
        report.fill_readme(made_up_record, tmp_path / "README.md")


def test_the_plot_is_drawn(made_up_record, tmp_path):
    pytest.importorskip("matplotlib")
    report.plot(made_up_record, tmp_path / "plot.png")
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
def test_the_gate_suspects_only_where_nearly_all_pairs_agree(ratios, expected):
    assert compare.is_candidate(ratios, 1.04) is expected


def test_a_suspect_is_slower_only_if_new_pairs_say_so_too():
    slow, quiet = [1.08] * 9, [1.0] * 9
    assert compare.Verdict("paper", slow, slow, 1.04).is_slower
    assert not compare.Verdict("paper", slow, quiet, 1.04).is_slower
    assert not compare.Verdict("paper", quiet, [], 1.04).is_slower


def test_a_comparisons_table_names_what_is_slower():
    measured = {"paper": ([1.08] * 9, [1.09] * 9), "tiny": ([0.9] * 9, []), "paper, bf16": ([], [])}
    rows = compare.table(compare.Verdict(name, *ratios, 1.04) for name, ratios in measured.items()).splitlines()
    assert [row.split("  ")[-1] for row in rows[1:]] == ["SLOWER", "faster", "left out"]


def test_the_peak_is_that_of_a_computer():
    assert 1e9 < peak.measure() < 1e12
