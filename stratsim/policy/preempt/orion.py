"""Orion: low priority runs beside high priority where their bottlenecks differ."""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING

from stratsim.model.preemption import Throttled
from stratsim.model.request import Priority
from stratsim.policy.arguments import number
from stratsim.policy.base import Start
from stratsim.policy.preempt.base import PreemptiveEdf, executing_soon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.model.request import Request
    from stratsim.policy.base import Decision, Setting
    from stratsim.policy.view import GpuView, View

__all__ = ["Orion"]


class Orion(PreemptiveEdf):
    """Low priority runs beside high priority only if one is bound by compute and the other by memory, or unknown.

    While no high-priority batch executes, low priority runs freely. While one does, low-priority batches of the same
    class are stopped, and start only beside a different one, in the slots that high priority leaves: so it needs a
    `max_concurrency` of 2 or more. Low-priority kernels are launched until their durations exceed `most_s`, and not
    again until all of them have ended: that bounds what is in flight when high priority comes.

    Approximated: Orion decides kernel by kernel; here a whole batch has one class, from the model's mean solo
    utilisations, and stops or runs as a whole. Kernels' demand for SMs, of which those launched in one poll may not
    exceed the GPU's, is not counted: profiles do not have it. Kernels of a batch are equally long. High priority's CUDA
    stream priority is the device model's business. Orion serves one high-priority client, and low priority in turns;
    order, batches and drops here are those of `priority-edf`.

    Source: Orion (EuroSys 2024), eth-easl/orion, src/scheduler/scheduler_eval.cpp and profiling/postprocessing.

    Args:
        most_s: Limit of the durations of low-priority kernels launched at once: 160 us with ResNet-50 as high priority,
            100 us with MobileNetV2, about 2.5 % of its latency.
        bound: Utilisation from which a model is bound by a resource, compute before memory.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    def __init__(
        self,
        *,
        most_s: float = 160e-6,
        bound: float = 0.6,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(Throttled(most_s=most_s), whole_request=False, stop="needed", max_batch=max_batch, drop=drop)
        number("bound", bound, 0, 1)
        self._bound = bound

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        self._estimates = True  # models are looked at one by one: each has a queue of its own
        self._queues = {name: [] for name in setting.profile.models}

    def bottleneck(self, model: str, size: int) -> str | None:
        """Return what a batch is bound by, `compute` or `memory`; None if not known, or neither."""
        features = self.profile.models[model].features
        if not features:
            return None
        known = features[min(features, key=lambda batch: abs(batch - size))]
        for name, value in (("compute", known.compute), ("memory", known.memory)):
            if value >= self._bound:
                return name
        return None

    def _joins(self, model: str, size: int, gpu: GpuView) -> bool:
        own = self.bottleneck(model, size)
        others = [self.bottleneck(batch.model, batch.size) for batch in executing_soon(gpu)]
        return own is None or own not in others

    def _start_rest(self, view: View) -> Iterator[Decision]:
        """Start low-priority batches in order; one that may not run beside high priority holds nobody up."""
        for _, _, request in sorted(queue[0] for queue in self._queues.values() if queue):
            while (gpu := self._pick_for(request, view)) is not None:
                batch: list[Request] = []
                queue = self._queues[request.model]
                yield from self._form(queue, gpu, view.now_s, batch)
                if queue:
                    heappush(self._heads, queue[0])
                if batch:
                    yield Start(tuple(batch), gpu.id, self._expected_s)

    def _pick_for(self, request: Request, view: View) -> GpuView | None:
        """Return the GPU for the first batch of a request's queue; None if it has none, or there is no room."""
        queue = self._queues[request.model]
        if not queue or queue[0][2].priority is Priority.HIGH:
            return None
        able = [gpu for gpu in self._with_room(view) if self._joins(request.model, 1, gpu)]
        return self._least(able, lambda gpu: gpu.in_flight, view.now_s)
