"""Writes a profile file: all of it or nothing."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from stratsim.errors import OutputError
from stratsim.model.codec import dump_profile

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim.model.profile import Profile

__all__ = ["write_profile"]


def write_profile(profile: Profile, out: Path, *, overwrite: bool = False) -> None:
    """Write `profile` to `out`, by way of a temporary file beside it.

    Raises:
        OutputError: the file exists and `overwrite` is false, or it cannot be written.
    """
    if out.is_dir():
        raise OutputError(f"{out}: is a directory")
    if out.exists() and not overwrite:
        raise OutputError(f"{out}: exists already; --overwrite replaces it")
    text = dump_profile(profile)
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(out)
    except OSError as problem:
        raise OutputError(f"{out}: cannot be written: {problem.strerror or problem}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
