"""What a result folder holds: its two JSON documents and the columns of its tables (`stratsim.model.columns`).

A folder may come from anywhere, so nothing in it is believed before it was decoded: what is missing, of another type or
impossible is one line that names the file and the place. Fields that are not listed here are kept and not looked at: a
later version may write more. docs/reference/result-files.md describes every field and column.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from stratsim.errors import SpecError
from stratsim.model.codec import read_json
from stratsim.model.columns import BATCH_KINDS, PAUSE_KINDS, REQUEST_KINDS, RETRY_KINDS, STAGES, TABLES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BATCH_KINDS",
    "PAUSE_KINDS",
    "REQUEST_KINDS",
    "RETRY_KINDS",
    "STAGES",
    "TABLES",
    "Stopping",
    "read_manifest",
    "read_summary",
]

Figure = float | None


class _File(msgspec.Struct, frozen=True):
    """A file that a run was made from."""

    name: str | None = None
    sha256: str | None = None
    label: str | None = None
    format: str | None = None
    requests: int | None = None


class Stopping(msgspec.Struct, frozen=True):
    """How a policy stops batches, as far as a reader of its results must know.

    Args:
        halts: Whether a batch makes no progress from the moment on at which it is to stop.
        overhead: Share by which whatever can be stopped takes longer.
    """

    halts: bool
    overhead: float


class _Live(msgspec.Struct, frozen=True):
    status: str | None = None
    reason: str | None = None
    started: str | None = None
    device: str | None = None
    dtype: str | None = None
    mode: str | None = None
    runs: list[dict[str, Any]] = []


class _Spec(msgspec.Struct, frozen=True):
    """The settings of a run, as `stratsim.run.spec.RunSpec` has them."""

    trace: str | None = None
    trace_format: str | None = None
    columns: str | None = None
    ticks: str | None = None
    strict: bool | None = None
    workload: str | None = None
    policy: str | None = None
    profile: str | None = None
    gpus: int | None = None
    load: Figure = None
    load_unit: str | None = None
    rate_scale: Figure = None
    limit: int | None = None
    warmup_s: Figure = None
    seed: int | None = None
    device_model: str | None = None
    max_concurrency: int | None = None
    prefetch: int | None = None
    max_batch: int | None = None
    drop: str | None = None
    transfers: bool | None = None
    topology: str | None = None
    uplink_bytes_per_s: Figure = None
    pinned: bool | None = None
    memory: float | str | None = None
    reject_s: Figure = None
    retries: int | None = None
    backoff_s: Figure = None
    retry_by: str | None = None
    belief_latency_scale: Figure = None
    belief: str | None = None
    groups: int | None = None
    deal: str | None = None
    engine: str | None = None


class Manifest(msgspec.Struct, frozen=True):
    """manifest.json. All fields may be absent: in folders of older versions some are."""

    stratsim_version: str | None = None
    versions: dict[str, str] = {}
    code: dict[str, bool | str | None] = {}
    seed: int = 0
    trace: _File | None = None
    profile: _File | None = None
    topology: _File | None = None
    belief: _File | None = None
    files: dict[str, str] = {}
    offered_load: Figure = None
    spec: _Spec | None = None
    notes: list[str] = []
    preemption: dict[str, Stopping] = {}
    live: _Live | None = None
    windows_s: float | None = None


class _Class(msgspec.Struct, frozen=True):
    arrived: int
    met: int
    late: int
    dropped: int
    unfinished: int
    violation: Figure
    violation_completed: Figure
    latency_s: dict[str, Figure]
    goodput_per_s: Figure
    jain_models: Figure = None
    drop_reasons: dict[str, int] = {}
    late_share: Figure = None
    dropped_share: Figure = None
    min_model_satisfaction: Figure = None
    dropped_voluntary: int | None = None
    slowdown: dict[str, Figure] | None = None
    execution_slowdown: dict[str, Figure] | None = None
    starvation_s: dict[str, Figure] | None = None


class _Classes(msgspec.Struct, frozen=True):
    high: _Class
    low: _Class


class _Run(msgspec.Struct, frozen=True):
    policy: str
    classes: _Classes
    simulated_s: float
    equity: dict[str, Figure] | None = None
    clients: dict[str, dict[str, Figure]] = {}
    gpu: list[dict[str, Figure]] = []
    pcie: list[dict[str, Figure]] = []
    window_s: list[float] | None = None
    events: int | None = None
    wall_s: float | None = None


class _Summary(msgspec.Struct, frozen=True):
    runs: list[_Run]


def read_manifest(path: Path) -> tuple[dict[str, Any], Manifest]:
    """Return a manifest.json as it stands, and what of it was decoded.

    Raises:
        SpecError: it cannot be read, or a field has another type.
    """
    content = _object(path)
    return content, _decoded(content, Manifest, path)


def read_summary(path: Path) -> dict[str, Any]:
    """Return a summary.json.

    Raises:
        SpecError: it cannot be read, a figure is missing or of another type, or a policy has two runs.
    """
    content = _object(path)
    runs = _decoded(content, _Summary, path).runs
    for policy, count in Counter(run.policy for run in runs).items():
        if count > 1:
            raise SpecError(f"{path}: has {count} runs of policy {policy!r}")
    if not runs:
        raise SpecError(f"{path}: has no runs")
    return content


def _object(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise SpecError(f"{path}: must hold a JSON object")
    return content


def _decoded(content: dict[str, Any], kind: type[Any], path: Path) -> Any:
    try:
        return msgspec.convert(content, kind)  # fields that are not listed are ignored
    except msgspec.ValidationError as problem:
        raise SpecError(f"{path}: {problem}") from None
