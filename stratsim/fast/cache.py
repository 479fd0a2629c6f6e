"""Where compiled kernels are kept on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ["cache_folder", "is_filled"]


def cache_folder() -> Path:
    """Return the folder of this room's kernels, one per content of the room.

    numba looks at the file of a function alone, not at those of the functions that it calls: a kernel whose helper has
    changed would stay as it was.
    """
    content = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        content.update(path.read_bytes())
    given = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    home = Path(given) if given else Path.home() / ".cache"
    return home / "stratsim" / f"fast-{content.hexdigest()[:16]}"


def is_filled(kernel: str = "loop.run") -> bool:
    """Whether a kernel that Python calls, and with it all that it calls, was compiled before, as it is now."""
    return any(cache_folder().rglob(f"{kernel}-*.nbc"))
