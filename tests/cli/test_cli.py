import csv
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

import fastmlp
from fastmlp.cli import RESULTS, main
from fastmlp.config import Config
from fastmlp.training.history import History

VERDICT = r"test accuracy (0\.\d{4}) \(majority class (0\.\d{4})\), test loss \d+\.\d+"
COMMAND = [sys.executable, "-m", "fastmlp"]


@pytest.fixture
def run(capsys):
    def run_main(*argv):
        code = main([str(word) for word in argv])
        return code, *capsys.readouterr()

    return run_main


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "--n-epochs", "3", "--hidden", "20", "10", "--out", str(out)]) == 0
    return out


def load(results):
    return fastmlp.load_model(results / "model.npz")


@pytest.fixture(scope="module")
def samples():
    return fastmlp.load_data("digits").X_test


@pytest.fixture
def samples_npy(samples, tmp_path):
    np.save(tmp_path / "samples.npy", samples)
    return tmp_path / "samples.npy"


# train


def test_training_on_digits_beats_the_majority_class_by_far(run):
    code, out, _ = run("train")
    found = re.fullmatch(VERDICT + r", 20 epochs in \d+\.\d s\n", out)
    assert code == 0
    assert float(found[1]) >= 0.85
    assert float(found[2]) < 0.2


def test_before_training_it_says_on_what_and_with_which_settings(run):
    _, _, err = run("train", "--n-epochs", "1", "--hidden", "7", "--activation", "tanh")
    assert err.startswith(
        "digits: 1,438 training and 359 test samples\n64-7-10, tanh, sgd, learning rate 0.3, float32\n"
    )


@pytest.mark.parametrize(("n_epochs", "n_lines"), [(1, 1), (20, 20), (21, 11), (100, 20)])
def test_without_a_terminal_there_are_at_most_twenty_lines_and_the_last_epochs_is_there(n_epochs, n_lines, run):
    _, _, err = run("train", "--n-epochs", n_epochs, "--hidden", "2")
    lines = [line for line in err.splitlines() if line.startswith("epoch")]
    assert len(lines) == n_lines
    assert re.fullmatch(
        rf"epoch {n_epochs}/{n_epochs}  train loss \d\.\d+  test accuracy 0\.\d{{4}}  [\d,]+ samples/s", lines[-1]
    )


def test_a_network_without_hidden_layers_trains(run):
    code, _, err = run("train", "--n-epochs", "1", "--empty-hidden")
    assert code == 0
    assert "\n64-10, sigmoid," in err


