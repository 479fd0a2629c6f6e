"""A grid judged again at level 2 by its report, where its judged runs have not been kept.

The live figures of a cell are in the report; what arrived is drawn again by the grid's own rule and seed. That it is
the very same is checked against a calibration run that was kept: its arrivals must be a multiple of those drawn, and
the multiple is the rate that the grid measured as load 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.engine import simulate
from stratsim.errors import SpecError
from stratsim.fidelity.grid import requests_of
from stratsim.fidelity.levels import figures
from stratsim.fidelity.levels.end_to_end import CLASSES
from stratsim.fidelity.spec import make_grid
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.run.spec import make_spec
from stratsim.stats.deadlines import measuring_window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.fidelity.record import Recorded
    from stratsim.fidelity.spec import Grid
    from stratsim.model.profile import Profile

__all__ = ["CellAgain", "judge_again", "load_one"]

_LIMIT, _LIMIT_PP, _FLOORS = 0.05, 1.0, 1.5
"""The goal for a GPU: of p50 and p95, and of violations in percentage points, or so many noise floors."""


class CellAgain(NamedTuple):
    """A cell of a grid, the simulator left to itself against the live figures of the report.

    Args:
        load: Of the cell.
        policy: Of the cell.
        differences: By class: simulated over live less 1 of `p50` and `p95`, and `violation` in percentage points.
        limits: What the goal allows each of them.
    """

    load: float
    policy: str
    differences: dict[str, dict[str, float]]
    limits: dict[str, dict[str, float]]

    @property
    def missed(self) -> list[str]:
        """Figures that are further off than the goal allows, each as `CLASS FIGURE`."""
        return [
            f"{label} {name}"
            for label, found in self.differences.items()
            for name, value in found.items()
            if abs(value) > self.limits[label][name]
        ]


def load_one(data: Mapping[str, Any], base: Profile, kept: Recorded, name: str, load: float) -> float:
    """Return the rate that a grid measured as load 1, requests per second.

    Args:
        data: Plain data of the grid (`load_grid`).
        base: The profile that it began with.
        kept: A calibration run.
        name: What the grid drew its arrivals as.
        load: Of that run.

    Raises:
        SpecError: the grid does not draw the arrivals of that run.
    """
    grid, arrival_s = make_grid(data), kept.result.requests.arrival_s
    drawn = requests_of(grid, base, len(arrival_s), 1.0, name)
    scale = drawn.arrival_s / arrival_s
    same = np.allclose(scale, scale[-1], rtol=1e-9) and np.array_equal(drawn.priority, kept.result.requests.priority)
    if not same:
        raise SpecError(f"{kept.directory}: its arrivals are not those that the grid draws as {name!r}")
    return float(scale[-1]) / load


def judge_again(
    data: Mapping[str, Any], base: Profile, rate_per_s: float, report: Mapping[str, Any], profile: Profile
) -> list[CellAgain]:
    """Return each cell of a grid, replayed with another profile.

    Args:
        data: Plain data of the grid.
        base: The profile that it began with: arrivals and deadlines come from it.
        rate_per_s: From `load_one`.
        report: Of the grid: its live figures and noise floors.
        profile: The device.
    """
    grid = make_grid(data)
    return [
        CellAgain(cell["load"], cell["policy"], *_compared(cell, _replay(grid, base, rate_per_s, cell, profile)))
        for cell in report["cells"]
    ]


def _replay(grid: Grid, base: Profile, rate_per_s: float, cell: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    rate = cell["load"] * rate_per_s
    workload = requests_of(grid, base, max(1, round(rate * grid.seconds)), rate, f"load-{cell['load']:g}")
    spec = make_spec(grid.settings)
    (call,) = parse_policies(cell["policy"])
    result = simulate(
        workload, profile, make_policy(call), cluster=spec.cluster(), max_batch=spec.max_batch,
        drop=DropMode(spec.drop), seed=grid.seed, name=call.text,
    )  # fmt: skip
    requests = result.requests
    first_s, last_s = measuring_window(requests.arrival_s, requests.deadline_s, grid.warmup_s)
    return figures(result, (requests.arrival_s >= first_s) & (requests.arrival_s <= last_s))


def _compared(
    cell: Mapping[str, Any], simulated: Mapping[str, Any]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    differences: dict[str, dict[str, float]] = {}
    limits: dict[str, dict[str, float]] = {}
    for label in CLASSES:
        live, own, floor = cell["live"][label], simulated[label], cell["floor"][label]
        differences[label] = {name: own[name] / live[name] - 1.0 for name in ("p50", "p95")}
        differences[label]["violation"] = 100.0 * (own["violation"] - live["violation"])
        limits[label] = {name: max(_LIMIT, _FLOORS * floor[name]) for name in ("p50", "p95")}
        limits[label]["violation"] = max(_LIMIT_PP, _FLOORS * floor["violation_pp"])
    return differences, limits
