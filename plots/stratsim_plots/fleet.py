"""How many GPUs: percentiles and violations against the number of GPUs, with the target and the headroom below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from stratsim.errors import SpecError, suggest
from stratsim_plots import style
from stratsim_plots.names import short_names
from stratsim_plots.sources import read_fleet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim_plots.series import Options

__all__ = ["COLUMNS", "draw", "read"]

COLUMNS = (
    *("policy", "gpus", "verdict", "goal", "unit", "value", "low", "high", "infinite", "bound", "fewest", "headroom"),
    *("rate_per_s", "level", "seeds", "origin"),
)
_REACH = 3.0
"""The axis goes up to so many times the target: what is far beyond says nothing about sizing. Our choice."""
_APART = 0.06
"""How far apart the headrooms of policies with the same number of GPUs are drawn, in GPUs; triangles twice as far."""


def read(paths: Sequence[Any], options: Options) -> pd.DataFrame:
    """Return a row per policy, number of GPUs and goal: percentiles in ms, violations in %.

    Raises:
        SpecError: several files, one that is no result of `stratsim capacity --rate`, or a policy that it lacks.
    """
    if len(paths) > 1:
        raise SpecError(f"a figure of the fewest GPUs shows one result, got {len(paths)}")
    document = read_fleet(paths[0])
    known = [fleet["policy"] for fleet in document["fleets"]]
    for policy in options.policies:
        if policy not in known:
            raise SpecError(f"no result of policy {policy!r}; {suggest(policy, known)}")
    profile = document["manifest"].get("profile") or {}
    origin = f"simulated; device profile: {profile.get('name', 'unnamed')} ({profile.get('label', 'unlabelled')})"
    common = (document["rate_per_s"], document["level"], len(document["seeds"]), origin)
    rows = [
        (*row, *common)
        for fleet in document["fleets"]
        if not options.policies or fleet["policy"] in options.policies
        for row in _rows(document, fleet)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(document: dict[str, Any], fleet: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    fewest = np.nan if fleet["gpus"] is None else fleet["gpus"]
    headroom = np.nan if fleet["headroom"] is None else 100 * fleet["headroom"]
    for point in fleet["points"]:
        for goal in document["target"]:
            at = point["goals"][goal["name"]]
            latency = goal["limit_s"] is not None
            found = at["percentile_s"] if latency else at["missed"]
            factor = 1e3 if latency else 1e2
            values = [np.nan] * 3 if found is None else [factor * found[name] for name in ("mean", "low", "high")]
            bound = factor * (goal["limit_s"] if latency else goal["share"])
            where = (fleet["policy"], point["gpus"], point["verdict"], goal["name"])
            yield (*where, "ms" if latency else "%", *values, at["infinite"], bound, fewest, headroom)


def draw(frame: pd.DataFrame, options: Options) -> Figure:  # noqa: ARG001
    """Draw a panel per goal with a line per policy; filled marks meet the whole target, hollow ones do not surely."""
    policies, goals = (list(dict.fromkeys(frame[name])) for name in ("policy", "goal"))
    labels = [_label(name, frame[frame["policy"] == policy]) for policy, name in short_names(policies).items()]
    figure = style.new_figure(0.9 + 1.45 * len(goals) + style.legend_height_in(labels, 1))
    panels = figure.subplots(len(goals), sharex=True, squeeze=False)[:, 0]
    for axes, goal in zip(panels, goals, strict=True):
        own = frame[frame["goal"] == goal]
        for number, policy in enumerate(policies):
            _line(axes, own[own["policy"] == policy].sort_values("gpus"), number, len(policies))
        _target(axes, own)
    panels[-1].set_xlabel("GPUs")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [Line2D([], [], label=label, **style.look(n)) for n, label in enumerate(labels)]
    style.legend_above(figure, handles, 1)
    first = frame.iloc[0]
    notes = [
        f"{first['rate_per_s']:.4g} requests/s",
        f"bars: {100 * first['level']:g} % interval of {first['seeds']} seeds",
    ]
    notes.append("filled: meets the whole target; vertical: headroom at the fewest")
    notes += ["triangles: the percentile falls among dropped requests"] if (frame["infinite"] > 0).any() else []
    style.footer(figure, "; ".join([*notes, str(first["origin"])]))
    return figure


def _label(name: str, own: pd.DataFrame) -> str:
    fewest, headroom = own["fewest"].iloc[0], own["headroom"].iloc[0]
    if np.isnan(fewest):
        return style.wrap(f"{name}: more than {own['gpus'].max()} GPUs", 52)
    return style.wrap(f"{name}: {int(fewest)} GPU{'' if fewest == 1 else 's'}, headroom {headroom:.0f} %", 52)


def _line(axes: Axes, points: pd.DataFrame, number: int, policies: int) -> None:
    x, y = (points[name].to_numpy(dtype=float) for name in ("gpus", "value"))
    error = np.nan_to_num(np.vstack([y - points["low"].to_numpy(), points["high"].to_numpy() - y]))
    look = style.look(number)
    axes.errorbar(x, y, yerr=error, elinewidth=0.7, capsize=1.5, **{**look, "marker": ""}, zorder=2)
    meets = (points["verdict"] == "meets").to_numpy()
    for chosen, fill in ((meets, look["color"]), (~meets, "white")):
        axes.plot(x[chosen], y[chosen], look["marker"], color=look["color"], markerfacecolor=fill, zorder=3)
    aside = _APART * (number - (policies - 1) / 2)
    beyond = x[points["infinite"].to_numpy() > 0] + 2 * aside
    if len(beyond):
        top: dict[str, Any] = {"color": look["color"], "markersize": 3, "transform": axes.get_xaxis_transform()}
        axes.plot(beyond, np.full(len(beyond), 0.97), "^", **top)
    at = points[points["gpus"] == points["fewest"]]
    if len(at) and at["value"].iloc[0] < at["bound"].iloc[0]:
        ends = [at["value"].iloc[0], at["bound"].iloc[0]]
        axes.plot(
            [at["gpus"].iloc[0] + aside] * 2,
            ends,
            color=look["color"],
            linewidth=0.8,
            marker="_",
            markersize=3,
            zorder=2,
        )


def _target(axes: Axes, own: pd.DataFrame) -> None:
    """Mark the target, and name the axis by it."""
    goal, unit, bound = (own[name].iloc[0] for name in ("goal", "unit", "bound"))
    axes.axhline(bound, color="black", linewidth=0.8, linestyle=(0, (5, 2)), zorder=1)
    note: dict[str, Any] = {"xytext": (-2, 2), "textcoords": "offset points", "ha": "right", "fontsize": 6}
    axes.annotate(f"target {bound:g} {unit}", (1, bound), xycoords=axes.get_yaxis_transform(), **note)
    axes.set_ylabel(style.wrap(f"{goal}{'' if unit == 'ms' else ' violations'} ({unit})", 26))
    highest = np.nanmax(own["high"].fillna(own["value"]).to_numpy(dtype=float), initial=0.0)
    top = min(_REACH * bound, 1.08 * max(highest, 1.2 * bound)) or 1.0
    axes.set_ylim(-0.03 * top, top)  # so that marks at 0 are whole
