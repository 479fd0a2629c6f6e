"""Triton's dynamic batcher: per-model queues, batch sizes that are preferred, and a bounded wait for them."""

from __future__ import annotations

from dataclasses import replace
from heapq import heapify, heappop, heapreplace
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from stratsim.errors import SpecError, suggest
from stratsim.policy.arguments import number, one_of, whole
from stratsim.policy.base import Decision, Drop, Policy, SetTimer, Setting, Start, Wake
from stratsim.policy.triton.batcher import Batcher, tick_s
from stratsim.policy.triton.config import InstanceGroup, ModelConfig, read_repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.triton.config import Repository
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["Triton"]


class Triton(Policy):
    """Triton's dynamic batcher: dispatch a preferred batch size if the queue holds one, else wait up to a delay for it.

    A model has a queue and execution instances on each GPU, each serving one batch at a time from copy-in to copy-out.
    When an instance is free, the queue is walked, by priority level and order of arrival. The largest preferred batch
    size reached goes at once; without one the batch goes when it cannot grow any more, or when its oldest request has
    waited for `max_queue_delay_s`. Deadlines are ignored, and nothing is dropped but by timeout or queue limit.

    With `repository`, each model is served as its own configuration says: DIR/MODEL/config.pbtxt, read as it is. What
    is given here besides holds for every model, over what its file says, but for `max_batch`, which only lowers it.

    Timeouts are taken notice of when a queue is walked, and every 500 ms while no instance is free: then what has timed
    out is rejected. A request whose age equals its timeout is still served. With `timeout_action=delay` it goes behind
    all others of its level, and goes with the next batch or, at the latest, once it has waited for `max_queue_delay_s`.

    Prefetch: up to two batches per instance are formed before one is free. While fewer are, the last can grow until it
    is saturated: it holds a preferred size and there is no delay, or it cannot grow. With a delay an arrival joins it
    only if that completes the next preferred size, and batches that have waited for longer than the delay are merged
    when an instance takes them. As in Triton it is off where requests may overtake or leave: with priority levels,
    timeouts, `allow_timeout_override` (even if that is inert) or a queue limit.

    Ties: models share the GPU's places (`max_concurrency` and `prefetch` of the run). While there are too few, the
    model whose oldest request came first goes first, of those that came at once the one that the trace lists first.

    Approximated: a free instance takes a batch as soon as it is formed. The run's drop rule does not apply.

    Source: triton-inference-server core, dynamic_batch_scheduler.cc, scheduler_utils.cc, instance_queue.cc and
    rate_limiter.cc, and server, qa/L0_model_queue and qa/L0_batcher; ties between models are our choice.

    Args:
        repository: Model repository: folder of DIR/MODEL/config.pbtxt; none by default.
        preferred: Preferred batch sizes; the largest batch size alone by default. Those beyond a model's are left out.
        max_queue_delay_s: How long a request may be held back for a preferred batch size; 0 by default.
        priority_levels: With 2 or more, high priority is served before low; 0, for none, by default.
        timeout_s: Time in the queue after which `timeout_action` is taken; 0, for none, by default.
        timeout_action: `reject`, the default, or `delay`: behind all others of its level, but still served.
        allow_timeout_override: A request's own timeout, the time to its deadline, counts if it is shorter than
            `timeout_s`; as in Triton it therefore never counts while that is 0. False by default.
        max_queue_size: Requests per model and level beyond which arrivals are rejected; 0, for no limit, by default.
        instances: Execution instances per model and GPU; 1 by default.
        prefetch: `auto`, `on` or `off`: whether batches are formed before an instance is free.
        max_batch: Largest batch size; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END, Wake.COPY_OUT_END})

    def __init__(
        self,
        *,
        repository: str | None = None,
        preferred: Sequence[int] | None = None,
        max_queue_delay_s: float | None = None,
        priority_levels: int | None = None,
        timeout_s: float | None = None,
        timeout_action: str | None = None,
        allow_timeout_override: bool | None = None,
        max_queue_size: int | None = None,
        instances: int | None = None,
        prefetch: str = "auto",
        max_batch: int | None = None,
    ) -> None:
        one_of("prefetch", prefetch, ("auto", "on", "off"))
        if max_batch is not None:
            whole("max_batch, a batch size,", max_batch, 1)
        queue = {
            "timeout_s": timeout_s,
            "timeout_action": timeout_action,
            "allow_timeout_override": allow_timeout_override,
            "max_queue_size": max_queue_size,
        }
        model = {"preferred": preferred, "max_queue_delay_s": max_queue_delay_s, "priority_levels": priority_levels}
        self._queue = _given(queue)
        self._model = _given(model) | _given({"instances": instances})
        self._prefetch = prefetch
        self._max_batch = max_batch
        self._repository = None if repository is None else read_repository(repository)

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting.

        Raises:
            SpecError: the repository does not go with the profile or the machine.
        """
        configs = self._configs(setting)
        self._batchers = {name: self._batcher(name, config, setting) for name, config in configs.items()}
        self._instances = {
            name: [config.instances_on(gpu) for gpu in range(setting.gpus)] for name, config in configs.items()
        }
        self._busy = {name: [0] * setting.gpus for name in configs}
        """By model and GPU: instances that serve a batch."""
        self._rejected: list[Request] = []
        """Found the queue full, to be dropped."""
        self._timer_s = -inf

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request, or reject it where the queue is full."""
        if self._repository is not None and request.model not in self._batchers:
            raise SpecError(f"there is no {self._repository.file(request.model)}, but requests for the model")
        if not self._batchers[request.model].push(request):
            self._rejected.append(request)

    def on_done(self, batch: InFlight, view: View) -> None:  # noqa: ARG002
        """Free the instance."""
        self._busy[batch.model][batch.gpu] -= 1

    def decide(self, view: View) -> Iterator[Decision]:
        """Give batches to free instances, form further ones ahead, and wait for the rest."""
        now_s, next_s = view.now_s, inf
        yield from _drops(self._rejected, "queue full")
        waiting = [(batcher.oldest(), batcher.model) for batcher in self._batchers.values()]
        waiting = [entry for entry in waiting if entry[0][0] < inf]
        heapify(waiting)
        while waiting:
            batcher = self._batchers[waiting[0][1]]
            gpu = self._free_instance(view, batcher.model)
            batch = batcher.next_batch(now_s, free=gpu is not None)
            yield from _drops(batcher.expired, "timeout")
            if gpu is not None and batch:
                self._busy[batcher.model][gpu.id] += 1
                yield Start(batch, gpu.id)
                heapreplace(waiting, (batcher.oldest(), batcher.model))
            else:
                heappop(waiting)
                next_s = min(next_s, batcher.wake_s)
        if next_s < inf and not now_s + tick_s(now_s) / 2 < self._timer_s <= next_s:
            self._timer_s = next_s
            yield SetTimer(next_s)

    @property
    def repository(self) -> Repository | None:
        """The model repository, if there is one."""
        return self._repository

    @property
    def overrides_instances(self) -> bool:
        """Whether `instances` was given, over what configurations say."""
        return "instances" in self._model

    def served(self, setting: Setting) -> dict[str, ModelConfig]:
        """Return how each model is served in a run, with its largest batch: what a repository would have to say.

        Raises:
            SpecError: the repository does not go with the profile or the machine, or `prefetch` was given: no
                configuration says it.
        """
        configs = self._configs(setting)
        for name, config in configs.items():
            if self._prefetch != "auto" and (self._prefetch == "on") != config.keeps_order:
                raise SpecError(
                    f"prefetch={self._prefetch} is no setting of Triton: {name} would have it "
                    f"{'on' if config.keeps_order else 'off'}; leave prefetch out"
                )
        limits = {name: self._limit(name, config, setting) for name, config in configs.items()}
        return {
            name: replace(config, max_batch=limits[name]) if config.dynamic_batching else config
            for name, config in configs.items()
        }

    def _configs(self, setting: Setting) -> dict[str, ModelConfig]:
        """Return how each model of the profile is served, as far as that is known."""
        models, repository = setting.profile.models, self._repository
        if repository is None:
            return {name: _overridden(ModelConfig(), self._model, self._queue) for name in models}
        for name, why in repository.refused.items():
            if name in models:
                raise why
        found = {name: config for name, config in repository.configs.items() if name in models}
        if not found:
            some = next(iter(repository.configs))
            raise SpecError(f"no model of {repository.folder} is in the profile; {some!r}: {suggest(some, models)}")
        return {name: _overridden(config, self._model, self._queue) for name, config in found.items()}

    def _batcher(self, name: str, config: ModelConfig, setting: Setting) -> Batcher:
        """Return a model's queue.

        Raises:
            SpecError: the configuration does not go with the profile or the machine.
        """
        where = self._repository.file(name) if self._repository else name
        limit = self._limit(name, config, setting)
        named = [gpu for group in config.groups for gpu in group.gpus]
        if max(named, default=0) >= setting.gpus:
            raise SpecError(f"{where}: instance_group names GPU {max(named)}, the run has {setting.gpus}, from 0")
        instances = sum(config.instances_on(gpu) for gpu in range(setting.gpus))
        if config.preserve_ordering and instances > 1:
            raise SpecError(f"{where}: preserve_ordering with {instances} instances is not simulated")
        prefetch = self._prefetch == "on" or (self._prefetch == "auto" and config.keeps_order)
        return Batcher(name, config, limit, instances, prefetch=prefetch)

    def _limit(self, name: str, config: ModelConfig, setting: Setting) -> int:
        """Return the largest batch of a model.

        Raises:
            SpecError: the profile does not reach what its configuration says.
        """
        profiled = setting.profile.models[name].max_batch
        stated = config.max_batch
        limit = (self._max_batch or setting.max_batch) if stated is None else min(stated, self._max_batch or stated)
        if stated is not None and limit > profiled:
            where = self._repository.file(name) if self._repository else name
            way_out = f"the profile covers {profiled}; max_batch={profiled} makes do with that"
            raise SpecError(f"{where}: batches of up to {limit}, {way_out}")
        return min(limit, profiled)

    def _free_instance(self, view: View, model: str) -> GpuView | None:
        """Return the GPU with the fewest batches among those with a place and an idle instance of the model."""
        busy, instances = self._busy[model], self._instances[model]
        free = [gpu for gpu in view.gpus if gpu.free_places and busy[gpu.id] < instances[gpu.id]]
        return min(free, key=lambda gpu: gpu.in_flight, default=None)


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that were given.

    Raises:
        SpecError: names the one that is impossible.
    """
    found = {name: value for name, value in parameters.items() if value is not None}
    for name, value in found.items():
        if name == "preferred":
            if not isinstance(value, list | tuple):
                raise SpecError(f"preferred must be a list of batch sizes, got {value!r}")
            for size in value:
                whole("a batch size", size, 1)
        elif name.endswith("_s"):
            number(name, value, 0, inf, closed="low")
        elif name == "timeout_action":
            one_of(name, value, ("reject", "delay"))
        elif name == "allow_timeout_override":
            if not isinstance(value, bool):
                raise SpecError(f"{name} must be true or false, got {value!r}")
        else:
            whole(name, value, 1 if name == "instances" else 0)
    return found


def _overridden(config: ModelConfig, model: Mapping[str, Any], queue: Mapping[str, Any]) -> ModelConfig:
    """Return a configuration in which parameters that were given take the place of its own, at every level.

    Without dynamic batching Triton has no queue of its own: then the instances alone can be given.
    """
    fields = dict(model)
    if "instances" in fields:
        fields["groups"] = (InstanceGroup(fields.pop("instances")),)
    if not config.dynamic_batching:
        return replace(config, groups=fields.get("groups", config.groups))
    if "preferred" in fields:
        fields["preferred"] = tuple(fields["preferred"])
    levels = {level: replace(policy, **queue) for level, policy in config.level_queues.items()}
    return replace(config, queue=replace(config.queue, **queue), level_queues=levels, **fields)


def _drops(requests: list[Request], reason: str) -> Iterator[Drop]:
    """Yield a drop for each, and forget them."""
    while requests:
        yield Drop(requests.pop(0), reason)
