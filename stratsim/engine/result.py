"""What a run returns: two tables in columns, and the counters of the run itself."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from stratsim.engine.columns import batch_columns, pause_columns, request_columns
from stratsim.engine.rows import by_code, pieces
from stratsim.errors import SpecError, suggest
from stratsim.model.columns import TABLES, arrow_stream, as_pandas
from stratsim.model.request import Priority, Status
from stratsim.notebook import card, line, percent
from stratsim.stats.deadlines import violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.engine.rare import RareColumn
    from stratsim.model.columns import Column

__all__ = ["BatchTable", "LoadTable", "PauseTable", "RequestTable", "Result", "Stretches"]


@dataclass(frozen=True, slots=True)
class RequestTable:
    """One row per request, in the order of arrival; all arrays have shape (n,). NaN: did not happen.

    Treat them as read-only: some are the workload's own, and some that hold one value throughout take no memory.
    """

    arrival_s: NDArray[np.float64]
    model: NDArray[np.int32]
    """Index into `Result.models`."""
    priority: NDArray[np.int8]
    """`Priority` values."""
    deadline_s: NDArray[np.float64]
    """Absolute; `inf` for none."""
    bytes_in: NDArray[np.integer[Any]]
    bytes_out: NDArray[np.integer[Any]]
    client: NDArray[np.int32]
    """Index into `Result.clients`; -1 for none."""
    status: NDArray[np.int8]
    """`Status` values."""
    batch: NDArray[np.int32]
    """Row in the batch table; -1 if it was never dispatched."""
    dropped_s: NDArray[np.float64] | RareColumn
    """When the policy gave it up."""
    reason: NDArray[np.int16] | RareColumn
    """Why, as an index into `Result.reasons`; -1 if it was not dropped."""
    finish_s: NDArray[np.float64]
    """When its output was back on the host."""

    def __len__(self) -> int:
        return len(self.arrival_s)

    def latency_s(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the time from arrival to finish of the chosen requests, seconds; NaN: not answered."""
        latency_s = np.empty(np.count_nonzero(chosen))
        for rows, place in pieces(chosen):
            latency_s[place] = self.finish_s[rows] - self.arrival_s[rows]
        return latency_s


@dataclass(frozen=True, slots=True)
class BatchTable:
    """One row per batch, in the order of dispatch; all arrays have shape (m,).

    Per row: dispatch <= copy-in start <= copy-in end <= execution start < execution end <= copy-out start
    <= copy-out end.
    """

    gpu: NDArray[np.int32]
    model: NDArray[np.int16]
    size: NDArray[np.int16]
    priority: NDArray[np.int8]
    dispatch_s: NDArray[np.float64]
    copy_in_start_s: NDArray[np.float64]
    copy_in_end_s: NDArray[np.float64]
    execution_start_s: NDArray[np.float64]
    execution_end_s: NDArray[np.float64]
    copy_out_start_s: NDArray[np.float64]
    copy_out_end_s: NDArray[np.float64]
    solo_s: NDArray[np.float64]
    """Drawn solo execution time: what the execution would have taken on an otherwise idle GPU."""
    expected_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """When the policy, as it dispatched the batch, believed that its outputs would be on the host; NaN: it did not say.
    Left out means that for all."""

    def __post_init__(self) -> None:
        if len(self.expected_s) != len(self.gpu):
            object.__setattr__(self, "expected_s", np.broadcast_to(np.nan, len(self.gpu)))

    def __len__(self) -> int:
        return len(self.gpu)


@dataclass(frozen=True, slots=True)
class LoadTable:
    """One row per copy of weights to a GPU, in the order in which they got room; all arrays have shape (k,).

    NaN: did not happen.
    """

    batch: NDArray[np.int64]
    """Row of the batch that had the weights of its model loaded; it says the model and the GPU."""
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    evicted_s: NDArray[np.float64]
    """When others got their room."""
    weights_bytes: NDArray[np.int64]
    """Size of the weights."""
    capacity_bytes: float
    """Room for weights on each GPU."""

    def __len__(self) -> int:
        return len(self.batch)

    def by_batch(self, times: NDArray[np.float64], batches: int) -> NDArray[np.float64]:
        """Return a time for each of `batches` batches, NaN for those that caused no load."""
        found = np.full(batches, np.nan)
        found[self.batch] = times
        return found


