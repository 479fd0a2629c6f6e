"""A complete workload: what the engine replays. Every gap of the trace has been filled.

`stratsim.trace` reads files into `Trace` objects that may lack models, priorities or deadlines;
`stratsim.trace.rule` completes them to a `Workload` for one profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stratsim.model.columns import REQUEST_KINDS, Labels, arrow_stream, as_pandas
from stratsim.model.request import Priority
from stratsim.notebook import facts, line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.model.columns import Column

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

    def __repr__(self) -> str:
        return line("Workload", "", *(f"{value} {name}" for name, value in self._about().items()))

    def _repr_html_(self) -> str:
        return facts("Workload", self._about(), self.notes)

    def _about(self) -> dict[str, str]:
        """Return what there is to say in a few words, by what it is of."""
        high = int((self.priority == Priority.HIGH).sum())
        waiting = len(self.closed_loop) + len(self.one_at_a_time)
        found = {"requests": f"{len(self):,}", "of high priority": f"{high:,}", "models": f"{len(self.models)}"}
        if len(self):
            found["s from the first to the last arrival"] = f"{self.arrival_s[-1] - self.arrival_s[0]:.4g}"
        return found | ({"clients that wait for replies": f"{waiting:,}"} if waiting else {})

    def columns(self) -> dict[str, Column]:
        """Return the requests under the names of the result tables, with words for codes; no deadline is NaN."""
        import numpy as np

        return {
            "arrival_s": self.arrival_s,
            "model": Labels(self.model, self.models),
            "priority": Labels(self.priority, tuple(each.label for each in Priority)),
            "deadline_s": np.where(np.isinf(self.deadline_s), np.nan, self.deadline_s),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "client": Labels(self.client, self.client_names),
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return the requests as a pandas table, one row each; clients that wait for replies have no rows."""
        return as_pandas(self.columns(), REQUEST_KINDS)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the requests to whatever reads Arrow: `polars.DataFrame(workload)`, `pyarrow.table(workload)`.

        Raises:
            MissingExtraError: there is no pyarrow.
        """
        return arrow_stream(self.columns(), REQUEST_KINDS, requested_schema)

    @property
    def waits_for_replies(self) -> bool:
        """Whether what arrives, and when, depends on how fast requests are answered."""
        return bool(self.closed_loop or self.one_at_a_time)
