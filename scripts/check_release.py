"""Build the sdist and the wheel of the last commit, and check them in empty environments. Nothing is uploaded.

From a new clone: the archives are built by `build` and checked by `twine check --strict`; their files must be those of
the repository, and the version that of CITATION.cff and of a section of CHANGELOG.md. Then, for each Python and for
both archives, a new virtual environment gets the archive alone, trains with NumPy and Numba, gets the extras, trains on
the digits, predicts, and uses the command line, with an empty kernel cache. All environments must train the same bits.
With --compiled, a wheel that carries compiled kernels is built and checked for each Python too.

Needs git and the network. Changes that are not committed are not a part of it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
#: Files of the repository that the sdist does not have: what only a repository needs, and pictures of the records.
NOT_IN_SDIST = (".ci/*", ".github/*", ".pre-commit-config.yaml", "benchmarks/records/*.png")
#: Files of a wheel's metadata.
METADATA = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
#: Variables that would reach into the empty environments.
HIDDEN = ("FASTMLP_", "NUMBA_", "PYTHON", "VIRTUAL_ENV")
#: Trains on arrays without any extra, and prints versions and the digest of the weights.
TRAIN_ARRAYS = """
import importlib.metadata, importlib.util, json, platform
import numba, numpy as np
import fastmlp
assert "site-packages" in fastmlp.__file__, fastmlp.__file__
assert fastmlp.__version__ == importlib.metadata.version("fastmlp")
assert not {name for name in ("matplotlib", "pandas", "scipy", "sklearn") if importlib.util.find_spec(name)}
X = np.random.default_rng(0).standard_normal((2000, 20), dtype=np.float32)
y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
data = fastmlp.Dataset(X[:1500], y[:1500], X[1500:], y[1500:])
run = fastmlp.train(data, fastmlp.Config(hidden=(32, 32), activation="tanh", n_epochs=30))
assert run.history["test_accuracy"][-1] > 0.9
try:
    fastmlp.MLPClassifier
except fastmlp.FastMLPError as error:
    assert "pip install" in str(error)
else:
    raise AssertionError("MLPClassifier needs the extra sklearn")
versions = {"fastmlp": fastmlp.__version__, "python": platform.python_version()}
versions |= {"numpy": np.__version__, "numba": numba.__version__}
print(json.dumps([versions, fastmlp.study.run.digest(run.model)]))
"""
#: Trains on the digits, predicts, and prints the digest of the weights. Writes samples for the command line.
TRAIN_DIGITS = """
import json
import numpy as np
import fastmlp
digits = fastmlp.load_data("digits")
run = fastmlp.train(digits, fastmlp.Config(hidden=(32,), n_epochs=20))
accuracy = (run.model.predict(digits.X_test) == digits.classes[digits.y_test]).mean()
assert accuracy == run.history["test_accuracy"][-1] > 0.9
run.model.save("saved.npz")
assert (fastmlp.load_model("saved.npz").predict_proba(digits.X_test) == run.model.predict_proba(digits.X_test)).all()
estimator = fastmlp.MLPClassifier(max_iter=20, random_state=0, tol=0.01).fit(digits.X_train, digits.y_train)
assert estimator.score(digits.X_test, digits.y_test) > 0.9
assert len(fastmlp.repeat(digits, fastmlp.Config(n_epochs=1), n_repeats=2).records()) == 2
np.save("samples.npy", digits.X_test[:5])
print(json.dumps(fastmlp.study.run.digest(run.model)))
"""
#: Commands of the command line, in this order, and a pattern of what each prints.
COMMANDS = (
    ("--version", r"{version}"),
    ("info", r"(?s)fastmlp +{version}\n.*cache folder"),
    ("train --data digits --n-epochs 2 --out run", r"(?s).*test accuracy 0\.\d{{4}}"),
    ("evaluate run/model.npz", r"(?s).*test accuracy 0\.\d{{4}}"),
    ("predict run/model.npz samples.npy", r"label,0,1,2,3,4,5,6,7,8,9\n(\d(,[\d.e-]+){{10}}\n){{5}}$"),
)


class ReleaseError(Exception):
    """Something that is to be mended before the release."""


def run(*command: object, folder: Path, **variables: str) -> str:
    """Standard output of a command, whose environment is that of a user who has just logged in."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(HIDDEN)}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment | variables, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise ReleaseError(
            f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


