import math
import subprocess
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import fastmlp
from fastmlp.errors import ConfigError, DataError, DataTypeError, MissingExtraError, OutputError
from fastmlp.notebook.figure import without_pyplot
from fastmlp.plot import (
    Band,
    plot_bands,
    plot_confusion,
    plot_history,
    plot_range_test,
    render_svg,
    save_curves,
    save_figure,
)
from fastmlp.training.history import COLUMNS, History
from fastmlp.training.loop import Run
from fastmlp.training.range_test import RangeTest


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


def new_figures():
    """The functions that make a figure of their own, by name."""
    bands = [Band("a", [1, 2], [1.0, 0.5], [0.0, 0.0])]
    return {
        "history": lambda: plot_history(history(3))[0],
        "run": lambda: Run(None, history(3), None).plot()[0],
        "bands": lambda: plot_bands(bands, bands)[0],
        "confusion": lambda: plot_confusion(*identity_model([0, 1]), [0, 1]),
        "range test": TEST.plot,
    }


@pytest.mark.parametrize("name", ["history", "run", "bands", "confusion", "range test"])
def test_a_new_figure_is_the_current_one_of_pyplot_and_rc_params_stay(name):
    before = matplotlib.rcParams.copy()
    axes = new_figures()[name]()
    assert plt.get_fignums() == [axes.figure.number]
    assert plt.gcf() is axes.figure
    assert plt.gca() is axes.figure.axes[-1]
    assert matplotlib.rcParams == before


@pytest.mark.parametrize("name", ["history", "run", "bands", "confusion", "range test"])
def test_without_pyplot_a_new_figure_is_not_registered(name):
    with without_pyplot():
        assert render_svg(new_figures()[name]())
    assert plt.get_fignums() == []
    assert plt.fignum_exists(plot_history(history(1))[0].figure.number)  # after the context


def test_a_failed_plot_leaves_no_figure():
    with pytest.raises(DataError):
        plot_confusion(*identity_model([0, 1]), [0, 2])
    assert plt.get_fignums() == []


