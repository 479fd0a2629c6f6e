"""Results of independent groups of GPUs as one result."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from stratsim.engine.result import BatchTable, LoadTable, PauseTable, RequestTable, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.integer[Any]]

__all__ = ["merged"]

Table = TypeVar("Table", BatchTable, RequestTable, LoadTable, PauseTable)
Rows = TypeVar("Rows", LoadTable, PauseTable)


def merged(
    results: Sequence[Result],
    gpus: int,
    rows: Sequence[NDArray[np.intp]] | None = None,
    client_names: tuple[str, ...] = (),
) -> Result:
    """Return the result of all groups: GPUs counted on from group to group, batches in the order of dispatch.

    Batches that were dispatched at the same instant are in the order of their groups, and so are requests that arrived
    at the same instant where they have no place in the workload.

    Args:
        results: By group; of one policy over parts of one workload, so that their models are the same.
        gpus: Number of GPUs of each group.
        rows: The requests' places in the workload, by group; None where clients wait for replies, so that what arrives
            depends on the run.
        client_names: Those of the workload, which keep their codes.
    """
    first = results[0]
    batches, place = _batches([result.batches for result in results], gpus)
    clients, client = _joined_names([result.clients for result in results], client_names)
    reasons, reason = _joined_names([result.reasons for result in results])
    tables = [result.requests for result in results]
    known = np.concatenate([table.arrival_s for table in tables] if rows is None else rows)
    requests = _joined(
        tables,
        np.argsort(known, kind="stable"),
        {
            "batch": [_coded(table.batch, of) for table, of in zip(tables, place, strict=True)],
            "client": [_coded(table.client, of) for table, of in zip(tables, client, strict=True)],
            "reason": [_coded(np.asarray(table.reason), of) for table, of in zip(tables, reason, strict=True)],
        },
    )
    return Result(
        policy=first.policy,
        requests=requests,
        batches=batches,
        models=first.models,
        clients=clients,
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
    )


def _batches(tables: Sequence[BatchTable], gpus: int) -> tuple[BatchTable, list[Integers]]:
    """Return the batches of all groups, and by group the new row of each of its own."""
    gpu = [table.gpu + np.int32(number * gpus) for number, table in enumerate(tables)]
    order = np.argsort(np.concatenate([table.dispatch_s for table in tables]), kind="stable")
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    ends = np.cumsum([len(table) for table in tables])
    return _joined(tables, order, {"gpu": gpu}), np.split(place, ends[:-1])


def _joined_names(
    names: Sequence[tuple[str, ...]], first: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], list[Integers]]:
    """Return all names, those that come first and then by group, and by group the new code of each of its own."""
    known = {name: code for code, name in enumerate(first)}
    codes = [np.array([known.setdefault(name, len(known)) for name in own], dtype=np.int32) for own in names]
    return tuple(known), list(codes)


def _coded(codes: Integers, new: Integers) -> Integers:
    """Return codes by their new numbers; -1 stays."""
    return np.append(new, -1)[codes].astype(codes.dtype)


def _loads(results: Sequence[Result], place: Sequence[Integers]) -> LoadTable | None:
    tables = [result.loads for result in results if result.loads is not None]
    return _by_time(tables, [table.start_s for table in tables], place) if tables else None


def _pauses(results: Sequence[Result], place: Sequence[Integers]) -> PauseTable | None:
    tables = [result.pauses for result in results if result.pauses is not None]
    return _by_time(tables, [table.suspend_s for table in tables], place) if tables else None


def _by_time(tables: Sequence[Rows], times_s: Sequence[NDArray[np.float64]], place: Sequence[Integers]) -> Rows:
    """Return tables that refer to batches as one, in the order of some time of theirs."""
    batch = [of[table.batch].astype(np.int64) for table, of in zip(tables, place, strict=True)]
    return _joined(tables, np.argsort(np.concatenate(times_s), kind="stable"), {"batch": batch})


def _joined(tables: Sequence[Table], order: NDArray[np.intp], instead: dict[str, list[Any]]) -> Table:
    """Return the rows of all tables in some order, with some columns instead of their own.

    Column by column, so that there are never two copies of more than one.
    """
    columns: dict[str, Any] = {}
    for field in fields(tables[0]):
        own = instead.get(field.name) or [getattr(table, field.name) for table in tables]
        columns[field.name] = np.concatenate(own)[order] if hasattr(own[0], "__len__") else own[0]
    return type(tables[0])(**columns)
