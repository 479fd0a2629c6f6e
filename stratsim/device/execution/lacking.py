"""What execution models need of a profile, and how they say that it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stratsim.errors import ProfileError
from stratsim.model.interpolate import interpolate

if TYPE_CHECKING:
    from stratsim.model.profile import HardwareModel, HardwareProfile

__all__ = ["lacks", "partition", "utilisation"]


def lacks(name: str, hardware: HardwareProfile, what: str) -> ProfileError:
    """Return the error for a profile that lacks what a device model needs."""
    return ProfileError(f"profile {hardware.name!r} lacks {what}, which device model {name!r} needs")


def partition(hardware: HardwareProfile, model: str, slots: int) -> float:
    """Return the share of the GPU that a model's partition has: equal parts where the profile does not say."""
    return hardware.truth.partitions.get(model, 1.0 / slots)


def utilisation(model: HardwareModel, batch: int, name: Literal["compute", "memory", "l2"]) -> float | None:
    """Return a solo utilisation; linear between batch sizes, constant beyond; None if no size has it."""
    known = {size: getattr(features, name) for size, features in model.features.items()}
    table = {size: value for size, value in known.items() if value is not None}
    return interpolate(table, min(max(batch, min(table)), max(table)), "linear") if table else None
