"""From the bytes of a file to its content: unpacked, and text in UTF-8.

Compressed files are known by their first bytes, never by their names: gzip, bzip2, xz, zstd, and zip with one member;
one inside the other, too. What cannot be read is called by its name, with a way out.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any

from stratsim.errors import MissingExtraError, TraceError
from stratsim.limits import memory_budget, too_large

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PARQUET", "first_lines", "unpacked"]

PARQUET = b"PAR1"
_BLOCK = 1 << 20
_LAYERS = 4
"""Most containers inside each other (our choice)."""
_OPEN_LINES = 64
"""Lines of one quoted cell that are looked at (our choice)."""
_TEXT = bytes(byte for byte in range(256) if (byte >= 32 and byte != 127) or byte in b"\t\n\r")
"""Bytes that a text file may have: no control characters but tab, line feed and carriage return."""
_DAMAGED = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError,
            RuntimeError)  # fmt: skip
_OTHERS = {
    b"ARROW1": "an Arrow (Feather) file: write it as Parquet",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"SQLite format 3": "an SQLite database: export the table as CSV or Parquet",
    b"\x89HDF\r\n": "an HDF5 file: export the table as CSV or Parquet",
    b"\x93NUMPY": "a NumPy array: write it as CSV with a header, or as Parquet",
    b"Obj\x01": "an Avro file: write it as JSON lines or Parquet",
    b"ORC": "an ORC file: write it as Parquet",
    b"%PDF": "a PDF document: export the table as CSV",
    b"\x80\x02": "a Python pickle: write the table as CSV or Parquet (pickles are code, and never read)",
    b"\x80\x03": "a Python pickle: write the table as CSV or Parquet (pickles are code, and never read)",
    b"\x80\x04": "a Python pickle: write the table as CSV or Parquet (pickles are code, and never read)",
    b"\x80\x05": "a Python pickle: write the table as CSV or Parquet (pickles are code, and never read)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: fetch it with git lfs pull",
}
_UTF_8 = b"\xef\xbb\xbf"
_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UTF_32 = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")


def unpacked(name: str, data: bytes, budget: int | None = None) -> bytes:
    """Return the content of a file: Parquet, or text in UTF-8.

    Args:
        name: Of the file, for messages.
        data: Its bytes.
        budget: Most bytes that it may unpack to; the memory budget by default (`stratsim.limits`).

    Raises:
        TraceError: it is damaged, empty, or is nothing that is read here.
        LimitError: it unpacks to more than the budget.
    """
    budget = memory_budget() if budget is None else budget
    for _ in range(_LAYERS):
        packing = next((each for each in _PACKINGS if data.startswith(each)), None)
        if packing is None:
            return data if data.startswith(PARQUET) else _text(name, data)
        what, opened = _PACKINGS[packing]
        try:
            with opened(name, data) as file:
                data = _at_most(file, budget)
        except (TraceError, MissingExtraError):
            raise
        except _DAMAGED as error:
            raise TraceError(f"is a damaged or truncated {what} file: {error}", file=name) from None
        if len(data) > budget:
            raise too_large(f"{name}: unpacks to more than", budget, "unpack it, and bring a part of it")
    raise TraceError(f"is packed more than {_LAYERS} times: unpack it first", file=name)


def first_lines(file: IO[bytes], count: int) -> bytes | None:
    """Return the first lines of a text file, packed once or not, without reading far beyond them.

    Args:
        file: It, open at its begin.
        count: How many lines at least.

    Returns:
        Whole records in UTF-8; None where the file has to be read whole: it is hardly longer, packed in another way,
        one JSON document, or nothing that is read here.
    """
    packing = next((each for each in _STREAMED if _peeked(file).startswith(each)), None)
    try:
        found = _start(file if packing is None else _STREAMED[packing](file), count)
    except _DAMAGED:
        return None
    if found is None or found.startswith((PARQUET, *_PACKINGS, *_UTF_16)) or found.translate(None, _TEXT):
        return None
    begin = found[: 1 << 16].removeprefix(_UTF_8).lstrip()
    if begin[:1] == b"{":  # objects line by line, or one over several lines
        return found if begin.partition(b"\n")[0].rstrip().endswith(b"}") else None
    return None if begin[:1] in (b"[", b"") else _closed(found)


def _peeked(file: IO[bytes]) -> bytes:
    found = file.read(8)
    file.seek(0)
    return found


def _start(stream: IO[bytes], count: int) -> bytes | None:
    """Return somewhat more than the first lines of a stream, up to the end of one; None if it ends before."""
    found, lines, budget = io.BytesIO(), 0, memory_budget()
    while lines < count and found.tell() <= budget:
        block = stream.read(_BLOCK)
        if not block:
            return None
        found.write(block)
        lines += block.count(b"\n")
    data = found.getvalue()
    return data[: data.rfind(b"\n") + 1]


def _closed(data: bytes) -> bytes | None:
    """Return lines without the last ones in whose midst a quoted cell is open; None if it begins far before."""
    for _ in range(_OPEN_LINES):
        if not data.count(b'"') % 2:
            return data
        data = data[: data.rfind(b"\n", 0, len(data) - 1) + 1]
    return None


def _at_most(file: IO[bytes], budget: int) -> bytes:
    """Return the content of an open file, or somewhat more than `budget` bytes of it."""
    found = io.BytesIO()
    while found.tell() <= budget and (block := file.read(_BLOCK)):
        found.write(block)
    return found.getvalue()


def _zip_member(name: str, data: bytes) -> IO[bytes]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    files = [each.filename for each in archive.infolist() if not each.is_dir()]
    members = [each for each in files if not each.startswith("__MACOSX/")]
    if "[Content_Types].xml" in members:
        raise TraceError("is an Excel workbook: save the sheet as CSV", file=name)
    if len(members) != 1:
        some = ", ".join(members[:4]) + (", ..." if len(members) > 4 else "")
        raise TraceError(f"is a zip archive of {len(members)} files ({some}): unpack it, and name one", file=name)
    return archive.open(members[0])


def _zstd(_: str, data: bytes) -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # since Python 3.14

        return zstd.ZstdFile(io.BytesIO(data))
    except ImportError:
        pass
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    return pa.input_stream(pa.py_buffer(data), compression="zstd")


_PACKINGS: dict[bytes, tuple[str, Callable[[str, bytes], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda _, data: gzip.GzipFile(fileobj=io.BytesIO(data))),
    b"BZh": ("bzip2", lambda _, data: bz2.BZ2File(io.BytesIO(data))),
    b"\xfd7zXZ\x00": ("xz", lambda _, data: lzma.LZMAFile(io.BytesIO(data))),  # noqa: SIM115 (closed by `unpacked`)
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
    b"PK\x03\x04": ("zip", _zip_member),
    b"PK\x05\x06": ("zip", _zip_member),
}
"""By first bytes: what it is, and how to open it."""

_STREAMED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
"""Packings that are read from the file itself, as far as asked for."""


def _text(name: str, data: bytes) -> bytes:
    """Return text in UTF-8."""
    what = next((what for start, what in _OTHERS.items() if data.startswith(start)), None)
    if what is None and data[257:262] == b"ustar":
        what = "a tar archive: unpack it, and name one file"
    if what is None and data.startswith(_UTF_32):
        what = "text in UTF-32: save it as UTF-8"
    if what is not None:
        raise TraceError(f"is {what}", file=name)
    data = _from_utf_16(name, data)
    if not data.removeprefix(_UTF_8).strip():
        raise TraceError("is empty", file=name)
    junk = data.translate(None, _TEXT)
    if junk:
        raise _misplaced(name, data, "is neither text nor Parquet: it holds control bytes", data.index(junk[:1]))
    if data.isascii():
        return data
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _misplaced(name, data, "is not UTF-8 text: save it as UTF-8", error.start) from None
    return data


def _from_utf_16(name: str, data: bytes) -> bytes:
    """Return text in UTF-16, as spreadsheets write it, in UTF-8; other text as it is."""
    encoding = _UTF_16.get(data[:2])
    start = data[:64]
    if encoding is None and len(start) >= 8 and len(start) % 2 == 0:  # without a byte-order mark: every other byte is 0
        encoding = next((code for code, at in (("utf-16-le", 1), ("utf-16-be", 0)) if not any(start[at::2])), None)
    if encoding is None:
        return data
    try:
        return data.decode(encoding).removeprefix("\ufeff").encode()
    except UnicodeDecodeError as error:
        raise TraceError(f"is damaged text in UTF-16: {error.reason}", file=name) from None


def _misplaced(name: str, data: bytes, message: str, at: int) -> TraceError:
    row = data.count(b"\n", 0, at) + 1
    return TraceError(message, file=name, row=row, value=data[at : at + 4])
