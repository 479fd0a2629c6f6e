"""Puts the page together: sections, style, data and script in one file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim_plots.report import settings
from stratsim_plots.report.checks import check_run
from stratsim_plots.report.html import data_block, escape, legend, section, table
from stratsim_plots.report.meanings import CHECKED
from stratsim_plots.report.requests import worst_section
from stratsim_plots.report.tables import class_table, gpu_table
from stratsim_plots.report.timeline import AROUND, BUSIEST, make_timeline
from stratsim_plots.report.worst import run_verdict
from stratsim_plots.series import origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim.explain.parts import Run
    from stratsim.results.read import StoredResults
    from stratsim_plots.report.figures import Drawn
    from stratsim_plots.report.timeline import Timeline
    from stratsim_plots.report.worst import Worst
    from stratsim_plots.series import Series

__all__ = ["Content", "page"]

_SCRIPTS = ("decode.js", "draw.js", "controls.js")


class Content(NamedTuple):
    """All that a page is made of; the last four have one element per run."""

    stored: StoredResults
    chosen: Sequence[Series]
    runs: Sequence[Run]
    drawn: Drawn
    worst: Sequence[Worst]


def page(content: Content) -> str:
    """Return the page. Equal folders give equal pages: it holds no time, and no place but the folder's name."""
    script = "'use strict';\n(() => {\n" + "".join(_asset(name) for name in _SCRIPTS) + "})();\n"
    title = escape(f"Report: {content.stored.directory.resolve().name}")
    body = "\n".join(_body(content))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">\n'
        f'<title>{title}</title>\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<style>\n{_asset("page.css")}</style></head>\n'
        f"<body><main>\n{body}\n</main>\n<script>{script}</script></body></html>\n"
    )


