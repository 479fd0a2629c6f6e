"""Figures of a fidelity report, from the data files in the same folder: one function per table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim_plots.beside import draw_beside

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw"]

_WIDE_IN = 7.0
_MANY = 24
"""Co-locations that are shown one by one."""
_LIMIT = 0.10
"""Error within which a figure passes."""


def _known(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the data with -1 for a load that is not known."""
    return frame.assign(load=frame["load"].astype(float).fillna(-1.0))


def draw(directory: str | os.PathLike[str], names: Iterable[str]) -> dict[str, list[str]]:
    """Draw the figures of a report, as PNG and SVG, next to their data: `draw_beside`."""
    return draw_beside(directory, names, FIGURES)


def cdf(frame: pd.DataFrame) -> Figure:
    """Draw the latencies of live and simulated runs over each other: a row per load, a column per policy."""
    from matplotlib.lines import Line2D

    from stratsim_plots import style

    frame = _known(frame)
    loads, policies = _distinct(frame, "load"), _distinct(frame, "policy")
    width_in = _WIDE_IN if len(policies) > 1 else style.WIDTH_IN
    figure = style.new_figure(0.6 + 1.5 * len(loads), width_in)
    grid = figure.subplots(len(loads), len(policies), squeeze=False, sharex="row", sharey=True)
    for row, load in zip(grid, loads, strict=True):
        for axes, policy in zip(row, policies, strict=True):
            _cdf(axes, frame[(frame["load"] == load) & (frame["policy"] == policy)])
            axes.set_title(style.wrap(f"{policy}{_at(load)}", 34), fontsize=7)
        row[0].set_xlim(left=0)  # shared by the row: only now does its other end have room for all
        row[0].set_ylabel("Fraction answered")
    for axes in grid[-1]:
        axes.set_xlabel("Latency (ms)")
    handles = [
        Line2D([], [], color=style.BLUE, label="live, each repeat"),
        Line2D([], [], color=style.VERMILLION, linestyle=(0, (4, 1.5)), label="simulated"),
    ]
    style.legend_above(figure, handles, 2)
    style.footer(figure, f"Up to the 99th percentile. {_origin(frame)}")
    return figure


def _cdf(axes: Axes, frame: pd.DataFrame) -> None:
    from stratsim_plots import style

    looks: dict[str, dict[str, Any]] = {
        "live": {"color": style.BLUE, "linewidth": 0.8, "alpha": 0.7},
        "simulated": {"color": style.VERMILLION, "linewidth": 1.1, "linestyle": (0, (4, 1.5))},
    }
    shown = frame[frame["fraction"] <= 0.99]
    for (name, _), line in shown.groupby(["run", "repeat"], sort=False):
        axes.plot(1e3 * line["latency_s"], line["fraction"], **looks[str(name)])
    axes.set_ylim(0, 1)


def errors(frame: pd.DataFrame) -> Figure:
    """Draw how far p50, p95 and p99 are off, by load and policy, with the noise floor as a bar."""
    from stratsim_plots import style

    frame = _known(frame)
    figures, policies = _distinct(frame, "figure"), _distinct(frame, "policy")
    height_in = 2.0 + style.legend_height_in([str(name) for name in policies], 3)
    figure = style.new_figure(height_in, _WIDE_IN)
    panels = figure.subplots(1, len(figures), sharey=True, squeeze=False)[0]
    loads = _distinct(frame, "load")
    for axes, name in zip(panels, figures, strict=True):
        axes.axhspan(-100 * _LIMIT, 100 * _LIMIT, color="#eeeeee", zorder=0)
        axes.axhline(0, color="#808080", linewidth=0.6)
        for number, policy in enumerate(policies):
            own = frame[(frame["figure"] == name) & (frame["policy"] == policy)]
            at = np.array([loads.index(load) for load in own["load"]]) + 0.16 * (number - (len(policies) - 1) / 2)
            look = style.look(number) | {"linestyle": "none", "markersize": 4}
            axes.errorbar(
                at,
                100 * own["error"],
                yerr=100 * own["floor"].fillna(0.0),
                elinewidth=0.8,
                capsize=2,
                label=policy,
                **look,
            )
        axes.set_xticks(range(len(loads)), ["-" if load < 0 else f"{load:g}" for load in loads])
        axes.set_xlim(-0.5, len(loads) - 0.5)
        axes.set_xlabel("Load")
        axes.set_title(str(name))
    panels[0].set_ylabel("Simulated - live (%)")
    style.legend_above(figure, panels[0].get_legend_handles_labels()[0], 3)
    style.footer(figure, f"Bars: noise floor, live against live. Grey: within 10 %. {_origin(frame)}")
    return figure


