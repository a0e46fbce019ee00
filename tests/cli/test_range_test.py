"""The command find-learning-rate."""

import re

import pytest

import fastmlp


def test_the_suggestion_is_that_of_the_function(run):
    code, out, err = run("find-learning-rate", "--optimizer", "adam", "--activation", "relu", "--hidden", "20")
    test = fastmlp.find_learning_rate(
        fastmlp.load_data("digits"), fastmlp.Config(optimizer="adam", activation="relu", hidden=(20,))
    )
    steps = f"{len(test.rates)} of 300 steps, optimizer adam, preset paper"
    assert (code, out, err) == (0, f"suggested learning rate {test.suggestion:.2g} ({steps})\n", "")


def test_a_table_with_numbers_to_predict_and_a_figure(run, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    lines = [f"{i % 7},{i % 5},{(i % 7) * 2.5 + i % 5}" for i in range(100)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,price", *lines]))
    words = ["--data", tmp_path / "table.csv", "--target", "price", "--scale", "standard", "--n-steps", "100"]
    code, out, err = run("find-learning-rate", *words, "--out", tmp_path / "rates.svg")
    assert code == 0
    assert re.fullmatch(r"suggested learning rate [\d.e-]+ \(\d+ of 100 steps, optimizer \w+, preset tabular\)\n", out)
    assert err.endswith(f"wrote {tmp_path / 'rates.svg'}\n")
    assert (tmp_path / "rates.svg").read_bytes().startswith(b"<?xml")


def test_a_start_that_is_too_high_has_no_suggestion(run):
    code, out, _ = run("find-learning-rate", "--hidden", "20", "--start", "20", "--end", "100", "--n-steps", "20")
    assert code == 0
    assert out.startswith("no learning rate suggested: ")
    assert "try a smaller start (" in out


def test_a_loss_that_does_not_rise_has_no_suggestion(run):
    code, out, _ = run("find-learning-rate", "--optimizer", "adam", "--end", "0.001", "--n-steps", "50")
    advice = "choose by the figure, or try a larger end"
    assert (code, out) == (
        0,
        f"no learning rate suggested: the loss does not rise up to the rate 0.001; {advice} "
        "(50 of 50 steps, optimizer adam, preset paper)\n",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n-steps", "3"], "n_steps: expected an integer from 10 to 100,000, got 3"),
        (["--start", "20"], "start: expected a learning rate below end, 10, got 20"),
        (["--optimizer", "other"], 'Invalid value "other" for --optimizer'),
        (["--batch-size", "0"], "batch_size: expected"),
    ],
)
def test_invalid_options_are_refused(words, message, run):
    code, out, err = run("find-learning-rate", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_a_figure_of_an_unknown_format_is_refused(run, tmp_path):
    pytest.importorskip("matplotlib")
    code, _, err = run("find-learning-rate", "--n-steps", "10", "--out", tmp_path / "rates.xyz")
    assert code == 2
    assert "rates.xyz" in err
