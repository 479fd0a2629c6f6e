"""`--allow-code`: the user lets a command run the code that data names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

__all__ = ["allow_profile", "allow_recorded"]


def allow_profile(source: str | Path) -> None:
    """Allow the code that a profile names: its models and its device model.

    Args:
        source: Name or file of the profile.
    """
    from stratsim.model.codec import load_profile
    from stratsim.plugins import allow_code

    profile = load_profile(source)
    allow_code(profile.device_model, list(profile.observable.models))


def allow_recorded(records: Sequence[Any], *, allowed: bool) -> None:
    """Allow the code that the sweeps of a folder name, or refuse to run them.

    Args:
        records: Plain data of the sweeps, as the folder's manifest has it.
        allowed: Whether the user said `--allow-code`.

    Raises:
        CodeRefusedError: he did not, and they name code; says which.
    """
    from stratsim.plugins import allow_code, check_allowed, code_in

    if allowed:
        allow_code(list(records))
    for name in code_in(list(records)):
        check_allowed("policy", name)
