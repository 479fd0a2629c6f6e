"""From a table to a validated `Trace`: every flat table is read here, our own and others', whatever holds it.

A reader says which columns hold which field. What it does not say comes from our own columns, by their exact names;
what the user says with `--column` wins over both. Every error names file, row, column and value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import TraceError
from stratsim.model.request import Priority
from stratsim.trace.column import Names, narrow, take
from stratsim.trace.fields import FIELDS, ISO, TIMES, WORDS, Named, Times, unit_of
from stratsim.trace.headers import ARRIVALS, check_exclusive, check_header, is_result, lookalikes
from stratsim.trace.schema import Trace
from stratsim.trace.tables.base import Kind, Unread
from stratsim.trace.ticks import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from stratsim.trace.column import Column
    from stratsim.trace.source import Source
    from stratsim.trace.tables.base import Table

__all__ = ["Given", "flat", "in_order"]

MAX_BYTES = 2**53
"""Byte counts up to here are exact as floats, which is how tables are read."""
_SCHEMA = (*FIELDS.values(), ARRIVALS[1])
_DEADLINES = ("slo", "deadline")
_LOOKED_AT = 100
"""Further columns that are looked at for names like those of the schema."""
_OWN_ARRIVAL = Named(ARRIVALS[0], "s")


@dataclass(frozen=True, slots=True)
class Given:
    """What a reader knows beyond the columns.

    Args:
        arrival_s: Arrivals, seconds, one per row of `rows`, where no column holds them.
        rows: Rows of the table, one per request; None: each is one.
        columns: Columns by name, in place of those of the table: strings or numbers, one per row of the table.
        extra: Further columns, in place of all others of the table.
        left_out: Columns of the table that are of no use to anybody.
        tick_s: Width of the ticks that the time stamps of this format sit on, seconds, or a function of the sorted
            arrivals that returns it; 0: to be found out, and such stamps are spread; None: stamps are not expected to
            be coarse.
        notes: What the user should know.
        ordered: Whether the format is ordered by arrival, so that sorting is worth a note.
    """

    arrival_s: NDArray[np.float64] | None = None
    rows: NDArray[np.integer[Any]] | None = None
    columns: Mapping[str, Column] | None = None
    extra: Mapping[str, Column] | None = None
    left_out: tuple[str, ...] = ()
    tick_s: float | Callable[[NDArray[np.float64]], float | None] | None = None
    notes: tuple[str, ...] = ()
    ordered: bool = True


def flat(
    source: Source,
    table: Table,
    fields: Mapping[str, Named] | None = None,
    given: Given | None = None,
    *,
    stream: str = "ticks",
) -> Trace:
    """Return the validated trace of a table.

    Args:
        source: The file, with the user's options.
        table: The table in it.
        fields: Columns by field, as the format has them; none for our own columns alone.
        given: What the reader knows beyond that.
        stream: Name of the random stream that spreads coarse time stamps.

    Raises:
        TraceError: anything is wrong; nothing is repaired but the order of rows, and that not if `source.strict`.
    """
    known = given or Given()
    named = _named(source, table, fields or {}, known)
    columns = _read(source, table, named, known)
    own = _own(table, named)
    check_exclusive(table.file, own)
    spare = _spare(table, named, known.left_out)
    foreign = fields is not None or "arrival" in source.columns
    if not foreign:
        check_header(table.file, [*own, *spare])
    kept, alike = _kept(own, spare, foreign=foreign and known.extra is None and not is_result(table.names))
    rows, policy_notes = _one_policy(table, columns, known.rows)
    reading = _Reading(table, named, rows, columns)
    arrival, origin, normalised = reading.arrivals(known.arrival_s)
    slo, deadline, free = reading.deadlines(arrival, origin)
    trace = Trace(
        arrival_s=arrival,
        normalised=normalised,
        model=reading.models(),
        priority=reading.priorities(),
        slo_s=slo,
        deadline_s=deadline,
        bytes_in=reading.sizes("bytes_in"),
        bytes_out=reading.sizes("bytes_out"),
        client=reading.texts("client"),
        extra=Unread(table, kept, rows) if known.extra is None else known.extra,
        deadline_free=free,
        source=table.file,
        notes=(*_notes(table, named, origin), *policy_notes, *known.notes, *alike),
        first_row=table.first_row,
        rows=_lines(table, rows),
    )
    trace = in_order(trace, strict=source.strict and known.ordered, quiet=not known.ordered)
    if is_result(table.names) and source.ticks is None:  # our own figures: what coincides there does coincide
        return trace
    tick_s = known.tick_s(trace.arrival_s) if callable(known.tick_s) else known.tick_s
    return settle(trace, source, tick_s=tick_s, stream=stream)


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


def _named(source: Source, table: Table, fields: Mapping[str, Named], given: Given) -> dict[str, Named]:
    """Return the column and unit of each field: as the user has it, else the reader, else by its own name."""
    named = {field: unit_of(table, field, known) for field, known in source.columns.items()}
    said = {*named, *(_DEADLINES if set(_DEADLINES) & set(named) else ())}
    named |= {field: known for field, known in fields.items() if field not in said}
    said |= {*fields, *(("arrival",) if given.arrival_s is not None else ())}
    taken = {known.column for known in named.values()}
    for field, own in FIELDS.items():
        if field not in said and own not in taken:
            named[field] = Named(own, "s" if field in TIMES else "")
    return named


def _own(table: Table, named: Mapping[str, Named]) -> list[str]:
    """Return the columns of the schema that the file has, under whatever name, and a result file's policy."""
    found = [FIELDS[field] for field, known in named.items() if known.column in table.names]
    shape = (ARRIVALS[1],) if named.get("arrival", _OWN_ARRIVAL) == _OWN_ARRIVAL else ()
    return found + [name for name in shape if name in table.names] + ["policy"] * is_result(table.names)