def test_out_holds_the_four_results(results):
    assert sorted(path.name for path in results.iterdir()) == sorted(RESULTS)
    assert (results / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_config_json_gives_back_the_config(results):
    assert Config.from_dict(json.loads((results / "config.json").read_text())) == Config(n_epochs=3, hidden=(20, 10))


def test_history_csv_has_a_row_an_epoch(results):
    assert History.from_csv(results / "history.csv")["epoch"] == [1, 2, 3]


def test_a_folder_with_results_is_refused_before_training_and_left_alone(results, run):
    before = {path: path.read_bytes() for path in results.iterdir()}
    code, out, err = run("train", "--out", results)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: .*digits holds config\.json, .* already: name another folder.*\n", err)
    assert {path: path.read_bytes() for path in results.iterdir()} == before


def test_an_out_that_is_a_file_is_refused(samples_npy, run):
    code, _, err = run("train", "--out", samples_npy)
    assert code == 2
    assert err.startswith(f"error: {samples_npy} cannot be written: ")


def test_missing_matplotlib_is_said_before_training(monkeypatch, tmp_path, run):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = run("train", "--out", tmp_path / "runs")
    assert (code, err.count("\n")) == (2, 1)
    assert 'pip install "fastmlp[plot]"' in err


def test_divergence_exits_2_and_keeps_what_was_learnt(tmp_path, run):
    flags = ["--activation", "relu", "--learning-rate", "1e30"]
    code, out, err = run("train", *flags, "--out", tmp_path / "runs")
    assert (code, out) == (2, "")
    assert "error: the loss is no longer finite in epoch 1" in err
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(RESULTS)


def test_every_mistaken_setting_is_named_at_once(run):
    code, out, err = run("train", "--learning-rate", "-1", "--batch-size", "0", "--beta1", "1")
    assert (code, out) == (2, "")
    assert err.startswith("error: 3 settings cannot be used\n")
    assert re.findall(r"^  (\w+): expected", err, re.MULTILINE) == ["learning_rate", "beta1", "batch_size"]


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_line(run):
    _, _, err = run("train", "--n-epochs", "1", "--batch-size", "100000")
    assert re.search(r"^warning: .*batch", err, re.MULTILINE)
    assert "UserWarning" not in err


# precisions


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--n-epochs", "1"],
        ["sweep", "--n-epochs", "1", "--repeats", "1", "--n-jobs", "1"],
        ["paper", "--data", "digits", "--figure", "1", "--repeats", "1", "--epochs", "1", "--n-jobs", "1"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("precision", ["auto", "bf16"])
def test_without_the_unit_one_line_says_so(run, masked, tmp_path, command, precision):
    code, _, err = run(*command, "--precision", precision, "--out", tmp_path / "out")
    assert code == 0
    reason = {"auto": "the samples are float32, and not uint8", "bf16": "FASTMLP_AMX is 0"}[precision]
    assert err.count("float32, since") == 1
    assert f"precision {precision}: float32, since {reason}\n" in err


def test_the_precision_that_was_taken_is_kept_with_the_run(run, masked, tmp_path):
    assert run("train", "--n-epochs", "1", "--precision", "auto", "--out", tmp_path / "out")[0] == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["precision"] == "float32"


# what one types wrongly


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["train", "--learning-rat", "1"], "--learning-rat. Did you mean --learning-rate?"),
        (["train", "--activation", "sigmoyd"], '"sigmoid", "tanh", "relu", "identity"'),
        (["train", "--n-epochs", "many"], "--n-epochs"),
        (["train", "--n-epochs", "1.5"], "--n-epochs: expected integers, got 1.5"),
        (["train", "--hidden", "10", "2.5"], "--hidden: expected integers, got 10 2.5"),
        (["train", "--hidden", str(10**15)], "Unable to allocate"),
        (["train", "--hidden"], "--hidden"),
        (["trian"], 'Did you mean "train"?'),
        (["predict"], "MODEL"),
        (["train", "--data", "cifar11"], "cifar11"),
        (["evaluate", "nowhere.npz"], "nowhere.npz"),
    ],
)
def test_a_mistake_exits_2_with_a_message_on_stderr(argv, message, run):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert re.search(rf"^error: .*{re.escape(message)}", err, re.MULTILINE | re.DOTALL)


# help


def test_every_setting_has_a_described_flag(run):
    code, out, _ = run("train", "--help")
    assert code == 0
    for name in (field.name.replace("_", "-") for field in fields(Config)):
        assert re.search(rf"--{name} .*[a-z]", out)
    assert out.count("[default:") >= len(fields(Config))


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "export", "data", "warmup", "info"])
def test_every_command_is_listed_and_explains_itself(command, run):
    assert re.search(rf"^. {command} +[A-Z]", run("--help")[1], re.MULTILINE)
    assert run(command, "--help")[0] == 0


def test_the_version_is_the_packages(run):
    assert run("--version") == (0, f"{fastmlp.__version__}\n", "")


# evaluate, predict


def test_evaluate_gives_what_training_ended_with(results, run):
    code, out, _ = run("evaluate", results / "model.npz")
    last = History.from_csv(results / "history.csv")[-1]
    assert code == 0
    assert re.fullmatch(VERDICT + "\n", out)[1] == f"{last['test_accuracy']:.4f}"


def test_evaluate_refuses_data_of_another_width(results, tmp_path, run):
    rows = [f"{i},{i % 2}" for i in range(20)]
    (tmp_path / "narrow.csv").write_text("\n".join(["x,target", *rows]) + "\n")
    code, _, err = run("evaluate", results / "model.npz", "--data", tmp_path / "narrow.csv", "--target", "target")
    assert code == 2
    assert err.startswith("error: ")


def test_predict_writes_a_label_and_a_probability_a_class(results, samples_npy, samples, run):
    code, out, _ = run("predict", results / "model.npz", samples_npy)
    header, *rows = csv.reader(out.splitlines())
    model = fastmlp.load_model(results / "model.npz")
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


