"""Which code runs: the commit of the checkout, and whether it was changed since."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

__all__ = ["code_version"]

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 10.0


@cache
def code_version() -> dict[str, str | bool | None]:
    """Return `commit` and `dirty` of the checkout that this package is run from; None each where it is in none."""
    commit = _git("rev-parse", "HEAD") if (_ROOT / ".git").exists() else None
    changed = None if commit is None else _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}


def _git(*arguments: str) -> str | None:
    """Return what git says of the checkout; None where it cannot."""
    # A hook or an alias of somebody else's repository has no say here.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(_ROOT), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 (our own arguments)
            command, env=env, capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()
