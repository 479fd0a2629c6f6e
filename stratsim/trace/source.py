"""A trace file before any format: its content, its container, and the table or document in it."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim import bundled
from stratsim.errors import SpecError, TraceError, suggest
from stratsim.limits import bounded, read_file
from stratsim.trace.containers import PARQUET, first_lines, unpacked
from stratsim.trace.headers import ARRIVALS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    import msgspec

    from stratsim.trace.fields import Named
    from stratsim.trace.tables.base import Table

__all__ = ["DEFAULT", "Source", "load", "locate", "table_source"]

DEFAULT = "default"
"""Name of the bundled trace that is read when none is named."""
STDIN = "-"
"""What stands for standard input."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Source:
    """A trace file, unpacked: in memory, or on the disk where its format is read in pieces.

    Args:
        file: Its name, for messages.
        data: Its content: text in UTF-8, or Parquet out of a packed file. Of a Parquet file the first bytes alone.
        sha256: Of the bytes on disk, packed or not.
        on_disk: Where a Parquet file lies, that is read in pieces. It is not mapped into memory: a file that somebody
            shortens meanwhile would end the process.
        strict: Whether rows that are out of order are refused.
        seed: Of the random streams that place requests inside a coarse time stamp.
        columns: The columns that the user names, by field (`stratsim.trace.fields`).
        ticks: What to do with coarse time stamps: "spread" or "leave"; None: spread where the format is known for them.
        members: The files of a folder, instead of `data`.
        frame: A `pyarrow.Table`, instead of `data`.
        most_rows: Rows of a Parquet file that are read.
        cut: Whether these may be the first rows alone.
    """

    file: str
    data: bytes = field(repr=False, default=b"")
    sha256: str = ""
    on_disk: Path | None = field(default=None, repr=False)
    strict: bool = False
    seed: int = 0
    columns: Mapping[str, Named] = field(default_factory=dict)
    ticks: str | None = None
    members: tuple[Source, ...] = field(default=(), repr=False)
    frame: Any = field(default=None, repr=False)
    most_rows: int | None = None
    cut: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made of the content when it is needed."""
        return {name: value for name, value in vars(self).items() if name not in ("container", "table", "document")}

    def error(
        self, message: str, row: int | None = None, column: str | None = None, value: object = None
    ) -> TraceError:
        """Return an error about this file."""
        return TraceError(message, file=self.file, row=row, column=column, value=value)

    @property
    def is_parquet(self) -> bool:
        """Whether the content is Parquet."""
        return self.data.startswith(PARQUET)

    @cached_property
    def container(self) -> str:
        """What holds the rows: csv, jsonl, json (an array or an object), parquet, table (in memory) or folder."""
        if self.members:
            return "folder"
        if self.frame is not None:
            return "table"
        if self.is_parquet:
            return "parquet"
        start = self.data[: 1 << 16].removeprefix(_BOM).lstrip()[:1]
        if start == b"[":
            return "json"
        if start != b"{":
            return "csv"
        return "json" if self.document is not None and not self._is_one_line else "jsonl"

    @property
    def _is_one_line(self) -> bool:
        return b"\n" not in self.data.strip()

    @property
    def is_object(self) -> bool:
        """Whether it is one JSON object over several lines: a document, or columns as arrays."""
        return self.container == "json" and self.document is not None

    @cached_property
    def document(self) -> dict[str, msgspec.Raw] | None:
        """The one JSON object that the file is, its values not decoded; None if it is anything else.

        Raises:
            TraceError: the file begins like an object and is neither one nor lines of them.
        """
        if self.members or self.frame is not None or self.is_parquet:
            return None
        import msgspec

        data = self.data.removeprefix(_BOM)
        start = data[: 1 << 16].lstrip()
        if start[:1] != b"{":
            return None
        try:
            found: dict[str, msgspec.Raw] = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError) as error:
            first = data.lstrip().partition(b"\n")[0]
            try:
                msgspec.json.decode(first, type=dict[str, msgspec.Raw])
            except (msgspec.DecodeError, RecursionError):
                raise self.error(f"is not valid JSON: {error}") from None
            return None  # objects line by line
        return found

    def _names_an_array(self, document: Mapping[str, msgspec.Raw]) -> bool:
        """Whether the arrivals of one object are an array, by our name or the user's: then its arrays are columns."""
        names = [*ARRIVALS, *(each.column for each in self.columns.values())]
        return any(bytes(document.get(name, b""))[:1] == b"[" for name in names)

    @cached_property
    def table(self) -> Table:
        """The table in it, whatever holds it.

        Raises:
            TraceError: it holds none, or one that cannot be read.
        """
        from stratsim.trace.tables.arrow import MemoryTable, ParquetTable
        from stratsim.trace.tables.csv import CsvTable
        from stratsim.trace.tables.json import ColumnsTable, RecordsTable, arrays_of

        if self.container == "folder":
            raise self.error("is a directory, not a table")
        if self.container == "table":
            return MemoryTable(self.file, self.frame)
        if self.container == "parquet":
            return ParquetTable(self)
        if self.container == "csv":
            return CsvTable(self)
        if self.document is not None and (self.is_object or self._names_an_array(self.document)):
            return ColumnsTable(self, arrays_of(self.document))
        return RecordsTable(self, array=self.container == "json")


