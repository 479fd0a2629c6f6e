"""Triton's traces of requests, as a log: batches are the requests that share their stamps of the execution.

A backend reports one set of stamps for all requests that it executes together, so requests of a model with the same
COMPUTE_START and COMPUTE_END, to the nanosecond, are a batch. From COMPUTE_START to COMPUTE_INPUT_END the inputs are
copied, to COMPUTE_OUTPUT_START the model executes, to COMPUTE_END the outputs are copied; the instance is held from the
first of them to the last. Two shapes are known: one record per request, and, since 2.18, a record for the model's name
and one for every stamp, all with the request's `id`.

A trace of every N-th request (`rate`) shows batches smaller than they were: which it is, the file does not say.

Source: triton-inference-server/server, docs/user_guide/trace.md (shape, names and meaning of the stamps);
triton-inference-server/backend, README (`ReportStatistics`: one set of stamps per execution).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from stratsim.errors import SpecError
from stratsim.fidelity.logs.log import Log, Stages, Trip, in_order, seconds
from stratsim.trace.readers.triton import Traced

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stratsim.fidelity.logs.log import Naming

__all__ = ["read"]

_STAGES = ("COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END")
_WAITED = ("REQUEST_START", "QUEUE_START", "COMPUTE_START")
_RATE = "batches are whole only if every request was traced (--trace-config rate=1)"
_CLIENT = "a request counts as one inference: the batch size of a client is not in the file"


class _Known(NamedTuple):
    """What the records of one id say together."""

    model: str | None
    parent: int | str | None
    stamps: dict[str, int]


def read(path: Path, data: bytes, digest: str, naming: Naming) -> Log:
    """Return the log.

    Raises:
        SpecError: it is another file, or another version of it, or has no stamps of executions.
    """
    found = _gathered(path, data)
    outer = {key: known for key, known in found.items() if known.parent is None}
    whole = {key: known for key, known in outer.items() if "REQUEST_START" in known.stamps}
    executed = {key: known for key, known in whole.items() if known.stamps.keys() >= set(_STAGES)}
    _check_stamps(path, found, executed)
    rows = _batches(path, executed)
    trips = [
        Trip(
            naming.of(known.model, f"{path}, id {key}"),
            known.stamps["REQUEST_START"],
            known.stamps.get("REQUEST_END") if key in executed else None,
            known.stamps.get("QUEUE_START"),
            rows.of.get(key, -1),
        )
        for key, known in whole.items()
    ]
    names, first, columns = in_order(path, trips)
    place = {name: code for code, name in enumerate(names)}
    stages = Stages(
        np.array([place[naming.of(model, str(path))] for model in rows.models], np.int32),
        np.array(rows.sizes, np.int32),
        *(np.array([seconds(stamps[name], first) for stamps in rows.stamps]) for name in _STAGES),
    )
    counts = {
        "inside an ensemble left out": len(found) - len(outer),
        "without a begin left out": len(outer) - len(whole),
        "without an end: kept as arrivals": sum("REQUEST_END" not in known.stamps for known in whole.values()),
        "that were not executed (refused, or from the cache): kept as arrivals": sum(
            "REQUEST_END" in known.stamps for key, known in whole.items() if key not in executed
        ),
    }
    notes = [f"{count} requests {what}" for what, count in counts.items() if count]
    return Log(path, "triton", digest, names, stages=stages, notes=(*notes, _RATE, _CLIENT), **columns)  # type: ignore[arg-type]


def _gathered(path: Path, data: bytes) -> dict[int | str, _Known]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.lstrip().startswith(b"["):
        data = b"[" + b",".join(line for line in data.splitlines() if line.strip()) + b"]"
    try:
        records: list[Traced] = msgspec.json.decode(data, type=list[Traced])
    except (msgspec.DecodeError, RecursionError) as error:
        raise SpecError(f"{path}: is not a trace of Triton: {error}") from None
    found: dict[int | str, _Known] = {}
    for record in records:
        before = found.get(record.id, _Known(None, None, {}))
        stamps = {stamp.name: stamp.ns for stamp in record.timestamps}
        twice = [name for name, time in stamps.items() if before.stamps.get(name, time) != time]
        if twice:
            raise SpecError(
                f"{path}, id {record.id}: has two {twice[0]}, {before.stamps[twice[0]]} and {stamps[twice[0]]}: traces "
                "of two servers in one file count from 1 twice; take them apart"
            )
        stamps = before.stamps | stamps
        found[record.id] = _Known(record.model_name or before.model, record.parent_id or before.parent, stamps)
    return found


def _check_stamps(path: Path, found: Mapping[int | str, _Known], executed: Mapping[int | str, _Known]) -> None:
    """Refuse what has no stamps of executions; say which version or level that is."""
    if executed:
        return
    names = {name for known in found.values() for name in known.stamps}
    if "compute start" in names:
        raise SpecError(
            f"{path}: its stamps are called 'compute start': TensorRT Inference Server's (before 2.0), which is not "
            "read; Triton 2.x calls them COMPUTE_START"
        )
    if not names:
        raise SpecError(f"{path}: has no time stamps: trace with --trace-config level=TIMESTAMPS")
    lacking = ", ".join(name for name in ("REQUEST_START", *_STAGES, "REQUEST_END") if name not in names)
    raise SpecError(f"{path}: no request has all stamps of an execution{f' (none has {lacking})' if lacking else ''}")


class _Batches(NamedTuple):
    """Batches in the order in which they were begun; `of` has each request's row."""

    of: dict[int | str, int]
    models: list[str | None]
    sizes: list[int]
    stamps: list[dict[str, int]]


def _batches(path: Path, executed: Mapping[int | str, _Known]) -> _Batches:
    groups: dict[tuple[str | None, int, int], list[int | str]] = {}
    for key, known in executed.items():
        times = [known.stamps[name] for name in _STAGES]
        if times != sorted(times) or times[1] >= times[2]:
            shown = ", ".join(f"{name} {time}" for name, time in zip(_STAGES, times, strict=True))
            raise SpecError(f"{path}, id {key}: an execution ends before it begins (did the clock jump?): {shown}")
        waited = [known.stamps[name] for name in _WAITED if name in known.stamps]
        if waited != sorted(waited):
            shown = ", ".join(f"{name} {known.stamps[name]}" for name in _WAITED if name in known.stamps)
            raise SpecError(f"{path}, id {key}: its stamps run backwards (did the clock jump?): {shown}")
        groups.setdefault((known.model, times[0], times[-1]), []).append(key)
    ordered = sorted(groups.items(), key=lambda item: item[0][1:])
    return _Batches(
        {key: row for row, (_, members) in enumerate(ordered) for key in members},
        [model for (model, _, _), _ in ordered],
        [len(members) for _, members in ordered],
        [executed[members[0]].stamps for _, members in ordered],
    )
