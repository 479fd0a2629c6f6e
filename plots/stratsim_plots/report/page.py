"""The sections of the page of result folders: of one, or of several on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stratsim_plots.report import heads
from stratsim_plots.report.document import asset, document
from stratsim_plots.report.html import data_block, escape, section
from stratsim_plots.report.notes import notes_section
from stratsim_plots.report.repeat import repeat_section
from stratsim_plots.report.requests import worst_section
from stratsim_plots.report.tables import class_table, gpu_table
from stratsim_plots.report.timeline import AROUND, BUSIEST, make_timeline
from stratsim_plots.report.worst import run_verdict
from stratsim_plots.series import folder_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.explain.parts import Run
    from stratsim.results.read import StoredResults
    from stratsim_plots.report.figures import Drawn
    from stratsim_plots.report.intervals import Judged
    from stratsim_plots.report.timeline import Timeline
    from stratsim_plots.report.worst import Worst
    from stratsim_plots.series import Series

__all__ = ["Content", "page"]

_SCRIPTS = ("decode.js", "draw.js", "controls.js")


class Content(NamedTuple):
    """All that a page is made of; `chosen`, `runs` and `worst` have one element per run."""

    stored: Sequence[StoredResults]
    chosen: Sequence[Series]
    runs: Sequence[Run]
    judged: Judged
    drawn: Drawn
    worst: Sequence[Worst]


def page(content: Content) -> str:
    """Return the page. Equal folders give equal pages: it holds no time, and no place but the folders' names."""
    names = folder_names(content.stored)
    if len(names) == 1:
        names = [content.stored[0].directory.resolve().name]
    head = (
        f"<h1>{escape(' · '.join(names))}</h1>\n{heads.runs(content.stored, names, content.runs)}\n{_verdicts(content)}"
    )
    return document(f"Report: {', '.join(names)}", head, list(_sections(content, names)), _SCRIPTS)


def _sections(content: Content, names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    labels = [series.label for series in content.chosen]
    timeline = make_timeline(content.runs, labels, content.worst, content.judged.groups)
    yield "summary", "Summary", _summary(content)
    yield "figures", "Figures", content.drawn.html
    yield "timeline", "Timeline", _timeline(content, timeline)
    yield "worst", "Worst requests", worst_section(content.chosen, content.worst, timeline)
    yield "again", "Run it again", repeat_section(content.stored, names)
    notes = notes_section(
        content.stored, names, content.chosen, content.runs, [*content.judged.notes, *content.drawn.notes]
    )
    yield "notes", "Notes and checks", notes + data_block("data", timeline.data)


def _verdicts(content: Content) -> str:
    items = "".join(
        f"<li><b>{escape(series.label)}</b> {escape(run_verdict(place, content.chosen, content.judged, worst))}</li>"
        for place, (series, worst) in enumerate(zip(content.chosen, content.worst, strict=True))
    )
    return f'<ul class="verdict">{items}</ul>'


def _summary(content: Content) -> str:
    gpus = gpu_table(content.chosen)
    return section(
        "summary",
        "Summary",
        '<p class="note">Point at a column’s name to see what it means'
        '<span class="script-only">, press it to sort by it</span>; the list below a table says it too.</p>',
        "<h3>Policies and classes</h3>",
        class_table(content.chosen, content.judged),
        "<h3>GPUs</h3>" if gpus else "",
        gpus,
    )


def _timeline(content: Content, timeline: Timeline) -> str:
    options = "".join(
        f'<option value="{number}">{escape(series.label)}</option>' for number, series in enumerate(content.chosen)
    )
    shell = asset("timeline.html").replace("<!-- policies -->", options)
    return section("timeline", "Timeline", shell, _left_out(content, timeline))


def _left_out(content: Content, timeline: Timeline) -> str:
    """Return what of the runs the timeline holds."""
    kept = ", ".join(
        f"{series.label} {some} of {every}" for series, (some, every) in zip(content.chosen, timeline.kept, strict=True)
    )
    which = "every policy’s" if timeline.shared else "a policy’s own"
    text = (
        f"The page holds the batches that were in flight in some stretches of time only: around {which} worst requests "
        f"(at most {AROUND} dispatches each) and busiest moments (at most {BUSIEST}). Batches in the page: {kept}. "
        "What is left out is hatched; in the stretches nothing is missing. "
        "Times are rounded to 0.1 µs. The result folder has everything; its timeline.json opens in Perfetto."
    )
    return f'<details class="note"><summary>What of the runs is in this page</summary><p>{escape(text)}</p></details>'
