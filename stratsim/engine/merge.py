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


def merged(results: Sequence[Result], rows: Sequence[NDArray[np.intp]], gpus: int) -> Result:
    """Return the result of all groups: GPUs counted on from group to group, batches in the order of dispatch.

    Batches that were dispatched at the same instant are in the order of their groups. Requests keep their places in
    the workload; where clients wait for replies, so that arrivals depend on the run, they are in the order of arrival.

    Args:
        results: By group; of one policy over parts of one workload, so that their models are the same.
        rows: Of the workload, by group.
        gpus: Number of GPUs of each group.
    """
    first = results[0]
    batches, place = _batches([result.batches for result in results], gpus)
    clients, client = _joined_names([result.clients for result in results])
    reasons, reason = _joined_names([result.reasons for result in results])
    requests = _concatenated(
        [result.requests for result in results],
        {
            "batch": [_coded(result.requests.batch, of) for result, of in zip(results, place, strict=True)],
            "client": [_coded(result.requests.client, of) for result, of in zip(results, client, strict=True)],
            "reason": [
                _coded(np.asarray(result.requests.reason), of) for result, of in zip(results, reason, strict=True)
            ],
        },
    )
    known = [len(result.requests) == len(own) for result, own in zip(results, rows, strict=True)]
    order = np.argsort(np.concatenate(rows)) if all(known) else np.argsort(requests.arrival_s, kind="stable")
    return Result(
        policy=first.policy,
        requests=_taken(requests, order),
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
    together = _concatenated(tables, {"gpu": gpu})
    order = np.argsort(together.dispatch_s, kind="stable")
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    ends = np.cumsum([len(table) for table in tables])
    return _taken(together, order), np.split(place, ends[:-1])


def _joined_names(names: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], list[Integers]]:
    """Return all names, and by group the new code of each of its own."""
    known: dict[str, int] = {}
    codes = [np.array([known.setdefault(name, len(known)) for name in own], dtype=np.int32) for own in names]
    return tuple(known), list(codes)


def _coded(codes: Integers, new: Integers) -> Integers:
    """Return codes by their new numbers; -1 stays."""
    return np.append(new, -1)[codes].astype(codes.dtype)


def _loads(results: Sequence[Result], place: Sequence[Integers]) -> LoadTable | None:
    tables = [result.loads for result in results if result.loads is not None]
    if not tables:
        return None
    batch = [of[table.batch].astype(np.int64) for table, of in zip(tables, place, strict=True)]
    together = _concatenated(tables, {"batch": batch})
    return _taken(together, np.argsort(together.start_s, kind="stable"))


def _pauses(results: Sequence[Result], place: Sequence[Integers]) -> PauseTable | None:
    tables = [result.pauses for result in results if result.pauses is not None]
    if not tables:
        return None
    batch = [of[table.batch].astype(np.int64) for table, of in zip(tables, place, strict=True)]
    together = _concatenated(tables, {"batch": batch})
    return _taken(together, np.argsort(together.suspend_s, kind="stable"))


def _concatenated(tables: Sequence[Table], instead: dict[str, list[Any]]) -> Table:
    """Return tables, one after the other, with some columns instead of their own."""
    columns: dict[str, Any] = {}
    for field in fields(tables[0]):
        own = instead.get(field.name) or [getattr(table, field.name) for table in tables]
        columns[field.name] = np.concatenate(own) if hasattr(own[0], "__len__") else own[0]
    return type(tables[0])(**columns)


def _taken(table: Table, order: NDArray[np.intp]) -> Table:
    """Return a table's rows in another order."""
    columns = {field.name: getattr(table, field.name) for field in fields(table)}
    return type(table)(**{name: of[order] if hasattr(of, "__len__") else of for name, of in columns.items()})
