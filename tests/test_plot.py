import math
import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from fastmlp.errors import MissingExtraError, OutputError
from fastmlp.plot import Band, plot_bands, plot_history, require_matplotlib, save_curves, save_figure
from fastmlp.training.history import COLUMNS, History


def history(n_epochs):
    rows = [[epoch, 0.3, 2.0 / epoch, 2.1 / epoch, 1 - 0.9 / epoch, 0.1, 0.01] for epoch in range(1, n_epochs + 1)]
    return History(dict(zip(COLUMNS, row, strict=True)) for row in rows)


def test_given_axes_are_used_and_returned():
    given = Figure().subplots(1, 2)
    got = plot_history(history(3), given)
    assert list(got) == list(given)


def test_the_lines_show_the_columns():
    loss, accuracy = plot_history(history(3))
    got = {line.get_label(): list(line.get_ydata()) for line in loss.lines}
    assert got == {"training": history(3)["train_loss"], "test": history(3)["test_loss"]}
    assert list(accuracy.lines[0].get_ydata()) == history(3)["test_accuracy"]


def test_the_lines_differ_in_their_line_styles():
    train, test = plot_history(history(3))[0].lines
    assert train.get_linestyle() != test.get_linestyle()


def test_the_axes_are_labelled_and_the_legend_names_both_lines():
    loss, accuracy = plot_history(history(3))
    assert [axes.get_xlabel() for axes in (loss, accuracy)] == ["epoch", "epoch"]
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("mean loss", "share of the test set")
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "test"]


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 20, 1000])
def test_ticks_of_the_epoch_axis_are_integers(n_epochs):
    loss, _ = plot_history(history(n_epochs))
    assert all(tick == int(tick) for tick in loss.get_xticks())


@pytest.mark.parametrize("n_epochs", [1, 20, 1000])
def test_the_number_of_markers_is_limited(n_epochs):
    line = plot_history(history(n_epochs))[1].lines[0]
    assert 1 <= len(range(0, n_epochs, line.get_markevery())) <= 20


def test_an_empty_history_is_named_as_such():
    for panel in plot_history(History()):
        assert [text.get_text() for text in panel.texts] == ["no finished epoch"]


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_suffix_determines_the_format(suffix, start, tmp_path):
    save_curves(history(2), tmp_path / f"curves.{suffix}")
    assert (tmp_path / f"curves.{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["nowhere/curves.png", "curves.xyz"])
def test_a_file_that_cannot_be_written_is_refused_and_named(name, tmp_path):
    with pytest.raises(OutputError, match=name):
        save_curves(history(1), tmp_path / name)


def test_pyplot_is_not_imported():
    code = (
        "import sys; from fastmlp.plot import plot_history; from fastmlp.training.history import History; "
        "plot_history(History()); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'Plotting needs matplotlib.*pip install "fastmlp\[plot\]"'):
        require_matplotlib()


def test_a_validation_set_has_its_own_line():
    rows = [{**row, "val_loss": 1.5, "val_accuracy": 0.5} for row in history(3)]
    loss, score = plot_history(History(rows))
    assert [len(loss.lines), len(score.lines)] == [3, 2]
    assert score.get_title("left") == "Accuracy"
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "test", "validation"]


def test_on_a_full_disk_the_figure_of_before_is_kept(small_disk):
    path = small_disk.path / "curves.png"
    save_curves(history(1), path)
    before = path.read_bytes()
    small_disk.leave(0)
    with pytest.raises(OutputError, match=r"the curves could not be written to .*curves\.png: No space left on device"):
        save_curves(history(2), path)
    assert [(file.name, file.read_bytes()) for file in small_disk.path.glob("*curves*")] == [("curves.png", before)]


@pytest.mark.parametrize(
    "losses", [[1e308, -1e308], [1e308] * 3, [0.0, 1.7e308], [1e308, 5e-324], [math.inf, 1.0]], ids=str
)
def test_losses_of_any_size_can_be_drawn(losses, tmp_path):
    rows = (row | {"train_loss": loss, "test_loss": loss} for row, loss in zip(history(3), losses, strict=False))
    save_curves(History(rows), tmp_path / "a.png")
    band = Band("all", [*range(1, len(losses) + 1)], losses, [loss / 10 for loss in losses])
    save_figure(plot_bands([band], [band])[0], tmp_path / "b.png")
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}
