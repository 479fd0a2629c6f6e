"""Why a cell of a grid misses the goal: what would have to be known better.

A profile that was learned on one grid and judged on another can miss for what differs between the two: parts of the
profile are exchanged for what the judged grid's own calibration says, one at a time, and all of them. And a single
replay draws its noise once: the same replay with other seeds says how much of the miss that may be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from stratsim.fidelity.again import Off, replay_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.fidelity.again import CellAgain, KeptGrid
    from stratsim.model.profile import Profile

__all__ = ["PARTS", "Cause", "find_causes"]

_SEEDS = 4
"""Further replays."""


def _with_latencies(profile: Profile, own: Profile) -> Profile:
    models = {
        name: replace(entry, latency_s=own.observable.models[name].latency_s)
        for name, entry in profile.observable.models.items()
        if name in own.observable.models
    }
    observable = replace(profile.observable, models={**profile.observable.models, **models})
    return replace(profile, observable=observable)


def _with_host(profile: Profile, own: Profile) -> Profile:
    return replace(profile, truth=replace(profile.truth, host=own.truth.host))


def _with_contention(profile: Profile, own: Profile) -> Profile:
    return replace(profile, truth=replace(profile.truth, kernel_queue=own.truth.kernel_queue))


def _with_scatter(profile: Profile, own: Profile) -> Profile:
    truth = replace(profile.truth, noise_cv=own.truth.noise_cv, noise_cvs=own.truth.noise_cvs)
    return replace(profile, truth=truth)


PARTS: dict[str, Callable[[Profile, Profile], Profile]] = {
    "latencies": _with_latencies,
    "host": _with_host,
    "contention": _with_contention,
    "scatter": _with_scatter,
}
"""What a calibration measures: each takes the profile, and the one that has the part to be put in."""


class Cause(NamedTuple):
    """What becomes of a figure that missed the goal.

    Args:
        off: The figure, and how far it is off.
        parts: The same with each part of the profile by the judged grid's own calibration, and with `all` of them;
            empty where the profile is that already.
        seeds: The same with other seeds of the simulated noise.
    """

    off: Off
    parts: dict[str, float]
    seeds: list[float]

    @property
    def text(self) -> str:
        """What to say: the part that would meet the goal, the noise of a single replay, or nothing that is known."""
        allowed = self.off.limit
        better = {name: value for name, value in self.parts.items() if abs(value) <= allowed}
        single = {name: value for name, value in better.items() if name != "all"}
        name = min(single or better, key=lambda each: abs(better[each]), default=None)
        if name is not None:
            of = "all of the judged grid's own figures" if name == "all" else f"{name} of the judged grid"
            return f"{of}: {self._shown(self.parts[name])} with them"
        low, high = min([*self.seeds, self.off.value]), max([*self.seeds, self.off.value])
        if any(abs(value) <= allowed for value in self.seeds):
            met = sum(abs(value) <= allowed for value in self.seeds)
            return f"chance of a single replay: {met} of {len(self.seeds)} other seeds meet it"
        return f"not known: {self._shown(low)} to {self._shown(high)} over {len(self.seeds) + 1} seeds"

    def _shown(self, value: float) -> str:
        return f"{value:+.1f}" if self.off.figure == "violation" else f"{100 * value:+.1f} %"


def find_causes(kept: KeptGrid, again: CellAgain, profile: Profile, own: Profile | None) -> list[Cause]:
    """Return a cause for each figure of a cell that misses the goal.

    Args:
        kept: The judged grid.
        again: One of its cells.
        profile: The profile that it was judged by.
        own: What the judged grid's own calibration runs teach; None: the profile is that.
    """
    if not again.missed:
        return []
    exchanged = {} if own is None else {name: put(profile, own) for name, put in PARTS.items()} | {"all": own}
    parts = {name: _values(replay_again(kept, again.cell, each)) for name, each in exchanged.items()}
    seeds = [
        _values(replay_again(kept, again.cell, profile, kept.grid.seed + 1 + more)) for more in range(_SEEDS)
    ]  # of the noise: arrivals stay
    return [
        Cause(
            off,
            {name: values[off.name] for name, values in parts.items() if off.name in values},
            [values[off.name] for values in seeds if off.name in values],
        )
        for off in again.missed
    ]


def _values(off: list[Off]) -> dict[str, float]:
    return {each.name: each.value for each in off}
