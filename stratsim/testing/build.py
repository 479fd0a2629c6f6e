"""Small profiles and workloads made in one line, for tests of policies against answers worked out by hand.

    profile = make_profile({"a": {1: 0.010, 2: 0.014}, "b": 0.005})
    workload = make_workload([(0.0, "a"), (0.001, "b", "high", 0.020)], profile=profile)
    result = simulate(workload, profile, MyPolicy())

Every figure of such a profile is synthetic and labelled so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError, suggest
from stratsim.model.parts import Device, Kernels, Link, Pcie, Provenance
from stratsim.model.profile import SCHEMA_VERSION, Observable, ObservableModel, Profile, Sharing, Truth
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient, Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["make_profile", "make_workload"]

COLUMNS = ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out", "client")
"""The columns of a workload, in the order in which rows give them."""

_NEEDED = 2
_PRIORITIES = {priority.label: priority for priority in Priority}
_FREE = Link(alpha_s=0.0, bytes_per_s=math.inf)


def make_profile(
    latency_s: Mapping[str, Mapping[int, float] | float],
    *,
    sharing: Mapping[str, Sharing | Mapping[int, Sharing]] | None = None,
    h2d: Link | None = None,
    d2h: Link | None = None,
    bytes_in: int | Mapping[str, int] = 0,
    bytes_out: int | Mapping[str, int] = 0,
    noise_cv: float = 0.0,
    kernels: int | Mapping[str, int] | None = None,
) -> Profile:
    """Return a synthetic profile.

    Without links it cannot be written to a file: JSON holds no infinite rate.

    Args:
        latency_s: By model: solo latencies by batch size, seconds, or one figure for batch size 1 only. Sizes between
            the given ones are interpolated linearly.
        sharing: By model: demand and weight under the device model `streams`, for all batch sizes or by batch size.
            Models that are left out have demand 1 and weight 1: processor sharing.
        h2d: Link towards the device; copies cost nothing by default.
        d2h: Link towards the host; copies cost nothing by default.
        bytes_in: Bytes copied in per request, for all models or by model (0 for those left out).
        bytes_out: Bytes copied out per request, likewise.
        noise_cv: Run-to-run coefficient of variation of execution times.
        kernels: Kernels per inference, for all models or by model; not known by default.

    Raises:
        ProfileError: a figure that no profile may hold, or a sharing entry for a model without latencies.
    """
    models = {
        name: ObservableModel(
            latency_s=dict(table) if isinstance(table, Mapping) else {1: table},
            bytes_in=bytes_in.get(name, 0) if isinstance(bytes_in, Mapping) else bytes_in,
            bytes_out=bytes_out.get(name, 0) if isinstance(bytes_out, Mapping) else bytes_out,
            kernels=_kernels(kernels.get(name) if isinstance(kernels, Mapping) else kernels, table),
        )
        for name, table in latency_s.items()
    }
    shared = {
        name: dict(entry) if isinstance(entry, Mapping) else {1: entry} for name, entry in (sharing or {}).items()
    }
    made = Provenance(kind="synthetic", source="made for a test by stratsim.testing.make_profile")
    return Profile(
        schema_version=SCHEMA_VERSION,
        name="synthetic",
        device=Device("synthetic GPU"),
        provenance=dict.fromkeys(("device", "observable", "truth", "pairs"), made),
        observable=Observable(Pcie(h2d or _FREE, d2h or _FREE), models),
        truth=Truth(shared, noise_cv=noise_cv),
    )


def _kernels(count: int | None, latency_s: Mapping[int, float] | float) -> Kernels | None:
    if count is None:
        return None
    alone_s = latency_s[min(latency_s)] if isinstance(latency_s, Mapping) else latency_s
    return Kernels(count, alone_s / count)


def make_workload(
    rows: Iterable[Sequence[Any]] | Mapping[str, Sequence[Any]],
    *,
    profile: Profile,
    closed_loop: Iterable[ClosedLoopClient] = (),
    one_at_a_time: Iterable[OneAtATimeClient] = (),
) -> Workload:
    """Return a workload, sorted by arrival; rows that arrive together keep their order.

    Args:
        rows: Tuples `(arrival_s, model[, priority[, deadline_s[, bytes_in[, bytes_out[, client]]]]])`, or columns by
            these names. Times are absolute seconds. A priority is a `Priority`, `"high"` or `"low"`, and low where it
            is left out; there is no deadline where that is left out; bytes are the profile's; a client is any string.
            None stands for what is left out.
        profile: Knows the models (by name or alias) and their bytes.
        closed_loop: Clients that send their next request when the reply to the last is in.
        one_at_a_time: Clients of the rows that have one request outstanding at most.

    Raises:
        SpecError: a row of the wrong length, an unknown or uneven column, an unknown priority, or a time that is
            negative, not finite (arrivals) or NaN.
        OutsideProfileError: a model that the profile lacks.
    """
    table = sorted((_complete(row, profile) for row in _tuples(rows)), key=lambda row: row[0])
    arrival, model, priority, deadline, bytes_in, bytes_out, client = zip(*table, strict=True) if table else [()] * 7
    models = tuple(profile.observable.models)
    clients = tuple(dict.fromkeys(name for name in client if name is not None))
    return Workload(
        models=models,
        arrival_s=np.array(arrival, dtype=np.float64),
        model=np.array([models.index(name) for name in model], dtype=np.int32),
        priority=np.array(priority, dtype=np.int8),
        deadline_s=np.array(deadline, dtype=np.float64),
        bytes_in=np.array(bytes_in, dtype=np.int64),
        bytes_out=np.array(bytes_out, dtype=np.int64),
        client=np.array([-1 if name is None else clients.index(name) for name in client], dtype=np.int32),
        client_names=clients,
        closed_loop=tuple(closed_loop),
        one_at_a_time=tuple(one_at_a_time),
    )


def _tuples(rows: Iterable[Sequence[Any]] | Mapping[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Return rows as tuples of all columns, None where a value is left out."""
    if isinstance(rows, Mapping):
        return _transposed(rows)
    filled = []
    for index, row in enumerate(rows):
        if not _NEEDED <= len(row) <= len(COLUMNS):
            raise SpecError(f"row {index} has {len(row)} values; expected 2 to {len(COLUMNS)}: {', '.join(COLUMNS)}")
        filled.append((*row, *[None] * (len(COLUMNS) - len(row))))
    return filled


