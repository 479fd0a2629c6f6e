"""Validation: from raw columns of any table format to a `Trace`. Done once, vectorised.

Every error names file, row, column and value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import TraceError
from stratsim.model.request import Priority
from stratsim.trace.headers import NUMBERS, TEXTS, check_header
from stratsim.trace.schema import Column, Names, Trace, narrow, take

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Table", "assemble", "in_order"]

MAX_BYTES = 2**53
"""Byte counts up to here are exact as floats, which is how tables are read."""


@dataclass(frozen=True, slots=True)
class Table:
    """Raw columns of a file.

    Args:
        file: Name for messages.
        columns: Numbers as float64 with NaN for an empty cell, strings as `Names`; others as they come.
        first_row: Row of the first record.
        rows: Row of every record, where they are not consecutive.
        lenient_deadlines: Take NaN and infinity for "no deadline", as in result files.
    """

    file: str
    columns: dict[str, Column]
    first_row: int = 1
    rows: NDArray[np.int64] | None = None
    lenient_deadlines: bool = False

    def error(self, message: str, column: str, index: int | None = None, value: object = None) -> TraceError:
        """Return the error that blames one cell, or a whole column."""
        row = None
        if index is not None:
            row = self.first_row + index if self.rows is None else int(self.rows[index])
        return TraceError(message, file=self.file, row=row, column=column, value=value)

    def refuse(self, bad: NDArray[np.bool_], column: str, message: str) -> None:
        """Raise an error about the first row where `bad` holds."""
        if bad.any():
            index = int(np.argmax(bad))
            found = self.columns[column]
            value = found.at(index) if isinstance(found, Names) else found[index].item()
            raise self.error(message, column, index, None if value != value else value)

    def numbers(self, column: str) -> NDArray[np.float64] | None:
        """Return a column of numbers; None if it is absent or all empty."""
        found = self.columns.get(column)
        if found is None or isinstance(found, Names) or bool(np.isnan(found).all()):
            return None
        return np.asarray(found, dtype=np.float64)

    def texts(self, column: str) -> Names | None:
        """Return a column of strings; None if it is absent or all empty."""
        found = self.columns.get(column)
        return found if isinstance(found, Names) and found.names else None


def in_order(trace: Trace, *, strict: bool = False, quiet: bool = False) -> Trace:
    """Return the trace stably sorted by arrival, with a note.

    Args:
        trace: A trace whose arrivals may be out of order.
        strict: Refuse one that is.
        quiet: No note: the format is not ordered by arrival in the first place.
    """
    steps = np.diff(trace.arrival_s)
    if not (steps < 0).any():
        return trace
    first = int(np.argmax(steps < 0)) + 1
    if strict:
        raise trace.error("arrives before the row above it", first, "arrival_s", trace.arrival_s[first].item())
    ordered = trace.take(np.argsort(trace.arrival_s, kind="stable"))
    note = f"sorted by arrival: {int((steps < 0).sum())} rows were out of order, the first is row {trace.row_of(first)}"
    return ordered if quiet else replace(ordered, notes=(*trace.notes, note))


def assemble(table: Table, *, strict: bool = False) -> Trace:
    """Return the validated trace of a table.

    Raises:
        TraceError: anything is wrong; nothing is repaired but the order of rows, and that not if `strict`.
    """
    check_header(table.file, table.columns)
    table, notes = _one_policy(table)
    arrival_column = "arrival_s" if "arrival_s" in table.columns else "arrival_norm"
    arrival = _arrivals(table, arrival_column)
    slo, deadline, free = _deadlines(table, arrival)
    known = {*NUMBERS, *TEXTS}
    trace = Trace(
        arrival_s=arrival,
        normalised=arrival_column == "arrival_norm",
        model=_models(table),
        priority=_priorities(table),
        slo_s=slo,
        deadline_s=deadline,
        bytes_in=_sizes(table, "bytes_in"),
        bytes_out=_sizes(table, "bytes_out"),
        client=_canonical(table.texts("client")),
        extra={name: take(column, slice(None)) for name, column in table.columns.items() if name not in known},
        deadline_free=free,
        source=table.file,
        notes=notes,
        first_row=table.first_row,
        rows=table.rows,
    )
    return in_order(trace, strict=strict)


def _arrivals(table: Table, column: str) -> NDArray[np.float64]:
    found = table.columns[column]
    if len(found) == 0:
        raise TraceError("has no requests", file=table.file)
    if isinstance(found, Names):
        raise table.error("is not a number", column, 0, found.names[0] if found.names else "")
    arrival = np.asarray(found, dtype=np.float64)
    table.refuse(np.isnan(arrival), column, "is empty")
    table.refuse(~np.isfinite(arrival), column, "must be finite")
    table.refuse(arrival < 0, column, "must not be negative")
    return arrival


def _deadlines(
    table: Table, arrival: NDArray[np.float64]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, bool]:
    """Return slo_s, deadline_s, and whether a column says that nobody has a deadline."""
    column = next((name for name in ("slo_s", "deadline_s") if name in table.columns), None)
    if column is None:
        return None, None, False
    values = table.numbers(column)
    if values is None:
        return None, None, True
    if not table.lenient_deadlines:
        table.refuse(np.isinf(values), column, "must be finite; leave the cell empty for no deadline")
    table.refuse(values < 0, column, "must not be negative")
    if column == "deadline_s":
        table.refuse(values < arrival, column, "deadline lies before the arrival")
    values = np.where(np.isnan(values), np.inf, values)
    if np.isinf(values).all():
        return None, None, True
    return (values, None, False) if column == "slo_s" else (None, values, False)


def _models(table: Table) -> Names | None:
    models = table.texts("model")
    if models is not None:
        table.refuse(models.codes < 0, "model", "is empty")
    return _canonical(models)


def _priorities(table: Table) -> NDArray[np.int8] | None:
    labels = table.texts("priority")
    if labels is None:
        return None
    values = {priority.label: int(priority) for priority in Priority}
    table.refuse(labels.codes < 0, "priority", "is empty; must be high or low")
    lookup = np.asarray([values.get(name.strip().lower(), -1) for name in labels.names], dtype=np.int8)
    priority = lookup[labels.codes]
    table.refuse(priority < 0, "priority", "unknown priority, must be high or low")
    return priority


def _sizes(table: Table, column: str) -> NDArray[np.integer[Any]] | None:
    values = table.numbers(column)
    if values is None:
        return None
    table.refuse(np.isnan(values), column, "is empty")
    table.refuse(~np.isfinite(values), column, "must be finite")
    table.refuse(values < 0, column, "must not be negative")
    table.refuse((values % 1 != 0) | (values > MAX_BYTES), column, f"must be a whole number up to {MAX_BYTES}")
    return narrow(values.astype(np.int64))


def _canonical(column: Names | None) -> Names | None:
    """Number the names by their first appearance, so that equal columns are equal objects field by field."""
    return None if column is None else column.take(slice(None))


def _one_policy(table: Table) -> tuple[Table, tuple[str, ...]]:
    """Keep the first policy's rows of a result file, which holds every request once per policy."""
    policies = table.texts("policy")
    if policies is None or len(policies.names) < 2:
        return table, ()
    first = policies.names[int(policies.codes[0])]
    rows = np.flatnonzero(policies.codes == policies.codes[0])
    origin = rows + table.first_row if table.rows is None else table.rows[rows]
    kept = replace(table, columns={name: take(column, rows) for name, column in table.columns.items()}, rows=origin)
    return kept, (f"holds {len(policies.names)} policies; took the requests of the first, {first!r}",)