def test_files_are_written_without_pyplot(tmp_path):
    code = (
        "import sys; from fastmlp.plot import save_curves; from fastmlp.training.history import History; "
        "save_curves(History(), sys.argv[1]); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "a.png"], check=False).returncode == 0


def test_given_axes_need_no_pyplot():
    code = (
        "import sys; from matplotlib.figure import Figure; from fastmlp.plot import plot_history; "
        "from fastmlp.training.history import History; "
        "plot_history(History(), Figure().subplots(1, 2)); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
    with pytest.raises(OutputError, match=r"the figure could not be written to .*curves\.png: No space left on device"):
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


def test_a_run_plots_its_history_on_given_axes():
    given = Figure().subplots(1, 2)
    assert list(Run(None, history(3), None).plot(given)) == list(given)
    assert [list(line.get_ydata()) for line in given[1].lines] == [history(3)["test_accuracy"]]


# confusion matrix


def identity_model(labels, names=None):
    """A network that predicts the class of the largest feature, and the unit vectors of its classes."""
    n = len(labels)
    model = fastmlp.init_model(fastmlp.Config(hidden=()), n_features=n, n_classes=n)
    model.weights[0] = np.eye(n)
    model.classes = labels
    if names is not None:
        model.class_names = names
    return model, np.eye(n)


def cells(axes):
    """Texts of the cells by true and predicted class."""
    return {tuple(map(int, reversed(text.get_position()))): text.get_text() for text in axes.texts}


def test_the_cells_have_the_counts_and_the_shares_of_the_rows():
    model, unit = identity_model(["ant", "bee", "cat"])
    axes = plot_confusion(model, unit[[0, 0, 1, 2, 2, 2]], ["ant", "ant", "ant", "cat", "cat", "cat"])
    assert cells(axes) == {(0, 0): "2\n67 %", (0, 1): "1\n33 %", (2, 2): "3\n100 %"}
    np.testing.assert_allclose(axes.images[0].get_array(), [[2 / 3, 1 / 3, 0], [0, 0, 0], [0, 0, 1]])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ant", "bee", "cat"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ant", "bee", "cat"]
    assert axes.get_title("left") == "Confusion matrix\naccuracy 0.8333, 6 samples"


@pytest.mark.parametrize("labels", [[10, 30], [False, True], [1.0, 5.0], ["2024-01-31", "2025-03-01"]], ids=str)
def test_labels_of_any_type_name_the_rows(labels):
    labels = np.array(labels, dtype="datetime64[D]") if isinstance(labels[0], str) else np.array(labels)
    model, unit = identity_model(labels)
    axes = plot_confusion(model, unit, labels[::-1])
    assert cells(axes) == {(0, 1): "1\n100 %", (1, 0): "1\n100 %"}
    assert [label.get_text() for label in axes.get_yticklabels()] == [str(label) for label in labels]


def test_two_classes_with_one_output(blobs):
    keep = blobs.y_train < 2
    X, y = blobs.X_train[keep], np.array(["no", "yes"])[blobs.y_train[keep]]
    data = fastmlp.Dataset(X, y, X, y)
    model = fastmlp.train(data, fastmlp.Config(loss="binary_cross_entropy", hidden=(), n_epochs=3, batch_size=8)).model
    counts = [text.get_text().partition("\n")[0] for text in plot_confusion(model, X, y).texts]
    assert sum(map(int, counts)) == len(y)


def test_class_names_are_shown_and_long_ones_shortened():
    axes = plot_confusion(*identity_model([0, 1], ("a", "b" * 100)), [0, 1])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b" * 23 + "…"]


def test_dollar_signs_in_class_names_are_no_formulas(tmp_path):
    axes = plot_confusion(*identity_model([0, 1], ("$$", "$x_1$")), [0, 1])
    save_figure(axes, tmp_path / "matrix.svg")


def test_a_share_below_one_per_cent_is_not_shown_as_zero():
    model, unit = identity_model([0, 1])
    axes = plot_confusion(model, unit[[0] * 999 + [1]], [0] * 1000)
    assert cells(axes)[0, 1] == "1\n0.1 %"


@pytest.mark.parametrize(("n", "n_texts", "n_names"), [(20, 20, 20), (21, 0, 21), (61, 0, 31)])
def test_many_classes_are_drawn_without_counts_and_with_fewer_names(n, n_texts, n_names):
    axes = plot_confusion(*identity_model(np.arange(n)), np.arange(n))
    assert (len(axes.texts), len(axes.get_xticklabels())) == (n_texts, n_names)


def luminance(colour):
    return np.dot(to_rgb(colour), (0.299, 0.587, 0.114))


def test_text_is_readable_on_every_share_also_in_grey():
    """And the colour of a share is darker the larger it is."""
    model, unit = identity_model([0, 1])
    before = 1.0
    for n in range(1, 101, 9):
        axes = plot_confusion(model, unit[[0] * n + [1] * (100 - n)], [0] * 100)
        cell = luminance(axes.images[0].cmap(n / 100)[:3])
        assert abs(cell - luminance(axes.texts[0].get_color())) > 0.3, n
        assert cell < before
        before = cell


def test_the_confusion_matrix_is_drawn_on_given_axes():
    given = Figure().subplots()
    assert plot_confusion(*identity_model([0, 1]), [0, 1], given) is given


@pytest.mark.parametrize(("loss", "task"), [("binary_cross_entropy", "multilabel"), ("squared_error", "regression")])
def test_a_network_of_another_task_is_refused(loss, task):
    model = fastmlp.init_model(fastmlp.Config(loss=loss), n_features=2, n_classes=3)
    with pytest.raises(ConfigError, match=f"model: expected a network for classification, got one for {task}; see"):
        plot_confusion(model, np.eye(2), np.eye(2))


def test_other_labels_and_other_objects_are_refused():
    model, unit = identity_model([0, 1])
    with pytest.raises(DataError, match="y: "):
        plot_confusion(model, unit, [0, 2])
    with pytest.raises(DataError, match="y: "):
        plot_confusion(model, unit, [0, 1, 1])
    with pytest.raises(DataTypeError, match=r"model: expected a fastmlp.Model, got a Run"):
        plot_confusion(Run(model, history(1), None), unit, [0, 1])


# range test

TEST = RangeTest([0.01, 0.1, 1.0, 10.0], [2.0, 1.0, 0.5, 1e9], [2.0, 1.5, 1.2, 5e8], 0.1)


def test_the_lines_of_a_range_test_are_its_losses_and_its_suggestion():
    axes = plot_range_test(TEST)
    batch, smoothed, suggestion = axes.lines
    assert list(batch.get_ydata()) == TEST.losses
    assert list(smoothed.get_ydata()) == TEST.smoothed_losses
    assert list(suggestion.get_xdata()) == [0.1, 0.1]
    assert len({line.get_linestyle() for line in axes.lines}) == 3


def test_losses_of_the_divergence_do_not_flatten_the_descent():
    low, high = plot_range_test(TEST).get_ylim()
    assert low < 0.5
    assert 2.0 < high < 10


@pytest.mark.parametrize("losses", [[], [1.0], [0.0, 0.0], [1e308, 1.0], [1e-300, 1e300]], ids=str)
def test_a_range_test_of_any_losses_can_be_drawn_without_a_suggestion(losses):
    axes = plot_range_test(RangeTest([0.1, 0.2][: len(losses)], losses, losses, None))
    assert render_svg(axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["batch", "smoothed"]


@pytest.mark.parametrize(
    "draw", [lambda: plot_confusion(*identity_model([0, 1]), [0, 1]), lambda: plot_range_test(TEST)]
)
def test_without_matplotlib_the_extra_is_named(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'pip install "fastmlp\[plot\]"'):
        draw()
