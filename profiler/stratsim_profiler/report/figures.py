"""The figures of a report: pure functions of a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from stratsim_profiler.report.look import COLOURS, GREY, MARKERS, VERMILLION, new_figure, plain_log_ticks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim.fit.cells import Cell, Load
    from stratsim.fit.identify import Interval
    from stratsim_profiler.fit.links import LinkFit
    from stratsim_profiler.fit.summary import Sharing, Summary

__all__ = [
    "contention_matrix",
    "every_figure",
    "held_out_errors",
    "intervals",
    "kernel_waits",
    "measured_and_fitted",
    "residuals",
    "solo",
    "transfers",
]

_WIDTH_IN = 8.0
_LOOKS = {"self": 0, "anchor": 1, "pair": 2, "triple": 3}
"""Number of the colour and marker of each kind of cell."""


def every_figure(summary: Summary) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) of each figure that the samples allow, one at a time."""
    drawn = {"solo": solo, "transfers": transfers, "pairs": contention_matrix}
    for name, draw in drawn.items():
        if (figure := draw(summary)) is not None:
            yield name, figure
    if (sharing := summary.sharing) is not None:
        if (figure := kernel_waits(summary, sharing)) is not None:
            yield "kernel-waits", figure
        yield "parameters", intervals(sharing)
        yield "measured-and-fitted", measured_and_fitted(summary, sharing)
        yield "residuals", residuals(summary, sharing)
        yield "errors", held_out_errors(sharing)


