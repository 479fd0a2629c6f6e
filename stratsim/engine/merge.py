"""Results of independent groups of GPUs as one result."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from stratsim.engine.result import BatchTable, LoadTable, PauseTable, RequestTable, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.model.workload import Workload

    Integers = NDArray[np.integer[Any]]

__all__ = ["merged"]

Rows = TypeVar("Rows", LoadTable, PauseTable)

_OWN = ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out", "client")
"""Columns of requests that are the workload's."""


def merged(
    results: list[Result], gpus: int, rows: Sequence[NDArray[np.intp]] | None = None, workload: Workload | None = None
) -> Result:
    """Return the result of all groups: GPUs counted on from group to group, batches in the order of dispatch.

    Batches that were dispatched at the same instant are in the order of their groups, and so are requests that arrived
    at the same instant where they have no place in the workload.

    Args:
        results: By group; of one policy over parts of one workload, so that their models are the same. The list is
            emptied, so that what has been merged can be freed.
        gpus: Number of GPUs of each group.
        rows: The requests' places in the workload, by group; None where clients wait for replies, so that what arrives
            depends on the run.
        workload: What was replayed, whose columns are the requests' own, if they have places there.
    """
    place = _places([result.batches.dispatch_s for result in results])
    clients, client = _joined_names([result.clients for result in results])
    reasons, reason = _joined_names([result.reasons for result in results])
    first = results[0]
    whole = Result(
        policy=first.policy,
        requests=first.requests,
        batches=first.batches,
        models=first.models,
        clients=clients if workload is None else workload.client_names,
        reasons=reasons,
        gpus=gpus * len(results),
        max_concurrency=max([result.max_concurrency or 0 for result in results]) or None,
        copy_engines=first.copy_engines,
        loads=_loads(results, place),
        pauses=_pauses(results, place),
        events=sum([result.events for result in results]),
        start_s=min([result.start_s for result in results if len(result.requests)], default=0.0),
        end_s=max([result.end_s for result in results]),
        wall_s=sum([result.wall_s for result in results]),
        notes=tuple([f"group {number}: {note}" for number, result in enumerate(results) for note in result.notes]),
        engine=first.engine,
        not_fast=first.not_fast,
    )
    attempts = [result.attempts for result in results if result.attempts is not None]
    requests, batches = (_columns([getattr(result, name) for result in results]) for name in ("requests", "batches"))
    del first
    results.clear()
    batches["gpu"] = [gpu + np.int32(number * gpus) for number, gpu in enumerate(batches["gpu"])]
    requests["batch"] = _coded(requests["batch"], place)
    requests["client"] = _coded(requests["client"], client)
    requests["reason"] = _coded(requests["reason"], reason)
    known = requests["arrival_s"] if rows is None else rows
    own = {} if workload is None else {name: getattr(workload, name) for name in _OWN}
    order = np.argsort(np.concatenate(known), kind="stable")
    return replace(
        whole,
        attempts=np.concatenate(attempts)[order] if attempts else None,
        requests=RequestTable(**_joined(requests, order, own)),
        batches=BatchTable(**_joined(batches, np.argsort(np.concatenate(place)))),
    )


def _places(dispatch_s: Sequence[NDArray[np.float64]]) -> list[Integers]:
    """Return by group the new row of each of its batches."""
    order = np.argsort(np.concatenate(dispatch_s), kind="stable")
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return list(np.split(place, np.cumsum([len(times) for times in dispatch_s])[:-1]))


def _joined_names(names: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], list[Integers]]:
    """Return all names, and by group the new code of each of its own."""
    known: dict[str, int] = {}
    codes = [np.array([known.setdefault(name, len(known)) for name in own], dtype=np.int32) for own in names]
    return tuple(known), list(codes)


def _coded(codes: Sequence[Any], new: Sequence[Integers]) -> list[Integers]:
    """Return by group codes by their new numbers; -1 stays."""
    return [np.append(of, -1)[np.asarray(old)].astype(old.dtype) for old, of in zip(codes, new, strict=True)]


def _loads(results: Sequence[Result], place: Sequence[Integers]) -> LoadTable | None:
    tables = [result.loads for result in results if result.loads is not None]
    return _by_time(tables, [table.start_s for table in tables], place) if tables else None


def _pauses(results: Sequence[Result], place: Sequence[Integers]) -> PauseTable | None:
    tables = [result.pauses for result in results if result.pauses is not None]
    return _by_time(tables, [table.suspend_s for table in tables], place) if tables else None


def _by_time(tables: Sequence[Rows], times_s: Sequence[NDArray[np.float64]], place: Sequence[Integers]) -> Rows:
    """Return tables that refer to batches as one, in the order of some time of theirs."""
    columns = _columns(tables)
    columns["batch"] = [of[batch].astype(np.int64) for batch, of in zip(columns["batch"], place, strict=True)]
    return type(tables[0])(**_joined(columns, np.argsort(np.concatenate(times_s), kind="stable")))


def _columns(tables: Sequence[Any]) -> dict[str, list[Any]]:
    """Return by name the columns of all tables."""
    return {field.name: [getattr(table, field.name) for table in tables] for field in fields(tables[0])}


def _joined(
    columns: dict[str, list[Any]], order: NDArray[np.intp], own: Mapping[str, NDArray[Any]] | None = None
) -> dict[str, Any]:
    """Return the rows of all tables in some order; columns that are there already are taken as they are.

    `columns` is emptied on the way: there are never two copies of more than one.
    """
    whole: dict[str, Any] = dict(own or {})
    while columns:
        name, parts = columns.popitem()
        if name not in whole:
            whole[name] = np.concatenate(parts)[order] if hasattr(parts[0], "__len__") else parts[0]
        del parts
    return whole
