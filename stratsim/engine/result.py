"""What a run returns: two tables in columns, and the counters of the run itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BatchTable", "LoadTable", "RequestTable", "Result"]


@dataclass(frozen=True, slots=True)
class RequestTable:
    """One row per request, in the order of arrival; all arrays have shape (n,). NaN: did not happen."""

    arrival_s: NDArray[np.float64]
    model: NDArray[np.int32]
    """Index into `Result.models`."""
    priority: NDArray[np.int8]
    """`Priority` values."""
    deadline_s: NDArray[np.float64]
    """Absolute; `inf` for none."""
    bytes_in: NDArray[np.int64]
    bytes_out: NDArray[np.int64]
    client: NDArray[np.int32]
    """Index into `Result.clients`; -1 for none."""
    status: NDArray[np.int8]
    """`Status` values."""
    batch: NDArray[np.int64]
    """Row in the batch table; -1 if it was never dispatched."""
    dropped_s: NDArray[np.float64]
    """When the policy gave it up."""
    reason: NDArray[np.int16]
    """Why, as an index into `Result.reasons`; -1 if it was not dropped."""
    finish_s: NDArray[np.float64]
    """When its output was back on the host."""

    def __len__(self) -> int:
        return len(self.arrival_s)


@dataclass(frozen=True, slots=True)
class BatchTable:
    """One row per batch, in the order of dispatch; all arrays have shape (m,).

    Per row: dispatch <= copy-in start <= copy-in end <= execution start < execution end <= copy-out start
    <= copy-out end.
    """

    gpu: NDArray[np.int32]
    model: NDArray[np.int32]
    size: NDArray[np.int32]
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
            object.__setattr__(self, "expected_s", np.full(len(self.gpu), np.nan))

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
    notes: tuple[str, ...] = ()
    """Anything the user should know about this run: one line each."""

    @property
    def simulated_s(self) -> float:
        """Simulated span, from the first arrival to the end."""
        return self.end_s - self.start_s