def solo(summary: Summary) -> Figure | None:
    """Draw the time of one inference alone, and the requests per second that it makes, by batch size."""
    found = summary.measured.solo
    if not found:
        return None
    figure = new_figure(_WIDTH_IN, 3.4)
    times, rates = figure.subplots(1, 2)
    for number, model in enumerate(sorted({load.model for load in found})):
        loads = [load for load in found if load.model == model]
        batches = [load.batch for load in loads]
        seconds = [found[load].seconds for load in loads]
        look: Any = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKERS[number % len(MARKERS)],
            "fillstyle": "none" if number < len(COLOURS) else "full",
            "label": model,
        }
        times.plot(batches, [1e3 * one for one in seconds], **look)
        rates.plot(batches, [b / one for b, one in zip(batches, seconds, strict=True)], **look)
    sizes = sorted({load.batch for load in found})
    for axes, unit in ((times, "execution alone, ms"), (rates, "requests per second, alone")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("batch size")
        axes.set_ylabel(unit)
    figure.legend(*times.get_legend_handles_labels(), ncols=4, loc="outside upper center")
    return figure


def kernel_waits(summary: Summary, sharing: Sharing) -> Figure | None:
    """Draw slowdown, and time added per kernel, against the length of a load's kernels; None without kernel counts.

    Beside the same company all loads wait about as long per kernel: what differs is how many kernels they have.
    """
    if sharing.queue is None:
        return None
    length, anchor = sharing.queue.queue.length_s, sharing.fit.anchor
    company: dict[str, list[tuple[float, float]]] = {}
    for cell in summary.measured.training:
        first, others = cell.loads[0], cell.loads[1:]
        if cell.role == "self" and len(others) in (1, 3):
            name = "one more of its kind" if len(others) == 1 else "three more of its kind"
        elif others == (anchor, anchor) and first != anchor:
            name = f"two of {anchor}"
        else:
            continue
        if cell.slowdowns[0] > 1:  # what adds nothing has no place on a logarithmic axis
            company.setdefault(name, []).append((length[first] * 1e6, cell.slowdowns[0]))
    if not company:
        return None
    figure = new_figure(_WIDTH_IN, 3.4)
    slowdown, added = figure.subplots(1, 2)
    for number, (name, points) in enumerate(sorted(company.items())):
        x, y = np.array(sorted(points)).T
        for axes, values in ((slowdown, y), (added, (y - 1) * x)):
            axes.plot(x, values, MARKERS[number], color=COLOURS[number], fillstyle="none", label=f"with {name}")
    for axes, text in ((slowdown, "slowdown"), (added, "time added per kernel, us")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("mean length of the load's kernels alone, us")
        axes.set_ylabel(text)
        for side in "xy":
            values = np.concatenate([getattr(line, f"get_{side}data")() for line in axes.lines])
            plain_log_ticks(axes, side, values.min() / 1.25, values.max() * 1.25)
    figure.legend(*slowdown.get_legend_handles_labels(), ncols=3, loc="outside upper center")
    return figure


def transfers(summary: Summary) -> Figure | None:
    """Draw the duration of copies against their size with the fits, and the fits' errors; None without links."""
    links = [
        (f"{direction} {memory}", fit)
        for memory, fits in (("pinned", summary.transfers.pinned), ("pageable", summary.transfers.pageable))
        for direction, fit in fits.items()
    ]
    if not links:
        return None
    figure = new_figure(_WIDTH_IN, 3.2)
    times, errors = figure.subplots(1, 2)
    for number, (name, fit) in enumerate(links):
        _draw_link(times, errors, fit, name, number)
    for axes in (times, errors):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("size of the copy")
        axes.xaxis.set_major_locator(LogLocator(base=16))
        axes.xaxis.set_major_formatter(FuncFormatter(_size))
        axes.xaxis.set_minor_formatter(NullFormatter())
    times.set_yscale("log")
    times.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    times.set_ylabel("duration, ms")
    times.set_title("measured (markers), alpha + bytes / rate (lines)")
    errors.axhline(0, color=GREY, linewidth=0.8)
    errors.set_ylabel("fit / measured - 1, %")
    errors.set_title("error of the fit")
    times.legend()
    return figure


def _draw_link(times: Axes, errors: Axes, fit: LinkFit, name: str, number: int) -> None:
    sizes = np.array(sorted(fit.seconds), dtype=float)
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    measured = [fit.seconds[int(size)] * 1e3 for size in sizes]
    times.plot(sizes, measured, marker, color=colour, label=name, fillstyle="none")
    fine = np.geomspace(sizes[0], sizes[-1], 200)
    times.plot(fine, (fit.alpha_s + fine / fit.bytes_per_s) * 1e3, color=colour)
    errors.plot(sizes, [100 * fit.errors[int(size)] for size in sizes], marker=marker, color=colour, fillstyle="none")


def _size(value: float, _position: int) -> str:
    for unit, scale in (("MiB", 2**20), ("KiB", 2**10)):
        if value >= scale:
            return f"{value / scale:g} {unit}"
    return f"{value:g} B"


def contention_matrix(summary: Summary) -> Figure | None:
    """Draw the measured slowdown of each load by each other one; None without cells of two streams."""
    fitted = {load for cell in summary.measured.training for load in cell.loads}
    # Batch sizes that only judge the fit have one or two cells each: rows and columns of nothing.
    pairs = [cell for cell in summary.measured.cells if len(cell.loads) == 2 and set(cell.loads) <= fitted]
    if not pairs:
        return None
    loads = sorted({load for cell in pairs for load in cell.loads})
    table = _matrix(pairs, loads)
    size = len(loads)
    figure = new_figure(min(9.0, 3.2 + 0.42 * size), min(8.0, 2.2 + 0.36 * size))
    axes = figure.subplots()
    top = max(1.1, float(np.nanmax(table)))
    scale = LogNorm(1.0, top) if top > 3 else Normalize(1.0, top)
    image = axes.imshow(np.maximum(table, 1.0), norm=scale, cmap="viridis_r", aspect="auto")
    _label_matrix(axes, table, loads, scale)
    bar = figure.colorbar(image, ax=axes, label="slowdown")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.ax.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return figure


def _matrix(pairs: Sequence[Cell], loads: Sequence[Load]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    position = {load: at for at, load in enumerate(loads)}
    total, count = np.zeros((len(loads), len(loads))), np.zeros((len(loads), len(loads)))
    for cell in pairs:
        first, second = (position[load] for load in cell.loads)
        for row, column, slowdown in ((first, second, cell.slowdowns[0]), (second, first, cell.slowdowns[1])):
            total[row, column] += slowdown
            count[row, column] += 1
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _label_matrix(axes: Axes, table: np.ndarray, loads: Sequence[Load], scale: Normalize) -> None:
    names = [str(load) for load in loads]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("co-located with")
    axes.set_ylabel("slowdown of")
    axes.grid(visible=False)
    if len(loads) > 20:
        return
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            dark = float(scale(max(value, 1.0))) > 0.5
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color="w" if dark else "k")


def measured_and_fitted(summary: Summary, sharing: Sharing) -> Figure:
    """Draw each measured slowdown against the predicted one: cells that were fitted, and cells held out."""
    figure = new_figure(_WIDTH_IN, 3.9)
    fitted, held_out = figure.subplots(1, 2, sharex=True, sharey=True)
    highest = max(
        _scatter(fitted, summary.measured.training, sharing), _scatter(held_out, summary.measured.held_out, sharing)
    )
    fitted.set_title("cells that were fitted")
    held_out.set_title("cells held out" if summary.measured.held_out else "cells held out: none")
    for axes in (fitted, held_out):
        ends = (0.9, highest * 1.1)
        axes.plot(ends, ends, color=GREY, linewidth=0.8)
        axes.fill_between(ends, [0.9 * end for end in ends], [1.1 * end for end in ends], color=GREY, alpha=0.15, lw=0)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("predicted slowdown")
        for side in "xy":
            plain_log_ticks(axes, side, *ends)
    fitted.set_ylabel("measured slowdown")
    for axes in (fitted, held_out):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(title="band: ±10 %")
    return figure


def _scatter(axes: Axes, cells: Sequence[Cell], sharing: Sharing) -> float:
    """Draw cells by kind; return the largest slowdown."""
    guesses = sharing.slowdowns(cells)
    highest = 1.5
    for role, number in _LOOKS.items():
        chosen = [(guess, cell.slowdowns) for guess, cell in zip(guesses, cells, strict=True) if cell.role == role]
        x = [value for guess, _ in chosen for value in guess]
        y = [value for _, slowdowns in chosen for value in slowdowns]
        if x:
            axes.plot(x, y, MARKERS[number], color=COLOURS[number], label=role, fillstyle="none", alpha=0.8)
            highest = max(highest, *x, *y)
    return highest


def residuals(summary: Summary, sharing: Sharing) -> Figure:
    """Draw what the fit leaves: against the predicted slowdown, and by number of streams."""
    figure = new_figure(_WIDTH_IN, 3.2)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    cells = summary.measured.training
    guesses = sharing.slowdowns(cells)
    by_count: dict[int, list[float]] = {}
    for role, number in _LOOKS.items():
        points = [
            (guess, 100 * float(np.log(slowdown / guess)), len(cell.loads))
            for cell, row in zip(cells, guesses, strict=True)
            if cell.role == role
            for guess, slowdown in zip(row, cell.slowdowns, strict=True)
        ]
        if points:
            x, y, _ = zip(*points, strict=True)
            left.plot(x, y, MARKERS[number], color=COLOURS[number], label=role, fillstyle="none", alpha=0.8)
        for _, value, count in points:
            by_count.setdefault(count, []).append(value)
    counts = sorted(by_count)
    right.boxplot(
        [by_count[count] for count in counts], tick_labels=[str(count) for count in counts], whis=(5, 95), sym=""
    )
    for axes in (left, right):
        axes.axhline(0, color=GREY, linewidth=0.8)
    left.set_xscale("log")
    plain_log_ticks(left, "x", 0.95, 1.1 * max(value for row in guesses for value in row))
    left.set_xlabel("predicted slowdown")
    left.set_ylabel("100 x log(measured / predicted)")
    left.legend()
    right.set_xlabel("number of streams")
    right.set_title("box: quartiles, whiskers: 5 % and 95 %")
    return figure


def intervals(sharing: Sharing) -> Figure:
    """Draw every parameter of a load with its interval; what is not identified is marked."""
    loads = sharing.fit.loads
    figure = new_figure(_WIDTH_IN, 1.0 + 0.24 * len(loads))
    panels = figure.subplots(1, 3 if sharing.queue_intervals else 2, sharey=True)
    for axes, kind in zip(panels, ("demand", "weight", "hold"), strict=False):
        every = (*sharing.intervals, *sharing.queue_intervals)
        found = {interval.load: interval for interval in every if interval.kind == kind}
        for row, load in enumerate(loads):
            interval = found.get(load)
            if interval is None:
                axes.plot([1], [row], "k|", markersize=9)
            else:
                _draw_interval(axes, row, interval)
    panels[0].set_yticks(range(len(loads)), [str(load) for load in loads])
    panels[0].invert_yaxis()
    panels[0].set_xlim(0, 1.02)
    panels[0].set_xlabel("demand: share of the device")
    panels[1].set_xscale("log")
    values = [i.value for i in sharing.intervals if i.kind == "weight"] or [1.0]
    plain_log_ticks(panels[1], "x", min([0.5, *values]) / 3, max([2.0, *values]) * 3)
    panels[1].set_xlabel(f"weight, relative to {sharing.fit.anchor}")
    if sharing.queue_intervals:
        panels[2].set_xlim(0, 1.02)
        panels[2].set_xlabel("hold: share of a kernel")
    figure.suptitle("95 % profile-likelihood intervals; hollow and red: not identified", fontsize=9)
    return figure


def _draw_interval(axes: Axes, row: int, interval: Interval) -> None:
    colour = COLOURS[0] if interval.identified else VERMILLION
    axes.plot([max(interval.low, 1e-6), interval.high], [row, row], color=colour)
    inside = colour if interval.identified else "white"
    axes.plot([interval.value], [row], "o", color=colour, markerfacecolor=inside)


def held_out_errors(sharing: Sharing) -> Figure:
    """Draw the mean error of the execution time by how the cells were held out, for the rules and the baselines."""
    splits = list(dict.fromkeys(row.split for row in sharing.rows))
    rivals = list(dict.fromkeys(row.predictor for row in sharing.rows))
    figure = new_figure(_WIDTH_IN, 1.1 + 0.36 * len(splits))
    axes = figure.subplots()
    drawn: list[float] = []
    for number, rival in enumerate(rivals):
        scores = [(row, sharing.row(split, rival)) for row, split in enumerate(splits)]
        points = [(100 * found.mean, row) for row, found in scores if found is not None and found.mean > 0]
        if points:
            x, y = zip(*points, strict=True)
            own = rival == sharing.rule
            axes.plot(
                x,
                y,
                MARKERS[number % len(MARKERS)],
                color=COLOURS[number % len(COLOURS)],
                fillstyle="full" if own else "none",
                markersize=8 if own else 6,
                label=rival,
            )
            drawn += x
    axes.set_xscale("log")
    plain_log_ticks(axes, "x", min(drawn, default=1.0) / 1.3, max(drawn, default=10.0) * 1.3)
    axes.set_yticks(range(len(splits)), splits)
    axes.invert_yaxis()
    axes.set_xlabel("mean error of the execution time, %; filled: the profile's rule")
    axes.legend(ncols=len(rivals), loc="lower left", bbox_to_anchor=(-0.02, 1.0))
    return figure
