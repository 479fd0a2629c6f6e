"""What a scheduler holds true where that is not what the hardware does: mis-profiled solo times, as an experiment."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from stratsim.errors import SpecError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratsim.model.profile import Profile

__all__ = ["LEAST_SCALE", "MOST_SCALE", "check_belief", "scaled_latencies"]

LEAST_SCALE, MOST_SCALE = 0.01, 100.0
"""By how much solo times may be mis-profiled: beyond, a unit is wrong."""


def check_belief(belief: Profile, profile: Profile, models: Iterable[str]) -> None:
    """Refuse a profile that cannot be what a scheduler holds true of another one's device.

    Args:
        belief: What the scheduler is to hold true.
        profile: The hardware.
        models: Those that requests ask for, by the hardware's names.

    Raises:
        SpecError: the belief lacks models, or knows them up to another batch size: names all of these, in one line.
    """
    known, real = belief.observable.models, profile.observable.models
    names = list(models)
    lacking = [name for name in names if name not in known]
    if lacking:
        hint = suggest(lacking[0], known)
        raise SpecError(f"belief {belief.name!r} lacks {', '.join(lacking)} of profile {profile.name!r}; {hint}")
    largest = {name: (max(known[name].latency_s), max(real[name].latency_s)) for name in names}
    others = [f"{name} up to {own}, not {most}" for name, (own, most) in largest.items() if own != most]
    if others:
        raise SpecError(
            f"belief {belief.name!r} knows {', '.join(others)} as profile {profile.name!r}: the largest batch sizes of "
            "both must be the same"
        )


def scaled_latencies(profile: Profile, scale: float) -> Profile:
    """Return a profile whose solo execution times, at all batch sizes, are `scale` times as long; all else is equal.

    Raises:
        SpecError: `scale` is out of range.
    """
    if not (math.isfinite(scale) and LEAST_SCALE <= scale <= MOST_SCALE):
        raise SpecError(f"latency scale must be within [{LEAST_SCALE:g}, {MOST_SCALE:g}], got {scale}")
    if scale == 1.0:
        return profile
    models = {
        name: replace(model, latency_s={batch: scale * value for batch, value in model.latency_s.items()})
        for name, model in profile.observable.models.items()
    }
    return replace(profile, observable=replace(profile.observable, models=models))