def _transposed(columns: Mapping[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    for name in columns:
        if name not in COLUMNS:
            raise SpecError(f"unknown column {name!r}; {suggest(name, COLUMNS)}")
    for name in COLUMNS[:_NEEDED]:
        if name not in columns:
            raise SpecError(f"column {name!r} is missing")
    count = len(columns["arrival_s"])
    for name, column in columns.items():
        if len(column) != count:
            raise SpecError(f"column {name!r} has {len(column)} values, 'arrival_s' has {count}")
    absent = [None] * count
    return list(zip(*(columns.get(name, absent) for name in COLUMNS), strict=True))


def _complete(row: tuple[Any, ...], profile: Profile) -> tuple[Any, ...]:
    arrival_s, model, priority, deadline_s, bytes_in, bytes_out, client = row
    if not 0 <= arrival_s < math.inf:
        raise SpecError(f"arrival_s must be >= 0 and finite, got {arrival_s!r}")
    deadline_s = math.inf if deadline_s is None else deadline_s
    if not deadline_s >= arrival_s:
        raise SpecError(f"deadline_s must not lie before the arrival at {arrival_s!r} s, got {deadline_s!r}")
    name = profile.resolve(model)
    entry = profile.observable.models[name]
    return (
        arrival_s,
        name,
        _priority(priority),
        deadline_s,
        entry.bytes_in if bytes_in is None else bytes_in,
        entry.bytes_out if bytes_out is None else bytes_out,
        client,
    )


def _priority(value: Priority | str | None) -> Priority:
    if value is None:
        return Priority.LOW
    if isinstance(value, Priority):
        return value
    if value not in _PRIORITIES:
        raise SpecError(f"unknown priority {value!r}; {suggest(str(value), _PRIORITIES)}")
    return _PRIORITIES[value]
