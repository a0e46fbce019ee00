"""The HTML report: figures, tables and claims on one page without external resources.

A report on other runs than those of the paper says in its title, and in that of each figure, that it is a rehearsal.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from fastmlp import plot
from fastmlp.io.atomic import write_atomic
from fastmlp.notebook.figure import without_pyplot
from fastmlp.paper.claims import check_claims
from fastmlp.paper.figures import CIFAR10_CHECKSUM, FIGURES, N_EPOCHS, N_REPEATS, deviations_of
from fastmlp.study.plan import label_of
from fastmlp.study.result import Study, summary_row

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; margin-bottom: .2rem } h2 { font-size: 1.25rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-size: .92rem; margin: .8rem 0 }
th { text-align: left; border-bottom: 2px solid #888 } td, th:only-of-type { border-bottom: 1px solid #ddd }
th, td { padding: .3rem .8rem .3rem 0; vertical-align: top } .number { text-align: right; white-space: nowrap }
.verdict { font-weight: 600; white-space: nowrap } figure { margin: 1rem 0 } svg { width: 100%; height: auto }
code { background: #f3f3f3; padding: .1rem .3rem; overflow-wrap: anywhere } .aside { color: #555 }
@media (max-width: 45rem) { table { display: block; overflow-x: auto } }
"""
#: Table cells for a claim that is confirmed, refuted, or not judged.
VERDICTS = {True: "&#10003; holds", False: "&#10007; does not hold", None: "no verdict"}
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
        with without_pyplot():
            axes, _ = study.plot()
        if found := deviations_of([study]):
            plot.set_title(axes, f"Rehearsal: {', '.join(found)}")
        svgs[number] = plot.render_svg(axes)
        for suffix in ("png", "svg"):
            files.append(out / f"figure-{number}.{suffix}")
            plot.save_figure(axes, files[-1])
    page = out / "report.html"
    content = render_report(studies, svgs, command, wall_s).encode()
    write_atomic(page, "report", lambda file: file.write(content))
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
    title = escape(report_title(list(studies.values())))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n"
        f"<p class=aside>&ldquo;Deep learning homework 1&rdquo;, Matej Miočić. {_overview(studies)}</p>\n"
        f"<h2>Claims and results</h2>\n{_claims(studies)}\n{figures}"
        f"<h2>Reproduction</h2>\n{_provenance(studies, command, wall_s)}\n</body>\n</html>\n"
    )


def report_title(studies: Sequence[Study]) -> str:
    """Title of the report: for other runs than those of the paper, that it is a rehearsal, and why."""
    found = deviations_of(studies)
    return f"Rehearsal of the paper: {', '.join(found)}" if found else "The paper, reproduced"


def _overview(studies: Mapping[int, Study]) -> str:
    sentences = []
    for study in studies.values():
        data, n_epochs = study.about["data"], study.config.n_epochs
        sentences.append(
            f"{n_epochs} epoch{'s' * (n_epochs > 1)} per run on {data['name']}: {data['n_train']:,} training samples, "
            f"{data['n_test']:,} test samples, {data['n_features']:,} features, {data['n_classes']} classes; precision "
            f"{study.config.precision}."
        )
    n_runs = sum(len(study.records()) for study in studies.values())
    return escape(" ".join([f"{n_runs} runs.", *dict.fromkeys(sentences)]))


def _claims(studies: Mapping[int, Study]) -> str:
    """The table of the claims, and the reason if they are not judged."""
    claims, found = check_claims(studies), deviations_of(list(studies.values()))
    rows = "".join(
        f"<tr><td>{escape(claim.text)}<td>{escape(claim.measured)}<td class=verdict>{VERDICTS[claim.holds]}"
        for claim in claims
    )
    header = "<tr><th>Claim of the paper<th>Measured (means after the last epoch)<th>Verdict"
    return (_no_verdict(found) if found else "") + (f"<table>{header}{rows}</table>" if claims else "")


def _no_verdict(found: Sequence[str]) -> str:
    return (
        f"<p>The claims of the paper are about {N_REPEATS} repeats of {N_EPOCHS} epochs on CIFAR-10, which is "
        f"recognised by its checksum, <code>{CIFAR10_CHECKSUM}</code>. A claim has a verdict only if its figure has "
        f"these runs. Here they differ: {escape(', '.join(found))}.</p>"
    )


def _figure(number: int, study: Study, svg: str) -> str:
    header = "".join(f"<th{' class=number' * (name != TABLE_COLUMNS[0])}>{name}" for name in TABLE_COLUMNS)
    rows = "".join(f"<tr>{_cells(study, index)}" for index in range(len(study.settings)))
    rehearsal, n = " (rehearsal)" if deviations_of([study]) else "", study.n_repeats
    caption = f"Mean over {n} repeats, with a band of one standard deviation." if n > 1 else "A single run per setting."
    return (
        f"<h2>Figure {number}. {escape(FIGURES[number].title + rehearsal)}</h2>\n<figure>{svg}"
        f"<figcaption class=aside>{caption}</figcaption></figure>\n<table><tr>{header}{rows}</table>\n"
    )


def _cells(study: Study, index: int) -> str:
    setting = study.settings[index]
    row = summary_row(study, setting)
    return f"<td>{escape(label_of(setting))}" + "".join(f"<td class=number>{row[name]}" for name in TABLE_COLUMNS[1:])


def _provenance(studies: Mapping[int, Study], command: str, wall_s: float) -> str:
    training_s = sum(record["seconds"] for study in studies.values() for record in study.records())
    abouts = [study.about for study in studies.values()]
    facts = {
        "Command": f"<code>{escape(command)}</code>",
        "Time": f"{_duration(wall_s)} for this command, which executed only the missing runs; "
        f"{_duration(training_s)} for all runs, summed over parallel jobs",
        "Machine": _distinct(", ".join(f"{k}: {v}" for k, v in about["machine"].items()) for about in abouts),
        "Versions": _distinct(", ".join(f"{k} {v}" for k, v in about["versions"].items()) for about in abouts),
        "Data": _distinct(f"{about['data']['name']}, checksum {about['data']['checksum']}" for about in abouts),
    }
    rows = "".join(f"<tr><th>{name}<td>{text}" for name, text in facts.items())
    return f"<table>{rows}</table>"


def _distinct(texts: Iterable[str]) -> str:
    """Texts as HTML, each once: the figures of a folder may come from different machines, versions or data."""
    return "<br>".join(map(escape, dict.fromkeys(texts)))


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} seconds"
