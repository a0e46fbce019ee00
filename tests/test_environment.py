"""Full disks, folders without permission, forks, concurrent processes: each works or prints an error with its cause."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastmlp
from fastmlp.codegen import cache
from fastmlp.errors import OutputError
from fastmlp.io import directories

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has other limits, permissions and processes")
TRAIN = ["train", "--n-epochs", "1", "--hidden", "100", "100"]
PACKAGE = str(Path(fastmlp.__file__).parents[1])

ENTRY = """
import sys
from fastmlp.codegen import jit

@jit.kernel(cache=True)
def entry(x):
    return x + x
"""


@pytest.fixture(scope="module", autouse=True)
def cached_kernels():
    """Compile the kernels once: otherwise every process below would, and some could not cache them."""
    fastmlp.warmup()


def run_code(code, *argv, **environment):
    variables = {**os.environ, "PYTHONPATH": PACKAGE, **environment}
    command = [sys.executable, "-c", code, *map(str, argv)]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=100)


def run_main(before, *argv, **environment):
    """Run the command line in a process that executes `before` first."""
    code = f"import os, sys\nfrom fastmlp.cli import main\n{before}\nsys.exit(main(sys.argv[1:]))"
    return run_code(code, *argv, **environment)


def reports_error(done, message):
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert message in done.stderr.splitlines()[-1]
    return True


# a full disk


FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))"


@POSIX
def test_a_run_on_a_full_disk_prints_its_result_and_an_error_and_leaves_no_file(tmp_path):
    out = tmp_path / "runs"
    done = run_main(FULL, *TRAIN, "--out", out)
    assert done.returncode == 2
    assert done.stdout.startswith("test accuracy 0.")
    assert done.stderr.splitlines()[-2:] == [
        f"warning: the checkpoint could not be written to {out}/checkpoint.npz: File too large; there is no checkpoint",
        f"error: the model could not be written to {out}/model.npz: File too large; there is no checkpoint in {out}: "
        "free some space, and train again",
    ]
    assert list(out.iterdir()) == []


@POSIX
def test_a_study_on_a_full_disk_reports_an_error_and_resumes_with_free_space(tmp_path):
    sweep = ["sweep", "--vary", "l2=0.1,0.01", "--repeats", "15", "--n-epochs", "1", "--hidden", "5", "--out", tmp_path]
    assert reports_error(run_main(FULL, *sweep, "--n-jobs", "1"), "runs.jsonl cannot be written: File too large")
    kept = (tmp_path / "runs.jsonl").read_bytes()
    done = run_main("", *sweep)
    assert done.returncode == 0
    assert (tmp_path / "runs.jsonl").read_bytes().startswith(kept[: kept.rindex(b"\n")])
    assert len(fastmlp.load_study(tmp_path).records()) == 30


@POSIX
def test_metadata_of_a_study_on_a_full_disk_leaves_no_file(tmp_path):
    none = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    done = run_main(none, "sweep", "--vary", "l2=0.1", "--out", tmp_path)
    assert reports_error(done, f"error: the study could not be written to {tmp_path}/study.json: File too large")
    assert not [path.name for path in tmp_path.iterdir() if "json" in path.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no disk that is always full")
@pytest.mark.parametrize("argv", [TRAIN, ["info"], ["--help"], ["data"]])
def test_a_full_disk_behind_stdout_is_reported(argv):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "fastmlp", *argv]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=100)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: [Errno 28] No space left on device"


@POSIX
def test_kernels_on_a_full_disk_are_compiled_and_used(tmp_path):
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    done = run_code(f"{ENTRY}{small}\nprint(entry(2), entry(3.0))", NUMBA_CACHE_DIR=str(tmp_path), TMPDIR=str(tmp_path))
    assert done.stdout == "4 6.0\n"
    assert done.stderr.count("cannot be cached in") == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# folders without permission


@POSIX
@pytest.mark.parametrize("argv", [TRAIN, ["sweep", "--vary", "l2=0.1", "--repeats", "1", "--n-epochs", "1"]])
def test_a_folder_without_write_permission_is_reported(argv, tmp_path):
    free, closed = tmp_path / "free", tmp_path / "closed"
    closed.mkdir(mode=0o555)
    # Root may write anywhere, so the process gives up root, after a run that has imported every module.
    before = f"main([*sys.argv[1:-1], {str(free)!r}])\nos.getuid() or os.seteuid(65534)\nsys.stdout.flush()"
    done = run_main(before, *argv, "--out", closed / "runs")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "Permission denied" in last


@POSIX
def test_a_file_without_read_permission_is_reported(tmp_path):
    for name in ("x.csv", "x.npz", "model.npz", "x.npy"):
        (tmp_path / name).write_text("a,y\n")
        (tmp_path / name).chmod(0)
    code = """
