"""Writes a file whole or not at all: by way of a temporary file next to it.

Folders on the way are made, as result folders make theirs.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from stratsim.errors import OutputError
from stratsim.model.codec import dump_profile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stratsim.model.profile import Profile

__all__ = ["check_folder", "check_out", "clear_unfinished", "file_name", "write_bytes", "write_profile", "write_text"]
__all__ += ["write_whole"]

_STRANGE = re.compile(r"[^\w .-]|^[ .]|[ .]$", re.ASCII)
_LONGEST_NAME = 150


def file_name(name: str, suffix: str = "") -> str:
    """Return what to call the file of something that has a name: the one place where names become names of files.

    Letters, digits, `-`, `_`, blanks and points within stay; everything else, and a point or blank at an end, becomes
    `%` with the hexadecimal digits of its bytes. So it never names another folder, and two names never the same file.

    Args:
        name: The name, from a user or from data.
        suffix: What the file's name ends in, such as `.json`.
    """

    def escaped(found: re.Match[str]) -> str:
        return "".join(f"%{byte:02x}" for byte in found[0].encode("utf-8", "surrogatepass"))

    inner = _STRANGE.sub(escaped, name)
    if len(inner) > _LONGEST_NAME:
        inner = f"{inner[: _LONGEST_NAME - 17]}-{hashlib.sha256(inner.encode()).hexdigest()[:16]}"
    return f"{inner or '%'}{suffix}"


def check_folder(folder: Path) -> None:
    """Refuse a folder that could not be made, before any work is done for it; it need not exist.

    Raises:
        OutputError: something in its way is no folder.
    """
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise OutputError(f"{folder}: {str(nearest)!r} is not a folder")


def check_out(out: Path, *, overwrite: bool = False) -> None:
    """Refuse an output file that cannot be meant, before any work is done for it.

    Raises:
        OutputError: `out` is a directory, cannot lie in one, or exists and `overwrite` is false.
    """
    if out.is_dir():
        raise OutputError(f"{out}: is a directory")
    check_folder(out.parent)
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
    write_whole(out, lambda temporary: temporary.write_bytes(content))


def write_whole(out: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a temporary file and move it to `out`; what is there is replaced.

    Raises:
        OutputError: the file cannot be written.
    """
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # a rename may get to the disk before the content
        temporary.replace(out)
    except OSError as problem:
        raise OutputError(f"{out}: cannot be written: {problem.strerror or problem}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def clear_unfinished(out: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote `out`; none may be writing it now."""
    for left in out.parent.glob(f".{out.name}.{'[0-9a-f]' * 8}.tmp"):
        left.unlink()


def write_profile(profile: Profile, out: Path, *, overwrite: bool = False) -> None:
    """Write `profile` to `out` as JSON.

    Raises:
        OutputError: as `write_text`.
    """
    write_text(dump_profile(profile), out, overwrite=overwrite)
