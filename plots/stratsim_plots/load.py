"""Deadline violations against the offered load, from one result folder per load (and seed)."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stratsim.errors import SpecError
from stratsim.stats.intervals import mean_interval
from stratsim_plots.lines import draw_line, line_samples
from stratsim_plots.series import CLASSES, Options, Series, check_comparable, origin, select
from stratsim_plots.sheet import Sheet
from stratsim_plots.words import axis_title

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from stratsim.results.read import StoredResults

__all__ = ["COLUMNS", "data", "draw"]

COLUMNS = ("policy", "class", "unit", "load", "replications", "violation", "low", "high")


def data(results: Sequence[StoredResults], options: Options) -> pd.DataFrame:
    """Return the mean violation per policy, class and load.

    Folders of the same load and different seeds are replications: `low` and `high` are then the ends of the 95 % t
    interval. The load is the one that the manifest's spec names; if a folder names none, the arrival rate takes its
    place in all of them.

    Raises:
        SpecError: the folders differ in more than load and seed, two replications share a seed, there are fewer than
            two loads, or no request has a deadline.
    """
    chosen = select(results, options.policies)
    check_comparable(results)
    unit, at = _loads(results)
    if len(set(at.values())) < 2:
        found = "only " + ", ".join(f"{value:g}" for value in set(at.values()))
        raise SpecError(f"a load figure needs result folders of at least two loads, got {found} ({unit})")
    _check_seeds(chosen, at)
    points: dict[tuple[str, str, float], list[float]] = {}
    for series in chosen:
        for name in CLASSES:
            violation = series.figures["classes"][name]["violation"]
            if violation is not None:
                points.setdefault((series.policy, name, at[id(series.results)]), []).append(violation)
    if not points:
        raise SpecError("no request has a deadline, so there are no violations to draw")
    rows = [(policy, name, unit, load, *_mean(values)) for (policy, name, load), values in points.items()]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    order = {policy: number for number, policy in enumerate(dict.fromkeys(frame["policy"]))}
    return frame.sort_values(
        ["policy", "class", "load"], key=lambda column: column.map(order) if column.name == "policy" else column
    ).reset_index(drop=True)


def _loads(results: Sequence[StoredResults]) -> tuple[str, dict[int, float]]:
    """Return the unit of the load axis, and the load of each folder by its id."""
    loads = [_spec_load(stored) for stored in results]
    known = [load for load in loads if load is not None]
    named = {(stored.manifest.get("spec") or {}).get("load_unit") for stored in results}
    unit = "requests/s" if len(known) < len(results) else "saturation" if named == {"saturation"} else "load"
    values = known if unit != "requests/s" else [_arrival_rate(stored) for stored in results]
    asked: dict[object, list[float]] = {}
    for stored, value in zip(results, values, strict=True):
        asked.setdefault(_asked(stored), []).append(value)
    return unit, {id(stored): median(asked[_asked(stored)]) for stored in results}


def _asked(stored: StoredResults) -> tuple[float | None, float]:
    """Return what tells a load from another: seeds of one trace at its own rate differ a little in what it offers."""
    spec = stored.manifest.get("spec") or {}
    load, scale = spec.get("load"), float(spec.get("rate_scale") or 1.0)
    return (None, scale) if load is None else (float(load) * scale, 1.0)


def _check_seeds(chosen: Sequence[Series], at: Mapping[int, float]) -> None:
    """Raise if a policy ran twice with one seed at one load: that is no second sample."""
    seen: dict[tuple[str, float, Any], StoredResults] = {}
    for series in chosen:
        seed, load = series.results.manifest.get("seed"), at[id(series.results)]
        earlier = seen.setdefault((series.policy, load, seed), series.results)
        if earlier is not series.results:
            raise SpecError(
                f"{earlier.directory} and {series.results.directory} both hold {series.policy} at load {load:g} with "
                f"seed {seed}; replications need different seeds"
            )


def _mean(values: list[float]) -> tuple[int, float, float, float]:
    if len(values) < 2:
        return len(values), values[0], np.nan, np.nan
    interval = mean_interval(values)
    return interval.n, interval.mean, max(interval.low, 0.0), min(interval.high, 1.0)


def _spec_load(stored: StoredResults) -> float | None:
    """Return the load that was asked for, else the load that the trace's own rate offers, else None."""
    spec = stored.manifest.get("spec") or {}
    if spec.get("load") is not None:
        return _asked(stored)[0]
    offered = stored.manifest.get("offered_load")
    return None if offered is None else float(offered)


def _arrival_rate(stored: StoredResults) -> float:
    """Return arrivals per second of the first policy's requests."""
    table = stored.requests(["policy", "arrival_s"])
    arrival = table.loc[table["policy"] == stored.policies[0], "arrival_s"]
    span = float(arrival.max() - arrival.min())
    if not span > 0:
        raise SpecError(f"{stored.directory}: names no load and its requests arrive at one instant")
    return (len(arrival) - 1) / span


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:
    """Draw a panel per class with a line per policy, and intervals where there are replications."""
    sheet, layout = Sheet(options.layout), options.layout
    policies = list(dict.fromkeys(frame["policy"]))
    classes = [name for name in CLASSES if (frame["class"] == name).any()]
    panels = sheet.panels(len(classes), sharex=True)
    for axes, name in zip(panels, classes, strict=True):
        for number, policy in enumerate(policies):
            own = frame[(frame["policy"] == policy) & (frame["class"] == name)]
            draw_line(axes, own.assign(at=own["load"], value=own["violation"]), number, 100.0)
        axes.set_ylabel(f"{layout.name(name)}: violations (%)")
        axes.set_ylim(bottom=0)
    for axes in sheet.lowest:
        axes.set_xlabel(axis_title("load", str(frame["unit"].iloc[0])))
    sheet.legend(line_samples(layout.names(policies)))
    repeated = int(frame["replications"].max())
    note = "bars and bands: 95 % t interval over seeds; " if repeated > 1 else ""
    return sheet.finish(1.15 * sheet.scale, note + origin(results))
