"""Writes a file whole or not at all: by way of a temporary file beside it."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from stratsim.errors import OutputError
from stratsim.model.codec import dump_profile

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim.model.profile import Profile

__all__ = ["check_out", "write_bytes", "write_profile", "write_text"]


def check_out(out: Path, *, overwrite: bool = False) -> None:
    """Refuse an output file that cannot be meant, before any work is done for it.

    Raises:
        OutputError: `out` is a directory, lies in none, or exists and `overwrite` is false.
    """
    if out.is_dir():
        raise OutputError(f"{out}: is a directory")
    if not out.parent.is_dir():
        raise OutputError(f"{out}: there is no directory {str(out.parent)!r}")
    if out.exists() and not overwrite:
        raise OutputError(f"{out}: exists already; --overwrite replaces it")


def write_text(text: str, out: Path, *, overwrite: bool = False) -> None:
    """Write `text` to `out`, UTF-8.

    Raises:
        OutputError: as `check_out`, or the file cannot be written.
    """
    write_bytes(text.encode(), out, overwrite=overwrite)


def write_bytes(content: bytes, out: Path, *, overwrite: bool = False) -> None:
    """Write `content` to `out`.

    Raises:
        OutputError: as `write_text`.
    """
    check_out(out, overwrite=overwrite)
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(out)
    except OSError as problem:
        raise OutputError(f"{out}: cannot be written: {problem.strerror or problem}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_profile(profile: Profile, out: Path, *, overwrite: bool = False) -> None:
    """Write `profile` to `out` as JSON.

    Raises:
        OutputError: as `write_text`.
    """
    write_text(dump_profile(profile), out, overwrite=overwrite)
