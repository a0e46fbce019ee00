"""Report: the paper's figures, tables and claims on one page that refers to nothing outside itself."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from fastmlp import plot
from fastmlp.errors import OutputError
from fastmlp.paper.claims import Claim, judge
from fastmlp.paper.figures import FIGURES
from fastmlp.study.plan import label_of
from fastmlp.study.result import Study, outcome_of

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; margin-bottom: .2rem } h2 { font-size: 1.25rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-size: .92rem; margin: .8rem 0 }
th { text-align: left; border-bottom: 2px solid #888 } td { border-bottom: 1px solid #ddd }
th, td { padding: .3rem .8rem .3rem 0; vertical-align: top } .number { text-align: right; white-space: nowrap }
.verdict { font-weight: 600; white-space: nowrap } figure { margin: 1rem 0 } svg { width: 100%; height: auto }
code { background: #f3f3f3; padding: .1rem .3rem } .aside { color: #555 }
"""
HEADS = ("setting", "runs", "diverged", "test loss", "test accuracy", "min", "max")


def write_report(studies: Mapping[int, Study], out: Path, command: str, wall_s: float) -> list[Path]:
    """Write every figure as PNG and SVG, and report.html.

    Parameters
    ----------
    studies : mapping of int to Study
        By the number of the paper's figure.
    out : pathlib.Path
        The folder.
    command : str
        What reproduces it.
    wall_s : float
        Seconds that this run of the command took.

    Returns
    -------
    list of pathlib.Path
        The files, report.html last.

    Raises
    ------
    OutputError
        If a file cannot be written.
    MissingExtraError
        If matplotlib is not installed.
    """
    drawings, files = {}, []
    for number, study in studies.items():
        axes, _ = study.plot()
        drawings[number] = plot.render_svg(axes)
        for ending in ("png", "svg"):
            files.append(out / f"figure-{number}.{ending}")
            plot.save_figure(axes, files[-1])
    page = out / "report.html"
    try:
        page.write_text(render_report(studies, drawings, command, wall_s), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{page} cannot be written: {error.strerror}") from error
    return [*files, page]


def render_report(studies: Mapping[int, Study], drawings: Mapping[int, str], command: str, wall_s: float) -> str:
    """The page.

    Parameters
    ----------
    studies, drawings : mapping of int
        By the number of the paper's figure; a drawing is an SVG element.
    command, wall_s
        See `write_report`.

    Returns
    -------
    str
        HTML.
    """
    figures = "".join(_figure(number, studies[number], drawings[number]) for number in studies)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>The paper, reproduced</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>The paper, reproduced</h1>\n"
        f"<p class=aside>&ldquo;Deep learning homework 1&rdquo;, Matej Miočić. {_extent(studies)}</p>\n"
        f"<h2>What it says, and what was measured</h2>\n{_claims(judge(studies))}\n{figures}"
        f"<h2>How</h2>\n{_about(studies, command, wall_s)}\n</body>\n</html>\n"
    )


def _extent(studies: Mapping[int, Study]) -> str:
    first = next(iter(studies.values()))
    data = first.about["data"]
    n_runs = sum(len(study.records()) for study in studies.values())
    return (
        f"{n_runs} runs of {first.config.n_epochs} epochs on {escape(data['name'])}: {data['n_train']:,} samples to "
        f"train on, {data['n_test']:,} to test on, {data['n_features']:,} features, {data['n_classes']} classes. "
        f"Precision: {first.config.precision}."
    )


def _claims(claims: list[Claim]) -> str:
    rows = "".join(
        f"<tr><td>{escape(claim.text)}<td>{escape(claim.measured)}"
        f"<td class=verdict>{'&#10003; holds' if claim.holds else '&#10007; does not hold'}"
        for claim in claims
    )
    return f"<table><tr><th>The paper<th>Measured, means after the last epoch<th>Verdict{rows}</table>"


def _figure(number: int, study: Study, drawing: str) -> str:
    heads = "".join(f"<th{' class=number' * (head != HEADS[0])}>{head}" for head in HEADS)
    rows = "".join(f"<tr>{_cells(study, place)}" for place in range(len(study.settings)))
    return (
        f"<h2>Figure {number}. {escape(FIGURES[number].title)}</h2>\n<figure>{drawing}"
        f"<figcaption class=aside>Mean over {study.n_repeats} repeats, and one standard deviation about it."
        f"</figcaption></figure>\n<table><tr>{heads}{rows}</table>\n"
    )


def _cells(study: Study, place: int) -> str:
    setting = study.settings[place]
    row = outcome_of(study, setting)
    return f"<td>{escape(label_of(setting))}" + "".join(f"<td class=number>{row[head]}" for head in HEADS[1:])


def _about(studies: Mapping[int, Study], command: str, wall_s: float) -> str:
    about = next(iter(studies.values())).about
    training_s = sum(record["seconds"] for study in studies.values() for record in study.records())
    facts = {
        "Command": f"<code>{escape(command)}</code>",
        "Time": f"{_duration(wall_s)} for this command, which runs what its folder lacks; "
        f"{_duration(training_s)} of runs in all, side by side",
        "Machine": escape(", ".join(f"{name}: {value}" for name, value in about["machine"].items())),
        "Versions": escape(", ".join(f"{name} {value}" for name, value in about["versions"].items())),
        "Data": f"{escape(about['data']['name'])}, checksum <code>{escape(about['data']['checksum'])}</code>",
    }
    rows = "".join(f"<tr><th>{name}<td>{text}" for name, text in facts.items())
    return f"<table>{rows}</table>"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} seconds"
