"""What a scheduler holds true where that is not what the hardware does: mis-profiled solo times, as an experiment."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from stratsim.errors import SpecError

if TYPE_CHECKING:
    from stratsim.model.profile import Profile

__all__ = ["LEAST_SCALE", "MOST_SCALE", "scaled_latencies"]

LEAST_SCALE, MOST_SCALE = 0.01, 100.0
"""By how much solo times may be mis-profiled: beyond, a unit is wrong."""


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
