"""The HTML report."""

import re

import pytest

from fastmlp.paper.figures import FIGURES
from fastmlp.paper.report import render_report, write_report


def test_the_report_has_no_external_resources_and_escapes_its_values(make_study):
    page = render_report(
        {1: make_study(1, n_repeats=2, n_epochs=1)}, {1: "<svg></svg>"}, "fastmlp paper --out a&b", 90.0
    )
    assert not re.search(r"(src|href|url)\s*[=(]|https?:", page)
    assert "a &lt;fast&gt; one" in page
    assert "--out a&amp;b" in page
    assert "1.5 minutes for this command, which executed only the missing runs; 18.0 seconds for all runs" in page


def render(studies):
    return render_report(studies, dict.fromkeys(studies, "<svg></svg>"), "fastmlp paper", 1.0)


def test_the_runs_of_the_paper_have_a_verdict_on_every_claim(make_study):
    page = render({number: make_study(number) for number in FIGURES})
    assert "<title>The paper, reproduced</title>" in page
    assert page.count("&#10003; holds") == 6
    assert "ehearsal" not in page


def test_a_rehearsal_on_other_data_says_so_everywhere_and_has_no_verdicts(make_study, digits):
    page = render({number: make_study(number, data=digits) for number in FIGURES})
    title = "Rehearsal of the paper: digits instead of CIFAR-10"
    assert f"<title>{title}</title>" in page
    assert f"<h1>{title}</h1>" in page
    assert page.count("(rehearsal)</h2>") == 3
    assert "A claim has a verdict only if its figure has these runs. Here they differ: digits instead of" in page
    assert "holds" not in page
    assert "Claim of the paper" not in page


def test_a_shortened_run_has_measurements_without_verdicts(make_study):
    page = render({3: make_study(3, n_repeats=1, n_epochs=1)})
    assert "<h1>Rehearsal of the paper: 1 repeat instead of 10, 1 epoch instead of 20</h1>" in page
    assert page.count("<td class=verdict>no verdict") == 3
    assert "k 0.1: loss" in page
    assert "holds" not in page
    assert "Mean over" not in page


def test_figures_of_different_data_are_told_apart(make_study, digits):
    page = render({1: make_study(1, data=digits), 3: make_study(3)})
    assert "<h2>Figure 3. Exponential decay of the learning rate, k of equation (11)</h2>" in page
    assert "(rehearsal)</h2>" in page
    assert page.count("per run on ") == 2
    assert page.count("checksum abc<br>cifar10, checksum") == 1
    assert page.count("&#10003; holds") == 3


def test_the_figures_of_a_rehearsal_say_so_in_their_title(make_study, digits, tmp_path):
    pytest.importorskip("matplotlib")
    titles = []
    for name, data in (("rehearsal", digits), ("paper", None)):
        (tmp_path / name).mkdir()
        write_report({3: make_study(3, data=data)}, tmp_path / name, "fastmlp paper", 1.0)
        svg = (tmp_path / name / "figure-3.svg").read_text(encoding="utf-8")
        titles.append("<!-- Rehearsal: digits instead of CIFAR" in svg)
    assert titles == [True, False]
