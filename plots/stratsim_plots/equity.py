"""Who pays: violations of low against those of high priority, a point per policy and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from stratsim.compare.sweep import variant_labels
from stratsim.errors import SpecError
from stratsim.results.read import read_results
from stratsim_plots import style
from stratsim_plots.series import Options, check_comparable, select
from stratsim_plots.sheet import NOTE, Sheet
from stratsim_plots.sources import is_one_sweep, origin_of, sweep_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "draw", "read"]

COLUMNS = ("policy", "conditions", "seed", "violation_high", "violation_low", "origin")


def read(paths: Sequence[Any], options: Options) -> pd.DataFrame:
    """Return a row per run, from result folders or from a sweep.

    Raises:
        SpecError: no run has violations of both classes, or folders hold different experiments.
    """
    frame = _of_sweep(paths[0], options) if is_one_sweep(paths) else _of_folders(paths, options)
    frame = frame.dropna(subset=["violation_high", "violation_low"]).reset_index(drop=True)
    if frame.empty:
        raise SpecError("no run has violations of both classes, so there is nothing to set against each other")
    return frame.assign(origin=origin_of(paths))[list(COLUMNS)]


def _of_sweep(path: Any, options: Options) -> pd.DataFrame:
    table = sweep_runs(path, options)
    rows = table.frame
    for name in ("high_violation", "low_violation"):
        if name not in rows.columns:
            raise SpecError(f"{path}: has no column {name}")
    axes = [name for name in table.axes if rows[name].nunique() > 1]
    named = [", ".join(f"{name} {row[name]}" for name in axes) for row in rows[["seed", *axes]].to_dict("records")]
    rows = rows.assign(conditions=named, violation_high=rows["high_violation"], violation_low=rows["low_violation"])
    cells = [own.assign(policy=variant_labels(own, table.choices)) for _, own in rows.groupby("conditions", sort=False)]
    return pd.concat(cells, ignore_index=True)


def _of_folders(paths: Sequence[Any], options: Options) -> pd.DataFrame:
    results = [read_results(path) for path in paths]
    check_comparable(results)
    loads = {_load(stored.manifest) for stored in results}
    rows = []
    for series in select(results, options.policies):
        classes, manifest = series.figures["classes"], series.results.manifest
        conditions = f"load {_load(manifest):g}" if len(loads) > 1 and _load(manifest) is not None else ""
        violations = (classes["high"]["violation"], classes["low"]["violation"])
        rows.append((series.policy, conditions, manifest.get("seed"), *violations))
    return pd.DataFrame(rows, columns=list(COLUMNS[:-1])).astype({"violation_high": float, "violation_low": float})


def _load(manifest: dict[str, Any]) -> Any:
    return (manifest.get("spec") or {}).get("load")


def draw(frame: pd.DataFrame, options: Options) -> Figure:
    """Draw low against high with a mark per policy; on the diagonal both classes fare alike."""
    sheet, layout = Sheet(options.layout), options.layout
    policies = list(dict.fromkeys(frame["policy"]))
    repeated = len(frame) > len(policies)
    (axes,) = sheet.panels(1)
    most = 100 * float(frame[["violation_high", "violation_low"]].max().max())
    limit = max(1.08 * most, 1.0)
    axes.plot([0, limit], [0, limit], color="#909090", linewidth=0.7, zorder=1)
    for number, policy in enumerate(policies):
        own = frame[frame["policy"] == policy]
        points = {**_look(number), "clip_on": False}
        faint = {"alpha": 0.55, "markersize": 3.0, "markeredgewidth": 0.4} if repeated else {"markersize": 4.5}
        axes.plot(100 * own["violation_high"], 100 * own["violation_low"], **points | faint, zorder=2)
        for _, cell in own.groupby("conditions", sort=False):
            if repeated and len(cell) > 1:
                mean = 100 * cell[["violation_high", "violation_low"]].mean()
                ring = {"markersize": 6, "markeredgecolor": "black", "markeredgewidth": 0.6}
                axes.plot(*mean, **points | ring, zorder=3)
    axes.set(xlim=(0, limit), ylim=(0, limit))
    axes.set_xlabel(f"Violations, {layout.name('high')} priority (%)")
    axes.set_ylabel(f"Violations, {layout.name('low')} priority (%)")
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    note: dict[str, Any] = {"xycoords": "axes fraction", "fontsize": style.points(NOTE), "color": "#606060"}
    axes.annotate(f"{layout.name('low')} priority pays", (0.02, 0.98), va="top", **note)
    axes.annotate(f"{layout.name('high')} priority pays", (0.98, 0.02), ha="right", **note)
    sheet.legend([Line2D([], [], label=name, **_look(n)) for n, name in enumerate(layout.names(policies))])
    several = frame["conditions"].nunique() > 1
    small = f"Small: a run each; large: their mean{' at each of the conditions' if several else ''}; "
    return sheet.finish(None, (small if repeated else "") + str(frame["origin"].iloc[0]))


def _look(number: int) -> dict[str, Any]:
    """Return the mark of a policy; those after the eighth are hollow."""
    hollow = {"markerfacecolor": "white"} if number >= len(style.MARKERS) else {}
    return style.look(number) | {"linestyle": "none"} | hollow
