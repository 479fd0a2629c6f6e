"""What a load means: a rate as a share of a *named* saturation. The only place that turns a load into a rate.

    batch-1       the batch-1 exclusive saturation: one request at a time on each GPU, nothing beside it, no copies. The
                  default everywhere; computed from solo latencies (`stratsim.trace.rule.saturation_rate`).
    saturation    the highest rate that a server without deadlines sustains, with its best batches and concurrency;
                  measured in simulation (`stratsim.run.saturation`). Live grids measure it on the device instead.

Both are for one mix of models on one machine. Where batches gain much, load 1 in `saturation` is several in `batch-1`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from stratsim.run.saturation import Saturation, SaturationPoint, equal_mix, saturation
from stratsim.trace.rule import saturation_rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.model.profile import Profile
    from stratsim.run.spec import RunSpec

__all__ = ["BATCH_1", "SATURATION", "Offered", "batch_1_load", "offered"]

BATCH_1, SATURATION = "batch-1", "saturation"


class Offered(NamedTuple):
    """A load as a rate."""

    rate_per_s: float
    """Requests per second, all models together."""
    solo_load: float
    """The same load in the unit `batch-1`: solo work offered, as a share of the GPUs' time."""


def offered(
    spec: RunSpec, profile: Profile, gpus: int, mix: Mapping[str, float] | None, point: SaturationPoint | None
) -> Offered:
    """Return the rate that a run's load means.

    Args:
        spec: The run; its load must be there.
        profile: The GPU.
        gpus: How many of them.
        mix: Shares by model; None: equal ones.
        point: Load 1 in the unit `saturation`; None in the other unit.
    """
    assert spec.load is not None  # noqa: S101 (resolved)
    if spec.load_unit == BATCH_1:
        full = saturation_rate(profile.for_scheduler(), equal_mix(profile, mix), gpus)
        return Offered(spec.load * full, spec.load)
    assert point is not None  # noqa: S101 (measured before)
    return Offered(spec.load * point.rate_per_s, spec.load * point.solo_load)


def batch_1_load(spec: RunSpec, profile: Profile, mix: Mapping[str, float], limits: Saturation | None = None) -> float:
    """Return a run's load, given in the unit `saturation`, in the unit `batch-1`; measures the saturation.

    Args:
        spec: The run, with its machine.
        profile: The GPU.
        mix: The expected shares of its requests by model, in any unit.
        limits: How closely it is measured.
    """
    assert spec.load is not None  # noqa: S101 (resolved)
    return (
        spec.load
        * _measured(_Profile(profile), spec.for_saturation(), tuple(mix.items()), limits or Saturation()).solo_load
    )


class _Profile:
    """A profile as a key: by identity."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Profile) and other.profile is self.profile

    def __hash__(self) -> int:
        return id(self.profile)


@lru_cache(maxsize=64)
def _measured(
    profile: _Profile, spec: RunSpec, mix: tuple[tuple[str, float], ...], limits: Saturation
) -> SaturationPoint:
    return saturation(profile.profile, spec, dict(mix), limits)
