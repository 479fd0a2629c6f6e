"""Orion: low priority runs beside high priority where their bottlenecks differ."""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING

from stratsim.model.preemption import Throttled
from stratsim.model.request import Priority
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.base import Start
from stratsim.policy.preempt.base import PreemptiveEdf, executing_soon, low_in_flight

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from stratsim.model.request import Request
    from stratsim.policy.base import Decision, Setting
    from stratsim.policy.queueing import Entry
    from stratsim.policy.view import GpuView, View

__all__ = ["Orion"]


class Orion(PreemptiveEdf):
    """Low priority runs beside high priority only if one is bound by compute and the other by memory, or unknown.

    A batch is bound by compute where its arithmetic intensity lies above the ridge of the GPU's roofline, that is where
    it uses a larger share of the peak compute than of the peak bandwidth, and else by memory; unknown where the profile
    has no features. It is judged at its own size. While a high-priority batch executes, each low-priority one is judged
    alone: one of the same class is stopped or waits, others start and go on, in the slots that high priority leaves: so
    it needs a `max_concurrency` of 2 or more.

    Low-priority kernels are launched until their durations exceed `most_s`, and not again until all of them have ended,
    whether high priority executes or not. That bounds what is in flight when high priority comes; and a batch starts
    beside other low-priority ones only if a kernel of each of those lasts no longer than `most_s` in all.

    Approximated: Orion decides kernel by kernel; here a whole batch has one class and stops or runs as a whole, at full
    rate, and batches whose kernels are too long to be launched together run one after the other instead of by turns.
    Left out: kernels that need more SMs than `max_sms`, which never run beside high priority there, as profiles do not
    say what kernels need. Kernels of a batch are equally long. High priority's CUDA stream priority is the device
    model's business. Orion serves one high-priority client, and low priority in turns; order, batches and drops here
    are those of `priority-edf`.

    Source: Orion (EuroSys 2024), eth-easl/orion, src/scheduler/scheduler_eval.cpp (`busy_wait_profile`) and
    profiling/postprocessing/roofline_analysis.py.

    Args:
        most_s: Limit of the durations of low-priority kernels launched at once: 160 us with ResNet-50 as high priority,
            2.5 % of its latency, 100 us with MobileNetV2, 4.4 % of the sum of its kernels.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    def __init__(self, *, most_s: float = 160e-6, max_batch: int | None = None, drop: str | None = None) -> None:
        super().__init__(Throttled(most_s=most_s), whole_request=False, stop="needed", max_batch=max_batch, drop=drop)
        self._most_s = most_s

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        self._estimates = True  # what it starts is always expected to end at some time

    def bottleneck(self, model: str, size: int) -> str | None:
        """Return what a batch is bound by, `compute` or `memory`; None if not known."""
        features = self.profile.models[model].features
        if not features:
            return None
        known = features[min(features, key=lambda batch: abs(batch - size))]
        # Intensity over ridge is (operations / peak) / (bytes / peak) in the same time.
        return "compute" if known.compute > known.memory else "memory"

    def _joins(self, model: str, size: int, gpu: GpuView) -> bool:
        own = self.bottleneck(model, size)
        others = [self.bottleneck(batch.model, batch.size) for batch in executing_soon(gpu)]
        return own is None or own not in others

    def _has_room(self, gpu: GpuView) -> bool:
        return super()._has_room(gpu) and self._launches(gpu)

    def _launches(self, gpu: GpuView) -> bool:
        """Whether kernels are launched beside one of each low-priority batch in flight."""
        kernels_s = 0.0
        for batch in low_in_flight(gpu):  # one by one: from Python 3.12 on `sum` rounds otherwise
            kernels_s += self._kernel_s(batch.model, batch.size)
        return self.setting.max_concurrency == 1 or kernels_s <= latest_finish_s(self._most_s)

    def _kernel_s(self, model: str, size: int) -> float:
        kernels = self.profile.models[model].kernels
        return self._latency_s[model][size] / kernels.count if kernels else 0.0

    def _with_room(self, view: View) -> list[GpuView]:
        """Return the GPUs where a low-priority batch may start, whatever was stopped there."""
        return [gpu for gpu in view.gpus if gpu.free_places and self._has_room(gpu)]

    def _start_rest(self, view: View) -> Iterator[Decision]:
        """Start low-priority batches in order; one that may not run beside high priority holds nobody up."""
        refused: set[str] = set()
        while heads := [queue[0] for model, queue in self._queues.items() if queue and model not in refused]:
            request = min(heads)[2]
            queue = self._queues[request.model]
            if request.priority is Priority.HIGH or not (yield from self._start_first(queue, view)):
                refused.add(request.model)

    def _start_first(self, queue: list[Entry], view: View) -> Generator[Decision, None, bool]:
        """Start the first batch of a queue where it may run, on the GPU with the fewest batches; return whether."""
        able = self._with_room(view)
        while queue and (gpu := self._least(able, lambda gpu: gpu.in_flight, view.now_s)) is not None:
            batch: tuple[Request, ...] = ()
            while queue and not batch:
                batch, drops = self._form(queue, gpu, view.now_s)
                yield from drops
            if batch and self._joins(batch[0].model, len(batch), gpu):
                yield Start(batch, gpu.id, self._expected_s)
                return True
            for request in batch:
                heappush(queue, (self.key(request), request.id, request))
            able.remove(gpu)
        return False
