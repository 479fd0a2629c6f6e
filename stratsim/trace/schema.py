"""What a trace is once it has been read: columns, as the file gave them.

Everything but the arrivals may be missing. `stratsim.trace.rule.complete` fills the gaps for one profile; nothing here
knows of profiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from stratsim.model.request import Priority

__all__ = ["ClientSpec", "Column", "Filling", "Names", "OneAtATimeSpec", "Trace", "narrow"]

_BLOCK = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A column of strings, stored once each.

    Args:
        names: The distinct strings, in the order of their first row.
        codes: Index into `names` per row, shape (n,); -1 for an empty cell.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]

    @classmethod
    def encode(cls, values: Iterable[str | None]) -> Names:
        """Return the column that holds `values`; None is an empty cell."""
        index: dict[str, int] = {}
        codes = [-1 if value is None else index.setdefault(value, len(index)) for value in values]
        return cls(tuple(index), np.asarray(codes, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.codes)

    def at(self, row: int) -> str | None:
        """Return the string of one row; None for an empty cell."""
        code = int(self.codes[row])
        return None if code < 0 else self.names[code]

    def decode(self) -> list[str | None]:
        """Return the strings row by row; None for an empty cell."""
        lookup: list[str | None] = [*self.names, None]
        return [lookup[code] for code in self.codes.tolist()]

    def take(self, rows: NDArray[Any] | slice) -> Names:
        """Return the column of some rows, with the names that are left renumbered by first appearance."""
        codes = self.codes[rows]
        used = _by_first_appearance(codes, len(self.names))
        renumber = np.full(len(self.names) + 1, -1, dtype=np.int32)  # the last entry serves code -1
        renumber[used] = np.arange(len(used), dtype=np.int32)
        return Names(tuple(self.names[code] for code in used.tolist()), renumber[codes])

    @property
    def complete(self) -> bool:
        """Whether no cell is empty."""
        return not bool((self.codes < 0).any())


Column = Names | np.ndarray[Any, np.dtype[Any]]
"""A column of a public format that the schema does not know: strings or numbers."""


@dataclass(frozen=True, slots=True)
class ClientSpec:
    """A closed-loop client as a file describes it. None: not said, left to the workload rule.

    Args:
        id: Unique name of the client.
        model: Model that it asks for.
        priority: Class of its requests.
        slo_s: Deadline after each arrival, seconds; `inf` for none.
        think_s: Pause between a reply and the next request, seconds.
        start_s: When it sends its first request.
        stop_s: It sends nothing at or after this time.
        limit: Most requests that it sends.
        bytes_in: Bytes copied in per request.
        bytes_out: Bytes copied out per request.
    """

    id: str
    model: str | None = None
    priority: Priority | None = None
    slo_s: float | None = None
    think_s: float | None = None
    start_s: float = 0.0
    stop_s: float = math.inf
    limit: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None


@dataclass(frozen=True, slots=True)
class OneAtATimeSpec:
    """An open-loop client that has one request outstanding at most, as a file describes it.

    `stratsim.model.workload.OneAtATimeClient` says what that means for its requests.

    Args:
        id: Name of the client in `Trace.client`.
        stop_s: It sends nothing at or after this time.
        after: Models of clients that start before it: all its requests are due later than the trace says, by the sum
            of those models' solo latencies.
    """

    id: str
    stop_s: float = math.inf
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Arrivals in columns, as read from a file and validated; all arrays have shape (n,), sorted by arrival.

    Args:
        arrival_s: Arrival times, seconds. If `normalised`, a shape without a rate: times in units of the mean
            inter-arrival time, of which only the ratios matter.
        normalised: Whether the trace has a shape but no rate.
        model: Model names, as the file spells them.
        priority: `Priority` values.
        slo_s: Deadline after the arrival, seconds; `inf` where a request has none. At most one of `slo_s` and
            `deadline_s` is given.
        deadline_s: Absolute deadline, seconds; `inf` where a request has none.
        bytes_in: Bytes copied in.
        bytes_out: Bytes copied out.
        client: Who sent the request; an empty cell for nobody in particular.
        extra: Further columns of public formats, for column rules (`ContextTokens`, `function`, ...).
        closed_loop: Clients that send their next request when the reply is in.
        one_at_a_time: Of the clients in `client`, those that have one request outstanding at most.
        deadline_free: The trace says that no request has a deadline: the default rule invents none.
        source: Where it was read from.
        format: Name of the format.
        sha256: Of the bytes of the file, in hexadecimal.
        notes: What the user should know about the reading, one line each.
        first_row: Row of the first record, as an editor counts lines.
        rows: Row of each record where they are not consecutive from `first_row`.
    """

    arrival_s: NDArray[np.float64]
    normalised: bool = False
    model: Names | None = None
    priority: NDArray[np.int8] | None = None
    slo_s: NDArray[np.float64] | None = None
    deadline_s: NDArray[np.float64] | None = None
    bytes_in: NDArray[np.integer[Any]] | None = None
    bytes_out: NDArray[np.integer[Any]] | None = None
    client: Names | None = None
    extra: Mapping[str, Column] = field(default_factory=dict)
    closed_loop: tuple[ClientSpec, ...] = ()
    one_at_a_time: tuple[OneAtATimeSpec, ...] = ()
    deadline_free: bool = False
    source: str = ""
    format: str = ""
    sha256: str = ""
    notes: tuple[str, ...] = ()
    first_row: int = 1
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def span(self) -> float:
        """Time from the first to the last arrival: seconds, or mean inter-arrival times if normalised."""
        return float(self.arrival_s[-1] - self.arrival_s[0]) if len(self) else 0.0

    @property
    def rate(self) -> float:
        """Mean arrival rate (n - 1) / span; NaN where that is not defined."""
        return (len(self) - 1) / self.span if self.span > 0 else math.nan

    def row_of(self, index: int) -> int:
        """Return the row of the file (line as an editor counts it) that request `index` came from."""
        return self.first_row + index if self.rows is None else int(self.rows[index])

    def error(self, message: str, index: int, column: str, value: object = None) -> TraceError:
        """Return the error that blames request `index`."""
        return TraceError(message, file=self.source or None, row=self.row_of(index), column=column, value=value)

    def take(self, rows: NDArray[Any] | slice) -> Trace:
        """Return the trace of some requests, in the order of `rows`, with the same descriptions of clients."""
        origin = np.arange(len(self), dtype=np.int64) + self.first_row if self.rows is None else self.rows
        return replace(
            self,
            arrival_s=self.arrival_s[rows],
            model=None if self.model is None else self.model.take(rows),
            priority=None if self.priority is None else self.priority[rows],
            slo_s=None if self.slo_s is None else self.slo_s[rows],
            deadline_s=None if self.deadline_s is None else self.deadline_s[rows],
            bytes_in=None if self.bytes_in is None else self.bytes_in[rows],
            bytes_out=None if self.bytes_out is None else self.bytes_out[rows],
            client=None if self.client is None else self.client.take(rows),
            extra={name: take(column, rows) for name, column in self.extra.items()},
            rows=origin[rows],
        )

    def without_columns(self) -> Trace:
        """Return what is known of the trace but its requests, to let their memory go."""
        return Trace(
            np.empty(0),
            normalised=self.normalised,
            deadline_free=self.deadline_free,
            closed_loop=self.closed_loop,
            one_at_a_time=self.one_at_a_time,
            source=self.source,
            format=self.format,
            sha256=self.sha256,
            notes=self.notes,
        )

    def head(self, limit: int) -> Trace:
        """Return the first `limit` requests; a closed-loop client sends at most `limit` as well."""
        clients = tuple(replace(spec, limit=min(limit, spec.limit or limit)) for spec in self.closed_loop)
        trimmed = self.take(slice(limit)) if limit < len(self) else self
        return replace(trimmed, closed_loop=clients)


