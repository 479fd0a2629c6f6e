"""What to call a policy: one from a file by the file's last part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["short_names"]


def short_names(policies: Sequence[str]) -> dict[str, str]:
    """Return what to call each policy: one from a file is FILE.py:Class, or its whole path where that is ambiguous."""
    short = {policy: _FOLDERS.sub("", policy) for policy in policies}
    taken = list(short.values())  # of distinct policies
    return {policy: name if taken.count(name) == 1 else policy for policy, name in short.items()}


_FOLDERS = re.compile(r"^[^(]*[/\\](?=[^/\\(]+\.py:)")
