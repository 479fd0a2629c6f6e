"""What a grid will do, and how long that takes, without doing any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.fidelity.calibrate import check_budget, kinds_of, span_s
from stratsim.fidelity.grid import burst_size, run_name
from stratsim.fidelity.report import ALONE, CALIBRATED
from stratsim.fidelity.spec import make_grid
from stratsim.model.codec import load_profile
from stratsim.run.saturation import equal_mix
from stratsim.trace.rule import saturation_rate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stratsim.fidelity.spec import Grid
    from stratsim.model.profile import Profile

__all__ = ["describe_plan"]


def describe_plan(data: Mapping[str, Any], out: Path | None) -> list[str]:
    """Return a line for each thing that the grid does, with how long it takes by the profile, and one for them all.

    What is in the folder already takes no time. Building the models and running on after the last arrival come on top.

    Args:
        data: Plain data of the grid (`load_grid`).
        out: Its folder; it need not exist. None: a new one.

    Raises:
        SpecError: the grid cannot be made.
    """
    grid = make_grid(data)
    profile = load_profile(grid.profile)
    steps = [_saturation(grid, profile, out)]
    if grid.calibrate:
        if grid.served:
            check_budget(grid, profile)
            steps.append(_alone(grid, profile, out))
        steps.append(_calibration(grid, out))
    steps.append(_runs(grid, out))
    lines = [f"{said}: {_minutes(needed_s) if needed_s else 'there already'}" for said, needed_s in steps]
    return [*lines, f"in all {_minutes(sum(needed_s for _, needed_s in steps))}, and building the models"]


def _saturation(grid: Grid, profile: Profile, out: Path | None) -> tuple[str, float]:
    rate = saturation_rate(profile.for_scheduler(), equal_mix(profile, grid.workload.models.mix))
    count = burst_size(grid, rate)
    return f"load 1: a burst of {count} requests", 0.0 if _there(out, "saturation") else count / rate


def _alone(grid: Grid, profile: Profile, out: Path | None) -> tuple[str, float]:
    kinds = kinds_of(grid, profile)
    models = len({name for name, _ in kinds})
    said = (
        f"latencies as they are served: {models} models at {len(kinds)} batch sizes together, each {grid.served} times "
        "alone, in random order"
    )
    there = _there(out, ALONE, CALIBRATED)
    return said, 0.0 if there else span_s(grid, profile)


def _calibration(grid: Grid, out: Path | None) -> tuple[str, float]:
    there = _there(out, "calibration", CALIBRATED)
    loads = ", ".join(f"{load:g}" for load in grid.loads)
    said = f"overheads of the host, scatter of executions: fifo at load {loads}, {grid.seconds:g} s each"
    return said, 0.0 if there else len(grid.loads) * grid.seconds


def _runs(grid: Grid, out: Path | None) -> tuple[str, float]:
    names = [run_name(load, repeat) for load in grid.loads for repeat in range(1, grid.repeats + 1)]
    missing = sum(not _there(out, name) for name in names)
    policies = len(grid.policies)
    said = (
        f"runs: {len(grid.loads)} loads x {policies} policies x {grid.repeats} repeats of {grid.seconds:g} s, "
        f"{missing * policies} of {len(names) * policies} to be made"
    )
    return said, missing * policies * grid.seconds


def _there(out: Path | None, *names: str) -> bool:
    """Whether the folder has any of these."""
    return out is not None and any((out / name).exists() for name in names)


def _minutes(time_s: float) -> str:
    return f"{time_s:.0f} s" if time_s < 120 else f"{time_s / 60:.1f} minutes"
