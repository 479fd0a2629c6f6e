"""The hash of the code that runs depend on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CODE", "OF_NO_FIGURE", "code_sha256"]

CODE = (
    *("device", "engine", "fast", "model", "policy", "predict", "results", "run", "solve", "trace", "rng.py"),
    *(f"sweep/{name}.py" for name in ("figures", "settings", "variants", "worker")),
    *(f"stats/{name}.py" for name in ("deadlines", "fairness", "intervals", "latency", "occupancy")),
)
"""What the figures of a run depend on. What is made of rows afterwards is left out."""
OF_NO_FIGURE = ("__init__.py", "bundled.py", "errors.py", "limits.py", "notebook.py", "plugins", "version.py")
"""What runs import that finds, refuses or shows things."""


def code_sha256(more: Sequence[str] = ()) -> str:
    """Return the SHA-256 of the code that runs depend on: rows of another code are not continued.

    Args:
        more: Further files and folders: absolute, or relative to the package.
    """
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for part in (*CODE, *more):
        place = root / part
        files: Sequence[Path] = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for file in files:
            name = file.relative_to(root if file.is_relative_to(root) else place.parent)
            digest.update(name.as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