def locate(source: str | os.PathLike[str] | None) -> Path:
    """Return the path of a trace: a bundled name, a file or folder, or the bundled default for None.

    A bundled name wins over a file of that very name; say `./default` for the file.
    """
    known = bundled.names("traces")
    if source is None or (isinstance(source, str) and source in known):
        return bundled.find("traces", source or DEFAULT)
    path = Path(source)
    if not path.exists():
        raise TraceError(f"no such file, and no bundled trace of that name; {suggest(str(source), known)}", file=source)
    return path


def load(
    source: str | os.PathLike[str] | None,
    *,
    strict: bool = False,
    seed: int = 0,
    columns: Iterable[str] | Mapping[str, str] = (),
    ticks: str | None = None,
    rows: int | None = None,
) -> Source:
    """Read a trace file into memory and unpack it, or map it; `-` is standard input.

    Args:
        source: A file, a folder of files, the name of a bundled trace, or None for the bundled default.
        strict: Refuse rows that are out of order.
        seed: Of the random placement inside coarse time stamps.
        columns: `FIELD=COLUMN[:UNIT]` each, or a mapping from FIELD to COLUMN[:UNIT] (`stratsim.trace.fields`).
        ticks: What to do with coarse time stamps: "spread" or "leave".
        rows: Read the first so many rows or more, and not much more, where that is possible: then the source is `cut`.

    Raises:
        TraceError: it cannot be read, is empty, damaged, or nothing that is read here.
        SpecError: `columns` or `ticks` cannot be understood.
    """
    options = _options(strict, seed, columns, ticks)
    if source == STDIN:
        return _loaded("standard input", bounded(sys.stdin.buffer, "standard input").read(), options)
    path = locate(source)
    name = path.name if source is None else str(source)
    return _folder(name, path, options) if path.is_dir() else _file(name, path, options, rows)


def table_source(found: Any, **options: Any) -> Source:
    """Return a pandas, polars or Arrow table as a source; options and errors as for `load`."""
    from stratsim.trace.tables.arrow import arrow_table

    return Source("table", frame=arrow_table(found), **_options(**options))


def _options(strict: bool, seed: int, columns: Iterable[str] | Mapping[str, str], ticks: str | None) -> dict[str, Any]:
    from stratsim.trace.fields import parse_columns

    if ticks not in (None, "spread", "leave"):
        raise SpecError(f"ticks must be spread or leave, got {ticks!r}")
    return {"strict": strict, "seed": seed, "columns": parse_columns(columns), "ticks": ticks}


def _file(name: str, path: Path, options: Mapping[str, Any], rows: int | None = None) -> Source:
    try:
        if path.is_file():
            with path.open("rb") as file:
                if file.peek(len(PARQUET)).startswith(PARQUET):
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    cut = rows is not None
                    return Source(name, PARQUET, digest, on_disk=path, most_rows=rows, cut=cut, **options)
                if rows is not None and (begin := first_lines(file, rows)) is not None:
                    file.seek(0)
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    return Source(name, begin, digest, cut=True, **options)
        packed = read_file(path, factor=1)
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror or error}", file=name) from None
    return _loaded(name, packed, options)


def _loaded(name: str, packed: bytes, options: Mapping[str, Any]) -> Source:
    return Source(name, unpacked(name, packed), _sha256(packed), **options)


def _folder(name: str, path: Path, options: Mapping[str, Any]) -> Source:
    """Return the files of a folder; hidden ones are passed over."""
    found = sorted(each for each in path.iterdir() if not each.name.startswith("."))
    files = [each for each in found if each.is_file()]
    if not files or len(files) < len(found):
        raise TraceError("is a directory, not a trace file (of folders, those with one CSV file per model are read)",
                         file=name)  # fmt: skip
    members = tuple(_file(str(each), each, options) for each in files)
    digests = "".join(f"{each.sha256}  {file.name}\n" for each, file in zip(members, files, strict=True))
    return Source(name, sha256=_sha256(digests.encode()), members=members, **options)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
