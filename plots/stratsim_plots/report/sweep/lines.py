"""The figures of a sweep's page: lines against an axis, a row of figures for every value of the other axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stratsim.errors import MissingExtraError
from stratsim_plots.report.figures import Drawn, inline_svg, need_matplotlib
from stratsim_plots.report.html import csv_link, escape, section
from stratsim_plots.series import CLASSES, Options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim_plots.report.sweep.cells import Cells

__all__ = ["MOST_ROWS", "draw_lines"]

MOST_ROWS = 12
"""Values of the other axes that are drawn."""
_SHOWN = {
    "violation": ("Violations", "Share of the arrived requests that were late, dropped or unfinished."),
    "p99_arrived_s": ("p99 of all arrived requests", "99 % were answered within so long."),
    "goodput_per_s": ("Goodput", "Requests met per second."),
    "utilization": ("GPU utilisation", "Share of the time during which at least one batch executes."),
}


def draw_lines(cells: Cells, origin: str) -> Drawn:
    """Draw what can be drawn; without matplotlib, or where nothing varies, the section and a note say so."""
    try:
        need_matplotlib()
    except MissingExtraError as error:
        said = f"<p>There are no figures in this page: {escape(str(error))}</p>"
        return Drawn(section("figures", "Figures", said), (f"the page has no figures: {error}",))
    if not cells.axes or len({place[0] for place in cells.places}) < 2:
        return Drawn(
            section("figures", "Figures", "<p>No axis varies, so there are no lines: the table has it all.</p>"), ()
        )
    from stratsim_plots import style

    others = list(dict.fromkeys(place[1:] for place in cells.places))
    parts = []
    with style.styled():
        for number, other in enumerate(others[:MOST_ROWS]):
            parts += [f"<h3>{escape(named(cells.axes[1:], other))}</h3>"] if other else []
            parts += ['<div class="figures">', *_row(cells, number, other, origin), "</div>"]
    notes: tuple[str, ...] = ()
    if len(others) > MOST_ROWS:
        notes = (f"only {MOST_ROWS} of {len(others)} combinations of the other axes are drawn; --where chooses",)
        parts.append(f'<p class="note">{escape(notes[0])}</p>')
    return Drawn(section("figures", "Figures", *parts), notes)


def named(axes: tuple[str, ...], place: tuple[str, ...]) -> str:
    """Return a place in words."""
    return ", ".join(f"{axis} {value}" for axis, value in zip(axes, place, strict=True))


def _row(cells: Cells, number: int, other: tuple[str, ...], origin: str) -> Iterator[str]:
    import pandas as pd

    from stratsim_plots import sweep_lines

    for metric, (title, says) in _SHOWN.items():
        points, nowhere = _finite(list(_points(cells, metric, other)), metric)
        if not points:
            if nowhere:
                yield f"<figure><figcaption><b>{escape(title)}</b> {nowhere}.</figcaption></figure>"
            continue
        frame = pd.DataFrame([(*point, origin) for point in points], columns=list(sweep_lines.COLUMNS))
        name = f"{metric.replace('_', '-')}-{number}"
        svg = inline_svg(sweep_lines.draw(frame, Options()), name, f"{title} {named(cells.axes[1:], other)}".strip())
        more = f" That {nowhere}." if nowhere else ""
        link = csv_link(f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"), "data (CSV)")
        yield f"<figure>{svg}<figcaption><b>{escape(title)}.</b> {escape(says)}{more} {link}</figcaption></figure>"


Point = tuple[str, str, str, str, str, int, int, float, float, float]


def _finite(points: list[Point], metric: str) -> tuple[list[Point], str]:
    """Return the points of the classes that have a finite one, and a remark on the others."""
    known = {name for _, name, *_, infinite, _, _, _ in points if not infinite}
    lost = dict.fromkeys(name for _, name, *_ in points if name not in known)
    classes = " and ".join(name.removesuffix(f"_{metric}") for name in lost)
    remark = f"of {classes} priority falls among dropped requests everywhere" if lost else ""
    return [point for point in points if point[1] in known], remark


def _points(cells: Cells, metric: str, other: tuple[str, ...]) -> Iterator[Point]:
    """Yield what `stratsim_plots.sweep_lines` draws, but for the origin."""
    for name in (*(f"{label}_{metric}" for label in CLASSES), metric):
        for policy in cells.policies:
            for place in cells.places:
                found = cells.figures.get((place, policy, name))
                if place[1:] == other and found is not None:
                    mean = math.nan if found.infinite else found.mean
                    yield (
                        policy,
                        name,
                        cells.axes[0],
                        "",
                        place[0],
                        found.runs,
                        found.infinite,
                        mean,
                        found.low,
                        found.high,
                    )
