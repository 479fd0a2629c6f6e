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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.imports.files import Table, listed, number, read_table, read_text
from stratsim.imports.found import Ask, Found, Solo
from stratsim.model.parts import Kernels

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read"]

_UNITS = {"ns": 1e-9, "us": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}
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
    return _of_trace(path)


def _header_has(text: str, name: str) -> bool:
    line = next((line for line in text.splitlines() if "Name" in line and "," in line), "")
    return name in [cell.strip(' "') for cell in line.split(",")]


def _of_trace(path: Path) -> _Activity:
    table = read_table(path, ("Name", "Strm"))
    start, per_start = _timed(path, table, "Start")
    duration, per_duration = _timed(path, table, "Duration")
    size, per_byte = _sized(table)
    kernels, copies = [], []
    for line in table.lines:
        where = f"{path}, line {line.number}"
        took_s = number(line.cells[duration], f"{where}, {duration}") * per_duration
        name = line.cells["Name"]
        if not name.startswith("["):
            kernels.append((number(line.cells[start], f"{where}, {start}") * per_start, took_s))
            continue
        direction = next((key for key, text in _COPY.items() if text in name), None)
        if direction is not None and size is not None:
            kinds = (line.cells.get("SrcMemKd", ""), line.cells.get("DstMemKd", ""))
            moved = number(line.cells[size], f"{where}, {size}") * per_byte
            copies.append(_Copy(direction, moved, took_s, _PINNED in kinds))
    found = np.array(kernels, dtype=np.float64).reshape(-1, 2)
    return _Activity(found, copies, np.ones(len(found), dtype=np.int64), found[:, 1])


def _of_sums(path: Path) -> _Activity:
    table = read_table(path, ("Name", "Instances"))
    total, per_total = _timed(path, table, "Total Time")
    longest, per_longest = _timed(path, table, "Max")
    rows, counts, longest_s = [], [], []
    for line in table.lines:
        where = f"{path}, line {line.number}"
        rows.append((np.nan, number(line.cells[total], f"{where}, {total}") * per_total))
        counts.append(int(number(line.cells["Instances"], f"{where}, Instances")))
        longest_s.append(number(line.cells[longest], f"{where}, {longest}") * per_longest)
    found = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return _Activity(found, [], np.array(counts, dtype=np.int64), np.array(longest_s))


def _timed(path: Path, table: Table, name: str) -> tuple[str, float]:
    """Return the column of a time, and how many seconds its unit is: the unit is in the header."""
    for column in table.columns:
        match = re.fullmatch(rf"{name} \((.+)\)", column)
        if match and match[1] in _UNITS:
            return column, _UNITS[match[1]]
    raise SpecError(f"{path}: no column '{name} (ns)' or of another unit; it has {listed(table.columns)}")


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
            tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            kernels, copies = [], []
            if "CUPTI_ACTIVITY_KIND_KERNEL" in tables:
                kernels = base.execute("SELECT start, end FROM CUPTI_ACTIVITY_KIND_KERNEL ORDER BY start").fetchall()
            if "CUPTI_ACTIVITY_KIND_MEMCPY" in tables:
                copies = base.execute(
                    "SELECT copyKind, bytes, end - start, srcKind, dstKind FROM CUPTI_ACTIVITY_KIND_MEMCPY"
                ).fetchall()
        finally:
            base.close()
    except sqlite3.Error as error:
        raise SpecError(f"{path}: not a SQLite export of nsys (`nsys export --type sqlite`): {error}") from None
    if not kernels and not copies:
        raise SpecError(f"{path}: a SQLite file without kernels or copies of CUDA; it has {listed(sorted(tables))}")
    origin = min((start for start, _ in kernels), default=0)  # nanoseconds since 1970 do not fit a double
    found = np.array([((start - origin) * 1e-9, (end - start) * 1e-9) for start, end in kernels]).reshape(-1, 2)
    ways = {1: "h2d", 2: "d2h"}
    moved = [
        _Copy(ways[kind], float(size), took * 1e-9, 1 in (source, target))  # memory kind 1 is pinned
        for kind, size, took, source, target in copies
        if kind in ways
    ]
    return _Activity(found, moved, np.ones(len(found), dtype=np.int64), found[:, 1])
