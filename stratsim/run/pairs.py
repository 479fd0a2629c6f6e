"""A simulated profiling campaign: the co-location slowdowns that a scheduler could have measured on the simulated GPU.

Each model at each batch size is co-located with each other one, kept busy, on a unit of the truth's device model. The
target starts at several points of the other's execution, because phases make that matter, and the mean counts;
log-normal noise of mean 1 stands for the measurement. A quarter of the pairs of models is marked as held out: both
directions and all batch sizes of a pair stay together, so that a predictor is judged on pairs of models of which it has
seen nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from stratsim.device import execution_model
from stratsim.errors import SpecError
from stratsim.model.profile import Pair, Provenance
from stratsim.rng import Streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.device import ExecutionModel
    from stratsim.model.profile import HardwareProfile, Profile

__all__ = ["Campaign", "measure_pairs", "slowdown_beside"]

_Cell = tuple[str, int]
"""Model and batch size."""
_STARTS = 16
"""Points of the other's execution at which the target starts (our choice)."""


_MOST_NOISE = 10.0
"""Coefficient of variation of a measurement."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What to measure, and how well. Every default is our choice.

    Args:
        batches: Batch sizes; a size that a model's profile does not cover is left out for that model.
        noise_cv: Coefficient of variation of a measured slowdown.
        held_out: Share of the pairs of different models to hold out, rounded to whole pairs. A model
            with a copy of itself is measured too, and never held out.
        device_model: Name of the execution model that is the truth.
        seed: Of the noise and of the choice of held-out pairs.
    """

    batches: tuple[int, ...] = (1, 8)
    noise_cv: float = 0.03
    held_out: float = 0.25
    device_model: str = "streams"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.batches or min(self.batches) < 1 or len(set(self.batches)) < len(self.batches):
            raise SpecError(f"batches must be different sizes >= 1, got {list(self.batches)}")
        if not 0 <= self.noise_cv <= _MOST_NOISE:
            raise SpecError(f"noise must be within 0 and {_MOST_NOISE:g}, got {self.noise_cv}")
        if not 0 <= self.held_out <= 1:
            raise SpecError(f"held-out must be within [0, 1], got {self.held_out}")
        if self.seed < 0:
            raise SpecError(f"seed must be >= 0, got {self.seed}")


def measure_pairs(profile: Profile, campaign: Campaign) -> Profile:
    """Return the profile with `pairs` from a simulated campaign instead of its own.

    Raises:
        SpecError: the execution model is unknown or runs one batch at a time, or no model covers any of the sizes.
    """
    hardware = profile.for_hardware()
    truth = execution_model(campaign.device_model, hardware, 2)
    if truth.max_concurrency == 1:
        raise SpecError(f"device model {truth.name!r} runs one batch at a time: there is no co-location to measure")
    streams = Streams(campaign.seed)
    held_out = _held_out(sorted(profile.observable.models), campaign.held_out, streams)
    cells = list(_cells(profile, campaign.batches))
    if not cells:
        raise SpecError(f"profile {profile.name!r} covers none of the batch sizes {list(campaign.batches)}")
    pairs = []
    for target in cells:
        for other in cells:
            exact = slowdown_beside(truth, hardware, target, other)
            slowdown = _noise(target, other, campaign.noise_cv, streams) * exact
            held = frozenset((target[0], other[0])) in held_out
            pairs.append(Pair(*target, *other, slowdown=round(slowdown, 6), held_out=held))
    return replace(profile, pairs=tuple(pairs), provenance=_provenance(profile, campaign))


def slowdown_beside(truth: ExecutionModel, hardware: HardwareProfile, target: _Cell, other: _Cell) -> float:
    """Return how much longer a batch takes with another, kept busy, on average over where in the other it starts.

    Args:
        truth: How the device shares itself.
        hardware: Solo times.
        target: Model and batch size of the batch.
        other: Those of the other.
    """
    own_s, other_s = (hardware.models[model].latency_s[batch] for model, batch in (target, other))
    times_s = [_beside(truth, (target, own_s), (other, other_s), other_s * k / _STARTS) for k in range(_STARTS)]
    return sum(times_s) / _STARTS / own_s


def _beside(truth: ExecutionModel, target: tuple[_Cell, float], other: tuple[_Cell, float], start_s: float) -> float:
    """Return how long the target takes from `start_s` on, while the other starts at 0 and again whenever it ends."""
    unit = truth.unit()
    unit.add(0.0, other, other[1], truth.work(*other[0]))
    while unit.next_s < start_s:
        unit.complete(unit.next_s)  # a phase
    unit.add(start_s, None, target[1], truth.work(*target[0]))
    while True:
        now_s = unit.next_s
        for ended in unit.complete(now_s):
            if ended.key is None:
                return now_s - start_s
            unit.add(now_s, other, other[1], truth.work(*other[0]))


def _cells(profile: Profile, batches: tuple[int, ...]) -> Iterator[_Cell]:
    for name, model in profile.observable.models.items():
        yield from ((name, batch) for batch in batches if batch <= max(model.latency_s))


def _held_out(models: list[str], share: float, streams: Streams) -> set[frozenset[str]]:
    """Return that share of the pairs of different models; each pair draws from a stream of its own."""
    pairs = list(combinations(models, 2))
    draws = {pair: float(streams.get("campaign", "held-out", *pair).random()) for pair in pairs}
    chosen = sorted(pairs, key=lambda pair: (draws[pair], pair))[: math.floor(share * len(pairs) + 0.5)]
    return {frozenset(pair) for pair in chosen}


def _noise(target: _Cell, other: _Cell, cv: float, streams: Streams) -> float:
    """Return a log-normal factor of mean 1."""
    name = ("campaign", "noise", target[0], str(target[1]), other[0], str(other[1]))
    sigma = math.sqrt(math.log1p(cv**2))
    return math.exp(sigma * float(streams.get(*name).standard_normal()) - sigma**2 / 2)


def _provenance(profile: Profile, campaign: Campaign) -> dict[str, Provenance]:
    kept = {key: value for key, value in profile.provenance.items() if key.split(".")[0] != "pairs"}
    source = (
        f"simulated campaign: device model {campaign.device_model}, noise CV {campaign.noise_cv:g}, "
        f"held out {campaign.held_out:g}, seed {campaign.seed}"
    )
    return {**kept, "pairs": Provenance("synthetic", source, note="steady state beside a backlogged model")}
