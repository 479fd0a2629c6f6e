"""High priority stops low priority only where its slack is at stake."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, ClassVar

from stratsim.model.request import Priority
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.arguments import number
from stratsim.policy.base import Decision, SetTimer, Suspend, Wake
from stratsim.policy.preempt.base import PreemptiveEdf, due_s, low_in_flight
from stratsim.policy.preempt.mechanism import make_mechanism

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.policy.base import Setting
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["PreemptSlack"]


class PreemptSlack(PreemptiveEdf):
    """Low priority runs beside high priority as long as its slack lasts, and is stopped then.

    A high-priority batch is allowed `stretch` times its latency alone. Beside others it is believed to progress at
    1 / `stretch` of its speed. Low priority is stopped, all of it on that GPU, at the last moment from which the batch
    would still be in time alone; or, where there is time enough, once the batch has taken all that it is allowed. A
    batch that waits for a slot gets one, from the low-priority batch that is due last, when it could not wait for the
    next one and be in time. Low priority starts and goes on beside high priority only where there is time enough, or
    where it would end before it had to be stopped.

    With `stretch=1` it believes that nobody slows anybody, and with one slot that is so.

    Source: the idea of Hummingbird (arXiv 2601.04071), to preempt by what the deadline of high priority needs, not
    whenever it comes. The paper's code is not published; its splitting of kernels is the mechanism's business, and
    every rule here is our choice. Order, batches and drops are those of `priority-edf`.

    Args:
        stretch: What high priority is allowed beside others, as a multiple of its latency alone, >= 1.
        mechanism: How a batch is stopped: `gated`, `kernel`, `reset`, `context` (40 us) or `ideal` (at no cost).
        gate: Kernels in flight at most, where launches are gated.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.COPY_IN_END, Wake.EXECUTION_END})

    def __init__(
        self,
        *,
        stretch: float = 1.5,
        mechanism: str = "gated",
        gate: int = 16,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        number("stretch", stretch, 1, 100)
        chosen = make_mechanism(mechanism, gate, sync=False)
        super().__init__(chosen, whole_request=False, stop="needed", max_batch=max_batch, drop=drop)
        self._asked_stretch = stretch

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        self._stretch = self._asked_stretch if setting.max_concurrency > 1 else 1.0
        self._now_s = -inf
        self._timer_s = -inf
        """The last timer that was set: the next moment at which low priority may have to be stopped."""

    def decide(self, view: View) -> Iterator[Decision]:
        """Start what is urgent, stop low priority where slack has run out, resume and start the rest."""
        self._now_s = view.now_s
        yield from super().decide(view)
        soonest_s = min([self._next_s(gpu) for gpu in view.gpus], default=inf)
        if soonest_s < inf and soonest_s != self._timer_s:
            self._timer_s = soonest_s
            yield SetTimer(soonest_s)

    def _next_s(self, gpu: GpuView) -> float:
        """Return when low priority on a GPU may next have to be stopped, `inf` for never as things are."""
        if not low_in_flight(gpu):
            return inf
        moments = [self._until_s(batch) for batch in gpu.executing if batch.priority is Priority.HIGH]
        moments += [self._latest_start_s(batch) for batch in gpu.staged if batch.priority is Priority.HIGH]
        return min([at_s for at_s in moments if at_s > latest_finish_s(self._now_s)], default=inf)

    # What is at stake -------------------------------------------------------------------------------------------------

    def _allowed_s(self, batch: InFlight) -> float:
        """Return what a batch is allowed to take, from its first kernel to its last."""
        return self._stretch * self._latency_s[batch.model][batch.size]

    def _done_by_s(self, batch: InFlight) -> float:
        """Return when a batch's execution must have ended."""
        out_s = self._copy_out_s[sum([request.bytes_out for request in batch.requests])]
        return latest_finish_s(due_s(batch)) - out_s

    def _latest_start_s(self, batch: InFlight) -> float:
        """Return when a batch must have a slot, to be in time beside others."""
        return self._done_by_s(batch) - self._allowed_s(batch)

    def _has_time(self, batch: InFlight) -> bool:
        """Whether an executing batch is in time with all that it is allowed."""
        return batch.execution_start_s + self._allowed_s(batch) <= self._done_by_s(batch)

    def _until_s(self, batch: InFlight) -> float:
        """Return until when low priority may run beside an executing batch of high priority."""
        start_s = batch.execution_start_s
        if self._has_time(batch):
            return start_s + self._allowed_s(batch)
        spare_s = self._done_by_s(batch) - start_s - self._latency_s[batch.model][batch.size]
        if spare_s < 0.0:
            return inf  # late even alone: nobody is stopped for it
        # At t it has done (t - start) / stretch and needs the rest alone: t + alone - (t - start) / stretch = done by.
        return start_s + spare_s * self._stretch / (self._stretch - 1.0)

    def _is_short(self, gpu: GpuView) -> bool:
        """Whether a high-priority batch that executes has no slack left."""
        now_s = latest_finish_s(self._now_s)
        return any(batch.priority is Priority.HIGH and self._until_s(batch) <= now_s for batch in gpu.executing)

    def _slots_wanted(self, gpu: GpuView) -> int:
        """Return how many high-priority batches cannot wait for the slots that come free by themselves."""
        waiting = [
            batch for batch in gpu.staged if batch.priority is Priority.HIGH and batch.copy_in_end_s <= self._now_s
        ]
        if not waiting:
            return 0
        free_s = sorted(
            [max(b.execution_start_s + b.paused_s + self._allowed_s(b), self._now_s) for b in gpu.executing]
        )
        wanted = 0
        for place, batch in enumerate(waiting):
            at = place - wanted
            latest_s = self._latest_start_s(batch)
            if at >= len(free_s) or free_s[at] > latest_s or latest_s <= latest_finish_s(self._now_s):
                wanted += 1
        return wanted

    # What follows -----------------------------------------------------------------------------------------------------

    def _suspend(self, gpu: GpuView) -> Iterator[Suspend]:
        low = low_in_flight(gpu)
        if not low:
            return
        staged = [batch for batch in low if batch in gpu.staged]
        executing = [batch for batch in low if batch not in staged]
        count = len(executing) if self._is_short(gpu) else min(self._slots_wanted(gpu), len(executing))
        if count:
            # From the end: what has not started must not get a slot that others leave.
            for batch in (*reversed(staged), *executing[::-1][:count]):
                yield Suspend(batch)

    def _has_room(self, gpu: GpuView) -> bool:
        """Whether one more low-priority batch may be in flight, if there is a place."""
        return super()._has_room(gpu) and not self._is_short(gpu) and not self._slots_wanted(gpu)

    def _joins(self, model: str, size: int, gpu: GpuView) -> bool:
        """Whether high priority can bear a low-priority batch beside it."""
        ends_s = self._now_s + self._latency_s[model][size]
        return all(
            self._has_time(batch) or ends_s <= self._until_s(batch)
            for batch in gpu.executing
            if batch.priority is Priority.HIGH
        )

    def _with_room(self, view: View) -> list[GpuView]:
        """Return the GPUs where the low-priority batch that is next may start."""
        request = self._first()
        able = super()._with_room(view)
        return able if request is None else [gpu for gpu in able if self._joins(request.model, 1, gpu)]
