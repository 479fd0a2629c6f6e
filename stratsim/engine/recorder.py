"""Collects what happens during a run, in typed buffers."""

from __future__ import annotations

from array import array
from math import nan
from typing import TYPE_CHECKING

from stratsim.policy.view import Log

if TYPE_CHECKING:
    from stratsim.model.request import Request

__all__ = ["Load", "Pause", "Recorder"]

_GROW = 8_192
"""Rows by which the batch columns grow."""


class Load:
    """A copy of weights. NaN: has not happened."""

    __slots__ = ("end_s", "evicted_s", "start_s")

    def __init__(self) -> None:
        self.start_s = nan
        self.end_s = nan
        self.evicted_s = nan


class Pause:
    """A stretch of time during which a batch did not execute, or held no slot. NaN: did not happen."""

    __slots__ = ("batch", "freed_s", "lost_s", "restart_s", "stopped_s", "suspend_s")

    def __init__(self, batch: int, suspend_s: float) -> None:
        self.batch = batch
        self.suspend_s = suspend_s
        """The policy's decision."""
        self.freed_s = nan
        """It gave its slot up."""
        self.stopped_s = nan
        """The GPU was free of it."""
        self.restart_s = nan
        """It had a slot again."""
        self.lost_s = 0.0
        """Solo work to be done again."""


class Recorder:
    """The buffers of one run; `stratsim.engine.tables` makes a `Result` of them.

    Args:
        requests: Number of requests that the workload itself has.
        waits_for_replies: Whether the requests that arrive, and when, are known only during the run.
    """

    __slots__ = ("arrived", "batch_of", "dropped", "expected_s", "gpu", "loads", "log", "pauses", "reasons")

    def __init__(self, requests: int, *, waits_for_replies: bool) -> None:
        self.arrived: list[Request] | None = [] if waits_for_replies else None
        """All requests in the order of arrival, where the workload's columns do not tell them."""
        self.batch_of = array("q", [-1]) * (0 if waits_for_replies else requests)
        """Batch by request id; -1 before dispatch."""
        self.dropped: list[tuple[int, float, int]] = []
        """Request id, time, index into `reasons`."""
        self.reasons: dict[str, int] = {}
        self.loads: dict[int, Load] = {}
        """Loads of weights, by the id of the batch that caused them."""
        self.pauses: list[Pause] = []
        """In the order in which slots were given up."""
        self.log = Log()
        """Stage times by batch id, which policies see as far as they have come."""
        self.gpu = array("i")
        """GPU by batch id."""
        self.expected_s = array("d")
        """When the policy believed that the outputs would be on the host, by batch id; NaN: it did not say."""

    def arrive(self, request: Request) -> None:
        """Note an arrival in a run whose arrivals depend on replies."""
        assert self.arrived is not None  # noqa: S101 (the engine calls this only in such runs)
        self.arrived.append(request)
        self.batch_of.append(-1)

    def drop(self, request: Request, now_s: float, reason: str) -> None:
        """Note a drop."""
        self.dropped.append((request.id, now_s, self.reasons.setdefault(reason, len(self.reasons))))

    def load(self, batch_id: int) -> None:
        """Note that a batch has weights loaded."""
        self.loads[batch_id] = Load()

    def grow(self) -> None:
        """Make room for more batches."""
        self.log.grow(_GROW)
        self.gpu.extend([0] * _GROW)
        self.expected_s.extend([nan] * _GROW)