import os, sys, csv, zipfile, fastmlp, numpy.lib.format
from fastmlp.data import load_samples
os.getuid() or os.seteuid(65534)
for read, name in ((fastmlp.load_data, "x.csv"), (fastmlp.load_data, "x.npz"), (fastmlp.load_model, "model.npz"),
                   (load_samples, "x.npy"), (fastmlp.load_study, ""), (fastmlp.History.from_csv, "x.csv")):
    try:
        read(os.path.join(sys.argv[1], name))
    except fastmlp.FastMLPError as error:
        print(type(error).__name__, name)
"""
    done = run_code(code, tmp_path)
    assert done.stdout.splitlines() == [
        f"DataNotFoundError {name}" for name in ("x.csv", "x.npz", "model.npz", "x.npy", "", "x.csv")
    ], done.stderr


@POSIX
def test_kernels_are_cached_in_temporary_files_if_their_folder_is_not_writable_with_one_warning(tmp_path):
    (tmp_path / "file").touch()
    places = {"NUMBA_CACHE_DIR": str(tmp_path / "file" / "cache"), "TMPDIR": str(tmp_path)}
    code = f"{ENTRY}\nprint(entry(2), entry(3.0), sum(entry.stats.cache_hits.values()))"
    first, second = (run_code(code, **places) for _ in range(2))
    assert (first.stdout, second.stdout) == ("4 6.0 0\n", "4 6.0 2\n")
    assert first.stderr.count("they are cached in") == 1
    assert second.stderr == ""
    kept = tmp_path / f"fastmlp-{os.getuid()}"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert len(list(kept.rglob("*.pickle"))) == 2


@POSIX
def test_a_temporary_folder_that_others_may_write_to_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(directories.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"fastmlp-{os.getuid()}"
    assert directories.temporary_cache_dir() == folder
    folder.mkdir(mode=0o700)
    assert directories.temporary_cache_dir() == folder
    folder.chmod(0o777)
    assert directories.temporary_cache_dir() is None
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    assert directories.temporary_cache_dir() is None


@POSIX
def test_a_user_without_a_home_has_a_cache(tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(directories.Path, "home", no_home)
    monkeypatch.setattr(directories.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    if sys.platform == "linux":
        assert cache.cache_dir().is_relative_to(tmp_path / f"fastmlp-{os.getuid()}")


def test_a_folder_is_not_overwritten_by_a_file(tmp_path):
    model = fastmlp.init_model(fastmlp.Config(), 3, 2)
    with pytest.raises(OutputError, match="is not a file"):
        model.save(tmp_path)


# processes


@POSIX
def test_a_fork_trains_the_same_weights_after_kernels_have_run():
    code = """
import os, warnings
import fastmlp
from fastmlp.study.run import digest
warnings.simplefilter("ignore")  # about forks of a process with threads
digits = fastmlp.load_data("digits")
config = fastmlp.Config(hidden=(10,), n_epochs=1)
fastmlp.repeat(digits, config, 2, n_jobs=2)  # on threads
child = os.fork()
os.write(1, digest(fastmlp.train(digits, config).model).encode() + b"\\n")
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    done = run_code(code)
    lines = done.stdout.split()
    assert len(lines) == 2, done.stderr
    assert lines[0] == lines[1]


@POSIX
def test_eight_processes_that_compile_at_once_all_finish_and_cache_one_file(tmp_path):
    code = f"""{ENTRY}
import os
children = []
for _ in range(8):
    children.append(os.fork())
    if not children[-1]:
        assert entry(2.5) == 5.0
        os._exit(0)
print([os.waitpid(child, 0)[1] for child in children], sum(entry.stats.cache_hits.values()))
"""
    done = run_code(code, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout == "[0, 0, 0, 0, 0, 0, 0, 0] 0\n", done.stderr
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".pickle"]


# Numba's own settings


DISABLED = "NUMBA_DISABLE_JIT: expected no value, since kernels run only if Numba compiles them, got '1'; unset it"


@pytest.mark.parametrize("argv", [["train", "--n-epochs", "1"], ["warmup"]])
def test_a_command_that_trains_without_a_compiler_is_refused(argv):
    assert reports_error(run_main("", *argv, NUMBA_DISABLE_JIT="1"), f"error: {DISABLED}")


def test_a_network_without_a_compiler_is_made_and_is_refused_each_time_it_should_predict():
    code = """
import fastmlp
model = fastmlp.init_model(fastmlp.Config(hidden=()), n_features=1, n_classes=2)
for _ in range(2):
    try:
        model.predict([[0.0]])
    except fastmlp.FastMLPError as error:
        print(error)
"""
    assert run_code(code, NUMBA_DISABLE_JIT="1").stdout.splitlines() == [DISABLED] * 2
