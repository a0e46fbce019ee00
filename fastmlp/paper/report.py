"""The HTML report: figures, tables and claims on one page without external resources."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from fastmlp import plot
from fastmlp.errors import OutputError
from fastmlp.paper.claims import Claim, check_claims
from fastmlp.paper.figures import FIGURES
from fastmlp.study.plan import label_of
from fastmlp.study.result import Study, summary_row

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; margin-bottom: .2rem } h2 { font-size: 1.25rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-size: .92rem; margin: .8rem 0 }
th { text-align: left; border-bottom: 2px solid #888 } td { border-bottom: 1px solid #ddd }
th, td { padding: .3rem .8rem .3rem 0; vertical-align: top } .number { text-align: right; white-space: nowrap }
.verdict { font-weight: 600; white-space: nowrap } figure { margin: 1rem 0 } svg { width: 100%; height: auto }
code { background: #f3f3f3; padding: .1rem .3rem } .aside { color: #555 }
"""
#: Columns of the table of a study.
TABLE_COLUMNS = ("setting", "runs", "diverged", "test loss", "test accuracy", "min", "max")


def write_report(studies: Mapping[int, Study], out: Path, command: str, wall_s: float) -> list[Path]:
    """Write each figure as PNG and SVG, and the page report.html.

    Parameters
    ----------
    studies : mapping of int to Study
        By number of the paper's figure.
    out : pathlib.Path
        The folder to write to.
    command : str
        Command that reproduces the report.
    wall_s : float
        Seconds that this invocation of the command took.

    Returns
    -------
    list of pathlib.Path
        The files written, report.html last.

    Raises
    ------
    OutputError
        If a file cannot be written.
    MissingExtraError
        If matplotlib is not installed.
    """
    svgs, files = {}, []
    for number, study in studies.items():
        axes, _ = study.plot()
        svgs[number] = plot.render_svg(axes)
        for suffix in ("png", "svg"):
            files.append(out / f"figure-{number}.{suffix}")
            plot.save_figure(axes, files[-1])
    page = out / "report.html"
    try:
        page.write_text(render_report(studies, svgs, command, wall_s), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{page} cannot be written: {error.strerror}") from error
    return [*files, page]


def render_report(studies: Mapping[int, Study], svgs: Mapping[int, str], command: str, wall_s: float) -> str:
    """Render the report.

    Parameters
    ----------
    studies, svgs : mapping of int
        The studies, and their figures as SVG elements, by number of the paper's figure.
    command, wall_s
        See `write_report`.

    Returns
    -------
    str
        The page as HTML.
    """
    figures = "".join(_figure(number, studies[number], svgs[number]) for number in studies)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>The paper, reproduced</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>The paper, reproduced</h1>\n"
        f"<p class=aside>&ldquo;Deep learning homework 1&rdquo;, Matej Miočić. {_overview(studies)}</p>\n"
        f"<h2>Claims and results</h2>\n{_claims_table(check_claims(studies))}\n{figures}"
        f"<h2>Reproduction</h2>\n{_provenance(studies, command, wall_s)}\n</body>\n</html>\n"
    )


def _overview(studies: Mapping[int, Study]) -> str:
    first = next(iter(studies.values()))
    data = first.about["data"]
    n_runs = sum(len(study.records()) for study in studies.values())
    return (
        f"{n_runs} runs of {first.config.n_epochs} epochs on {escape(data['name'])}: {data['n_train']:,} training "
        f"samples, {data['n_test']:,} test samples, {data['n_features']:,} features, {data['n_classes']} classes. "
        f"Precision: {first.config.precision}."
    )


def _claims_table(claims: list[Claim]) -> str:
    rows = "".join(
        f"<tr><td>{escape(claim.text)}<td>{escape(claim.measured)}"
        f"<td class=verdict>{'&#10003; holds' if claim.holds else '&#10007; does not hold'}"
        for claim in claims
    )
    return f"<table><tr><th>Claim of the paper<th>Measured (means after the last epoch)<th>Verdict{rows}</table>"


def _figure(number: int, study: Study, svg: str) -> str:
    header = "".join(f"<th{' class=number' * (name != TABLE_COLUMNS[0])}>{name}" for name in TABLE_COLUMNS)
    rows = "".join(f"<tr>{_cells(study, index)}" for index in range(len(study.settings)))
    return (
        f"<h2>Figure {number}. {escape(FIGURES[number].title)}</h2>\n<figure>{svg}"
        f"<figcaption class=aside>Mean over {study.n_repeats} repeats, with a band of one standard deviation."
        f"</figcaption></figure>\n<table><tr>{header}{rows}</table>\n"
    )


def _cells(study: Study, index: int) -> str:
    setting = study.settings[index]
    row = summary_row(study, setting)
    return f"<td>{escape(label_of(setting))}" + "".join(f"<td class=number>{row[name]}" for name in TABLE_COLUMNS[1:])


def _provenance(studies: Mapping[int, Study], command: str, wall_s: float) -> str:
    about = next(iter(studies.values())).about
    training_s = sum(record["seconds"] for study in studies.values() for record in study.records())
    facts = {
        "Command": f"<code>{escape(command)}</code>",
        "Time": f"{_duration(wall_s)} for this command, which executed only the missing runs; "
        f"{_duration(training_s)} for all runs, summed over parallel jobs",
        "Machine": escape(", ".join(f"{name}: {value}" for name, value in about["machine"].items())),
        "Versions": escape(", ".join(f"{name} {value}" for name, value in about["versions"].items())),
        "Data": f"{escape(about['data']['name'])}, checksum <code>{escape(about['data']['checksum'])}</code>",
    }
    rows = "".join(f"<tr><th>{name}<td>{text}" for name, text in facts.items())
    return f"<table>{rows}</table>"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} seconds"
