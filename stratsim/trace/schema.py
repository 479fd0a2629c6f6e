"""What a trace is once it has been read: columns, as the file gave them.

Everything but the arrivals may be missing. `stratsim.trace.rule.complete` fills the gaps for one profile; nothing here
knows of profiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import MissingExtraError, SpecError, TraceError
from stratsim.model.request import Priority
from stratsim.notebook import facts, line
from stratsim.trace.column import Column, Filling, Names, as_arrow, as_values, narrow, take

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray


__all__ = ["ClientSpec", "Column", "Filling", "Names", "OneAtATimeSpec", "Trace", "narrow", "take"]


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
        extra: Further columns, for column rules (`ContextTokens`, `function`, ...), each as it is in the file; those of
            a file are read when they are asked for (`stratsim.trace.tables.base.Unread`).
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

    def __repr__(self) -> str:
        return line("Trace", self.source, *(f"{value} {name}".strip() for name, value in self._about().items()))

    def _repr_html_(self) -> str:
        return facts(f"Trace {self.source}".strip(), self._about(), self.notes)

    def _about(self) -> dict[str, str]:
        """Return what there is to say in a few words, by what it is of."""
        found = {"requests": f"{len(self):,}"}
        if self.span > 0 and not self.normalised:
            found |= {"s": f"{self.span:.4g}", "requests/s": f"{self.rate:.4g}"}
        if self.normalised:
            found["a rate"] = "without"
        waiting = len(self.closed_loop) + len(self.one_at_a_time)
        found |= {"clients that wait for replies": f"{waiting:,}"} if waiting else {}
        return found | ({"format": self.format} if self.format else {})

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
            extra=_taken(self.extra, rows),
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

    def columns(self) -> dict[str, Column]:
        """Return the columns as our own formats have them, the extra ones last; no deadline is NaN, an empty cell.

        Raises:
            SpecError: an extra column has the name of a column of the schema.
        """
        columns: dict[str, Column] = {"arrival_norm" if self.normalised else "arrival_s": self.arrival_s}
        if self.model is not None:
            columns["model"] = self.model
        if self.priority is not None:
            columns["priority"] = Names(tuple(each.label for each in Priority), self.priority.astype(np.int32))
        for name in ("slo_s", "deadline_s"):
            values = getattr(self, name)
            if values is not None:
                columns[name] = np.where(np.isinf(values), np.nan, values)
        if self.deadline_free:
            columns["slo_s"] = np.full(len(self), np.nan)
        for name in ("bytes_in", "bytes_out", "client"):
            column = getattr(self, name)
            if column is not None:
                columns[name] = column
        clash = set(columns) & set(self.extra)
        if clash:
            raise SpecError(f"extra column {min(clash)!r} has the name of a column of the schema")
        return {**columns, **dict(self.extra.items())}

    def to_pandas(self) -> pd.DataFrame:
        """Return the requests as a pandas table, in the columns of our own formats; strings as categories."""
        import pandas as pd

        def cells(column: Column) -> Any:
            if isinstance(column, Names):
                return pd.Categorical.from_codes(column.codes, pd.Index(column.names, dtype="str"))
            return column if isinstance(column, np.ndarray) else pd.Series(as_values(column), dtype=object)

        return pd.DataFrame({name: cells(column) for name, column in self.columns().items()})

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the requests to whatever reads Arrow: `polars.DataFrame(trace)`, `pyarrow.table(trace)`.

        Raises:
            MissingExtraError: there is no pyarrow.
        """
        try:
            import pyarrow as pa
        except ImportError:
            raise MissingExtraError("pyarrow", "parquet") from None
        table = pa.table({name: as_arrow(column) for name, column in self.columns().items()})
        return table.__arrow_c_stream__(requested_schema)


def _taken(extra: Mapping[str, Column], rows: NDArray[Any] | slice) -> Mapping[str, Column]:
    """Return some rows of further columns; of those that are not read yet, when they are."""
    later = getattr(extra, "take", None)
    return {name: take(column, rows) for name, column in extra.items()} if later is None else later(rows)
