"""Triton's dynamic batcher: per-model queues, batch sizes that are preferred, and a bounded wait for them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, ClassVar

from stratsim.errors import SpecError
from stratsim.policy.arguments import batch_limits, number, one_of, whole
from stratsim.policy.base import Decision, Drop, Policy, SetTimer, Setting, Start, Wake
from stratsim.policy.triton.batcher import Batcher, Queueing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["Triton"]


class Triton(Policy):
    """Triton's dynamic batcher: dispatch a preferred batch size if the queue holds one, else wait up to a delay for it.

    A model has a queue and `instances` execution instances per GPU, each serving one batch at a time from copy-in to
    copy-out. When an instance is free, the queue is walked, by priority level and order of arrival. The largest
    preferred batch size reached goes at once; without one the batch goes when it cannot grow any more, or when its
    oldest request has waited for `max_queue_delay_s`. Deadlines are ignored, and nothing is dropped but by timeout or
    queue limit. High priority is level 1, low priority level 2, where there are levels.

    Prefetch: while all instances are busy, one further batch per instance is formed, and grows until it is saturated
    (it holds a preferred size and there is no delay, or it cannot grow). As in Triton it is off where requests may
    overtake or leave: with priority levels, timeouts or a queue limit.

    Approximated: the GPU's slots (`max_concurrency` and `prefetch` of the run) are shared by all models; while there
    are too few, the model whose oldest request came first goes first. Timeouts are seen when the queue is walked for a
    free instance; Triton also looks every 500 ms while none is. One configuration serves all models. The run's drop
    rule does not apply.

    Source: triton-inference-server core, dynamic_batch_scheduler.cc and scheduler_utils.cc, and the user guide's page
    on batchers; when a prefetched batch is saturated is from memory.

    Args:
        preferred: Preferred batch sizes; the largest batch size alone by default. Those beyond a model's are left out.
        max_queue_delay_s: How long a request may be held back for a preferred batch size.
        priority_levels: 0 for none; with 2 or more, high priority is served before low.
        timeout_s: Time in the queue after which `timeout_action` is taken; 0 for none.
        timeout_action: `reject`, or `delay`: behind all others of its level, but still served.
        allow_timeout_override: A request's own timeout, the time to its deadline, counts if it is shorter than
            `timeout_s`; as in Triton it therefore never counts while that is 0.
        max_queue_size: Requests per model and level beyond which arrivals are rejected; 0 for no limit.
        instances: Execution instances per model and GPU.
        prefetch: `auto`, `on` or `off`: whether batches are formed before an instance is free.
        max_batch: Largest batch size; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END, Wake.COPY_OUT_END})

    def __init__(
        self,
        *,
        preferred: Sequence[int] = (),
        max_queue_delay_s: float = 0.0,
        priority_levels: int = 0,
        timeout_s: float = 0.0,
        timeout_action: str = "reject",
        allow_timeout_override: bool = False,
        max_queue_size: int = 0,
        instances: int = 1,
        prefetch: str = "auto",
        max_batch: int | None = None,
    ) -> None:
        if not isinstance(preferred, list | tuple):
            raise SpecError(f"preferred must be a list of batch sizes, got {preferred!r}")
        for size in (*preferred, *(() if max_batch is None else (max_batch,))):
            whole("a batch size", size, 1)
        number("max_queue_delay_s", max_queue_delay_s, 0, inf, closed="low")
        number("timeout_s", timeout_s, 0, inf, closed="low")
        whole("priority_levels", priority_levels, 0)
        whole("max_queue_size", max_queue_size, 0)
        whole("instances", instances, 1)
        one_of("timeout_action", timeout_action, ("reject", "delay"))
        one_of("prefetch", prefetch, ("auto", "on", "off"))
        self._preferred = preferred
        self._delay_s = max_queue_delay_s
        self._instances = instances
        self._max_batch = max_batch
        rejects = timeout_action == "reject"
        self._queueing = Queueing(max(priority_levels, 1), timeout_s, rejects, allow_timeout_override, max_queue_size)
        fixed_order = priority_levels == 0 and timeout_s == 0 and max_queue_size == 0
        self._prefetch = prefetch == "on" or (prefetch == "auto" and fixed_order)

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        limits = batch_limits(setting, self._max_batch)
        self._batchers = {
            name: Batcher(name, self._queueing, limit, self._preferred, self._delay_s) for name, limit in limits.items()
        }
        self._busy = {name: [0] * setting.gpus for name in limits}
        """By model and GPU: instances that serve a batch."""
        self._rejected: list[Request] = []
        """Found the queue full, to be dropped."""
        self._timer_s = -inf

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request, or reject it where the queue is full."""
        if not self._batchers[request.model].push(request):
            self._rejected.append(request)

    def on_done(self, batch: InFlight, view: View) -> None:  # noqa: ARG002
        """Free the instance."""
        self._busy[batch.model][batch.gpu] -= 1

    def decide(self, view: View) -> Iterator[Decision]:
        """Give batches to free instances, form further ones ahead, and wait for the rest."""
        now_s, next_s = view.now_s, inf
        yield from _drops(self._rejected, "queue full")
        waiting = [batcher for batcher in self._batchers.values() if batcher.oldest_s() < inf]
        while waiting:
            batcher = min(waiting, key=Batcher.oldest_s)
            gpu = self._free_instance(view, batcher.model)
            batch, wake_s = self._next(batcher, gpu, view)
            yield from _drops(batcher.expired, "timeout")
            if gpu is not None and batch:
                self._busy[batcher.model][gpu.id] += 1
                yield Start(batch, gpu.id)
            else:
                waiting.remove(batcher)
                next_s = min(next_s, wake_s)
        if now_s < next_s < inf and not now_s < self._timer_s <= next_s:
            self._timer_s = next_s
            yield SetTimer(next_s)

    def _next(self, batcher: Batcher, gpu: GpuView | None, view: View) -> tuple[tuple[Request, ...], float]:
        """Return a free instance's next batch, if there is one yet, and when to look again; form ahead without one."""
        if gpu is not None:
            return batcher.next_batch(view.now_s)
        most = self._instances * len(view.gpus)
        return (), batcher.form_ahead(view.now_s, most) if self._prefetch else inf

    def _free_instance(self, view: View, model: str) -> GpuView | None:
        """Return the GPU with the fewest batches among those with a place and an idle instance of the model."""
        busy = self._busy[model]
        free = [gpu for gpu in view.gpus if gpu.free_places and busy[gpu.id] < self._instances]
        return min(free, key=lambda gpu: gpu.in_flight, default=None)


def _drops(requests: list[Request], reason: str) -> Iterator[Drop]:
    """Yield a drop for each, and forget them."""
    while requests:
        yield Drop(requests.pop(0), reason)
