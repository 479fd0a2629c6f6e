"""`--allow-code`: the user lets a command run the code that data names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["allow_profile"]


def allow_profile(source: str | Path) -> None:
    """Allow the code that a profile names: its models and its device model.

    Args:
        source: Name or file of the profile.
    """
    from stratsim.model.codec import load_profile
    from stratsim.plugins import allow_code

    profile = load_profile(source)
    allow_code(profile.device_model, list(profile.observable.models))
