"""scikit-learn's own tests of its multi-layer perceptrons, with the import of the estimators changed to fastmlp's."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import sklearn

FOLDER = Path(sklearn.__file__).parent
SOURCE = FOLDER / "neural_network" / "tests" / "test_mlp.py"
IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
#: scikit-learn's tests of its private attributes, which no user has.
PRIVATE = {
    "test_fit": "makes the state of a fit by hand, with `_coef_grads`, `_intercept_grads` and `_coef_velocity`",
    "test_gradient": "calls `_loss_grad_lbfgs`",
    "test_learning_rate_warmstart": "reads `_optimizer.learning_rate`",
    "test_adaptive_learning_rate": "reads `_optimizer.learning_rate`",
}


@pytest.mark.skipif(not (SOURCE.exists() and (FOLDER / "conftest.py").exists()), reason="no tests of scikit-learn")
def test_scikit_learns_own_tests_pass(tmp_path):
    source = SOURCE.read_text(encoding="utf-8")
    assert source.count(IMPORT) == 1
    changed = tmp_path / SOURCE.name
    changed.write_text(source.replace(IMPORT, IMPORT.replace("sklearn.neural_network", "fastmlp")), encoding="utf-8")
    options = ["-q", "--tb=short", "-p", "sklearn.conftest", "-p", "no:cacheprovider", "--junit-xml=results.xml"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "--rootdir=.", "-c", os.devnull, *options, changed.name]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    cases = list(ET.parse(tmp_path / "results.xml").iter("testcase"))
    names = {case.attrib["name"].partition("[")[0] for case in cases}
    failed = {case.attrib["name"].partition("[")[0] for case in cases if len(case) and case[0].tag != "skipped"}
    assert failed == PRIVATE.keys() & names, run.stdout
    assert len(cases) > 50
