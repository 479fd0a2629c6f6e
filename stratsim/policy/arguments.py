"""Checks of what users give a policy as parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.predict.base import parameter as number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import SchedulerProfile
    from stratsim.policy.base import Setting

__all__ = ["batch_limits", "batch_spans_s", "number", "one_of", "whole"]


def one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Require a parameter to be one of the known words.

    Raises:
        SpecError: says what would be legal.
    """
    if value not in known:
        raise SpecError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def whole(name: str, value: object, least: int) -> None:
    """Require a parameter to be a whole number, `least` or more.

    Raises:
        SpecError: says what would be legal.
    """
    if type(value) is not int or value < least:
        raise SpecError(f"{name} must be a whole number, at least {least}, got {value!r}")


def batch_limits(setting: Setting, max_batch: int | None) -> dict[str, int]:
    """Return the largest batch size by model: the policy's own limit, else the run's, as far as the profile goes."""
    limit = max_batch or setting.max_batch
    return {name: min(limit, model.max_batch) for name, model in setting.profile.models.items()}


def batch_spans_s(profile: SchedulerProfile) -> dict[str, list[float]]:
    """Return how long a batch of a model's usual requests takes alone, with copies, seconds: by model, then by size."""
    return {
        name: [
            profile.h2d.copy_s(size * model.bytes_in) + latency_s + profile.d2h.copy_s(size * model.bytes_out)
            for size, latency_s in enumerate(model.latency_s)
        ]
        for name, model in profile.models.items()
    }