def _by_first_appearance(codes: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Return those of the codes 0 to `count` - 1 that occur, in the order in which they first do; without a sort."""
    seen = np.zeros(count + 1, dtype=bool)
    seen[-1] = True  # code -1 is an empty cell
    found = [np.empty(0, dtype=np.int32)]
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK]
        new, first = np.unique(block[~seen[block]], return_index=True)
        found.append(new[np.argsort(first)])
        seen[new] = True
    return np.concatenate(found)


class Filling:
    """A column that is read piece by piece, of one kind all of them.

    Args:
        rows: Its length.
    """

    def __init__(self, rows: int) -> None:
        self._values: NDArray[Any] = np.empty(0)
        self._filled = 0
        self._rows = rows
        self._names: dict[str, int] | None = None

    def add(self, piece: Column) -> None:
        """Append a piece."""
        values = self._codes(piece) if isinstance(piece, Names) else piece
        if not len(self._values):
            self._values = np.empty(self._rows, dtype=values.dtype)
        elif values.dtype != self._values.dtype:  # whole numbers until now, and here some are missing
            self._values = self._values.astype(np.result_type(values, self._values))
        self._values[self._filled : self._filled + len(values)] = values
        self._filled += len(values)

    def _codes(self, piece: Names) -> NDArray[np.int32]:
        if self._names is None:
            self._names = {}
        place = [self._names.setdefault(name, len(self._names)) for name in piece.names]
        return np.array([*place, -1], dtype=np.int32)[piece.codes]  # the last entry serves code -1

    def column(self) -> Column:
        """Return the column; at least one piece was there, if an empty one."""
        return self._values if self._names is None else Names(tuple(self._names), self._values)


def narrow(sizes: NDArray[np.int64]) -> NDArray[np.integer[Any]]:
    """Return byte counts in half the room, if all of them fit."""
    return sizes.astype(np.int32) if sizes.max(initial=0) <= np.iinfo(np.int32).max else sizes


def take(column: Column, rows: NDArray[Any] | slice) -> Column:
    """Return some rows of a column of either kind."""
    return column.take(rows) if isinstance(column, Names) else column[rows]
