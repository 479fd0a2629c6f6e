"""What graded stressors show of a load: how much it suffers from one resource, and how much of it it takes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from stratsim.model.profile import Features
from stratsim_profiler.samples import is_stressor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratsim.fit.cells import Cell, Load

__all__ = ["Response", "features", "responses"]

_FEATURES = {"compute": "compute", "dram": "memory", "l2": "l2"}
"""Field of a profile's features by kind of stressor."""


@dataclass(frozen=True, slots=True)
class Response:
    """A load co-located with a stressor.

    Args:
        load: The load.
        kind: Kind of the stressor: `compute`, `dram`, `l2`, `copy` or `empty`.
        level: Its grade, within [0, 1].
        sensitivity: Slowdown of the load.
        pressure: Share of its speed that the stressor loses, within [0, 1].
    """

    load: Load
    kind: str
    level: float
    sensitivity: float
    pressure: float


def responses(cells: Iterable[Cell]) -> tuple[Response, ...]:
    """Return one response per load, kind and level; repeated cells are averaged."""
    found: dict[tuple[Load, str, float], list[tuple[float, float]]] = defaultdict(list)
    for cell in cells:
        stressors = [at for at, load in enumerate(cell.loads) if is_stressor(load.model)]
        others = [at for at in range(len(cell.loads)) if at not in stressors]
        if len(stressors) == 1 and len(others) == 1:
            _, kind, level = (*cell.loads[stressors[0]].model.split(":"), "1", "1")[:3]
            pressure = min(1.0, max(0.0, 1 - 1 / cell.slowdowns[stressors[0]]))
            found[cell.loads[others[0]], kind, float(level)].append((cell.slowdowns[others[0]], pressure))
    return tuple(
        Response(load, kind, level, fmean(one for one, _ in both), fmean(other for _, other in both))
        for (load, kind, level), both in sorted(found.items())
    )


def features(found: Iterable[Response]) -> Mapping[Load, Features]:
    """Return a profile's features: what each load takes off the strongest stressor of each kind.

    Loads that did not run with both a compute and a DRAM stressor have none.
    """
    strongest: dict[Load, dict[str, Response]] = defaultdict(dict)
    for response in found:
        field = _FEATURES.get(response.kind)
        if field is not None and response.level >= strongest[response.load].get(field, response).level:
            strongest[response.load][field] = response
    return {
        load: Features(**{field: round(response.pressure, 4) for field, response in by_field.items()})
        for load, by_field in strongest.items()
        if {"compute", "memory"} <= set(by_field)
    }
