"""The report's page: sections, tables and figures as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from stratsim_profiler.fit.text import error_rows, link_rows, parameter_tables, percent
from stratsim_profiler.report import figures
from stratsim_profiler.report.look import data_uri, styled
from stratsim_profiler.report.tables import (
    assumption_rows,
    copy_rows,
    discarded_rows,
    environment_rows,
    solo_rows,
    stressor_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.figure import Figure

    from stratsim_profiler.fit import FitResult
    from stratsim_profiler.fit.summary import Sharing, Summary

__all__ = ["page"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.6rem; margin-bottom: .3rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: .8rem 0; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; } th { border-bottom: 2px solid #888; }
.scroll { overflow-x: auto; } img { max-width: 100%; height: auto; }
.verdict { padding: .8rem 1rem; border-left: .4rem solid; }
.good { border-color: #009E73; background: #eef8f4; } .bad { border-color: #D55E00; background: #fdf1ea; }
p.note { color: #555; font-size: 13px; }
"""


def page(result: FitResult) -> str:
    """Return the page."""
    name = escape(result.profile.name)
    with styled():
        body = "\n".join(_body(result))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Profile {name}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def _body(result: FitResult) -> Iterator[str]:
    summary = result.summary
    yield f"<h1>Profile {escape(result.profile.name)}</h1>"
    yield f"<p>{escape(_subtitle(result))}</p>"
    yield f'<p class="verdict {"good" if summary.good else "bad"}">{escape(summary.verdict)}</p>'
    if result.warnings:
        yield "<h2>Beware</h2><ul>" + "".join(f"<li>{escape(text)}</li>" for text in result.warnings) + "</ul>"
    yield from _section("Environment", _table(environment_rows(result.samples.header)))
    yield from _section(
        "Solo execution",
        _note(f"Median device time of one inference, caches flushed. {_drift(summary)}"),
        _table(solo_rows(summary)),
        _image(figures.solo(summary), "Execution alone by batch size"),
    )
    yield from _transfers(summary)
    yield from _contention(summary)
    if summary.sharing is not None:
        yield from _sharing(summary, summary.sharing)
    yield from _section("Sensitivity and pressure", _stressor_note(), _table(stressor_rows(summary)))
    yield from _section("Discarded samples", _table(discarded_rows(summary)))


def _subtitle(result: FitResult) -> str:
    header, measured = result.samples.header, result.summary.measured
    return (
        f"{result.summary.device}, {len(measured.models)} models, {measured.dtype}, {measured.mode}. "
        f"Measured {header.started} with stratsim {header.tool_version}."
    )


def _drift(summary: Summary) -> str:
    drift = percent(summary.measured.drift)
    return f"Around a co-location the solo time changed by {drift} (median). Launch-bound: the host sets the pace."


def _section(title: str, *parts: str) -> Iterator[str]:
    """Yield a section; nothing if its last part, the table or figure, is empty."""
    if parts[-1]:
        yield f"<h2>{escape(title)}</h2>"
        yield from parts


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _stressor_note() -> str:
    return _note(
        "A load co-located with a stressor that keeps one resource busy to the given level. "
        "Sensitivity: slowdown of the load. Pressure: share of its speed that the stressor loses."
    )


def _transfers(summary: Summary) -> Iterator[str]:
    figure = figures.transfers(summary)
    rows = _table(link_rows(summary.transfers)), _table(copy_rows(summary.transfers))
    yield from _section("Copies between host and device", *rows, _image(figure, "Copies: duration and error by size"))


def _contention(summary: Summary) -> Iterator[str]:
    figure = figures.contention_matrix(summary)
    note = _note("Mean iteration with the other, which is kept busy, over mean iteration alone in the same harness.")
    yield from _section("Slowdown in pairs", note, _image(figure, "Slowdown of each load by each other"))
    if summary.sharing is not None:
        note = _note(
            "Beside the same company, slowdowns differ by how many kernels a load has; waits per kernel hardly."
        )
        figure = figures.kernel_waits(summary, summary.sharing)
        yield from _section("Waits per kernel", note, _image(figure, "Slowdown and wait per kernel by kernel length"))


def _sharing(summary: Summary, sharing: Sharing) -> Iterator[str]:
    yield from _section(
        "How co-located models share the device",
        _note(
            f"The profile's own rule is `{sharing.rule}`: it predicts pairs left out best. `streams`, capped weighted "
            "sharing: a load occupies `demand` of the device at full speed; where demands sum to more than 1, speeds "
            f"are min(1, lambda x weight). Residual deviation {percent(sharing.fit.sigma)}. `kernel-queue`: every "
            "kernel waits for those of the other streams that are before it, and holds the block scheduler for a share "
            f"`hold` of its duration. {_queue_deviation(sharing)}"
        ),
        *(f"<h3>{escape(title)}</h3>{_table(rows)}" for title, rows in parameter_tables(sharing)),
        _image(figures.intervals(sharing), "Parameters with intervals"),
    )
    yield from _section(
        "Measured and fitted", _image(figures.measured_and_fitted(summary, sharing), "Measured and predicted slowdown")
    )
    yield from _section("Residuals", _image(figures.residuals(summary, sharing), "Residuals of the fit"))
    yield from _section(
        "Errors on what the fit has not seen",
        _note(
            "Held out together: an unordered pair of models, with both directions, batch sizes and repeats. The last "
            "column is the sum of absolute errors over the sum of slowdown - 1, which no-slowdown would get wrong by "
            f"100 %. The gpulet baseline knew {sharing.features}; a baseline's slowdown counts for a whole offset run."
        ),
        _image(figures.held_out_errors(sharing), "Mean error by split and predictor"),
        _table(error_rows(sharing)),
    )
    yield from _section("Tests of the model's assumptions", _table(assumption_rows(sharing)))


def _queue_deviation(sharing: Sharing) -> str:
    if sharing.queue is None:
        return "It is for GPUs, and needs the number of kernels of every model."
    return f"Residual deviation {percent(sharing.queue.sigma)}."


def _image(figure: Figure | None, text: str) -> str:
    return "" if figure is None else f'<p><img alt="{escape(text)}" src="{data_uri(figure)}"></p>'


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table; nothing for a head without rows."""
    if len(rows) < 2:
        return ""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
