"""The record of a run, in typed buffers."""

from __future__ import annotations

from array import array
from math import nan
from typing import TYPE_CHECKING

from stratsim.policy.state import Log

if TYPE_CHECKING:
    from stratsim.model.request import Request

__all__ = ["Load", "Pause", "Recorder"]

_GROW = 8_192
"""Rows by which the batch columns grow."""
_UNKNOWN = array("d", [nan]) * _GROW
_FIRST_GPU = array("i", [0]) * _GROW


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

    Columns that would hold the same value for all batches are left empty.

    Args:
        requests: Number of requests that the workload itself has.
        waits_for_replies: Whether the requests that arrive, and when, are known only during the run.
        gpus: Number of GPUs.
        outputs: Whether the copies of outputs are entered as they happen; else they can be derived.
    """

    __slots__ = (
        "_several_gpus",
        "arrived",
        "batch_of",
        "dropped",
        "dropped_s",
        "expected_s",
        "gpu",
        "loads",
        "log",
        "pauses",
        "reason",
        "reasons",
        "rows",
        "solo_s",
    )

    def __init__(self, requests: int, *, waits_for_replies: bool, gpus: int = 1, outputs: bool = True) -> None:
        self.arrived: list[Request] | None = [] if waits_for_replies else None
        """All requests in the order of arrival, where the workload's columns do not tell them."""
        self.batch_of = array("i", [-1]) * (0 if waits_for_replies else requests)
        """Batch by request id; -1 before dispatch."""
        self.dropped = array("i")
        """Ids of dropped requests, in the order in which they were."""
        self.dropped_s = array("d")
        """When each was."""
        self.reason = array("h")
        """Why, as an index into `reasons`."""
        self.reasons: dict[str, int] = {}
        self.loads: dict[int, Load] = {}
        """Loads of weights, by the id of the batch that caused them."""
        self.pauses: list[Pause] = []
        """In the order in which slots were given up."""
        self.log = Log(outputs=outputs)
        """Stage times by batch id, which policies see as far as they have come."""
        self.solo_s = array("d")
        """What each batch's execution would take on an otherwise idle GPU, by batch id."""
        self.gpu = array("i")
        """GPU by batch id; empty if there is one only."""
        self.expected_s = array("d")
        """When the policy believed that the outputs would be on the host, by batch id; NaN: it did not say. Empty as
        long as it has not said so of any batch."""
        self.rows = 0
        """Number of batches for which there is room; `grow` makes more."""
        self._several_gpus = gpus > 1

    def arrive(self, request: Request) -> None:
        """Note an arrival in a run whose arrivals depend on replies."""
        assert self.arrived is not None  # noqa: S101 (the engine calls this only in such runs)
        self.arrived.append(request)
        self.batch_of.append(-1)

    def drop(self, request: Request, now_s: float, reason: str) -> None:
        """Note a drop."""
        self.dropped.append(request.id)
        self.dropped_s.append(now_s)
        self.reason.append(self.reasons.setdefault(reason, len(self.reasons)))

    def load(self, batch_id: int) -> None:
        """Note that a batch has weights loaded."""
        self.loads[batch_id] = Load()

    def expect(self) -> None:
        """Begin to keep what the policy expects."""
        while len(self.expected_s) < len(self.solo_s):
            self.expected_s.extend(_UNKNOWN)

    def grow(self) -> None:
        """Make room for more batches."""
        self.rows += _GROW
        self.log.grow(_GROW)
        self.solo_s.extend(_UNKNOWN)
        if self._several_gpus:
            self.gpu.extend(_FIRST_GPU)
        if self.expected_s:
            self.expected_s.extend(_UNKNOWN)
