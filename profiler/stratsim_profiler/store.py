"""Reads, appends and resumes samples files. See `stratsim_profiler.samples` for what they hold."""

from __future__ import annotations

import gzip
import io
import json
import types
import zlib
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from stratsim.errors import OutputError, ProfileError, SchemaVersionError, suggest
from stratsim.limits import bounded, read_file
from stratsim.model.codec import plain
from stratsim.model.write import check_folder
from stratsim_profiler.samples import RECORD_TYPES, SAMPLES_SCHEMA, Discarded, Done, Header, Note, Record, Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Self

__all__ = ["SampleFile", "Samples", "decode_line", "encode_line", "read_lines", "read_samples"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Samples:
    """A decoded samples file.

    Args:
        header: Its first line.
        records: All the records of complete cells, in file order.
        source: What to call the file in messages.
    """

    header: Header
    records: tuple[Record, ...]
    source: str = "samples"

    def of(self, kind: type[R]) -> tuple[R, ...]:
        """Return the records of one type, in file order: `samples.of(Solo)`."""
        return tuple(record for record in self.records if isinstance(record, kind))

    @property
    def measured(self) -> frozenset[str]:
        """The cells that have samples: a cell is done without any where every attempt was thrown away."""
        without = (Discarded, Done, Note, Telemetry)
        return frozenset(record.cell for record in self.records if not isinstance(record, without))

    @property
    def done(self) -> frozenset[str]:
        """The cells that are complete."""
        return frozenset(record.cell for record in self.of(Done))


class SampleFile:
    """A samples file that is being written: whole cells are appended, so that it can always be resumed.

    Args:
        path: The file.
        samples: What it already holds.
    """

    def __init__(self, path: Path, samples: Samples) -> None:
        self.path = path
        self.samples = samples
        self._handle: IO[str] | None = None

    @classmethod
    def create(cls, path: Path, header: Header) -> Self:
        """Start a new file.

        Raises:
            OutputError: the file exists, or cannot be written; its folder is made.
        """
        check_folder(path.parent)
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as handle:
                handle.write(encode_line(header) + "\n")
        return cls(path, Samples(header, (), str(path)))

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Open a file to go on with it: what follows its last complete cell is dropped, on disk too."""
        kept = _complete_bytes(path)
        with _writing(path), path.open("r+b") as handle:
            handle.truncate(kept)
        return cls(path, read_samples(path))

    def __enter__(self) -> Self:
        with _writing(self.path):
            self._handle = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            self._handle.close()
        self._handle = None

    def commit(self, records: Sequence[Record], done: Done) -> None:
        """Append a complete cell in one write, and see it onto the disk's queue."""
        if self._handle is None:
            raise OutputError(f"{self.path}: is not open for writing")
        lines = [encode_line(record) for record in (*records, done)]
        with _writing(self.path):
            self._handle.write("\n".join(lines) + "\n")
            self._handle.flush()
        self.samples = Samples(self.samples.header, (*self.samples.records, *records, done), self.samples.source)


def read_samples(path: str | Path) -> Samples:
    """Return the samples of a file, `.jsonl` or `.jsonl.gz`.

    A last cell that was not completed, as an interruption leaves it, is left out.

    Raises:
        SchemaVersionError: the file was written for another version of the schema.
        ProfileError: anything else; one line that names the file, the line and the field.
    """
    path = Path(path)
    lines = _lines(path)
    if not lines:
        raise ProfileError(f"{path}: the file is empty")
    header = decode_line(lines[0], f"{path}: line 1")
    if not isinstance(header, Header):
        raise ProfileError(f"{path}: line 1: a samples file begins with its header, got kind {header.kind!r}")
    rows = lines[1 : _last_done(lines) + 1]
    return Samples(header, tuple(_records(path, rows)), str(path))


def encode_line(record: Header | Record) -> str:
    """Return one line without its end; refuses NaN and infinity.

    Raises:
        ProfileError: a figure is not finite.
    """
    try:
        return json.dumps({"kind": record.kind} | plain(record), allow_nan=False, ensure_ascii=False)
    except ValueError as problem:
        raise ProfileError(f"a {record.kind} record cannot be written: {problem}") from None


def decode_line(text: str, where: str) -> Header | Record:
    """Return the record of one line.

    Args:
        text: The line.
        where: File and line, for messages.
    """
    try:
        data = json.loads(text, parse_constant=_refuse)
    except ValueError as problem:
        raise ProfileError(f"{where}: not valid JSON: {problem}") from None
    if not isinstance(data, dict):
        raise ProfileError(f"{where}: a record is a JSON object")
    kind = data.pop("kind", None)
    if kind not in RECORD_TYPES:
        raise ProfileError(f"{where}: unknown kind {kind!r}; {suggest(str(kind), RECORD_TYPES)}")
    if kind == Header.kind and data.get("schema") != SAMPLES_SCHEMA:
        raise SchemaVersionError(f"{where}: schema is {data.get('schema')!r}; this stratsim reads {SAMPLES_SCHEMA}")
    try:
        return cast("Header | Record", _build(RECORD_TYPES[kind], data))
    except ProfileError as problem:
        raise ProfileError(f"{where}: {kind}: {problem}") from None


def _records(path: Path, rows: Iterable[str]) -> Iterator[Record]:
    for number, text in enumerate(rows, start=2):
        record = decode_line(text, f"{path}: line {number}")
        if isinstance(record, Header):
            raise ProfileError(f"{path}: line {number}: a second header")
        yield record


def read_lines(path: Path) -> bytes:
    """Return the lines of a samples file, unpacked.

    Raises:
        OSError: it cannot be read, or is no file.
        EOFError: it is cut.
        LimitError: it is larger than the memory budget allows.
    """
    data = read_file(path)
    if path.suffix != ".gz":
        return data
    try:
        return bounded(gzip.GzipFile(fileobj=io.BytesIO(data)), path).read()
    except zlib.error as problem:
        raise EOFError(f"damaged: {problem}") from None


def _lines(path: Path) -> list[str]:
    try:
        return read_lines(path).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ProfileError(f"{path}: not a samples file (it is not UTF-8 text)") from None
    except (OSError, EOFError) as problem:
        raise ProfileError(f"{path}: cannot be read: {getattr(problem, 'strerror', None) or problem}") from None


_DONE = '{"kind": "done"'


def _last_done(lines: Sequence[str]) -> int:
    """Return the index of the last `done` line that is whole; 0, the header's, where there is none."""
    return next((i for i in range(len(lines) - 1, 0, -1) if lines[i].startswith(_DONE) and lines[i].endswith("}")), 0)


def _complete_bytes(path: Path) -> int:
    """Return how many bytes of the file are its header and complete cells."""
    lines = _lines(path)
    kept = lines[: _last_done(lines) + 1]
    return sum(len(line.encode()) + 1 for line in kept)


class _writing:  # noqa: N801 (reads as a clause)
    """Turns an OSError into an OutputError that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, problem: object, trace: object) -> None:
        if isinstance(problem, FileExistsError):
            raise OutputError(f"{self._path}: exists already") from None
        if isinstance(problem, OSError) and not isinstance(problem, OutputError):
            raise OutputError(f"{self._path}: cannot be written: {problem.strerror or problem}") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: type[Any], data: Any) -> Any:
    """Return dataclass `kind` made of a JSON object; unknown, missing and mistyped fields are refused by name."""
    if not isinstance(data, dict):
        raise ProfileError(f"{kind.__name__} is a JSON object, got {data!r}")
    known = {field.name: field for field in fields(kind)}
    for name in data:
        if name not in known:
            raise ProfileError(f"unknown field {name!r}; {suggest(name, known)}")
    for name, entry in known.items():
        if name not in data and entry.default is MISSING and entry.default_factory is MISSING:
            raise ProfileError(f"field {name!r} is missing")
    hints: dict[str, Any] = _hints(kind)  # type: ignore[arg-type]
    return kind(**{name: _value(name, hints[name], value) for name, value in data.items()})


def _value(name: str, expected: Any, value: Any) -> Any:
    """Return a JSON value as the type that a field expects."""
    origin = get_origin(expected)
    if expected is Any or origin is dict:
        return value
    if origin is Literal:
        return value  # the record's own check names the known values
    if origin is types.UnionType:
        inner = [part for part in get_args(expected) if part is not type(None)]
        return None if value is None else _value(name, inner[0], value)
    if origin is tuple:
        if not isinstance(value, list):
            raise ProfileError(f"{name} must be a list, got {value!r}")
        return tuple(_value(name, get_args(expected)[0], item) for item in value)
    if isinstance(expected, type) and is_dataclass(expected):
        return _build(expected, value)
    return _scalar(name, expected, value)


def _scalar(name: str, expected: type, value: Any) -> Any:
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise ProfileError(f"{name} must be {expected.__name__}, got {value!r}")
    return value
