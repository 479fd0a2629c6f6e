"""A complete workload: what the engine replays. Every gap of the trace has been filled.

`stratsim.trace` reads files into `Trace` objects that may lack models, priorities or deadlines;
`stratsim.trace.rule` completes them to a `Workload` for one profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stratsim.model.request import Priority

__all__ = ["ClosedLoopClient", "OneAtATimeClient", "Workload"]


@dataclass(frozen=True, slots=True)
class ClosedLoopClient:
    """A client that keeps one request outstanding: the next is sent `think_s` after the reply is in.

    A dropped request is a reply too. The client sends its first request at `start_s` and none at or after
    `stop_s`, nor more than `limit` in all.
    """

    id: str
    model: str
    priority: Priority
    bytes_in: int
    bytes_out: int
    slo_s: float = float("inf")
    """Deadline relative to each arrival, seconds; `inf` for none."""
    think_s: float = 0.0
    start_s: float = 0.0
    stop_s: float = float("inf")
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class OneAtATimeClient:
    """An open-loop client with one request outstanding at most; the rows of the workload say when each would be sent.

    A request whose time comes while the last one has no reply is held back, and replaces one that was held back before:
    that is given up, never sent. When the reply is in, what is held back is sent at once: it arrives then, and its
    deadline moves by as much. A dropped request is a reply too. Nothing is sent at or after `stop_s`.
    """

    id: str
    """Name of the client in `Workload.client_names`."""
    stop_s: float = float("inf")


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests in columns, sorted by arrival, plus closed-loop clients.

    All arrays have shape (n,).
    """

    models: tuple[str, ...]
    """Names that `model` indexes."""
    arrival_s: NDArray[np.float64]
    model: NDArray[np.int32]
    priority: NDArray[np.int8]
    """`Priority` values."""
    deadline_s: NDArray[np.float64]
    """Absolute; `inf` where a request has no deadline."""
    bytes_in: NDArray[np.integer[Any]]
    """int32 where all fit, else int64; `bytes_out` likewise."""
    bytes_out: NDArray[np.integer[Any]]
    client: NDArray[np.int32]
    """Index into `client_names`; -1 for none."""
    client_names: tuple[str, ...] = ()
    closed_loop: tuple[ClosedLoopClient, ...] = ()
    one_at_a_time: tuple[OneAtATimeClient, ...] = ()
    """Of the clients of the rows, those that wait for replies; all others send every request at its time."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was filled, sorted or clamped on the way here: one line each, for stderr and the manifest."""

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def waits_for_replies(self) -> bool:
        """Whether what arrives, and when, depends on how fast requests are answered."""
        return bool(self.closed_loop or self.one_at_a_time)
