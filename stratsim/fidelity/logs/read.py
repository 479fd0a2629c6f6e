"""Which kind of log a file is, by its content; what else it is often taken for is called by its name."""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import SpecError, TraceError
from stratsim.limits import memory_budget, read_file
from stratsim.trace.containers import PARQUET, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stratsim.fidelity.logs.log import Log, Naming

__all__ = ["KINDS", "read_log"]


class Kind(NamedTuple):
    """A kind of log: where it is read, and what it is."""

    module: str
    reader: str
    what: str


KINDS = {
    "triton": Kind("triton", "read", "Triton's trace file (--trace-config triton,file=...), with time stamps"),
    "aiperf": Kind("latencies", "read_aiperf", "NVIDIA's aiperf: profile_export.jsonl"),
    "table": Kind("latencies", "read_plain", "a CSV with arrival_s, latency_s and model"),
}
"""What is read, by name."""

_HEAD = 1 << 16
_SHOWN = 60
_DECODED = 8
"""Memory that the records of a log take, as a multiple of its text."""
_OTHERS = {
    b'"resourceSpans"': "OpenTelemetry's spans: trace with --trace-config mode=triton",
    b'"traceEvents"': "a timeline for trace viewers, which holds no requests",
    b'"experiments"': "perf_analyzer's export, which is no log of a server: `stratsim profile import perf-analyzer`",
    b'"schema_version"': "a file of our own that is no log: a run's folder is read as a whole",
    b'"input_config"': "aiperf's percentiles (profile_export_aiperf.json): profile_export.jsonl has the requests",
}
"""By what stands at the begin of a file."""


def read_log(path: Path, naming: Naming) -> Log:
    """Return the log in a file; it may be packed (gzip, zip, zstd, ...).

    Raises:
        SpecError: the file cannot be read, or is no log that is known.
        LimitError: it is larger than the memory budget allows.
    """
    try:
        packed = read_file(path)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        data = unpacked(str(path), packed, memory_budget() // _DECODED)
    except TraceError as error:
        raise SpecError(str(error)) from None
    kind = KINDS[_kind(path, data)]
    module = import_module(f"stratsim.fidelity.logs.{kind.module}")
    read: Callable[[Path, bytes, str, Naming], Log] = getattr(module, kind.reader)
    log = read(path, data, hashlib.sha256(packed).hexdigest(), naming)
    naming.check(path)
    return log


def _kind(path: Path, data: bytes) -> str:
    head = data[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"[", b"{"):
        if b'"metadata"' in head and b'"request_start_ns"' in head and head[:1] == b"{":
            return "aiperf"
        other = next((what for mark, what in _OTHERS.items() if mark in head), None)
        if other is not None:
            raise SpecError(f"{path}: is {other}")
        if b'"timestamps"' in head or b'"model_name"' in head:
            return "triton"
    elif not head.startswith(PARQUET) and {b"arrival_s", b"latency_s"} <= _columns(head):
        return "table"
    known = "; ".join(kind.what for kind in KINDS.values())
    first = head.partition(b"\n")[0][:_SHOWN].decode("utf-8", "replace").strip()
    raise SpecError(
        f"{path}: begins with {first!r}: no log that is known; known are {known}; and the folder of a live run"
    )


def _columns(head: bytes) -> set[bytes]:
    return {cell.strip().strip(b'"') for cell in head.partition(b"\n")[0].split(b",")}