def test_class_names_are_the_labels(tmp_path, run):
    rows = [f"{i % 2 + i / 1000},{'bee' if i % 2 else 'ant'}" for i in range(40)]
    (tmp_path / "insects.csv").write_text("\n".join(["length,kind", *rows]) + "\n")
    np.save(tmp_path / "new.npy", np.array([[0.01], [1.01]]))
    train = ["train", "--data", tmp_path / "insects.csv", "--target", "kind", "--batch-size", "4", "--n-epochs", "40"]
    assert run(*train, "--out", tmp_path)[0] == 0
    code, out, _ = run("predict", tmp_path / "model.npz", tmp_path / "new.npy")
    assert code == 0
    assert [line.split(",")[0] for line in out.splitlines()] == ["label", "ant", "bee"]
    assert out.startswith("label,ant,bee\n")


# export


def test_export_writes_the_format_that_the_suffix_names(results, samples, tmp_path, run):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    model = results / "model.npz"
    for suffix in (".safetensors", ".npz", ".ONNX"):
        out = tmp_path / f"model{suffix}"
        assert run("export", model, out) == (0, "", f"wrote {out}\n")
        model = model if suffix == ".ONNX" else out
    np.testing.assert_array_equal(fastmlp.load_model(model).predict(samples), load(results).predict(samples))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ONNX", "model.npz", "model.safetensors"]


def test_an_exported_graph_takes_the_type_that_was_asked_for(results, samples, tmp_path, run):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    assert run("export", results / "model.npz", tmp_path / "model.onnx", "--input-type", "uint8")[0] == 0
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    octets = (samples > samples.mean()).astype(np.uint8)
    (label,) = session.run(["label"], {"X": octets})
    np.testing.assert_array_equal(label, load(results).predict(octets))


@pytest.mark.parametrize("name", ["model.h5", "model", "onnx", "model.npz.gz"])
def test_export_to_another_format_is_refused_and_writes_nothing(name, results, tmp_path, run):
    code, out, err = run("export", results / "model.npz", tmp_path / name)
    assert (code, out) == (2, "")
    assert err == f"error: out: expected a name that ends in one of .onnx, .safetensors, .npz, got {name!r}\n"
    assert list(tmp_path.iterdir()) == []


def test_an_input_type_is_only_a_graphs(results, tmp_path, run):
    code, _, err = run("export", results / "model.npz", tmp_path / "twin.npz", "--input-type", "uint8")
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert "expected only with an .onnx file" in err


@pytest.fixture
def houses(tmp_path):
    """A table whose target is a number."""
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    y = 3 * X[:, 0] - X[:, 1]
    rows = [f"{a},{b},{c},{price}" for (a, b, c), price in zip(X, y, strict=True)]
    (tmp_path / "houses.csv").write_text("\n".join(["age,rooms,noise,price", *rows]) + "\n")
    np.save(tmp_path / "new.npy", X[:5])
    return tmp_path


NUMBERS = ["--target", "price", "--loss", "squared_error", "--optimizer", "adam", "--learning-rate", "0.05"]


def test_a_column_of_numbers_is_predicted(houses, run):
    data = ["--data", houses / "houses.csv", *NUMBERS[:2]]
    train = ["train", *data, *NUMBERS[2:], "--hidden", "16", "--batch-size", "16", "--n-epochs", "40"]
    code, out, err = run(*train, "--out", houses / "out")
    assert code == 0
    assert float(re.match(r"test R2 (\S+), test loss", out)[1]) > 0.9
    assert "3-16-1, sigmoid, adam" in err
    assert run("evaluate", houses / "out" / "model.npz", *data)[1].split(",")[0] == out.split(",")[0]
    code, out, _ = run("predict", houses / "out" / "model.npz", houses / "new.npy")
    header, *rows = out.splitlines()
    got = np.array(rows, dtype=float)
    assert (code, header) == (0, "prediction")
    assert abs(got - fastmlp.load_model(houses / "out" / "model.npz").predict(np.load(houses / "new.npy"))).max() < 1e-4


def test_a_loss_that_data_is_not_for_exits_2(run):
    code, _, err = run("train", "--data", "digits", "--loss", "huber")
    assert code == 2
    assert err.startswith("error: task is 'regression'; digits is for classification")


