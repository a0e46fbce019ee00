"""A notebook that a Jupyter kernel executes: objects, progress, and interrupts of a run and of a study."""

import asyncio
import re

import pytest

nbclient = pytest.importorskip("nbclient", reason="the extra test installs nbclient")
pytest.importorskip("ipykernel", reason="the extra test installs ipykernel")
pytest.importorskip("ipywidgets", reason="the extra notebook installs ipywidgets")
pytest.importorskip("tqdm", reason="the extra notebook installs tqdm")
nbformat = pytest.importorskip("nbformat")

WIDGET = "application/vnd.jupyter.widget-view+json"

CELLS = {
    "data": "import fastmlp\ndata = fastmlp.load_data('digits')\ndata",
    "config": "config = fastmlp.Config(hidden=(16,), n_epochs=3)\nconfig",
    "run": "run = fastmlp.train(data, config)\nrun",
    "model": "run.model",
    "study": "study = fastmlp.repeat(data, config, n_repeats=2)\nstudy",
    "plots": "%matplotlib inline\nstudy.plot()\nrun.plot()",
    "interrupted run": "run = fastmlp.train(data, config.replace(n_epochs=1_000_000))\nrun",
    "model of it": "print(run.model.n_epochs == len(run.history), run.model.evaluate(data.X_test, data.y_test).loss)\n"
    "print(run.history['test_loss'][-1])",
    "off": "fastmlp.notebook.progress.APPEARS_S = 0\nrun = fastmlp.train(data, config, progress=None)\n"
    "study = fastmlp.repeat(data, config, n_repeats=2, progress=None)\nfastmlp.notebook.progress.APPEARS_S = 2",
    "failed": "from fastmlp.notebook import progress\nprogress.APPEARS_S = progress.UPDATE_S = 0\n"
    "try:\n    with progress.progress_shown('auto', lambda share: (share, 'x < y')) as report:\n"
    "        report(0.25)\n        report(0.5)\n        1 / 0\nexcept ZeroDivisionError:\n    pass",
    "without": "import sys\nipywidgets, sys.modules['ipywidgets'] = sys.modules['ipywidgets'], None\n"
    "for _ in range(2):\n    fastmlp.train(data, config)\n"
    "sys.modules['ipywidgets'] = ipywidgets\nprogress.APPEARS_S, progress.UPDATE_S = 2, 0.25",
    "interrupted study": "study = fastmlp.repeat(data, config.replace(n_epochs=500), 2000, n_jobs=1)\nstudy",
}
INTERRUPTED = {"interrupted run", "interrupted study"}


class Client(nbclient.NotebookClient):
    """Executes cells, interrupts those of `INTERRUPTED` once their progress is shown, and keeps what was shown."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "display_data":
            cell.metadata.shown.append(msg["content"]["data"])
            if cell.metadata["name"] in INTERRUPTED:
                cell.metadata.task = asyncio.ensure_future(self.km.interrupt_kernel())
        return super().process_message(msg, cell, cell_index)


@pytest.fixture(scope="module")
def cells():
    """The cells, executed."""
    cells = [
        nbformat.v4.new_code_cell(code, metadata={"name": name, "shown": [], "task": None})
        for name, code in CELLS.items()
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    Client(notebook, kernel_name="python3", timeout=60).execute()
    return {cell.metadata["name"]: cell for cell in cells}


@pytest.fixture(scope="module")
def outputs(cells):
    """The outputs of each cell, as they are saved."""
    return {name: cell.outputs for name, cell in cells.items()}


def texts_of(outputs, stream):
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == stream)


def result_of(outputs):
    """The HTML of the cell's last expression."""
    (result,) = (output for output in outputs if output.output_type == "execute_result")
    return result.data["text/html"]


def progress_of(outputs):
    """The texts that progress bars leave."""
    shown = [output.data for output in outputs if output.output_type == "display_data"]
    assert all(list(data) == ["text/plain"] for data in shown)
    return [data["text/plain"] for data in shown]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("data", "Dataset digits"),
        ("config", "Config"),
        ("run", "Run: 3 of 3 epochs, test accuracy 0."),
        ("model", "Model 64-16-10, sigmoid, float32, 3 epochs trained"),
        ("study", "Study: 1 setting, 2 of 2 runs"),
    ],
)
def test_objects_show_themselves(name, title, outputs):
    assert result_of(outputs[name]).startswith(f"<div><strong>{title}")
    assert progress_of(outputs[name]) == []


def test_the_end_of_a_cell_shows_the_figures_that_it_made(outputs):
    pytest.importorskip("matplotlib_inline", reason="ipykernel installs matplotlib-inline")
    pytest.importorskip("matplotlib", reason="the extra plot installs matplotlib")
    images = [output.data for output in outputs["plots"] if output.output_type == "display_data"]
    assert [image["image/png"][:8] for image in images] == ["iVBORw0K"] * 2  # of PNG files, in base64


def test_a_run_shows_its_progress_and_an_interrupt_returns_it_at_its_last_finished_epoch(outputs):
    (progress,) = progress_of(outputs["interrupted run"])
    numbers = r"train loss 0\.\d+(  test accuracy 0\.\d+)?"
    assert re.fullmatch(rf" +\d%\|[^|]{{10}}\| epoch \d+/1000000  {numbers}  00:0\d, [\d:]+ left", progress)
    assert re.search(
        r"UserWarning: Training interrupted by user: \d+ of 1000000 epochs are finished",
        texts_of(outputs["interrupted run"], "stderr"),
    )
    assert re.match(r"<div><strong>Run: \d+ of 1000000 epochs, test", result_of(outputs["interrupted run"]))
    first, last_loss = texts_of(outputs["model of it"], "stdout").splitlines()
    assert first.split() == ["True", last_loss]


def test_progress_can_be_switched_off(outputs):
    assert outputs["off"] == []


@pytest.mark.parametrize("name", ["interrupted run", "failed", "interrupted study"])
def test_progress_is_a_widget_while_it_runs(name, cells):
    (shown,) = cells[name].metadata.shown
    assert WIDGET in shown
    assert "%|" in shown["text/plain"]


def test_an_error_leaves_the_text_of_the_last_progress(outputs):
    (progress,) = progress_of(outputs["failed"])
    assert re.fullmatch(r" 50%\|█████     \| x < y  00:0\d, 00:0\d left", progress)


def test_without_ipywidgets_a_line_tells_once_how_to_install_it(outputs):
    (line,) = outputs["without"]
    assert (line.name, line.text) == (
        "stderr",
        'Progress in a notebook needs ipywidgets, which is not installed. Run: pip install "fastmlp[notebook]"\n',
    )


def test_an_interrupted_study_returns_its_finished_runs(outputs):
    (progress,) = progress_of(outputs["interrupted study"])
    assert re.fullmatch(r" +\d%\|[^|]{10}\| run \d+/2000  epoch \d+/1000000  00:0\d, [\d:]+ left", progress)
    warning = texts_of(outputs["interrupted study"], "stderr")
    n_runs = re.search(r"UserWarning: Study interrupted by user: (\d+) of 2000 runs are finished", warning).group(1)
    title = f"<div><strong>Study: 1 setting, {n_runs} of 2000 runs"
    assert result_of(outputs["interrupted study"]).startswith(title)
