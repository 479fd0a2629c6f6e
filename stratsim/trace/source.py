"""The bytes of a trace file, and the checks that come before any format."""

from __future__ import annotations

import gzip
import hashlib
import mmap
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stratsim import bundled
from stratsim.errors import TraceError, suggest

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

__all__ = ["DEFAULT", "Source", "load", "locate", "shown"]

DEFAULT = "default"
"""Name of the bundled trace that is read when none is named."""

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Bytes that no text file has: all control characters but tab, line feed and carriage return."""
_SHOWN = 8
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Source:
    """A trace file, unpacked: in memory, or mapped into it where its format is read in pieces.

    Args:
        file: Its name, for messages.
        data: Its content: text in UTF-8, or Parquet out of a gzip file. Of a Parquet file the first bytes alone.
        sha256: Of the bytes on disk, packed or not.
        mapped: The content of a Parquet file, which nobody may shorten meanwhile.
        strict: Whether rows that are out of order are refused.
        seed: Of the random streams that place requests inside a coarse time stamp.
    """

    file: str
    data: bytes = field(repr=False)
    sha256: str = ""
    mapped: mmap.mmap | None = field(default=None, repr=False)
    strict: bool = False
    seed: int = 0

    def error(
        self, message: str, row: int | None = None, column: str | None = None, value: object = None
    ) -> TraceError:
        """Return an error about this file."""
        return TraceError(message, file=self.file, row=row, column=column, value=value)

    @property
    def is_parquet(self) -> bool:
        """Whether the content is Parquet."""
        return self.data.startswith(_PARQUET)


def shown(names: Iterable[str]) -> str:
    """Return a few names for a message, each short and printable, whatever the file holds."""
    found = list(names)
    few = ["".join(map(_visible, name[:_SHOWN_CHARACTERS])) for name in found[:_SHOWN]]
    return ", ".join(few) + (", ..." if len(found) > _SHOWN else "") if found else "none"


def _visible(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def locate(source: str | os.PathLike[str] | None) -> Path:
    """Return the path of a trace: a bundled name, a file, or the bundled default for None.

    A bundled name wins over a file of that very name; say `./default` for the file.
    """
    known = bundled.names("traces")
    if source is None or (isinstance(source, str) and source in known):
        return bundled.find("traces", source or DEFAULT)
    path = Path(source)
    if path.is_dir():
        raise TraceError("is a directory, not a trace file", file=source)
    if not path.exists():
        raise TraceError(f"no such file, and no bundled trace of that name; {suggest(str(source), known)}", file=source)
    return path


def load(source: str | os.PathLike[str] | None, *, strict: bool = False, seed: int = 0) -> Source:
    """Read a trace file into memory and unpack it, or map it.

    Raises:
        TraceError: it cannot be read, is empty, a damaged gzip file, or neither text nor Parquet.
    """
    path = locate(source)
    name = path.name if source is None else str(source)
    try:
        with path.open("rb") as file:
            if file.peek(len(_PARQUET)).startswith(_PARQUET):
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                return Source(name, _PARQUET, _sha256(mapped), mapped=mapped, strict=strict, seed=seed)
            packed = file.read()
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror or error}", file=source) from None
    data = _unpack(name, packed) if packed.startswith(_GZIP) else packed
    found = Source(name, data, _sha256(packed), strict=strict, seed=seed)
    if not found.is_parquet:
        _check_text(found)
    return found


def _sha256(content: bytes | mmap.mmap) -> str:
    return hashlib.sha256(content).hexdigest()


def _unpack(name: str, packed: bytes) -> bytes:
    try:
        return gzip.decompress(packed)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TraceError(f"is a damaged or truncated gzip file: {error}", file=name) from None


def _check_text(source: Source) -> None:
    data = source.data
    if not data.strip():
        raise source.error("is empty")
    junk = _CONTROL.search(data)
    if junk is not None:
        at = junk.start()
        row = data.count(b"\n", 0, at) + 1
        raise source.error("is neither text nor Parquet: it holds control bytes", row, value=data[at : at + 4])
    if data.isascii():
        return
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise source.error("is not UTF-8 text", row, value=data[error.start : error.start + 4]) from None