def new_environment(folder: Path, python: str, *packages: str) -> Path:
    """The Python of a new virtual environment with some packages."""
    run(python, "-m", "venv", folder, folder=folder.parent)
    inner = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if packages:
        run(inner, "-m", "pip", "install", "--quiet", *packages, folder=folder)
    return inner


def version_of(root: Path) -> str:
    """The version of a source tree.

    Raises
    ------
    ReleaseError
        If CITATION.cff has another one, or CHANGELOG.md no section for it.
    """
    text = (root / "fastmlp" / "version.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)[1]  # type: ignore[index]
    for name, line in (("CITATION.cff", f"version: {version}"), ("CHANGELOG.md", f"## [{version}]")):
        if not re.search(f"^{re.escape(line)}", (root / name).read_text(encoding="utf-8"), re.MULTILINE):
            raise ReleaseError(f"{name}: expected a line that begins with {line!r}, the version of fastmlp/version.py")
    return version


def content(archive: Path) -> set[str]:
    """Paths of the files in a wheel or an sdist; those of an sdist without its top folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return {member.name.partition("/")[2] for member in sdist if member.isfile()}


def check_content(archive: Path, tracked: Iterable[str], version: str) -> int:
    """Check that an archive has the tracked files that it should have, and no others.

    Returns
    -------
    int
        Number of files in the archive.

    Raises
    ------
    ReleaseError
        With the files that are missing or not expected.
    """
    found = content(archive)
    if archive.suffix == ".whl":
        expected = {path for path in tracked if path.startswith("fastmlp/")}
        expected |= {f"fastmlp-{version}.dist-info/{name}" for name in METADATA}
        expected |= {path for path in found if path.startswith("fastmlp/compiled/") and "none-any" not in archive.name}
    else:
        expected = {path for path in tracked if not any(fnmatch(path, pattern) for pattern in NOT_IN_SDIST)}
        expected |= {"PKG-INFO"}
    if missing := sorted(expected - found):
        raise ReleaseError(f"{archive.name}: expected {', '.join(missing)}; add to the lists in pyproject.toml")
    if added := sorted(found - expected):
        raise ReleaseError(
            f"{archive.name}: expected only tracked files, got {', '.join(added)}; remove or exclude them"
        )
    return len(found)


def build(clone: Path, dist: Path, python: Path, version: str) -> Iterator[Path]:
    """Build the sdist, and from it the wheel; check both."""
    run(python, "-m", "build", "--outdir", dist, folder=clone)
    archives = sorted(dist.glob(f"fastmlp-{version}*"))
    if {path.name for path in archives} != {f"fastmlp-{version}.tar.gz", f"fastmlp-{version}-py3-none-any.whl"}:
        raise ReleaseError(f"{dist}: expected an sdist and a pure wheel, got {[path.name for path in archives]}")
    run(python, "-m", "twine", "check", "--strict", *archives, folder=clone)
    tracked = run("git", "ls-files", "-z", folder=clone).split("\0")[:-1]
    for path in archives:
        n_files = check_content(path, tracked, version)
        print(f"{path.name}: {n_files} files, {path.stat().st_size / 1e6:.2f} MB", flush=True)
        yield path


def check_compiled(clone: Path, folder: Path, python: str, version: str) -> str:
    """Build a wheel that carries compiled kernels, and check it; returns the report of scripts/check_wheel.py."""
    requirements = "build", "hatchling", "numba", "numpy", "scikit-learn", "joblib"
    inner, compiled = new_environment(folder / "build", python, *requirements), folder / "compiled"
    arguments = "--wheel", "--no-isolation", "--outdir", compiled
    run(inner, "-m", "build", *arguments, folder=clone, FASTMLP_PRECOMPILE="all")
    (wheel,) = compiled.glob("*.whl")
    check_content(wheel, run("git", "ls-files", "-z", folder=clone).split("\0")[:-1], version)
    return run(inner, "scripts/check_wheel.py", wheel, folder=clone, PYTHONPATH=str(clone))


def check_installed(archive: Path, folder: Path, python: str, extras: str, version: str) -> tuple[str, str]:
    """Install an archive into an empty environment, and use it; returns the digests of the weights."""
    start = perf_counter()
    inner, empty = new_environment(folder / "venv", python), folder / "empty"
    empty.mkdir()
    cache = {"NUMBA_CACHE_DIR": str(folder / "cache")}
    pip = inner, "-m", "pip"
    run(*pip, "install", "--quiet", archive, folder=empty)
    installed = perf_counter()
    versions, arrays = json.loads(run(inner, "-c", TRAIN_ARRAYS, folder=empty, **cache))
    trained = perf_counter()
    run(*pip, "install", "--quiet", f"{archive}[{extras}]", folder=empty)
    run(*pip, "check", folder=empty)
    complete = perf_counter()
    digits = json.loads(run(inner, "-c", TRAIN_DIGITS, folder=empty, **cache))
    for arguments, pattern in COMMANDS:
        printed = run(inner.with_name("fastmlp"), *arguments.split(), folder=empty, **cache)
        if not re.match(pattern.format(version=re.escape(version)), printed):
            raise ReleaseError(f"fastmlp {arguments}: expected output like {pattern!r}, got {printed!r:.2000}")
    seconds = f"installed in {installed - start:.0f} s, first training in {trained - installed:.1f} s, "
    seconds += f"[{extras}] installed in {complete - trained:.0f} s, used for {perf_counter() - complete:.0f} s"
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    print(f"{archive.name}: {named}; {seconds}; weights {arrays[:8]}, {digits[:8]}", flush=True)
    return arrays, digits


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", metavar="PYTHON", help="an interpreter to install for; repeatable")
    parser.add_argument("--extras", default="all", help="extras to install, separated by commas (default: all)")
    parser.add_argument("--compiled", action="store_true", help="also build and check wheels with compiled kernels")
    parser.add_argument("--out", type=Path, help="folder to keep the sdist and the pure wheel in")
    options = parser.parse_args()
    pythons = options.python or [sys.executable]
    with tempfile.TemporaryDirectory() as name:
        folder, digests = Path(name), set()
        clone, dist = folder / "clone", options.out.resolve() if options.out else folder / "dist"
        try:
            run("git", "clone", "--quiet", "--no-hardlinks", ROOT, clone, folder=folder)
            version = version_of(clone)
            tools = new_environment(folder / "tools", pythons[-1], "build", "twine")
            archives = list(build(clone, dist, tools, version))
            for index, python in enumerate(pythons):
                for archive in archives:
                    part = folder / f"{index}{archive.suffix}"
                    part.mkdir()
                    digests.add(check_installed(archive, part, python, options.extras, version))
                if options.compiled:
                    part = folder / f"{index}.compiled"
                    part.mkdir()
                    print(check_compiled(clone, part, python, version), end="", flush=True)
            if len(digests) > 1:
                raise ReleaseError(f"expected the same weights in every environment, got {len(digests)} different ones")
        except ReleaseError as error:
            print(error, file=sys.stderr)
            return 1
    print(f"fastmlp {version} is ready: {len(archives) * len(pythons)} environments trained the same weights")
    return 0


if __name__ == "__main__":
    sys.exit(main())
