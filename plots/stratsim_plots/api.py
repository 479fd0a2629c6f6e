"""Figures in Python and in notebooks: what `stratsim.plot` finds here by entry point, a function per kind.

    import stratsim.plot

    axes = stratsim.plot.load("results/sweep", x="load", metric="p99_arrived_s", width="page")
    axes.figure.savefig("load.pdf")

Each draws what `stratsim plot` of that kind draws, with the same options, and returns the axes; where a figure has
several panels, the first of them (`axes.figure.axes` are all). pyplot knows the figure: a notebook shows it. matplotlib
is imported when the first one is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from stratsim_plots.figure import show_figure
from stratsim_plots.layout import Layout, parse_width
from stratsim_plots.series import Options

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    Path = str | os.PathLike[str]

__all__ = [
    "LayoutOptions",
    "capacity",
    "differences",
    "equity",
    "heatmap",
    "latency_ccdf",
    "latency_cdf",
    "latency_parts",
    "load",
    "timeline",
    "violations",
]


class LayoutOptions(TypedDict, total=False):
    """What every figure takes, all of it optional.

    Args:
        width: `column` (3.3 in), `page` (7 in) or inches.
        font_size: Of axis titles, points; other texts follow.
        title: A line above everything.
        footer: Whether there is small print.
        legend: `above`, `below`, `right` or `none`.
        labels: What to write instead of a name.
        order: Names in the order in which they come; others follow.
    """

    width: str | float
    font_size: float
    title: str
    footer: bool
    legend: Literal["above", "below", "right", "none"]
    labels: Mapping[str, str]
    order: Sequence[str]


def violations(
    *paths: Path, policies: Sequence[str] = (), where: Sequence[str] = (), rows: str = "current",
    **layout: Unpack[LayoutOptions],
) -> Axes:  # fmt: skip
    """Draw the share of late and dropped requests, by policy and class.

    Args:
        paths: Result folders; or one sweep, where bars are means over seeds.
        policies: Only these; all if empty.
        where: Of a sweep, conditions `COLUMN=VALUE` that leave one place of its grid.
        rows: Of a sweep, `current` or `all`.
        layout: `LayoutOptions`.

    Raises:
        SpecError: what `stratsim plot` refuses.
        MissingExtraError: matplotlib is not installed.
    """
    return _draw("violations", paths, layout, policies=tuple(policies), where=tuple(where), rows=rows)


def latency_cdf(
    *paths: Path, of: Literal["arrived", "completed"] = "arrived", policies: Sequence[str] = (),
    **layout: Unpack[LayoutOptions],
) -> Axes:  # fmt: skip
    """Draw the distribution function of the latency, s on a log axis: the fraction of requests answered within it.

    Args:
        paths: Result folders.
        of: Of all requests that arrived, so that drops keep it below 1, or of the completed ones.
        policies: Only these; all if empty.
        layout: `LayoutOptions`.
    """
    return _draw("latency-cdf", paths, layout, of=of, policies=tuple(policies))


def latency_ccdf(
    *paths: Path, of: Literal["arrived", "completed"] = "arrived", policies: Sequence[str] = (),
    **layout: Unpack[LayoutOptions],
) -> Axes:  # fmt: skip
    """Draw the complement of `latency_cdf` on log axes: the fraction of requests that were slower or never answered."""
    return _draw("latency-ccdf", paths, layout, of=of, policies=tuple(policies))


def timeline(
    path: Path, policy: str | None = None, *, from_s: float | None = None, to_s: float | None = None,
    **layout: Unpack[LayoutOptions],
) -> Axes:  # fmt: skip
    """Draw what each GPU did in a window: execution slots and copy engines.

    Args:
        path: A result folder.
        policy: The policy; the first by default.
        from_s: Start of the window, simulated seconds; with neither end it is the busiest 200 ms.
        to_s: Its end.
        layout: `LayoutOptions`.
    """
    chosen = () if policy is None else (policy,)
    return _draw("timeline", (path,), layout, policies=chosen, from_s=from_s, to_s=to_s)


def load(
    *paths: Path, x: str | None = None, metric: str | None = None, policies: Sequence[str] = (),
    where: Sequence[str] = (), rows: str = "current", **layout: Unpack[LayoutOptions],
) -> Axes:  # fmt: skip
    """Draw a figure against a load or another axis, a line per policy, with 95 % t intervals over seeds.

    Args:
        paths: One sweep; or result folders of one experiment at several loads, which show violations.
        x: Of a sweep, its axis from left to right; the load by default, or the first that varies.
        metric: Of a sweep, a column of its table, with its class (`high_p99_arrived_s`) or without; by default
            violations.
        policies: Only these; all if empty.
        where: Of a sweep, conditions `COLUMN=VALUE`.
        rows: Of a sweep, `current` or `all`.
        layout: `LayoutOptions`.
    """
    asked = {"x": x, "metric": metric, "policies": tuple(policies), "where": tuple(where), "rows": rows}
    return _draw("load", paths, layout, **asked)


def latency_parts(*paths: Path, policies: Sequence[str] = (), **layout: Unpack[LayoutOptions]) -> Axes:
    """Draw where the time went: mean parts of the latency by policy and class, ms, of all and of the slowest 1 %."""
    return _draw("latency-parts", paths, layout, policies=tuple(policies))


def differences(
    *paths: Path, metric: str | None = None, baseline: str | None = None, policies: Sequence[str] = (),
    where: Sequence[str] = (), rows: str = "current", **layout: Unpack[LayoutOptions],
) -> Axes:  # fmt: skip
    """Draw differences to a baseline with their intervals: what `stratsim compare` says of one metric.

    Args:
        paths: Result folders of the same requests, or one sweep.
        metric: One that `stratsim compare` knows; violations by default.
        baseline: The policy that others are compared with; the first by default.
        policies: Only these; all if empty.
        where: Of a sweep, conditions `COLUMN=VALUE`.
        rows: Of a sweep, `current` or `all`.
        layout: `LayoutOptions`.
    """
    asked = {"metric": metric, "baseline": baseline, "policies": tuple(policies), "where": tuple(where), "rows": rows}
    return _draw("differences", paths, layout, **asked)


def equity(
    *paths: Path, policies: Sequence[str] = (), where: Sequence[str] = (), rows: str = "current",
    **layout: Unpack[LayoutOptions],
) -> Axes:  # fmt: skip
    """Draw violations of low against those of high priority, a point per policy and run, of folders or one sweep."""
    return _draw("equity", paths, layout, policies=tuple(policies), where=tuple(where), rows=rows)


def capacity(*paths: Path, policies: Sequence[str] = (), **layout: Unpack[LayoutOptions]) -> Axes:
    """Draw rates that meet a target, and the goodput there, 1/s, from files of `stratsim capacity --out`."""
    return _draw("capacity", paths, layout, policies=tuple(policies))


def heatmap(
    path: Path, *, x: str | None = None, y: str | None = None, metric: str | None = None,
    policies: Sequence[str] = (), where: Sequence[str] = (), rows: str = "current", **layout: Unpack[LayoutOptions],
) -> Axes:  # fmt: skip
    """Draw one figure over two axes of a sweep, a panel per policy.

    Args:
        path: The sweep.
        x: Axis from left to right; the first that varies by default.
        y: Axis from bottom to top; the next by default, else the policies.
        metric: A column of its table; `high_violation` by default.
        policies: Only these; all if empty.
        where: Conditions `COLUMN=VALUE`.
        rows: `current` or `all`.
        layout: `LayoutOptions`.
    """
    asked = {"x": x, "y": y, "metric": metric, "policies": tuple(policies), "where": tuple(where), "rows": rows}
    return _draw("heatmap", (path,), layout, **asked)


def _draw(kind: str, paths: Sequence[Path], layout: LayoutOptions, **asked: Any) -> Axes:
    return show_figure(paths, kind, Options(**asked, layout=_layout(layout))).axes[0]


def _layout(asked: LayoutOptions) -> Layout:
    given: dict[str, Any] = dict(asked)
    width = given.pop("width", None)
    given["width_in"] = parse_width(width) if isinstance(width, str) else width
    given["labels"] = tuple(dict(given.get("labels", {})).items())
    given["order"] = tuple(given.get("order", ()))
    return Layout(**given)