@dataclass(frozen=True, slots=True)
class PauseTable:
    """One row per time that a batch was stopped and gave its execution slot up, by when it did; arrays of shape (p,).

    Per row: suspend <= freed, and suspend <= stopped <= restart. NaN: did not happen, as the batch was called back, or
    ended, before it had stopped.
    """

    batch: NDArray[np.int64]
    """Row in the batch table."""
    suspend_s: NDArray[np.float64]
    """The policy's decision."""
    freed_s: NDArray[np.float64]
    """Its execution slot was free for others."""
    stopped_s: NDArray[np.float64]
    """The GPU was free of it: until then it counts as executing."""
    restart_s: NDArray[np.float64]
    """It had a slot again, and went on."""
    lost_s: NDArray[np.float64]
    """Solo execution time that had to be done again."""

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def paused_s(self) -> NDArray[np.float64]:
        """From stopped to restart; 0 where it did not stop."""
        return np.nan_to_num(self.restart_s - self.stopped_s)

    def by_batch(self, values: NDArray[np.float64], batches: int) -> NDArray[np.float64]:
        """Return the sum of some values for each of `batches` batches."""
        return np.bincount(self.batch, weights=values, minlength=batches).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Result:
    """One policy's run over one workload."""

    policy: str
    """The policy as it was asked for, parameters included."""
    requests: RequestTable
    batches: BatchTable
    models: tuple[str, ...]
    clients: tuple[str, ...]
    reasons: tuple[str, ...]
    gpus: int
    events: int
    """Events of the run: arrivals of the trace, and everything scheduled on the clock, moved alarms included."""
    start_s: float
    """Arrival of the first request."""
    end_s: float
    """The last thing that happened: an arrival, a drop or the end of a copy-out."""
    wall_s: float
    """Duration of the event loop with recording, by the wall clock, without reading and writing files."""
    max_concurrency: int | None = None
    """Execution slots per GPU that were in effect; None if not known."""
    copy_engines: int | None = None
    """Most copies at once in each direction on a GPU; 0: one in both together; None: copies may take turns."""
    loads: LoadTable | None = None
    """Copies of weights; None if the weights of all models were always there."""
    pauses: PauseTable | None = None
    """What was stopped and when; None if the policy cannot preempt."""
    attempts: NDArray[np.int16] | RareColumn | None = None
    """How often each request was sent, shape (n,); None if no client sends a dropped request again."""
    notes: tuple[str, ...] = ()
    """Anything the user should know about this run: one line each."""
    engine: Literal["simpy", "fast"] = "simpy"
    """The engine that made the run: the bytes do not depend on it."""
    not_fast: str | None = None
    """Why it was not the fast one; None if it was, or nobody chose."""

    def __repr__(self) -> str:
        counts = [f"{count:,} {status.label}" for status, count in self._counts().items() if count]
        batches = f"{len(self.batches):,} batches on {self.gpus} GPU{'s' * (self.gpus > 1)}"
        return line("Result", self.policy, f"{len(self.requests):,} requests", *counts, batches)

    def _repr_html_(self) -> str:
        rows = []
        for level in Priority:
            counts = self._counts(level)
            arrived = sum(counts.values())
            late = (counts[status] for status in (Status.LATE, Status.DROPPED, Status.UNFINISHED))
            rows.append((level.label, arrived, *late, percent(violation(counts[Status.MET], arrived))))
        columns = ("class", "arrived", "late", "dropped", "unfinished", "violations")
        return card(f"Result of {self.policy}", columns, rows, self.notes)

    def _counts(self, level: Priority | None = None) -> dict[Status, int]:
        """Return how many requests, of a class or of both, ended how: those that were met first."""
        status = self.requests.status if level is None else self.requests.status[self.requests.priority == level]
        order = (Status.MET, Status.LATE, Status.DROPPED, Status.UNFINISHED)
        return {each: int(np.count_nonzero(status == each)) for each in order}

    def columns(self, table: str = "requests", policies: Sequence[str] | None = None) -> dict[str, Column]:
        """Return a table of the run as result folders have it, words for codes (docs/reference/result-files.md).

        Args:
            table: `requests`, `batches` or `pauses`.
            policies: All policies of which a larger table holds runs; by default this one alone.

        Raises:
            SpecError: there is no such table.
        """
        if table == "requests":
            return request_columns(self, slice(0, len(self.requests)), policies)
        if table == "batches":
            return batch_columns(self, slice(0, len(self.batches)), policies)
        if table == "pauses":
            return pause_columns(self, slice(0, 0 if self.pauses is None else len(self.pauses)), policies)
        raise SpecError(f"a run has no table {table!r}; {suggest(table, TABLES)}")

    def to_pandas(self, table: str = "requests") -> pd.DataFrame:
        """Return one of the tables of the run as a pandas frame, with words for codes; arguments as for `columns`."""
        return as_pandas(self.columns(table), TABLES[table])

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the requests to whatever reads Arrow: `polars.DataFrame(result)`, DuckDB, `pyarrow.table(result)`.

        Raises:
            MissingExtraError: there is no pyarrow.
        """
        return arrow_stream(self.columns(), TABLES["requests"], requested_schema)

    @property
    def simulated_s(self) -> float:
        """Simulated span, from the first arrival to the end."""
        return self.end_s - self.start_s

    @property
    def paused_s(self) -> NDArray[np.float64]:
        """For how long each batch was stopped between start and end of its execution, shape (m,), seconds."""
        if self.pauses is None:
            return np.zeros(len(self.batches))
        return self.pauses.by_batch(self.pauses.paused_s, len(self.batches))

    @property
    def executed_s(self) -> NDArray[np.float64]:
        """How long each batch executed, without what it was stopped for, shape (m,), seconds."""
        shared_s = self.batches.execution_end_s - self.batches.execution_start_s
        return shared_s if self.pauses is None else shared_s - self.paused_s

    def stretches(self, *, slots: bool = False) -> Stretches:
        """Return the intervals during which batches execute: one per batch, and one more for every pause.

        Args:
            slots: Those during which they hold an execution slot instead.
        """
        pauses, batches = self.pauses, self.batches
        rows = np.arange(len(batches))
        if pauses is None:
            return Stretches(rows, batches.execution_start_s, batches.execution_end_s)
        left_s = pauses.freed_s if slots else pauses.stopped_s
        cut = ~np.isnan(left_s)
        # Per batch starts and ends alternate in time, so that sorting both alike pairs them. A pause that the batch
        # never came back from ends its last interval of holding a slot: its own end then starts and ends nothing.
        back_s = np.where(np.isnan(pauses.restart_s), batches.execution_end_s[pauses.batch], pauses.restart_s)[cut]
        batch = np.concatenate([rows, pauses.batch[cut]])
        start_s = np.concatenate([batches.execution_start_s, back_s])
        end_s = np.concatenate([batches.execution_end_s, left_s[cut]])
        order = np.lexsort((start_s, batch))
        return Stretches(batch[order], start_s[order], end_s[np.lexsort((end_s, batch))])

    def of_batches(self, rows: NDArray[np.int64]) -> Result:
        """Return the run with some batches only, numbered anew in loads and pauses, and all its requests as they were.

        Args:
            rows: Which, ascending.
        """

        def of_table(table: Any, chosen: Any) -> Any:
            columns = {field.name: getattr(table, field.name) for field in fields(table)}
            return replace(table, **{n: c[chosen] for n, c in columns.items() if isinstance(c, np.ndarray)})

        def of_rest(table: Any) -> Any:
            if table is None:
                return None
            kept = of_table(table, np.isin(table.batch, rows))
            return replace(kept, batch=np.searchsorted(rows, kept.batch))

        return replace(
            self, batches=of_table(self.batches, rows), loads=of_rest(self.loads), pauses=of_rest(self.pauses)
        )

    def stretches_by_gpu(self, *, slots: bool = False) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Yield starts and ends of the `stretches` on each GPU, by id."""
        batches = self.batches
        if self.pauses is None:
            for rows in by_code(batches.gpu, self.gpus):
                yield batches.execution_start_s[rows], batches.execution_end_s[rows]
            return
        batch, start_s, end_s = self.stretches(slots=slots)
        for rows in by_code(batches.gpu[batch], self.gpus):
            yield start_s[rows], end_s[rows]


class Stretches(NamedTuple):
    """Intervals of time by batch; arrays of equal shape."""

    batch: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
