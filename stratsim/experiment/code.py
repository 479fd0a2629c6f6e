"""The hash of the code that runs depend on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["code_sha256"]

_CODE = (
    *("device", "engine", "model", "policy", "predict", "results", "run", "solve", "trace", "rng.py"),
    *(f"experiment/{name}.py" for name in ("one_run", "variants")),
    *(f"stats/{name}.py" for name in ("deadlines", "fairness", "latency", "occupancy")),
)
"""What a run's figures depend on, and what is made of them afterwards does not."""


def code_sha256(more: Sequence[str] = ()) -> str:
    """Return the SHA-256 of the code that runs depend on: rows of another code are not continued.

    Args:
        more: Further files and folders, relative to the package.
    """
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for part in (*_CODE, *more):
        files: Sequence[Path] = sorted((root / part).rglob("*.py")) if (root / part).is_dir() else [root / part]
        for file in files:
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