def _spare(table: Table, named: Mapping[str, Named], left_out: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that no field takes."""
    raw = {FIELDS[field] for field, known in named.items() if not known.column}
    taken = {known.column for known in named.values()} | ({*_SCHEMA} - raw) | set(left_out)
    if is_result(table.names):
        taken.add("policy")
    return tuple(name for name in table.names if name not in taken)


def _kept(own: list[str], spare: tuple[str, ...], *, foreign: bool) -> tuple[dict[str, str], list[str]]:
    """Return the further columns by the name that they are given, and notes about those that are called otherwise.

    A column of another format that is nearly called like one of ours would be refused where the trace is written in our
    own format and read again.
    """
    alike = {name: (right, unit) for name, right, unit in lookalikes(own, spare[:_LOOKED_AT])} if foreign else {}
    notes = []
    for name, (right, unit) in alike.items():
        field = right.removesuffix("_s")
        way = f"--column {field}={name}{unit and f':{unit}'} does so"
        notes.append(f"column {name!r} is not read as {right!r}, but kept as '{name}_in_file'; {way}")
    return {f"{name}_in_file" if name in alike else name: name for name in spare}, notes


def _read(source: Source, table: Table, named: Mapping[str, Named], given: Given) -> dict[str, Column]:
    """Return the columns of the fields, by name, read in one pass."""
    kinds: dict[str, Kind] = {}
    for field, known in named.items():
        if not known.column:
            continue
        if field in TIMES:
            own = known.column == FIELDS[field] and field not in source.columns
            kinds[known.column] = Kind.NUMBER if own else Kind.DATE if known.unit == ISO else Kind.TIME
        elif field in ("bytes_in", "bytes_out"):
            kinds[known.column] = Kind.NUMBER
        else:
            kinds[known.column] = Kind.LABEL if field in source.columns else Kind.TEXT
    kinds |= {ARRIVALS[1]: Kind.NUMBER} if named.get("arrival") == _OWN_ARRIVAL else {}
    kinds |= {"policy": Kind.TEXT} if is_result(table.names) else {}
    ready = dict(given.columns or {})
    return table.read({name: kind for name, kind in kinds.items() if name not in ready}) | ready


def _lines(table: Table, rows: NDArray[np.integer[Any]] | None) -> NDArray[np.int64] | None:
    """Return the line of each request; None where they follow each other from the first."""
    if rows is None:
        return table.rows
    lines: NDArray[np.int64] = np.add(rows, table.first_row, dtype=np.int64) if table.rows is None else table.rows[rows]
    return lines


def _one_policy(
    table: Table, columns: dict[str, Column], rows: NDArray[np.integer[Any]] | None
) -> tuple[NDArray[np.integer[Any]] | None, tuple[str, ...]]:
    """Return the first policy's rows of a result file, which holds every request once per policy."""
    policies = columns.get("policy")
    if not is_result(table.names) or not isinstance(policies, Names) or len(policies.names) < 2:
        return rows, ()
    first = policies.names[int(policies.codes[0])]
    note = f"holds {len(policies.names)} policies; took the requests of the first, {first!r}"
    return np.flatnonzero(policies.codes == policies.codes[0]), (note,)


def _notes(table: Table, named: Mapping[str, Named], origin: Fraction) -> list[str]:
    """Return the unit of each column of times that does not say it, where times count from, and what gave way."""
    notes = []
    for field in TIMES:
        known = named.get(field, Named(""))
        if known.column and known.column != FIELDS[field]:
            notes.append(f"{field}: column {known.column}, {WORDS[known.unit]}")
    if named.get("arrival", _OWN_ARRIVAL).unit == ISO:
        notes.append("times count from the first arrival")
    elif origin:
        notes.append(f"times count from the first arrival, {float(origin):.6g} s")
    taken = {*(known.column for known in named.values()), *(FIELDS[each] for each in named if not named[each].column)}
    gone = [name for name in FIELDS.values() if name in table.names and name not in taken]
    return notes + [f"column {name} is left out: other columns say it" for name in gone]


@dataclass(frozen=True, slots=True)
class _Reading:
    """The columns of the fields, validated one by one."""

    table: Table
    named: Mapping[str, Named]
    rows: NDArray[np.integer[Any]] | None
    columns: Mapping[str, Column]

    def refuse(self, bad: NDArray[np.bool_], field: str, message: str) -> None:
        """Raise an error about the first request where `bad` holds."""
        if bad.any():
            request = int(np.argmax(bad))
            row = request if self.rows is None else int(self.rows[request])
            name = self.named[field].column
            self.table.refuse_row(row, name, self.columns[name], message)

    def column(self, field: str) -> Column | None:
        """Return the column of a field, a row per request; None if it is absent."""
        known = self.named.get(field)
        column = None if known is None else self.columns.get(known.column)
        return column if column is None or self.rows is None else take(column, self.rows)

    def numbers(self, field: str) -> NDArray[np.float64] | None:
        """Return a column of numbers; None if it is absent or all empty."""
        found = self.column(field)
        if found is None or not isinstance(found, np.ndarray) or bool(np.isnan(found).all()):
            return None
        return np.asarray(found, dtype=np.float64)

    def texts(self, field: str) -> Names | None:
        """Return a column of strings, numbered by first appearance; None if it is absent or all empty."""
        found = self.column(field)
        return found.take(slice(None)) if isinstance(found, Names) and found.names else None

    def times(self, field: str) -> Times | None:
        """Return a column of times; None if it is absent."""
        column = self.column(field)
        return None if column is None else Times(self.table, self.named[field], column)

    def arrivals(self, given: NDArray[np.float64] | None) -> tuple[NDArray[np.float64], Fraction, bool]:
        """Return arrivals, their origin in seconds, and whether they are a shape without a rate."""
        if given is not None:
            if not len(given):
                raise TraceError("has no requests", file=self.table.file)
            return given, Fraction(0), False
        times = self.times("arrival")
        if times is not None:
            arrival, origin = times.arrivals()
            return arrival, origin, False
        shape = self.columns.get(ARRIVALS[1])
        if shape is None:
            raise self.table.error("column is missing", ARRIVALS[0])
        column = shape if self.rows is None else take(shape, self.rows)
        self._check_shape(column)
        return np.asarray(column, dtype=np.float64), Fraction(0), True

    def _check_shape(self, column: Column) -> None:
        name = ARRIVALS[1]
        if not len(column):
            raise TraceError("has no requests", file=self.table.file)
        numbers = np.asarray(column)
        self.table.refuse(np.isnan(numbers), name, column, "is empty")
        self.table.refuse(~np.isfinite(numbers), name, column, "must be finite")
        self.table.refuse(numbers < 0, name, column, "must not be negative")

    def deadlines(
        self, arrival: NDArray[np.float64], origin: Fraction
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, bool]:
        """Return slo_s, deadline_s, and whether a column says that nobody has a deadline."""
        field = next((field for field in ("slo", "deadline") if self.column(field) is not None), None)
        times = None if field is None else self.times(field)
        if field is None or times is None:
            return None, None, False
        values = times.since(origin if field == "deadline" else Fraction(0))
        if np.isnan(values).all():
            return None, None, True
        if not is_result(self.table.names):
            self.refuse(np.isinf(values), field, "must be finite; leave the cell empty for no deadline")
        self.refuse(values < (-float(origin) if field == "deadline" else 0), field, "must not be negative")
        if field == "deadline":
            self.refuse(values < arrival, field, "deadline lies before the arrival")
        values = np.where(np.isnan(values), np.inf, values)
        if np.isinf(values).all():
            return None, None, True
        return (values, None, False) if field == "slo" else (None, values, False)

    def models(self) -> Names | None:
        """Return the models."""
        models = self.texts("model")
        if models is not None:
            self.refuse(models.codes < 0, "model", "is empty")
        return models

    def priorities(self) -> NDArray[np.int8] | None:
        """Return the classes."""
        labels = self.texts("priority")
        if labels is None:
            return None
        values = {priority.label: int(priority) for priority in Priority}
        self.refuse(labels.codes < 0, "priority", "is empty; must be high or low")
        lookup = np.asarray([values.get(name.strip().lower(), -1) for name in labels.names], dtype=np.int8)
        priority = lookup[labels.codes]
        column = self.named["priority"].column
        rule = f'[priority] column = "{column}" with high_values = [...] in a workload file maps other names'
        self.refuse(priority < 0, "priority", f"unknown priority, must be high or low; {rule}")
        return priority

    def sizes(self, field: str) -> NDArray[np.integer[Any]] | None:
        """Return byte counts."""
        values = self.numbers(field)
        if values is None:
            return None
        self.refuse(np.isnan(values), field, "is empty")
        self.refuse(~np.isfinite(values), field, "must be finite")
        self.refuse(values < 0, field, "must not be negative")
        bad = (values % 1 != 0) | (values > MAX_BYTES)
        self.refuse(bad, field, f"must be a whole number up to {MAX_BYTES}")
        return narrow(values.astype(np.int64))