def _policy(script: str) -> str:
    """Return what the browser may do: run our script and no other, and load nothing from anywhere."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return (files("stratsim_plots.report") / "assets" / name).read_text(encoding="utf-8")


def _body(content: Content) -> Iterator[str]:
    manifest = content.stored.manifest
    timeline = make_timeline(content.runs, [series.label for series in content.chosen], content.worst)
    yield f"<h1>{escape(content.stored.directory.resolve().name)}</h1>"
    yield f'<p class="lead">{escape(settings.sentence(manifest, _more(content)))}</p>'
    yield _facts(content)
    yield _verdicts(content)
    yield _NAVIGATION
    yield section(
        "summary",
        "Summary",
        '<p class="note">Point at a column\'s name to see what it means, or unfold the list below the table.</p>',
        "<h3>Policies and classes</h3>",
        class_table(content.chosen),
        "<h3>GPUs</h3>" if gpu_table(content.chosen) else "",
        gpu_table(content.chosen),
    )
    yield content.drawn.html
    yield _timeline(content, timeline)
    yield worst_section(content.chosen, content.worst, timeline)
    yield _reproduce(content)
    yield _notes(content)
    yield data_block("data", timeline.data)


def _more(content: Content) -> bool:
    """Return whether more requests arrived than the trace lists: of clients that wait for replies."""
    listed = (content.stored.manifest.get("trace") or {}).get("requests")
    return listed is not None and any(len(run.requests) > listed for run in content.runs)


_NAVIGATION = (
    '<nav aria-label="Sections"><a href="#summary">Summary</a> <a href="#figures">Figures</a> '
    '<a href="#timeline">Timeline</a> <a href="#worst">Worst requests</a> <a href="#again">Run it again</a> '
    '<a href="#notes">Notes and checks</a></nav>'
)


def _facts(content: Content) -> str:
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in settings.facts(content.stored.manifest)
    )
    return f'<dl class="facts">{items}</dl>'


def _verdicts(content: Content) -> str:
    items = "".join(
        f"<li><b>{escape(series.label)}</b> {escape(run_verdict(series, content.chosen, worst))}</li>"
        for series, worst in zip(content.chosen, content.worst, strict=True)
    )
    return f'<ul class="verdict">{items}</ul>'


def _timeline(content: Content, timeline: Timeline) -> str:
    options = "".join(
        f'<option value="{number}">{escape(series.label)}</option>' for number, series in enumerate(content.chosen)
    )
    shell = _asset("timeline.html").replace("<!-- policies -->", options)
    return section("timeline", "Timeline", shell, f'<p class="note">{escape(_left_out(content, timeline))}</p>')


def _left_out(content: Content, timeline: Timeline) -> str:
    """Return what of the runs the timeline holds."""
    kept = ", ".join(
        f"{series.label} {some} of {every}" for series, (some, every) in zip(content.chosen, timeline.kept, strict=True)
    )
    which = "every policy's" if timeline.shared else "a policy's own"
    return (
        f"The page holds the batches that were in flight in some stretches of time only: around {which} worst requests "
        f"(at most {AROUND} dispatches each) and busiest moments (at most {BUSIEST}). Batches in the page: {kept}. "
        "What is left out is hatched; in the stretches nothing is missing. "
        "Times are rounded to 0.1 µs. The result folder has everything."
    )


def _reproduce(content: Content) -> str:
    manifest = content.stored.manifest
    command = settings.command(manifest)
    rows = settings.versions(manifest)
    spec = [(name, "not set" if value is None else str(value)) for name, value in (manifest.get("spec") or {}).items()]
    return section(
        "again",
        "Run it again",
        f"<p>{_AGAIN_LIVE if manifest.get('live') else _AGAIN}</p><pre><code>{escape(command)}</code></pre>"
        if command is not None
        else "<p>The manifest does not say how this was made.</p>",
        table(("what", "version or checksum"), rows) if rows else "",
        f"<details><summary>Every setting, as it was resolved</summary>{table(('setting', 'value'), spec)}</details>"
        if spec
        else "",
    )


_AGAIN = "With the same version, trace and profile this gives the same bytes, but for the time that it takes:"
_AGAIN_LIVE = "A device never gives the same times twice, but this serves the same requests:"


def _notes(content: Content) -> str:
    notes = [*(content.stored.manifest.get("notes") or ()), *_machine_notes(content), *content.drawn.notes]
    if small := origin([content.stored]):
        notes.insert(0, small)
    if any(series.figures.get("window_s") is not None for series in content.chosen):
        notes.append(_WINDOW)
    rows = [
        (series.label, check.text, "holds" if not check.wrong else f"fails for {check.wrong}", str(check.of))
        for run, series in zip(content.runs, content.chosen, strict=True)
        for check in check_run(run, series)
    ]
    checked = {f"{key} {name}": says for key, name, says in CHECKED}
    return section(
        "notes",
        "Notes and checks",
        "<ul>" + "".join(f"<li>{escape(str(note))}</li>" for note in notes) + "</ul>" if notes else "",
        "<h3>Checked again for this page, from the tables</h3>",
        table(("policy", "statement", "result", "looked at"), rows),
        "<h3>Checked by stratsim after every run</h3>",
        f"<p>{escape(_after(content.stored.manifest))}</p>",
        legend(checked, checked, "The ten invariants"),
    )


_WINDOW = "The summary counts a measuring window only; causes, latencies, worst requests and timeline those of all."


def _after(manifest: Mapping[str, Any]) -> str:
    """Return what became of the checks that follow a run."""
    if not manifest.get("spec"):
        return "The manifest does not say what wrote this result, so it is not known whether these were checked."
    if not manifest.get("live"):
        return "A replay that breaks one of these ends with an error and leaves no result: this one broke none."
    broken = [str(line) for run in manifest["live"].get("runs") or () for line in run.get("broken_invariants") or ()]
    text = "Of a live run, whose times are measured, what compares with simulated lengths (parts of I3) is left out. "
    return text + (f"Broken: {'; '.join(broken)}." if broken else "None was broken.")


def _machine_notes(content: Content) -> tuple[str, ...]:
    return content.runs[0].machine.notes if content.runs else ()
