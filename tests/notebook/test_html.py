"""Pieces of HTML: what is escaped, and what a chart draws. The HTML of each object, as a whole."""

import math
import re
from xml.etree import ElementTree

import pytest

import fastmlp
from fastmlp.notebook import html
from fastmlp.notebook.html import Line, card, chart, details, legend, paragraph, table

HOSTILE = "<script>alert('&\"')</script>"


def polylines(svg):
    """The points of each line, in pixels."""
    return [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in ElementTree.fromstring(svg).iter("polyline")
    ]


def texts(svg):
    return [text.text for text in ElementTree.fromstring(svg).iter("text")]


def test_every_text_is_escaped():
    line = Line(0, [1, 2], [0.5, 1.0])
    parts = (
        table([(HOSTILE, HOSTILE)], (HOSTILE, HOSTILE)), chart(HOSTILE, [line]), legend([HOSTILE], [0]),
        details(HOSTILE), paragraph(HOSTILE),
    )  # fmt: skip
    root = ElementTree.fromstring(card(HOSTILE, *parts))
    assert {element.tag for element in root.iter()}.isdisjoint({"script"})
    assert "".join(root.itertext()).count(HOSTILE) == 9


def test_long_texts_are_shortened():
    assert html.escape("x" * 200) == "x" * 119 + "…"


@pytest.mark.parametrize(
    "values", [[2.0, 1.0, 0.5], [1.0, 1.0, 1.0], [-1e300, 1e300, 0.0], [math.nan, 3.0, 2.0, math.inf], [5e-324, 1.0]]
)
def test_lines_stay_within_the_chart(values):
    svg = chart("loss", [Line(0, range(1, len(values) + 1), values)], log_if_wide=True)
    (line,) = polylines(svg)
    assert len(line) == sum(map(math.isfinite, values))
    assert all(html._LEFT <= x <= html._RIGHT and html._TOP <= y <= html._BOTTOM for x, y in line)
    assert "nan" not in svg


def test_the_lowest_and_the_highest_of_many_points_are_drawn():
    values = [1.0 + 0.001 * (i % 7) for i in range(10_000)]
    values[4321], values[8765] = 9.0, 0.0
    svg = chart("loss", [Line(0, range(10_000), values)])
    (line,) = polylines(svg)
    assert len(line) <= 2 * html.MAX_GROUPS + 2
    assert {min(y for _, y in line), max(y for _, y in line)} == {html._TOP, html._BOTTOM}
    assert (line[0][0], line[-1][0]) == (html._LEFT, html._RIGHT)
    assert len(svg) < 3000


def test_a_wide_range_has_a_logarithmic_axis_where_that_is_allowed():
    lines = [Line(0, [1, 2, 3], [100.0, 10.0, 1.0])]
    (log,), (linear,) = (polylines(chart("loss", lines, log_if_wide)) for log_if_wide in (True, False))
    assert log[1][1] == pytest.approx((html._TOP + html._BOTTOM) / 2)
    assert linear[1][1] > 120
    assert texts(chart("loss", lines, log_if_wide=True))[:4] == ["loss, logarithmic", "1", "10", "100"]


def test_one_epoch_is_a_point_and_none_is_no_chart():
    assert '<circle cx="175.0" cy="77.0"' in chart("loss", [Line(0, [1], [0.5])])
    assert chart("loss", [Line(0, [], []), Line(1, [1], [math.nan])]) == ""


def relative_luminance(colour):
    """WCAG 2's."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("ground", ["#FFFFFF", "#111111"])
def test_lines_have_a_contrast_of_3_in_light_and_in_dark(ground):
    for colour, _ in html.STYLES:
        low, high = sorted((relative_luminance(colour), relative_luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 3


@pytest.fixture(scope="module")
def objects(make_blobs):
    data = make_blobs()
    named = data.replace(class_names=(HOSTILE, "b", "c"))
    config = fastmlp.Config(hidden=(4,), n_epochs=30, early_stopping="loss", patience=30)
    run = fastmlp.train(named, config)
    study = fastmlp.sweep(data, config.replace(n_epochs=2), {"l2": [i / 100 for i in range(25)]}, n_repeats=1)
    return {"dataset": named, "config": config, "run": run, "model": run.model, "study": study}


@pytest.mark.parametrize(
    ("name", "n_bytes"), [("dataset", 1000), ("config", 4000), ("run", 14_000), ("model", 1500), ("study", 9000)]
)
def test_objects_are_small_well_formed_and_without_a_script_style_sheet_or_id(name, n_bytes, objects):
    text = objects[name]._repr_html_()
    assert len(text.encode()) < n_bytes
    elements = list(ElementTree.fromstring(text).iter())
    assert {element.tag for element in elements}.isdisjoint({"script", "style", "link", "img", "a"})
    assert {word for element in elements for word in element.attrib}.isdisjoint({"id", "class", "onclick", "href"})
    assert "http" not in text


def test_a_study_lists_its_best_settings_first_and_says_how_many_more_there_are(objects):
    study = objects["study"]
    text = study._repr_html_()
    labels = re.findall(r"</svg> (l2 [0-9.]+)<", text)
    assert labels[0] == f"l2 {study.best()['l2']:g}"
    assert (len(labels), text.count("<tr>")) == (6, 21)
    assert "5 more settings: study.summary()" in text


def test_a_study_without_a_finished_run_shows_its_settings(objects):
    from fastmlp.study.plan import Plan

    study = objects["study"]
    empty = fastmlp.Study(Plan(study.config, study.settings[:2], 1), study.about, {})
    assert "l2 0.01" in empty._repr_html_()
    assert "<polyline" not in empty._repr_html_()


def test_a_config_shows_what_differs_from_the_defaults():
    text = fastmlp.Config(learning_rate=0.125)._repr_html_()
    assert '<th style="text-align:left">learning_rate</th><td>0.125</td><td>0.3</td>' in text
    assert "33 settings at their defaults" in text


def test_a_dataset_is_not_scanned(make_blobs, monkeypatch):
    data = make_blobs()
    text = data._repr_html_()
    for name in ("X_train", "y_train"):
        data.__dict__[name][:] = 0
    assert data._repr_html_() == text


def test_a_table_shows_what_was_made_of_its_columns():
    pytest.importorskip("pandas")
    rows = {HOSTILE: [1.0, 2.0, 3.0, 4.0, 5.0], "unit": ["cm"] * 5, "y": [1.5, 2.0, 3.5, 4.0, 5.5]}
    text = fastmlp.load_data(rows, drop=["unit"])._repr_html_()
    ElementTree.fromstring(text)
    assert "left out" in text
    assert HOSTILE not in text
