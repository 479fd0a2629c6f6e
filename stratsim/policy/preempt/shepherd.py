"""Shepherd's online part: a much larger batch preempts the running one."""

from __future__ import annotations

from heapq import heappush
from math import inf
from typing import TYPE_CHECKING, ClassVar

from stratsim.model.preemption import Reset
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.arguments import number
from stratsim.policy.base import Decision, Resume, Start, Suspend, Wake
from stratsim.policy.queueing import Edf

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["Shepherd"]


class Shepherd(Edf):
    """The largest batch that meets its deadlines goes first; one `preempt` times the size of a running one stops it.

    On a GPU with a free slot the largest of the models' batches starts, each the longest feasible prefix by deadline.
    Else, if it has `preempt` times as many requests as the smallest running batch or more, that one is stopped and its
    work is lost. A stopped batch starts again from nothing when it is the largest; it counts only requests that it
    could still answer in time. Goodput is all that counts: there are no classes. Of batches of one size the one with
    the earliest deadline goes first, then the one whose most urgent request arrived first (our choice).

    Approximated: Shepherd gives the requests of a stopped batch back to the queue; here they stay together, and those
    that are hopeless wait until nothing else does. It stops at the exits of groups of layers; here at once. The planner
    that assigns streams and GPUs to groups is left out: all GPUs are one group.

    Source: memory of Shepherd (NSDI 2023), the algorithm Flex with its lambda of 3.03; no code was found.

    Args:
        preempt: How many times as large a batch must be to preempt (lambda).
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(self, *, preempt: float = 3.03, max_batch: int | None = None, drop: str | None = None) -> None:
        super().__init__(max_batch=max_batch, drop=drop)
        number("preempt", preempt, 1, inf, closed="low")
        self.preemption = Reset(latency_s=0.0, cap=None)
        self._preempt = preempt

    def decide(self, view: View) -> Iterator[Decision]:
        """Start, or start anew, the largest batches; stop those that are much smaller."""
        slots = self.setting.max_concurrency
        for gpu in view.gpus:
            while gpu.in_flight < slots or any(self._queues.values()):
                batch = yield from self._largest(gpu, view.now_s)
                stopped = max(gpu.suspended, key=lambda each: self._worth(each, view.now_s), default=None)
                free = gpu.in_flight < slots
                if free and stopped is not None and self._worth(stopped, view.now_s) >= len(batch):
                    self._put_back(batch)
                    yield Resume(stopped)
                elif batch and (free or self._beats(gpu, len(batch))):
                    if not free:
                        yield Suspend(_smallest(gpu))
                    yield Start(batch, gpu.id)
                else:
                    self._put_back(batch)
                    break

    def _beats(self, gpu: GpuView, size: int) -> bool:
        return size >= self._preempt * _smallest(gpu).size

    def _worth(self, batch: InFlight, now_s: float) -> int:
        """Return how many requests a batch would answer in time if it started again now."""
        finish_s = self._finish_s(now_s, now_s, batch.requests)
        return sum([finish_s <= latest_finish_s(request.deadline_s) for request in batch.requests])

    def _largest(self, gpu: GpuView, now_s: float) -> Generator[Decision, None, tuple[Request, ...]]:
        """Take the largest of the models' batches out of its queue; drop what the drop rule gives up."""
        largest: tuple[Request, ...] = ()
        for queue in self._queues.values():
            found: tuple[Request, ...] = ()
            while queue and not found:
                found, drops = self._form(queue, gpu, now_s)
                yield from drops
            if found and (not largest or _rank(found) < _rank(largest)):
                largest, found = found, largest
            self._put_back(found)
        return largest

    def _put_back(self, requests: Iterable[Request]) -> None:
        for request in requests:
            heappush(self._queues[request.model], (self.key(request), request.id, request))

    def expected_wait_s(self, gpu: GpuView, now_s: float) -> float:  # noqa: ARG002
        """Return 0: a batch is formed as if it ran at once."""
        return 0.0


def _rank(batch: Sequence[Request]) -> tuple[float, ...]:
    """Return the place of a batch among others, the smallest first: by size, deadline and arrival."""
    first = batch[0]
    return (-len(batch), first.deadline_s, first.arrival_s, first.id)


def _smallest(gpu: GpuView) -> InFlight:
    """Return the smallest batch in flight, the newest of several."""
    return min((*gpu.executing, *gpu.staged), key=lambda batch: (batch.size, -batch.id))
