"""The commands train, evaluate and predict."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from time import perf_counter

import numpy as np
import pytest
from scipy import sparse

import fastmlp
from fastmlp.cli import RESULTS
from fastmlp.config import Config
from fastmlp.table.schema import TableSchema
from fastmlp.training.history import History

# train


def test_training_on_digits_is_far_better_than_the_majority_class(run, evaluation_pattern):
    code, out, _ = run("train")
    found = re.fullmatch(evaluation_pattern + r", 20 epochs in \d+\.\d+ s\n", out)
    assert code == 0
    assert float(found[1]) >= 0.85
    assert float(found[2]) < 0.2


def test_data_and_settings_are_printed_before_training(run):
    _, _, err = run("train", "--n-epochs", "1", "--hidden", "7", "--activation", "tanh")
    assert err.startswith(
        "digits: 1,438 training and 359 test samples\n64-7-10, tanh, sgd, learning rate 0.3, float32; preset paper\n"
    )


def test_a_network_without_hidden_layers_trains(run):
    code, _, err = run("train", "--n-epochs", "1", "--empty-hidden")
    assert code == 0
    assert "\n64-10, sigmoid," in err


def test_the_output_folder_has_five_files(results):
    assert sorted(path.name for path in results.iterdir()) == sorted(RESULTS)
    assert (results / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_config_json_can_be_read_as_a_config(results):
    assert Config.from_dict(json.loads((results / "config.json").read_text())) == Config(n_epochs=3, hidden=(20, 10))


def test_history_csv_has_one_row_per_epoch(results):
    assert History.from_csv(results / "history.csv")["epoch"] == [1, 2, 3]


def test_an_output_folder_that_is_a_file_is_refused(samples_npy, run):
    code, _, err = run("train", "--out", samples_npy)
    assert code == 2
    assert err.startswith(f"error: {samples_npy} cannot be written: ")


def test_missing_matplotlib_is_reported_before_training(monkeypatch, tmp_path, run):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = run("train", "--out", tmp_path / "runs")
    assert (code, err.count("\n")) == (2, 1)
    assert 'pip install "fastmlp[plot]"' in err


def test_a_run_that_diverges_exits_with_2_and_writes_its_results(tmp_path, run):
    flags = ["--activation", "relu", "--learning-rate", "1e30"]
    code, out, err = run("train", *flags, "--out", tmp_path / "runs")
    assert (code, out) == (2, "")
    assert "error: train_loss: expected a finite number, got nan in epoch 1" in err
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(RESULTS)


@pytest.mark.parametrize(
    "flags", [("--early-stopping", "loss"), ("--early-stopping", "score"), ("--schedule", "plateau")]
)
def test_a_fill_value_in_the_validation_set_exits_with_2_and_one_message(flags, tmp_path, run):
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X @ [1.0, 2.0, 3.0]
    y_val = np.where(np.arange(10) == 3, 9.96921e36, y[:10])
    path = tmp_path / "filled.npz"
    np.savez(path, X_train=X, y_train=y, X_test=X[:10], y_test=y[:10], X_val=X[:10], y_val=y_val)
    command = ("train", "--data", path, "--loss", "squared_error", "--hidden", "4", "--batch-size", "16", *flags)
    code, out, err = run(*command, "--out", tmp_path / "runs")
    assert (code, out, err.count("error")) == (2, "", 1 + err.count("squared_error"))
    assert "error: val_loss: expected a finite number, got inf in epoch 1" in err
    assert "in y_val (9.97e+36) and X_val (" in err
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(RESULTS)
    assert fastmlp.History.from_csv(tmp_path / "runs" / "history.csv") == fastmlp.History()


def test_all_invalid_settings_are_reported_at_once(run):
    code, out, err = run("train", "--learning-rate", "-1", "--batch-size", "0", "--beta1", "1")
    assert (code, out) == (2, "")
    assert err.startswith("error: 3 settings cannot be used\n")
    assert re.findall(r"^  (\w+): expected", err, re.MULTILINE) == ["learning_rate", "beta1", "batch_size"]


def test_fresh_without_a_folder_is_refused(run):
    code, out, err = run("train", "--fresh")
    assert (code, out) == (2, "")
    assert err == "error: --fresh: expected only with --out, got no --out; give the folder of the interrupted run\n"


def test_config_json_has_the_precision_that_was_used(run, amx_disabled, tmp_path):
    assert run("train", "--n-epochs", "1", "--precision", "auto", "--out", tmp_path / "out")[0] == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["precision"] == "float32"


def test_early_stopping_prints_the_score_on_the_validation_set(run):
    code, _, err = run("train", "--hidden", "8", "--early-stopping", "score", "--patience", "2", "--n-epochs", "50")
    assert code == 0
    assert re.search(r"epoch \d+/50  train loss \S+  val accuracy \S+  test accuracy \S+", err)


def test_a_loss_that_does_not_fit_the_data_is_refused(run):
    code, _, err = run("train", "--data", "digits", "--loss", "huber")
    assert code == 2
    assert err.startswith("error: task: expected 'classification', the task of digits, got 'regression'")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_ctrl_c_ends_training_within_a_second_with_one_line(spawn):
    process = spawn("train", "--n-epochs", "300", "--hidden", "500", "500", stdout=subprocess.PIPE)
    while not process.stderr.readline().startswith("epoch"):
        assert process.poll() is None
    sent = perf_counter()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert perf_counter() - sent < 1


# evaluate


def test_evaluate_prints_the_final_result_of_training(results, run, evaluation_pattern):
    code, out, _ = run("evaluate", results / "model.npz")
    last = History.from_csv(results / "history.csv")[-1]
    assert code == 0
    assert re.fullmatch(evaluation_pattern + "\n", out)[1] == f"{last['test_accuracy']:.4f}"


def test_evaluate_refuses_data_with_another_number_of_features(results, tmp_path, run):
    rows = [f"{i},{i % 2}" for i in range(20)]
    (tmp_path / "narrow.csv").write_text("\n".join(["x,target", *rows]) + "\n")
    code, _, err = run("evaluate", results / "model.npz", "--data", tmp_path / "narrow.csv", "--target", "target")
    assert code == 2
    assert err.startswith(f"data: {tmp_path / 'narrow.csv'}\nall 20 rows\nerror: ")


@pytest.mark.parametrize(("n_features", "loss"), [(7, "cross_entropy"), (64, "squared_error")])
def test_evaluate_says_that_data_that_do_not_fit_are_the_default(n_features, loss, tmp_path, run):
    fastmlp.init_model(fastmlp.Config(hidden=(), loss=loss), n_features, 10).save(tmp_path / "model.npz")
    code, _, err = run("evaluate", tmp_path / "model.npz")
    assert code == 2
    assert err.endswith("; the data are digits, the default: give others by --data\n")


@pytest.mark.parametrize("n_threads", ["1", "3", "auto"])
def test_the_number_of_threads_changes_no_result(n_threads, results, samples_npy, run):
    for command in (["evaluate", results / "model.npz"], ["predict", results / "model.npz", samples_npy]):
        assert run(*command, "--threads", n_threads) == run(*command)


@pytest.mark.parametrize("n_threads", ["0", "-1", "1.5", "two", "1000000000"])
def test_an_invalid_number_of_threads_is_refused(n_threads, results, run):
    code, _, err = run("evaluate", results / "model.npz", "--threads", n_threads)
    assert code == 2
    assert f"--threads: expected auto or an integer from 1 to 1024, got {n_threads}" in err


# predict


def test_predict_writes_labels_and_probabilities(results, model, samples_npy, samples, run):
    code, out, _ = run("predict", results / "model.npz", samples_npy)
    header, *rows = csv.reader(out.splitlines())
    got = np.array([row[1:] for row in rows], dtype=np.float32)
    assert code == 0
    assert header == ["label", *"0123456789"]
    assert [int(row[0]) for row in rows] == model.predict(samples).tolist()
    np.testing.assert_array_equal(got, model.predict_proba(samples))


def test_predict_reads_csv_and_writes_a_file(results, samples, tmp_path, samples_npy, run):
    names = ",".join(f"pixel{i}" for i in range(64))
    np.savetxt(tmp_path / "samples.csv", samples, delimiter=",", header=names, comments="")
    code, out, _ = run("predict", results / "model.npz", tmp_path / "samples.csv", "--out", tmp_path / "labels.csv")
    assert (code, out) == (0, "")
    assert (tmp_path / "labels.csv").read_text() == run("predict", results / "model.npz", samples_npy)[1]


def write_insects(tmp_path, names):
    n = len(names)
    rows = [f"{i % n + i / 1000},{names[i % n]}" for i in range(20 * n)]
    (tmp_path / "insects.csv").write_text("\n".join(["length,kind", *rows]) + "\n")
    return ["--data", tmp_path / "insects.csv", "--target", "kind"]


#: Options of `train` in these tests.
PAPER = ["--preset", "paper", "--batch-size", "4"]


def test_predict_writes_class_names(tmp_path, run):
    data = write_insects(tmp_path, ("ant", "bee"))
    np.save(tmp_path / "new.npy", np.array([[0.01], [1.01]]))
    assert run("train", *data, *PAPER, "--n-epochs", "40", "--out", tmp_path)[0] == 0
    code, out, _ = run("predict", tmp_path / "model.npz", tmp_path / "new.npy")
    assert code == 0
    assert [line.split(",")[0] for line in out.splitlines()] == ["label", "ant", "bee"]
    assert out.startswith("label,ant,bee\n")


def test_an_encoding_of_stdout_without_the_characters_of_a_class_is_an_error(tmp_path):
    model = fastmlp.init_model(fastmlp.Config(hidden=()), 1, 2)
    model.classes = ["Ameise", "Käfer"]
    model.save(tmp_path / "model.npz")
    np.save(tmp_path / "new.npy", np.zeros((1, 1)))
    command = [sys.executable, "-m", "fastmlp", "predict", tmp_path / "model.npz", tmp_path / "new.npy"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, encoding="ascii", env=environment)
    error = "error: stdout: expected an encoding with '\\xe4', got ascii; set PYTHONIOENCODING=utf-8"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, error)


@pytest.mark.parametrize("names", [(10, 30), ("ant", "bee")])
def test_labels_are_coded_with_a_note_and_come_back(names, tmp_path, run):
    data = write_insects(tmp_path, names)
    np.save(tmp_path / "new.npy", np.array([[0.01], [1.01]]))
    code, out, err = run("train", *data, *PAPER, "--n-epochs", "40", "--out", tmp_path)
    assert code == 0
    assert f"classes: {names[0]}, {names[1]} (coded 0, 1)\n" in err
    assert fastmlp.load_model(tmp_path / "model.npz").classes.tolist() == list(names)
    assert out.startswith("test accuracy 1.0000 ")
    assert run("evaluate", tmp_path / "model.npz", *data)[1].startswith("test accuracy 1.0000 ")
    lines = run("predict", tmp_path / "model.npz", tmp_path / "new.npy")[1].splitlines()
    assert [line.split(",")[0] for line in lines] == ["label", *map(str, names)]


def test_evaluate_compares_labels_not_codes(tmp_path, run):
    data = write_insects(tmp_path, (10, 30))
    assert run("train", *data, *PAPER, "--n-epochs", "1", "--out", tmp_path)[0] == 0
    code, _, err = run("evaluate", tmp_path / "model.npz", *write_insects(tmp_path, (10, 31)))
    assert code == 2
    assert err.splitlines()[1] == (
        "error: target 'kind': expected one of the classes '10', '30', got '31' in 20 of 40 rows, the first in line 3; "
        "name the target column by --target, or correct the labels"
    )


def test_a_model_without_recorded_classes_is_evaluated_by_their_names(tmp_path, run):
    data = write_insects(tmp_path, ("ant", "bee"))
    assert run("train", *data, *PAPER, "--n-epochs", "9", "--out", tmp_path)[0] == 0
    out, model = run("evaluate", tmp_path / "model.npz", *data)[1], fastmlp.load_model(tmp_path / "model.npz")
    model.classes = None
    model.save(tmp_path / "model.npz")
    assert fastmlp.load_model(tmp_path / "model.npz").classes.tolist() == [0, 1]
    assert run("evaluate", tmp_path / "model.npz", *data)[1] == out
    code, _, err = run("evaluate", tmp_path / "model.npz", *write_insects(tmp_path, ("ant", "wasp")))
    assert code == 2
    assert "error: target 'kind': expected one of the classes '0', '1', 'ant', 'bee', got 'wasp'" in err


def test_evaluate_refuses_data_with_other_classes(tmp_path, run):
    data = write_insects(tmp_path, ("ant", "bee"))
    assert run("train", *data, *PAPER, "--n-epochs", "1", "--out", tmp_path)[0] == 0
    code, _, err = run("evaluate", tmp_path / "model.npz", *write_insects(tmp_path, ("ant", "wasp")))
    assert code == 2
    assert err.splitlines()[1].startswith(
        "error: target 'kind': expected one of the classes 'ant', 'bee', got 'wasp' in"
    )


def test_a_table_is_described_and_the_options_of_its_columns_apply(tmp_path, run):
    rows = "".join(f"n{i:02};{i % 4};{i / 7:.3f};{'yn'[i % 2]}\n" for i in range(40))
    (tmp_path / "x.csv").write_text("name;code;size;kind\n" + rows)
    options = "--kind", "code=category", "--keep-as-id", "name", "--out", tmp_path / "out"
    code, _, err = run("train", "--data", tmp_path / "x.csv", "--n-epochs", "1", *options)
    assert code == 0
    assert err.startswith("40 rows, 2 columns as 5 features; target 'kind' (classification)\n")
    assert re.search(r"^  code +category of 4 levels", err, re.MULTILINE)
    assert "; preset tabular\n" in err
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert TableSchema.from_json(written["table"]) == fastmlp.load_model(tmp_path / "out" / "model.npz").table
    code, out, _ = run("predict", tmp_path / "out" / "model.npz", tmp_path / "x.csv")
    assert out.splitlines()[0] == "name,label,n,y"
    assert [line.split(",")[0] for line in out.splitlines()[1:]] == [f"n{i:02}" for i in range(40)]
    code, _, err = run("train", "--data", tmp_path / "x.csv", "--n-epochs", "1", "--out", tmp_path / "out")
    assert code == 2
    assert "  columns: expected ['name (id)', 'code (category)'" in err
    assert run("train", "--data", tmp_path / "x.csv", "--kind", "code")[2].startswith("error: --kind: expected COLUMN=")


def test_a_network_of_a_table_is_not_evaluated_on_a_named_data_set(tmp_path, run):
    assert run("train", *write_insects(tmp_path, ("ant", "bee")), *PAPER, "--n-epochs", "1", "--out", tmp_path)[0] == 0
    code, _, err = run("evaluate", tmp_path / "model.npz")
    assert code == 2
    assert err.endswith("expected a table with the columns that the network knows, got digits; name a file\n")


@pytest.mark.parametrize("names", [(10, 20, 30), ("ant", "bee", "wasp")])
def test_evaluate_accepts_data_without_some_of_the_classes(names, tmp_path, run):
    data = write_insects(tmp_path, names)
    assert run("train", *data, *PAPER, "--n-epochs", "20", "--out", tmp_path)[0] == 0
    model, dataset = (
        fastmlp.load_model(tmp_path / "model.npz"),
        fastmlp.load_data(write_insects(tmp_path, names[::2])[1], target="kind"),
    )
    code, out, _ = run("evaluate", tmp_path / "model.npz", *data)
    X, y = np.vstack([dataset.X_train, dataset.X_test]), np.hstack([dataset.y_train, dataset.y_test])
    ref = np.mean(model.predict(X) == dataset.classes[y])
    assert (code, out.split(" (")[0]) == (0, f"test accuracy {ref:.4f}")


def test_predict_does_not_replace_a_file_that_it_reads(results, samples_npy, run):
    for name in (samples_npy, results / "model.npz"):
        before = name.read_bytes()
        code, out, err = run("predict", results / "model.npz", samples_npy, "--out", name)
        assert (code, out, err) == (2, "", f"error: --out: expected another file than those to read, got {name}\n")
        assert name.read_bytes() == before


@pytest.mark.parametrize("space", [0, 8192])
def test_predictions_on_a_full_disk_leave_the_table_of_before(space, results, samples_npy, small_disk, run):
    table = small_disk.path / "labels.csv"
    table.write_text("label\n")
    small_disk.leave(space)
    code, out, err = run("predict", results / "model.npz", samples_npy, "--out", table)
    assert (code, out) == (2, "")
    assert err == f"error: the table of predictions could not be written to {table}: No space left on device\n"
    assert [(path.name, path.read_text()) for path in small_disk.path.glob("*labels*")] == [("labels.csv", "label\n")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no null device of this name")
def test_predictions_can_be_written_to_a_device(results, samples_npy, run):
    assert run("predict", results / "model.npz", samples_npy, "--out", os.devnull) == (0, "", "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE")
def test_a_closed_pipe_is_not_an_error(results, samples_npy, spawn):
    read, write = os.pipe()
    os.close(read)
    process = spawn("predict", results / "model.npz", samples_npy, stdout=write)
    os.close(write)
    assert "rror" not in process.communicate(timeout=60)[1]
    assert process.returncode == 141


# regression


@pytest.fixture
def price_table(tmp_path):
    """Folder with a table whose target is a price, and with samples to predict."""
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    y = 3 * X[:, 0] - X[:, 1]
    rows = [f"{a},{b},{c},{price}" for (a, b, c), price in zip(X, y, strict=True)]
    (tmp_path / "prices.csv").write_text("\n".join(["age,rooms,noise,price", *rows]) + "\n")
    np.save(tmp_path / "new.npy", X[:5])
    return tmp_path


def test_train_evaluate_and_predict_with_a_numerical_target(price_table, run):
    data = ["--data", price_table / "prices.csv", "--target", "price"]
    settings = ["--loss", "squared_error", "--optimizer", "adam", "--learning-rate", "0.05"]
    train = ["train", *data, "--preset", "paper", *settings, "--hidden", "16", "--batch-size", "16", "--n-epochs", "40"]
    code, out, err = run(*train, "--out", price_table / "out")
    assert code == 0
    assert float(re.match(r"test R2 (\S+), test loss", out)[1]) > 0.9
    assert "3-16-1, sigmoid, adam" in err
    model = price_table / "out" / "model.npz"
    assert float(re.match(r"test R2 (\S+), test loss", run("evaluate", model, *data)[1])[1]) > 0.9
    code, out, _ = run("predict", model, price_table / "new.npy")
    header, *rows = out.splitlines()
    got = np.array(rows, dtype=float)
    assert (code, header) == (0, "prediction")
    assert abs(got - fastmlp.load_model(model).predict(np.load(price_table / "new.npy"))).max() < 1e-4


@pytest.mark.parametrize("n_threads", ["auto", "1", "2"])
def test_train_gives_the_same_network_with_any_number_of_threads(n_threads, model, tmp_path, run):
    options = "--n-epochs", 3, "--hidden", 20, 10, "--out", tmp_path
    assert run("train", *options, "--threads", n_threads)[0] == 0
    np.testing.assert_array_equal(fastmlp.load_model(tmp_path / "model.npz").params.theta, model.params.theta)


@pytest.mark.parametrize("word", ["0", "-1", "two", "1.5", "9" * 5000])
def test_train_refuses_other_numbers_of_threads(word, run):
    code, _, err = run("train", "--threads", word)
    assert code == 2
    assert f"--threads: expected auto or an integer from 1 to 1024, got {word:.200}" in err


# sparse samples


@pytest.fixture
def sparse_folder(make_sparse_and_dense, tmp_path):
    data, _ = make_sparse_and_dense()
    for part in ("train", "test"):
        sparse.save_npz(tmp_path / f"X_{part}.npz", getattr(data, f"X_{part}"))
        np.save(tmp_path / f"y_{part}.npy", getattr(data, f"y_{part}"))
    return tmp_path


def test_train_evaluate_and_predict_with_sparse_samples(sparse_folder, run, spawn):
    data = ["--data", sparse_folder]
    code, out, err = run("train", *data, "--hidden", "8", "--n-epochs", "3", "--out", sparse_folder / "out")
    assert code == 0
    assert "80 training and 20 test samples\n40-8-2, sigmoid" in err
    model = sparse_folder / "out" / "model.npz"
    assert run("evaluate", model, *data)[1].strip() in out
    code, predicted, _ = run("predict", model, sparse_folder / "X_test.npz")
    X = sparse.load_npz(sparse_folder / "X_test.npz")
    assert code == 0
    header, *rows = csv.reader(predicted.splitlines())
    assert header == ["label", "0", "1"]
    assert [int(row[0]) for row in rows] == fastmlp.load_model(model).predict(X).tolist()
    process = spawn("predict", model, sparse_folder / "X_test.npz", stdout=subprocess.PIPE)
    assert (process.communicate(timeout=60)[0], process.returncode) == (predicted, 0)


def test_sparse_samples_without_targets_are_refused_with_the_files_to_write(sparse_folder, tmp_path, run):
    alone = tmp_path / "alone" / "X.npz"
    alone.parent.mkdir()
    (sparse_folder / "X_train.npz").rename(alone)
    code, _, err = run("train", "--data", alone)
    assert code == 2
    assert "expected samples with targets, got a sparse matrix alone; write X_train.npz and X_test.npz by" in err
