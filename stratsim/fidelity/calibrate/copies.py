"""What copies take longer where they are served than in a profiler's loop: a fixed time for each direction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.fidelity.levels.stages import durations
from stratsim.fidelity.one_step import copies_alone
from stratsim.stats.intervals import median_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["Added", "measure_copies", "with_copies"]

_LEAST = 20
"""Copies from which on a median counts as measured."""


class Added(NamedTuple):
    """What copies of one direction take longer than the profile says, seconds: median and its 95 % interval."""

    direction: str
    """`h2d` or `d2h`."""
    value_s: float
    low_s: float
    high_s: float
    n: int


def measure_copies(runs: Sequence[Recorded], profile: Profile) -> list[Added]:
    """Return the median of live copies less the profile's, by direction; without those of which there are too few.

    One number each: what is added depends neither on the model nor, to speak of, on the bytes
    (docs/results/fidelity-cards.md).

    Args:
        runs: Live runs that are not to be judged with it.
        profile: The device.
    """
    longer: dict[str, list[float]] = {"h2d": [], "d2h": []}
    for run in runs:
        for direction, stage, alone_s in zip(longer, ("copy_in", "copy_out"), copies_alone(run, profile), strict=True):
            own = durations(run.result, stage) - alone_s
            longer[direction] += own[np.isfinite(own) & (alone_s > 0)].tolist()
    found = []
    for direction, times_s in longer.items():
        if len(times_s) >= _LEAST:
            middle = median_interval(times_s)
            found.append(Added(direction, middle.median, middle.low, middle.high, len(times_s)))
    return found


def with_copies(profile: Profile, added: Sequence[Added]) -> Profile:
    """Return a copy of the profile whose links take what is added, never less than nothing, for every copy."""
    pcie = profile.observable.pcie
    links = {each.direction: getattr(pcie, each.direction) for each in added}
    made = {
        each.direction: replace(link, alpha_s=max(0.0, link.alpha_s + each.value_s))
        for each, link in zip(added, links.values(), strict=True)
    }
    return replace(profile, observable=replace(profile.observable, pcie=replace(pcie, **made)))
