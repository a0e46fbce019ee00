"""What ``import fastmlp`` and the command line import on demand: Numba for the first training or prediction."""

import subprocess
import sys
from typing import get_type_hints

import pytest

import fastmlp

#: Packages that take 0.1 s or more to import, or that an extra installs.
PACKAGES = {
    "numba",
    "llvmlite",
    "scipy",
    "sklearn",
    "joblib",
    "pandas",
    "pyarrow",
    "matplotlib",
    "pooch",
    "dask",
    "onnx",
}

SETUP = """
import sys
import fastmlp
from fastmlp import Config, Dataset, load_data, load_model, repeat, sweep, train, warmup

def imported(names):
    print(sorted(names & set(sys.modules)))
"""


def run(code, *argv):
    command = [sys.executable, "-c", SETUP + code, *map(str, argv)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_first_training_and_the_first_prediction_import_numba(tmp_path):
    code = f"""
imported({PACKAGES | {"importlib.metadata"}})
data = Dataset([[0.0], [1.0]], ["cat", "dog"], [[0.5]], ["dog"])
config = Config(hidden=(), batch_size=2, n_epochs=2)
fastmlp.init_model(config, n_features=1, n_classes=2).save(sys.argv[1])
model = load_model(sys.argv[1]).copy()
repr(model), repr(data), data.checksum()
imported({PACKAGES})
print(model.predict([[1.0]]).shape)
imported({{"numba"}})
print(len(train(data, config).history))
"""
    assert run(code, tmp_path / "model.npz") == ["[]", "[]", "(1,)", "['numba']", "2"]


def test_an_estimator_imports_numba_when_it_is_fitted():
    pytest.importorskip("sklearn")
    code = """
from sklearn.base import clone
classifier = clone(fastmlp.MLPClassifier((2,), max_iter=1))
imported({"numba", "llvmlite"})
classifier.fit([[0.0], [1.0]], [0, 1])
imported({"numba"})
"""
    assert run(code) == ["[]", "['numba']"]


def test_commands_that_neither_train_nor_predict_import_no_numba(tmp_path):
    pytest.importorskip("cyclopts")
    code = f"""
from fastmlp import cli
fastmlp.init_model(Config(hidden=()), n_features=1, n_classes=2).save(f"{{sys.argv[1]}}/model.npz")
for words in (["--help"], ["train", "--help"], ["data"], ["export", "model.npz", "other.npz"]):
    words = [f"{{sys.argv[1]}}/{{word}}" if word.endswith(".npz") else word for word in words]
    assert cli.main(words) == 0, words
    imported({PACKAGES})
"""
    assert [line for line in run(code, tmp_path) if line.startswith("[")] == ["[]"] * 4


@pytest.mark.parametrize("name", ["Config", "Dataset", "Model", "Run", "Study", "History"])
def test_the_types_of_public_classes_are_known_at_run_time(name):
    get_type_hints(getattr(fastmlp, name))
