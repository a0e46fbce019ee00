"""The documentation site: it is built without a warning, and its tables and API reference are complete."""

import importlib.util
import inspect
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import fastmlp

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GALLERY = sorted((DOCS / "gallery").glob("*.py"))


def documented_names():
    """The objects that the pages of the API reference name."""
    pages = [path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.md")]
    return re.findall(r"^\.\. auto\w+:: (\S+)$", "\n".join(pages), re.M)


def parameters_in_table(name):
    """First cells of the rows of a table of docs/sklearn.md."""
    page = (DOCS / "sklearn.md").read_text(encoding="utf-8")
    table = page.split(f"<!-- {name}:start -->")[1].split(f"<!-- {name}:end -->")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.M)


def parameters(package):
    """Parameters of the classifier and of the regressor."""
    classes = package.MLPClassifier, package.MLPRegressor
    return {name for estimator in classes for name in inspect.signature(estimator).parameters}


def test_the_api_reference_has_every_public_name():
    from fastmlp import plot

    public = {f"fastmlp.{name}" for name in vars(fastmlp) if is_public(fastmlp, name)}
    public |= {"fastmlp.MLPClassifier", "fastmlp.MLPRegressor"}
    drawing = [name for name in vars(plot) if name.startswith(("plot_", "save_")) and not hasattr(fastmlp, name)]
    public |= {f"fastmlp.plot.{name}" for name in drawing}
    names = documented_names()
    assert public - set(names) == set()
    assert len(names) == len(set(names))


def is_public(module, name):
    """Whether a name is a function or class that the module offers, as its ``import ... as`` says."""
    return f" as {name}\n" in inspect.getsource(module) and callable(getattr(module, name))


def test_the_migration_tables_have_every_parameter():
    neural_network = pytest.importorskip("sklearn.neural_network")
    ours, theirs = parameters(fastmlp), parameters(neural_network)
    old, new = parameters_in_table("parameters of scikit-learn"), parameters_in_table("parameters of fastmlp")
    assert sorted(new) == sorted(ours - set(old))
    # `loss` of the regressor came with scikit-learn 1.7.
    assert sorted(old) == sorted(theirs | {"loss"})


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_a_script_of_the_gallery_draws_a_figure(path):
    for package in ("matplotlib", "pandas", "sklearn"):
        pytest.importorskip(package)
    import matplotlib.pyplot as plt

    assert f".. plot:: docs/gallery/{path.name}\n" in (DOCS / "gallery" / "README.md").read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        plt.switch_backend("agg")
        runpy.run_path(str(path))
    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    assert [len(figure.axes) >= 1 for figure in figures] == [True]


def test_the_gallery_has_six_scripts():
    assert len(GALLERY) == 6


def test_the_site_is_built_without_a_warning(tmp_path):
    """Broken links and anchors, pages outside of the contents and malformed docstrings are warnings."""
    for package in ("sphinx", "myst_parser", "numpydoc", "furo", "matplotlib", "sklearn"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package}: in the extra docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-c", "docs", ".", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    pages = {path.relative_to(tmp_path).with_suffix("").as_posix() for path in tmp_path.rglob("*.html")}
    assert {"index", "search", "docs/api/training", "docs/gallery/README", "CHANGELOG"} <= pages
    assert len(list((tmp_path / "_images").glob("*.svg"))) == len(GALLERY) + 3
