"""Nsight Systems: `nsys stats --format csv` of `cuda_gpu_trace` or `cuda_gpu_kern_sum`, or the SQLite export.

Kernels give their number, mean and maximum, and the time for which the GPU is busy: a lower bound of an execution, as
gaps between kernels are longer under the profiler. Copies between pinned memory and the device give points of the link.
The number of inferences is not in these reports: `--inferences` says it.

Source: NVIDIA Nsight Systems User Guide, "Post-Collection Analysis" (reports) and "Exporting" (SQLite schema:
CUPTI_ACTIVITY_KIND_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY, copyKind 1 and 2, srcKind and dstKind).
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.imports.files import Line, Table, listed, number, read_table, read_text, seconds_of, whole
from stratsim.imports.found import Ask, Found, Solo
from stratsim.model.parts import Kernels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["read"]

_SQLITE = b"SQLite format 3\0"
_COPY = {"h2d": "Host-to-Device", "d2h": "Device-to-Host"}
_PINNED = "Pinned"
_LARGE = 1 << 20
"""Bytes from which on a copy's rate is that of the link rather than of its start."""


class _Copy(NamedTuple):
    direction: str
    size_bytes: float
    duration_s: float
    pinned: bool


class _Activity(NamedTuple):
    """What the GPU did: kernels as (start, duration), seconds; start is NaN where a report gives sums only."""

    kernels: np.ndarray
    copies: list[_Copy]
    counts: np.ndarray
    """How many kernels each row stands for."""
    longest_s: np.ndarray
    """Of each row."""


def read(path: Path, ask: Ask) -> Found:
    """Return kernel statistics of a model's inference, a lower bound of its execution, and points of the link.

    Raises:
        SpecError: it is another report, has no kernel, or the model or the number of inferences is not said.
    """
    activity = _activity(path)
    notes: list[str] = []
    rates, alphas, statistics = _links(path, activity.copies, notes)
    models = {}
    if len(activity.kernels):
        if ask.model is None or ask.inferences is None:
            raise SpecError(f"{path}: has kernels of some model: --model NAME --inferences N [--batch N] say of which")
        batch = ask.batch or 1
        models[ask.model] = _solo(path, activity, ask.inferences, batch, notes)
        where = f"observable.models.{ask.model}"
        statistics[f"{where}.latency_s"] = (
            f"time for which the GPU executes kernels, per inference, over {ask.inferences}: a lower bound"
        )
        if batch == 1:
            statistics[f"{where}.kernels"] = f"kernels of {ask.inferences} inferences"
    elif not rates:
        raise SpecError(f"{path}: has neither kernels nor copies between pinned memory and the device")
    return Found(
        tool="Nsight Systems",
        models=models,
        bytes_per_s=rates,
        alpha_s=alphas,
        statistics=statistics,
        notes=tuple(notes),
    )


def _solo(path: Path, activity: _Activity, inferences: int, batch: int, notes: list[str]) -> Solo:
    total = int(activity.counts.sum())
    count, rest = divmod(total, inferences)
    if rest:
        raise SpecError(f"{path}: {total} kernels do not divide among {inferences} inferences (--inferences)")
    durations_s = activity.kernels[:, 1]
    mean_s = float(durations_s.sum()) / total
    busy_s = _busy_s(activity.kernels) if not np.isnan(activity.kernels[:, 0]).any() else float(durations_s.sum())
    notes.append(
        f"{path.name}: gaps between kernels are longer under the profiler, so the latency is only the time in kernels, "
        "a lower bound; trtexec, Triton or `profile run` measure it"
    )
    if batch > 1:
        notes.append(f"{path.name}: kernel statistics are of batch size {batch}; a profile keeps those of batch size 1")
    kernels = Kernels(count, mean_s, float(activity.longest_s.max())) if batch == 1 else None
    return Solo({batch: busy_s / inferences}, kernels)


def _busy_s(kernels: np.ndarray) -> float:
    """Return the length of the union of the kernels' intervals, seconds."""
    ordered = kernels[np.argsort(kernels[:, 0], kind="stable")]
    ends = np.maximum.accumulate(ordered.sum(axis=1))
    gaps = np.maximum(ordered[1:, 0] - ends[:-1], 0.0)
    return float(ends[-1] - ordered[0, 0] - gaps.sum())


