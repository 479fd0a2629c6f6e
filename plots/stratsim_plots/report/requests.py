"""The section of the worst requests: each with its parts, who slowed it and which decision was to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.explain.parts import PARTS
from stratsim_plots.report.html import escape, figure_ms, legend, section, table
from stratsim_plots.report.meanings import CAUSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.explain.explanation import Explanation
    from stratsim_plots.report.timeline import Timeline
    from stratsim_plots.report.worst import Worst
    from stratsim_plots.series import Series

__all__ = ["worst_section"]

_INTRODUCTION = (
    "<p>Of each policy and class: what missed its deadline by the most, and what was dropped after the longest wait. "
    "Unfold one to see where its time went, what slowed it and why it failed. "
    '<span class="script-only">“Show” moves the timeline there.</span></p>'
)


def worst_section(chosen: Sequence[Series], worst: Sequence[Worst], timeline: Timeline) -> str:
    """Return the section; `timeline` says which place in the page's data each request has."""
    parts = []
    for number_, (series, found) in enumerate(zip(chosen, worst, strict=True)):
        body = "".join(_group(number_, key, group, found, timeline) for key, group in found.groups.items())
        parts.append(f"<h3>{escape(series.label)}</h3>{body or '<p>No request is explained.</p>'}")
    causes = legend(CAUSES, CAUSES, "What the causes mean")
    return section("worst", "Worst requests", _INTRODUCTION, causes, *parts)


def _group(run: int, key: tuple[str, str], group: Sequence[Explanation], found: Worst, timeline: Timeline) -> str:
    name, how = key
    many = found.failed.get(key)
    title = f"{name} priority, {how}" if many is None else f"{name} priority, {how}: {len(group)} of {many}"
    if many is None:
        title += " with the least to spare"
    return f"<h4>{escape(title)}</h4>" + "".join(
        _request(about, timeline.requests[run, about.request]) for about in group
    )


def _request(about: Explanation, place: int) -> str:
    show = f'<button type="button" class="show script-only" data-request="{place}">Show</button>'
    cause = "" if about.cause is None else _cause(about.cause.kind)
    summary = f"<summary><b>{about.request}</b> {escape(about.model)}, {escape(_outcome(about))}{cause}</summary>"
    body = "".join(_details(about))
    return f'<div class="request" id="request-{place}">{show}<details>{summary}{body}</details></div>'


def _cause(kind: str) -> str:
    return f' <span class="cause" title="{escape(CAUSES.get(kind, ""))}">{escape(kind)}</span>'


def _outcome(about: Explanation) -> str:
    if about.finish_s is not None and about.deadline_s is not None:
        by_s = about.finish_s - about.deadline_s
        return f"{figure_ms(abs(by_s), 3)} ms {'late' if by_s > 0 else 'to spare'}"
    if about.dropped_s is not None:
        return f"dropped after {figure_ms(about.dropped_s - about.arrival_s, 3)} ms"
    if about.latency_s is not None:
        return f"answered after {figure_ms(about.latency_s, 3)} ms"
    return "unfinished"


def _details(about: Explanation) -> Iterator[str]:
    yield f"<p>{escape(about.verdict)}</p>"
    yield f'<p class="note">{escape(_facts(about))}</p>'
    if about.parts:
        yield _parts(about)
    if about.slowed_by or about.other_interference_s:
        yield _slowed_by(about)


def _facts(about: Explanation) -> str:
    facts = [f"arrived at {about.arrival_s:.6f} s"]
    if about.deadline_s is not None:
        facts.append(f"deadline after {figure_ms(about.deadline_s - about.arrival_s)} ms")
    if about.reason is not None:
        facts.append(f"reason: {about.reason}")
    if about.latency_s is not None:
        facts.append(f"back after {figure_ms(about.latency_s)} ms")
    if about.alone_s is not None:
        facts.append(f"alone {figure_ms(about.alone_s)} ms")
    if about.batch is not None:
        facts.append(f"batch {about.batch} (x{about.batch_size}) on GPU {about.gpu}")
    return ", ".join(facts)


def _parts(about: Explanation) -> str:
    latency_s = about.latency_s or 0.0
    rows = []
    for name, part_s in about.parts.items():
        if part_s:
            share = 100 * part_s / latency_s if latency_s else 0.0
            bar = f'<span class="bar {name}" style="width:{min(max(share, 0.0), 100.0):.1f}%"></span>'
            rows.append(
                f'<tr><th scope="row">{escape(PARTS[name])}</th><td>{part_s * 1e3:.3f}</td>'
                f'<td>{share:.1f}</td><td class="bars">{bar}</td></tr>'
            )
    rows.append(
        f'<tr class="sum"><th scope="row">latency</th><td>{latency_s * 1e3:.3f}</td><td>100.0</td><td></td></tr>'
    )
    head = '<tr><th scope="col">part</th><th scope="col">ms</th><th scope="col">%</th><th></th></tr>'
    return f'<div class="scroll"><table class="parts"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _slowed_by(about: Explanation) -> str:
    rows = [
        (other.name, str(other.batch), "after it" if other.later else "before it", figure_ms(other.interference_s))
        for other in about.slowed_by
    ]
    if about.other_interference_s:
        rows.append(("copies in the GPU's memory", "–", "–", figure_ms(about.other_interference_s)))
    note = "<p class='note'>Shared by the time for which each was co-located with it.</p>" if about.by_overlap else ""
    return table(("slowed by", "batch", "dispatched", "ms"), rows) + note