def corunners(frame: pd.DataFrame) -> Figure:
    """Draw the error of execution times by the co-located models, all loads and policies together."""
    from stratsim_plots import style

    weighted = frame.assign(weighted=frame["n"] * frame["median"], size=frame["n"] * frame["error"])
    sums = weighted.groupby("company", sort=False)[["n", "weighted", "size"]].sum().sort_values("n", ascending=False)
    shown = sums.iloc[:_MANY]
    figure = style.new_figure(0.9 + 0.2 * len(shown))
    axes = figure.subplots()
    rows = np.arange(len(shown))[::-1]
    axes.axvspan(-100 * _LIMIT, 100 * _LIMIT, color="#eeeeee", zorder=0)
    axes.axvline(0, color="#808080", linewidth=0.6)
    axes.plot(100 * shown["weighted"] / shown["n"], rows, "o", color=style.VERMILLION, label="median")
    axes.plot(100 * shown["size"] / shown["n"], rows, "|", color=style.BLUE, markersize=7, label="median of |error|")
    axes.set_yticks(rows, [f"{style.wrap(str(name), 30)} ({count:.0f})" for name, count in shown["n"].items()])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel("Simulated - live (%)")
    style.legend_above(figure, axes.get_legend_handles_labels()[0], 2)
    note = "Execution times, by the co-located models; in brackets: batches. Medians of the cells, weighted by batches"
    style.footer(figure, f"{note}. {_origin(frame)}")
    return figure


def slowdowns(frame: pd.DataFrame) -> Figure:
    """Draw predicted against measured slowdowns of co-locations; the size of a point is the number of batches."""
    from stratsim_plots import style

    models = _distinct(frame, "model")
    figure = style.new_figure(3.3 + style.legend_height_in([str(name) for name in models], 3))
    axes = figure.subplots()
    columns = frame[["measured", "predicted"]]
    limit = (0.95 * min(columns.min().min(), 1.0), 1.05 * max(columns.max().max(), 1.1))
    axes.fill_between(limit, np.multiply(limit, 0.9), np.multiply(limit, 1.1), color="#e4e4e4")
    axes.plot(limit, limit, color="#808080", linewidth=0.6)
    for number, model in enumerate(models):
        own, look = frame[frame["model"] == model], style.look(number)
        sizes = 4 + 40 * np.sqrt(own["n"] / frame["n"].max())
        axes.scatter(
            own["measured"], own["predicted"], s=sizes, color=look["color"], marker=look["marker"], alpha=0.6,
            linewidths=0, label=model,
        )  # fmt: skip
    axes.set(xlim=limit, ylim=limit)
    axes.set_aspect("equal")
    axes.set_xlabel("Measured slowdown")
    axes.set_ylabel("Predicted slowdown")
    style.legend_above(figure, axes.get_legend_handles_labels()[0], 3)
    style.footer(figure, f"Each model and batch size with each set of models. Grey: within 10 %. {_origin(frame)}")
    return figure


def _distinct(frame: pd.DataFrame, column: str) -> list[Any]:
    return list(dict.fromkeys(frame[column]))


def _at(load: float) -> str:
    return "" if load < 0 else f", load {load:g}"


def _origin(frame: pd.DataFrame) -> str:
    return str(frame["origin"].iloc[0])


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "fidelity-cdf": cdf,
    "fidelity-errors": errors,
    "fidelity-corunners": corunners,
    "fidelity-slowdowns": slowdowns,
}
"""The figure of each table."""