def _links(
    path: Path, copies: list[_Copy], notes: list[str]
) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Return rate and fixed cost of each direction that was copied, and what they are."""
    rates: dict[str, float] = {}
    alphas: dict[str, float] = {}
    statistics = {}
    pageable = sum(not copy.pinned for copy in copies)
    if pageable:
        notes.append(f"{path.name}: {pageable} copies from or to pageable memory are left out")
    for direction, way in _COPY.items():
        own = [copy for copy in copies if copy.pinned and copy.direction == direction]
        large = [copy for copy in own if copy.size_bytes >= _LARGE]
        if not own:
            continue
        if not large:
            notes.append(f"{path.name}: no {way} copy of 1 MiB or more: the link's rate cannot be told")
            continue
        sizes = np.array([copy.size_bytes for copy in own])
        times_s = np.array([copy.duration_s for copy in own])
        where = f"observable.pcie.{direction}"
        if sizes.max() >= 8 * sizes.min():
            slope, alpha_s = np.polyfit(sizes, times_s, 1)
            if slope > 0 and alpha_s >= 0:
                rates[direction], alphas[direction] = float(1 / slope), float(alpha_s)
                statistics[where] = f"least squares over {len(own)} {way} copies, pinned memory"
                continue
        rates[direction] = sum(copy.size_bytes for copy in large) / sum(copy.duration_s for copy in large)
        statistics[f"{where}.bytes_per_s"] = f"{len(large)} {way} copies of 1 MiB or more, pinned memory"
    return rates, alphas, statistics


# Files ----------------------------------------------------------------------------------------------------------------


def _activity(path: Path) -> _Activity:
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror or error}") from None
    if head == _SQLITE:
        return _of_sqlite(path)
    if head[:4] == b"QDST" or path.suffix == ".nsys-rep":
        raise SpecError(
            f"{path}: a report of nsys itself; `nsys stats --report cuda_gpu_trace --format csv` makes a table of it"
        )
    text = read_text(path)
    if ("Instances" in text and "cuda_gpu_kern_sum" in text) or _header_has(text, "Instances"):
        return _of_sums(path)
    if text.strip() and "Strm" not in text:
        raise SpecError(f"{path}: neither cuda_gpu_trace nor cuda_gpu_kern_sum: no column 'Strm' or 'Instances'")
    return _of_trace(path)


def _header_has(text: str, name: str) -> bool:
    line = next((line for line in text.splitlines() if "Name" in line and "," in line), "")
    return name in [cell.strip(' "') for cell in line.split(",")]


def _of_trace(path: Path) -> _Activity:
    table = read_table(path, ("Name", "Strm"))
    start, per_start = seconds_of(path, table, "Start")
    duration, per_duration = seconds_of(path, table, "Duration")
    size, per_byte = _sized(table)
    kernels, copies, devices = [], [], set()
    for line in table.lines:
        where = f"{path}, line {line.number}"
        took_s = _took_s(line, duration, where) * per_duration
        name = line.cells["Name"]
        if not name.startswith("["):
            kernels.append((number(line.cells[start], f"{where}, {start}") * per_start, took_s))
            devices.add(line.cells.get("Device", ""))
            continue
        direction = next((key for key, text in _COPY.items() if text in name), None)
        if direction is not None and size is not None:
            kinds = (line.cells.get("SrcMemKd", ""), line.cells.get("DstMemKd", ""))
            moved = number(line.cells[size], f"{where}, {size}") * per_byte
            copies.append(_Copy(direction, moved, took_s, _PINNED in kinds))
    _check_one_device(path, devices)
    found = np.array(kernels, dtype=np.float64).reshape(-1, 2)
    return _Activity(found, copies, np.ones(len(found), dtype=np.int64), found[:, 1])


def _of_sums(path: Path) -> _Activity:
    table = read_table(path, ("Name", "Instances"))
    total, per_total = seconds_of(path, table, "Total Time")
    longest, per_longest = seconds_of(path, table, "Max")
    rows, counts, longest_s = [], [], []
    for line in table.lines:
        where = f"{path}, line {line.number}"
        rows.append((np.nan, _took_s(line, total, where) * per_total))
        counts.append(whole(line.cells["Instances"], f"{where}, Instances"))
        longest_s.append(number(line.cells[longest], f"{where}, {longest}") * per_longest)
    found = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return _Activity(found, [], np.array(counts, dtype=np.int64), np.array(longest_s))


def _took_s(line: Line, column: str, where: str) -> float:
    """Return how long something took, in the column's unit."""
    took = number(line.cells[column], f"{where}, {column}")
    if took <= 0:
        raise SpecError(f"{where}, {column}: must be > 0, got {took:g}")
    return took


