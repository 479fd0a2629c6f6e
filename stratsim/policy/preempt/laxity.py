"""Promotion in time, with preemption: whatever has not the highest rank is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stratsim.model.request import Priority
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.arguments import one_of
from stratsim.policy.base import Decision, Resume, SetTimer, Start, Suspend, Wake
from stratsim.policy.least_slack import Lax
from stratsim.policy.preempt.base import due_s
from stratsim.policy.preempt.mechanism import make_mechanism

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.base import Setting
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["PreemptLax"]


class PreemptLax(Lax):
    """LAX with preemption: only the highest rank runs; low priority is promoted when its time gets short.

    High priority has rank 0; low priority 1, and from `deadline - reserve * (its latency alone)` on -1
    (`critical=above`) or 0 (`equal`). Of the batches on a GPU only those of the highest rank run, all others are
    stopped, so that a promoted low-priority request stops high priority. A batch has the rank of its highest request.

    Source: XSched's LAX (OSDI 2025), XpuOS/xsched sched/src/policy/lax.cpp. There the time of promotion is a constant
    of each process, and the highest rank is that of all devices together (`ranking=system`); deriving the time from the
    deadline is our choice, and so are a ranking of each GPU, the default, batches and drops, those of `priority-edf`.

    Args:
        reserve: Time kept for a low-priority request, as a multiple of its latency alone with copies.
        critical: Rank of a promoted request against high priority: `above` or `equal`.
        ranking: `gpu`: the highest rank of each GPU runs there; `system`: only the highest of all GPUs runs anywhere.
        mechanism: How a batch is stopped: `gated`, `kernel`, `reset`, `context` (40 us) or `ideal` (at no cost).
        gate: Kernels in flight at most, where launches are gated.
        sync: Whether others wait for those.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(
        self,
        *,
        reserve: float = 2.0,
        critical: str = "above",
        ranking: str = "gpu",
        mechanism: str = "gated",
        gate: int = 16,
        sync: bool = False,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(reserve=reserve, critical=critical, max_batch=max_batch, drop=drop)
        one_of("ranking", ranking, ("gpu", "system"))
        self.preemption = make_mechanism(mechanism, gate, sync)
        self._by_system = ranking == "system"

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        self._rank_now = 1
        """Rank of the batch that is being formed."""
        self._points: list[float] = []
        """Laxity points for which no timer is set yet."""

    def on_arrival(self, request: Request, view: View) -> None:
        """Queue the request, and note when it is to be promoted."""
        super().on_arrival(request, view)
        if request.priority is Priority.LOW:
            self._points.append(self._laxity_point_s(request))

    def decide(self, view: View) -> Iterator[Decision]:
        """Promote whose time has come; let the highest rank run on every GPU, then start what may."""
        for at_s in self._points:
            if view.now_s < at_s < float("inf"):
                yield SetTimer(at_s)
        self._points.clear()
        self._promote_due(view.now_s)
        for gpu in view.gpus:
            yield from self._sort_out(gpu, view)
        while queue := self._first_queue():
            self._rank_now = int(queue[0][0][0])
            place = self._place(view)
            if place is None:
                return
            batch, drops = self._form(queue, place, view.now_s)
            yield from drops
            if batch:
                for gpu in self._ranked_with(place, view):
                    yield from self._stop(gpu, self._rank_now, view.now_s)
                yield Start(batch, place.id, self._expected_s)

    def rank(self, requests: Sequence[Request], now_s: float) -> int:
        """Return the rank of a batch, the smallest the most urgent."""
        return min([self._rank_of(request, latest_finish_s(now_s)) for request in requests])

    def _rank_of(self, request: Request, now_s: float) -> int:
        if request.priority is Priority.HIGH:
            return 0
        return self._critical if self._laxity_point_s(request) <= now_s else 1

    def _ranked(self, gpu: GpuView, now_s: float) -> list[tuple[int, InFlight]]:
        """Return the batches in flight on a GPU with their ranks, those that have not started last."""
        return [(self.rank(batch.requests, now_s), batch) for batch in (*gpu.executing, *gpu.staged)]

    def _stop(self, gpu: GpuView, rank: int, now_s: float) -> Iterator[Suspend]:
        """Stop what ranks behind `rank`: first what has not started, which must not get a slot that others leave."""
        for own, batch in reversed(self._ranked(gpu, now_s)):
            if own > rank:
                yield Suspend(batch)

    def _ranked_with(self, gpu: GpuView, view: View) -> Sequence[GpuView]:
        """Return the GPUs whose batches are ranked together with those of one."""
        return view.gpus if self._by_system else (gpu,)

    def _top(self, gpu: GpuView, view: View) -> int | None:
        """Return the highest rank of what runs and what was stopped beside a GPU's batches; None for nothing."""
        gpus = self._ranked_with(gpu, view)
        batches = [batch for each in gpus for batch in (*each.executing, *each.staged, *each.suspended)]
        return min([self.rank(batch.requests, view.now_s) for batch in batches], default=None)

    def _sort_out(self, gpu: GpuView, view: View) -> Iterator[Decision]:
        top = self._top(gpu, view)
        if top is None:
            return
        yield from self._stop(gpu, top, view.now_s)
        for batch in sorted(gpu.suspended, key=due_s):
            if gpu.free_places and self.rank(batch.requests, view.now_s) == top:
                yield Resume(batch)

    def _place(self, view: View) -> GpuView | None:
        """Return the GPU with the fewest batches of the present rank, among those where nothing ranks before it."""
        able = [gpu for gpu in view.gpus if self._may_start(gpu, view)]
        return min(able, key=lambda gpu: (self._ahead(gpu, view.now_s), gpu.in_flight, gpu.id), default=None)

    def _may_start(self, gpu: GpuView, view: View) -> bool:
        top = self._top(gpu, view)
        if top is None or top > self._rank_now:
            return True
        waits = any(self.rank(batch.requests, view.now_s) == top for batch in gpu.suspended)
        return top == self._rank_now and not waits and gpu.free_places > 0

    def _ahead(self, gpu: GpuView, now_s: float) -> int:
        return sum([rank <= self._rank_now for rank, _ in self._ranked(gpu, now_s)])

    def expected_wait_s(self, gpu: GpuView, now_s: float) -> float:
        """Return how long a batch started now would wait for a slot; what ranks behind it does not count."""
        return super().expected_wait_s(gpu, now_s) if self._ahead(gpu, now_s) >= self.setting.max_concurrency else 0.0