def test_early_stopping_tells_of_the_validation_set(run):
    code, _, err = run("train", "--hidden", "8", "--early-stopping", "score", "--patience", "2", "--n-epochs", "50")
    assert code == 0
    assert re.search(r"epoch \d+/50  train loss \S+  val accuracy \S+  test accuracy \S+", err)


# data, warmup, info


def test_data_lists_what_has_a_name(run):
    code, out, _ = run("data")
    assert code == 0
    assert {"digits", "cifar10", "mnist", "fashion-mnist"} <= {line[:14].rstrip() for line in out.splitlines()}


def test_data_fetches_one_and_says_where_it_lies(run):
    code, out, _ = run("data", "digits")
    assert code == 0
    assert Path(out.rstrip("\n")).exists()


def test_info_names_versions_cpu_and_cache(run):
    code, out, _ = run("info")
    assert code == 0
    names = {line[:14].strip() for line in out.splitlines()}
    assert {"fastmlp", "python", "numba", "numpy", "platform", "vector width", "register tile", "cache folder"} <= names
    assert "bf16 unit" in names


def test_warmup_leaves_nothing_to_compile(run):
    assert run("warmup")[0] == 0
    lines = run("warmup")[1].splitlines()
    assert lines[:2] == ["float32: compiled already", "float64: compiled already"]
    assert all(re.fullmatch(r"(bf16x3, bf16x2, )?bf16: compiled already", line) for line in lines[2:])


def test_info_tells_why_a_unit_is_idle(run, masked):
    assert re.search(r"^bf16 unit +amx, idle: FASTMLP_AMX is 0$", run("info")[1], re.MULTILINE)


def test_warmup_leaves_a_masked_unit_alone(run, masked):
    assert run("warmup")[1].splitlines() == ["float32: compiled already", "float64: compiled already"]


# in a process of its own


def spawn(*argv, **options):
    return subprocess.Popen([*COMMAND, *map(str, argv)], stderr=subprocess.PIPE, text=True, **options)


def test_python_m_fastmlp_is_the_same_program():
    got = subprocess.run([*COMMAND, "train", "--n-epochs", "2"], capture_output=True, text=True, check=True)
    assert re.fullmatch(VERDICT + r", 2 epochs in .*\n", got.stdout)


def test_the_script_is_installed_beside_the_interpreter():
    script = Path(sys.executable).with_name("fastmlp" + ".exe" * (os.name == "nt"))
    if not script.exists():
        pytest.skip("fastmlp runs from its source tree here")
    got = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert got.stdout == f"{fastmlp.__version__}\n"


def test_without_cyclopts_the_script_names_the_pip_command():
    code = "import sys; sys.modules['cyclopts'] = None; from fastmlp.__main__ import main; sys.exit(main())"
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert got.returncode == 2
    assert got.stderr == (
        'error: The command line needs cyclopts, which is not installed. Run: pip install "fastmlp[cli]"\n'
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_ctrl_c_ends_training_within_a_second_with_one_line():
    process = spawn("train", "--n-epochs", "300", "--hidden", "500", "500", stdout=subprocess.PIPE)
    while not process.stderr.readline().startswith("epoch"):
        assert process.poll() is None
    pressed = perf_counter()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert perf_counter() - pressed < 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE")
def test_a_reader_that_goes_away_is_no_mistake(results, samples_npy):
    read, write = os.pipe()
    os.close(read)
    process = spawn("predict", results / "model.npz", samples_npy, stdout=write)
    os.close(write)
    assert "rror" not in process.communicate(timeout=60)[1]
    assert process.returncode == 141


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_a_terminal_gets_a_bar():
    terminal, write = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen([*COMMAND, "train"], stdout=subprocess.DEVNULL, stderr=write, env=environment)
    os.close(write)
    shown = read_all(terminal)
    assert process.wait(60) == 0
    assert "epoch 20/20" in shown
    assert "━━━━" in shown
    assert "samples/s  00:00" in shown
    assert max(map(len, re.split(r"[\r\n]+", shown))) <= 80


def read_all(terminal):
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # Linux says so where others give an empty piece
            piece = b""
        if not piece:
            os.close(terminal)
            return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
        shown += piece
