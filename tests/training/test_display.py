"""How a run shows itself, and its progress."""

import re

from fastmlp import Config, Run, train
from fastmlp.training.display import describe_progress, run_html
from fastmlp.training.history import Progress


def cells(text):
    """The rows of the first table: name and numbers."""
    rows = re.findall(r"<tr><th [^>]*>(epoch [^<]*)</th>(.*?)</tr>", text)
    return {name: re.findall(r"<td>([^<]*)</td>", numbers) for name, numbers in rows}


def test_with_early_stopping_the_last_epoch_and_that_of_the_network_are_shown(blobs):
    run = train(blobs, Config(hidden=(8,), n_epochs=30, learning_rate=2.0, early_stopping="score", patience=3))
    best = run.history["val_accuracy"].index(max(run.history["val_accuracy"]))
    assert best + 1 < len(run.history)
    rows = cells(run_html(run))
    assert list(rows) == [f"epoch {len(run.history)}, last", f"epoch {best + 1}, of the returned network"]
    loss, score = run.model.evaluate(blobs.X_test, blobs.y_test)
    assert rows[f"epoch {best + 1}, of the returned network"][-2:] == [f"{loss:.4f}", f"{score:.4f}"]


def test_a_run_shows_a_line_for_each_set(blobs):
    text = train(blobs, Config(hidden=(8,), n_epochs=3))._repr_html_()
    assert text.startswith("<div><strong>Run: 3 of 3 epochs, test accuracy ")
    assert text.count("<polyline") == 3  # two losses, and one accuracy
    assert "validation</" not in text


def test_the_settings_of_a_run_are_those_of_its_config(blobs):
    run = train(blobs, Config(hidden=(8,), n_epochs=2))
    assert Run(*run)._repr_html_().endswith(f"{run.config._repr_html_()}</details></div>")


def test_the_end_of_an_epoch_is_described_with_its_scores(blobs):
    row = train(blobs, Config(hidden=(8,), n_epochs=1)).history[0]
    share, text = describe_progress(Progress(1, 4, 120, 120, row["train_loss"], row))
    assert share == 0.25
    assert text == f"epoch 1/4  train loss {row['train_loss']:.4f}  test accuracy {row['test_accuracy']:.4f}"
