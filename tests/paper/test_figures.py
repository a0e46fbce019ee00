"""The paper's figures as studies, what is said of them, and the page that says it."""

import json
import re

import pytest

from fastmlp.cli import main
from fastmlp.config import Config
from fastmlp.errors import ConfigError
from fastmlp.paper.claims import judge
from fastmlp.paper.figures import FIGURES, check_figures, load_figures
from fastmlp.paper.report import render_report
from fastmlp.study.plan import key_of, make_plan
from fastmlp.study.result import Study
from fastmlp.training.history import COLUMNS

ABOUT = {
    "versions": {"fastmlp": "1"},
    "machine": {"cpu": "a <fast> one"},
    "data": {
        "name": "pixels", "checksum": "abc", "n_train": 5000, "n_test": 1000, "n_features": 4, "n_classes": 10,
        "majority_accuracy": 0.1,
    },
}  # fmt: skip
ACCURACY = {
    "l2": {0.01: 0.1, 0.001: 0.4, 0.0001: 0.47},
    "decay_rate": {0.1: 0.5, 0.01: 0.48, 0.001: 0.47, 0.0001: 0.47},
}
SGD = dict(zip((0.001, 0.01, 0.1, 0.2, 0.3, 0.5), (0.2, 0.35, 0.49, 0.48, 0.47, 0.45), strict=True))
ADAM = dict(zip(SGD, (0.47, 0.4, 0.1, 0.1, 0.1, 0.1), strict=True))


def as_in_the_paper(setting):
    """Accuracy after the last epoch, as the paper's figures have it."""
    if "optimizer" in setting:
        return {"sgd": SGD, "adam": ADAM}[setting["optimizer"]][setting["learning_rate"]]
    ((name, value),) = setting.items()
    return ACCURACY[name][value]


def made_up_study(number, accuracy_of=as_in_the_paper):
    """A figure's study with two repeats of one epoch, the loss falling as the accuracy rises."""
    plan = make_plan(Config(n_epochs=1), FIGURES[number].settings, 2)
    records = {}
    for setting in plan.settings:
        for repeat in range(2):
            accuracy = accuracy_of(setting) + 0.001 * repeat
            row = [1, 0.3, 2.0, 3.0 - 2.0 * accuracy, accuracy, 1.0, 0.1]
            record = {"setting": setting, "repeat": repeat, "seed": repeat, "status": "finished", "seconds": 30.0}
            history = {name: [value] for name, value in zip(COLUMNS, row, strict=True)}
            records[key_of(setting, repeat)] = record | {"weights_sha256": "0", "history": history}
    return Study(plan, ABOUT, records)


def verdicts(studies):
    return {claim.text.partition(" (")[0]: claim.holds for claim in judge(studies)}


def test_the_papers_own_figures_bear_out_every_claim():
    got = verdicts({number: made_up_study(number) for number in FIGURES})
    assert len(got) == 6
    assert all(got.values())


@pytest.mark.parametrize(
    ("number", "change", "claim"),
    [
        (1, {"l2": 0.01}, "A too large lambda keeps the network from training properly and ends at a bigger loss"),
        (2, {"optimizer": "adam", "learning_rate": 0.5}, "Adam fails with a too big learning rate"),
        (2, {"optimizer": "sgd", "learning_rate": 0.5}, "SGD performs best when the learning rate is around 0.1"),
        (3, {"decay_rate": 0.0001}, "A bigger decay rate gives a lower loss"),
    ],
)
def test_a_setting_that_does_best_against_the_papers_word_refutes_it(number, change, claim):
    study = made_up_study(number, lambda setting: 0.52 if setting == change else as_in_the_paper(setting))
    assert [text for text, holds in verdicts({number: study}).items() if not holds] == [claim]


def test_claims_about_a_figure_that_is_missing_are_left_out():
    assert [claim.text for claim in judge({3: made_up_study(3)})][2:] == [
        "A bigger decay rate gives a lower loss (section 2.4)."
    ]
    assert judge({}) == []


@pytest.mark.parametrize("numbers", [(), (4,), (1, 0)])
def test_a_figure_that_the_paper_has_not_is_refused(numbers):
    with pytest.raises(ConfigError, match="expected 1, 2 and 3"):
        check_figures(numbers)


def test_figures_are_run_once_and_in_order():
    assert check_figures((3, 1, 3)) == (1, 3)


def test_the_page_refers_to_nothing_outside_itself_and_escapes_what_it_is_told():
    page = render_report({1: made_up_study(1)}, {1: "<svg></svg>"}, "fastmlp paper --out a&b", 90.0)
    assert not re.search(r"(src|href|url)\s*[=(]|https?:", page)
    assert "a &lt;fast&gt; one" in page
    assert "--out a&amp;b" in page
    assert "1.5 minutes for this command, which runs what its folder lacks; 3.0 minutes of runs in all" in page
    assert page.count("holds") == 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("paper")
    flags = ["--data", "digits", "--figure", "1", "3", "--repeats", "2", "--epochs", "1"]
    assert main(["paper", "--out", str(out), *flags]) == 0
    return out, flags


def test_the_command_writes_figures_and_a_page(folder):
    out, _ = folder
    assert {path.name for path in out.iterdir()} == {
        "figure-1", "figure-1.png", "figure-1.svg", "figure-3", "figure-3.png", "figure-3.svg", "report.html"
    }  # fmt: skip
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert set(re.findall(r"(?:src|href)\s*=\s*[\"']?(.)", page)) == {"#"}
    assert not re.search("https?:", page)
    assert "fastmlp paper --data digits" in page


def test_the_command_given_again_runs_nothing_again(folder):
    out, flags = folder
    before = [study.records() for study in load_figures(out).values()]
    lines = (out / "figure-1" / "runs.jsonl").read_text(encoding="utf-8")
    assert main(["paper", "--out", str(out), *flags]) == 0
    assert (out / "figure-1" / "runs.jsonl").read_text(encoding="utf-8") == lines
    assert [study.records() for study in load_figures(out).values()] == before
    assert len([json.loads(line) for line in lines.splitlines()]) == 6


def test_an_unknown_figure_is_a_mistake_at_the_command_line(tmp_path, capsys):
    assert main(["paper", "--out", str(tmp_path), "--data", "digits", "--figure", "4"]) == 2
    assert "expected 1, 2 and 3" in capsys.readouterr().err