def _check_one_device(path: Path, devices: set[Any]) -> None:
    if len(devices) > 1:
        raise SpecError(
            f"{path}: has kernels of {len(devices)} GPUs ({listed(sorted(map(str, devices)))}): a profile is of one; "
            "record with CUDA_VISIBLE_DEVICES naming one"
        )


def _sized(table: Table) -> tuple[str | None, float]:
    """Return the column of a copy's size, and how many bytes its unit is."""
    units = {"B": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
    for column in table.columns:
        match = re.fullmatch(r"Bytes \((.+)\)", column)
        if match and match[1] in units:
            return column, units[match[1]]
    return None, 1.0


def _of_sqlite(path: Path) -> _Activity:
    """Read the export; opened for reading only, so that no journal and no lock is left beside it."""
    try:
        base = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            columns = {
                name: {row[1] for row in base.execute("SELECT * FROM pragma_table_info(?)", (name,))}
                for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                if name in _TABLES
            }
            kernels = _rows(path, base, "CUPTI_ACTIVITY_KIND_KERNEL", columns)
            copies = _rows(path, base, "CUPTI_ACTIVITY_KIND_MEMCPY", columns)
            there = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        finally:
            base.close()
    except sqlite3.Error as error:
        raise SpecError(f"{path}: not a SQLite export of nsys (`nsys export --type sqlite`): {error}") from None
    if not kernels and not copies:
        raise SpecError(f"{path}: a SQLite file without kernels or copies of CUDA; it has {listed(sorted(there))}")
    _check_one_device(path, {row[2] for row in kernels})
    origin = min((row[0] for row in kernels), default=0)  # nanoseconds since 1970 do not fit a double
    found = np.array([((start - origin) * 1e-9, (end - start) * 1e-9) for start, end, _ in kernels]).reshape(-1, 2)
    ways = {1: "h2d", 2: "d2h"}
    moved = [
        _Copy(ways[kind], float(size), (end - start) * 1e-9, 1 in (source, target))  # memory kind 1 is pinned
        for start, end, kind, size, source, target in copies
        if kind in ways
    ]
    return _Activity(found, moved, np.ones(len(found), dtype=np.int64), found[:, 1])


class _Read(NamedTuple):
    """A table of the export: columns that are read, whole numbers, times in nanoseconds."""

    columns: tuple[str, ...]
    query: str


_TABLES = {
    "CUPTI_ACTIVITY_KIND_KERNEL": _Read(
        ("start", "end", "deviceId"),
        'SELECT "start", "end", "deviceId" FROM CUPTI_ACTIVITY_KIND_KERNEL ORDER BY "start"',
    ),
    "CUPTI_ACTIVITY_KIND_MEMCPY": _Read(
        ("start", "end", "copyKind", "bytes", "srcKind", "dstKind"),
        'SELECT "start", "end", "copyKind", "bytes", "srcKind", "dstKind" FROM CUPTI_ACTIVITY_KIND_MEMCPY '
        'ORDER BY "start"',
    ),
}


def _rows(path: Path, base: sqlite3.Connection, name: str, columns: Mapping[str, set[str]]) -> list[tuple[int, ...]]:
    """Return the rows of a table, by start; none where there is no such table."""
    if name not in columns:
        return []
    read = _TABLES[name]
    lacking = [column for column in read.columns if column not in columns[name]]
    if lacking:
        raise SpecError(f"{path}: {name} has no {listed(lacking)}: an export of a version of nsys that is not known")
    rows = base.execute(read.query).fetchall()
    for at, row in enumerate(rows):
        if not all(isinstance(value, int) for value in row) or row[1] <= row[0]:
            shown = listed(f"{column} {value!r}" for column, value in zip(read.columns, row, strict=True))
            raise SpecError(f"{path}, {name}, row {at + 1} by start: no numbers, or no end after its start: {shown}")
    return rows
