"""What figures of samples must be: finite, not negative, known words. Each raises ProfileError, with the name."""

from __future__ import annotations

import math

from stratsim.errors import ProfileError

__all__ = ["count", "one_of", "share", "times"]


def times(name: str, values: tuple[float, ...], least: int = 0) -> None:
    """Refuse too few times, or one that is negative or not finite."""
    if len(values) < least:
        raise ProfileError(f"{name} needs {least} values or more, has {len(values)}")
    for value in values:
        if not (math.isfinite(value) and value >= 0):
            raise ProfileError(f"{name} must be >= 0 seconds and finite, got {value!r}")


def count(name: str, value: int, least: int = 1) -> None:
    """Refuse a count below the least."""
    if value < least:
        raise ProfileError(f"{name} must be >= {least}, got {value!r}")


def share(name: str, value: float) -> None:
    """Refuse what is no share, in [0, 1]."""
    if not 0 <= value <= 1:
        raise ProfileError(f"{name} must be within [0, 1], got {value!r}")


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is not known."""
    if value not in known:
        raise ProfileError(f"{name} must be one of {', '.join(known)}, got {value!r}")
