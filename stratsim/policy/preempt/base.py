"""What the preemptive policies share: priority-EDF whose high class stops the low one."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, ClassVar

from stratsim.model.request import Priority
from stratsim.policy.arguments import one_of, whole
from stratsim.policy.base import Decision, Resume, Start, Suspend, Wake
from stratsim.policy.queueing import PriorityEdf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stratsim.model.preemption import Preemption
    from stratsim.policy.base import Setting
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["PreemptiveEdf", "due_s", "executing_soon", "low_in_flight"]


class PreemptiveEdf(PriorityEdf):
    """Priority-EDF whose high class stops the low one.

    Order, batch former, drop rule and estimates are those of `priority-edf`, so that a difference to it is one of
    preemption: with one class alone the decisions are the same. A high-priority batch goes to the GPU with the fewest
    high-priority batches. Its estimates leave low priority out, and take stopping as instantaneous. When high priority
    leaves a GPU, what was stopped goes on, the earliest deadline first, before anything new of low priority starts.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset(
        {Wake.ARRIVAL, Wake.COPY_IN_END, Wake.EXECUTION_END, Wake.COPY_OUT_END}
    )

    def __init__(
        self,
        mechanism: Preemption,
        *,
        whole_request: bool,
        stop: str,
        max_batch: int | None,
        drop: str | None,
        high_at_once: int | None = None,
    ) -> None:
        super().__init__(max_batch=max_batch, drop=drop)
        one_of("stop", stop, ("all", "needed"))
        if high_at_once is not None:
            whole("high_at_once", high_at_once, 1)
        self.preemption = mechanism
        self._whole_request = whole_request
        self._stops_all = stop == "all"
        self._high_at_once = high_at_once

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        self._unanswered: dict[int, int] = dict.fromkeys(range(setting.gpus), 0)
        """Number of high-priority batches whose outputs are not on the host yet, by GPU."""
        self._places = setting.max_concurrency + setting.prefetch
        self._urgent = False
        """Whether the batch that is being formed is of high priority."""

    def on_done(self, batch: InFlight, view: View) -> None:  # noqa: ARG002
        """Take note that a batch's requests are answered."""
        if batch.priority is Priority.HIGH:
            self._unanswered[batch.gpu] -= 1

    def decide(self, view: View) -> Iterator[Decision]:
        """Start what is urgent, stop or resume the rest, then start the rest."""
        self._urgent = True
        while self._waits(Priority.HIGH) and (gpu := self._pick_urgent(view)) is not None:
            yield from self._start(gpu, view)
        self._urgent = False
        for gpu in view.gpus:
            yield from self._suspend(gpu)
            yield from self._resume(gpu)
        yield from self._start_rest(view)

    # Starts ----------------------------------------------------------------------------------------------------------

    def _waits(self, level: Priority) -> bool:
        """Whether the first request that waits is of a class: of the high one, if any of it waits."""
        request = self._first()
        return request is not None and request.priority is level

    def _start_rest(self, view: View) -> Iterator[Decision]:
        """Start what is of low priority, as far as high priority leaves room."""
        while self._waits(Priority.LOW) and (gpu := self._pick_rest(view)) is not None:
            yield from self._start(gpu, view)

    def _pick_urgent(self, view: View) -> GpuView | None:
        """Return the GPU for a high-priority batch, which needs no free place; None if high priority has all it may."""
        places = min(self._high_at_once or self._places, self._places)
        able = [gpu for gpu in view.gpus if len(_urgent(gpu)) < places]
        return self._least(able, lambda gpu: len(_urgent(gpu)), view.now_s)

    def _pick_rest(self, view: View) -> GpuView | None:
        """Return the GPU for a low-priority batch; None if there is no room."""
        return self._least(self._with_room(view), lambda gpu: gpu.in_flight, view.now_s)

    def _with_room(self, view: View) -> list[GpuView]:
        """Return the GPUs where a low-priority batch may start."""
        return [gpu for gpu in view.gpus if gpu.free_places and not gpu.suspended and self._has_room(gpu)]

    def _least(self, able: Sequence[GpuView], count: Callable[[GpuView], int], now_s: float) -> GpuView | None:
        """Return the GPU with the fewest batches; where all slots are taken, the one whose slot frees up first."""
        if not able:
            return None
        gpu = min(able, key=lambda gpu: (count(gpu), gpu.in_flight, gpu.id))
        if count(gpu) < self.setting.max_concurrency:
            return gpu
        return min(able, key=lambda gpu: self.expected_wait_s(gpu, now_s))

    def _start(self, gpu: GpuView, view: View) -> Iterator[Decision]:
        """Start the next batch, if its requests are not all given up; make a place for it if there is none."""
        batch, drops = self._form(self._first_queue(), gpu, view.now_s)
        yield from drops
        if not batch:
            return
        self._unanswered[gpu.id] += self._urgent
        if self._urgent and self._whole_request:
            yield from self._suspend(gpu)  # before it could start in a slot that happens to be free
        if not gpu.free_places:
            yield Suspend(low_in_flight(gpu)[-1])
        yield Start(batch, gpu.id, self._expected_s)

    def expected_wait_s(self, gpu: GpuView, now_s: float) -> float:
        """Return how long a batch started now would wait for a slot; one of high priority waits for its class only."""
        executing, staged = (
            [batch for batch in batches if batch.priority is Priority.HIGH or not self._urgent]
            for batches in (gpu.executing, gpu.staged)
        )
        if len(executing) + len(staged) < self.setting.max_concurrency:
            return 0.0
        free_s = [b.execution_start_s + b.paused_s + self._latency_s[b.model][b.size] for b in executing]
        return self._wait_s(free_s, staged, now_s)

    # Preemption ------------------------------------------------------------------------------------------------------

    def _holding(self, gpu: GpuView) -> int:
        """Return how many high-priority batches hold a GPU."""
        if self._whole_request:
            return self._unanswered[gpu.id]
        return len(executing_soon(gpu))

    def _room(self, holding: int) -> int:
        """Return how many low-priority batches may be in flight where high priority holds the GPU."""
        return 0 if self._stops_all else max(self.setting.max_concurrency - holding, 0)

    def _has_room(self, gpu: GpuView) -> bool:
        """Whether one more low-priority batch may be in flight, if there is a place."""
        holding = self._holding(gpu)
        return not holding or len(low_in_flight(gpu)) < self._room(holding)

    def _joins(self, model: str, size: int, gpu: GpuView) -> bool:  # noqa: ARG002 (for those who choose)
        """Whether a low-priority batch may run beside those that hold a GPU, if there is room."""
        return True

    def _suspend(self, gpu: GpuView) -> Iterator[Suspend]:
        holding = self._holding(gpu)
        if not holding:
            return
        rest = low_in_flight(gpu)
        stay = [batch for batch in rest if self._joins(batch.model, batch.size, gpu)][: self._room(holding)]
        # From the end: what has not started must not get a slot that others leave.
        for batch in reversed(rest):
            if batch not in stay:
                yield Suspend(batch)

    def _resume(self, gpu: GpuView) -> Iterator[Resume]:
        suspended = gpu.suspended
        for batch in sorted(suspended, key=due_s) if suspended else ():
            if gpu.free_places and self._has_room(gpu) and self._joins(batch.model, batch.size, gpu):
                yield Resume(batch)


def due_s(batch: InFlight) -> float:
    """Return the earliest deadline in a batch."""
    return min([request.deadline_s for request in batch.requests])


def executing_soon(gpu: GpuView) -> list[InFlight]:
    """Return the high-priority batches whose inputs are on a GPU."""
    return [batch for batch in _urgent(gpu) if not isnan(batch.copy_in_end_s)]


def _urgent(gpu: GpuView) -> list[InFlight]:
    return [batch for batch in (*gpu.executing, *gpu.staged) if batch.priority is Priority.HIGH]


def low_in_flight(gpu: GpuView) -> list[InFlight]:
    """Return the low-priority batches in flight: those that execute, then those that are staged, each by deadline."""
    batches = [sorted(stage, key=due_s) for stage in (gpu.executing, gpu.staged)]
    return [batch for stage in batches for batch in stage if batch.priority is not Priority.HIGH]
