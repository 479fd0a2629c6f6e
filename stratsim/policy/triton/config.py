"""How Triton is told to serve a model: the settings type, and how it is read from `config.pbtxt`.

The names of the fields are those of `model_config.proto` where they mean the same; times are in seconds here, in
microseconds there. `stratsim.policy.triton.pbtxt` knows the text format, this module knows what the fields mean, and
`stratsim.policy.triton.write` writes what is read here.

What cannot be simulated is refused, with the field and its line, where it would change the answer: sequence batching,
ensembles, decoupled models, the response cache, instances on the CPU, `preserve_ordering` with more than one instance.
Ignored, as they change nothing that a scheduler decides: outputs, file names, warm-up, metrics, parameters,
`optimization` (its `priority` is the device model's business), and `rate_limiter`, which Triton itself ignores unless
it was started with `--rate-limit`. A field that `model_config.proto` does not have is refused, as Triton refuses it.

Source: triton-inference-server/common, protobuf/model_config.proto (fields and defaults); core,
src/model_config_utils.cc, ValidateModelConfig and ValidateInstanceGroup (what is refused), and NormalizeModelConfig
(empty `preferred_batch_size` means the largest size alone); src/backend_model.cc (which inputs are compared).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stratsim.errors import SpecError
from stratsim.model.request import Priority
from stratsim.policy.triton.pbtxt import Message, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.model.request import Request

__all__ = [
    "FILE_NAME",
    "InstanceGroup",
    "ModelConfig",
    "QueuePolicy",
    "Repository",
    "TimeoutAction",
    "read_config",
    "read_repository",
]

FILE_NAME = "config.pbtxt"

TimeoutAction = Literal["reject", "delay"]


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """What happens to requests that queue at one priority level.

    Args:
        timeout_s: Time in the queue after which the action is taken; 0 for none.
        timeout_action: `reject`, or `delay`: behind all others of its level, but still served.
        allow_timeout_override: A request's own timeout, the time to its deadline, counts if it is shorter than
            `timeout_s`; as in Triton it therefore never counts while that is 0.
        max_queue_size: Requests beyond which arrivals are rejected; 0 for no limit.
    """

    timeout_s: float = 0.0
    timeout_action: TimeoutAction = "reject"
    allow_timeout_override: bool = False
    max_queue_size: int = 0

    def expires_s(self, request: Request) -> float:
        """Return when a request's time in the queue is up; infinite where it has no timeout."""
        if self.allow_timeout_override and 0 < request.deadline_s - request.arrival_s < self.timeout_s:
            return request.deadline_s
        return request.arrival_s + (self.timeout_s or inf)


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """Equal execution instances of a model.

    Args:
        count: Instances on each GPU.
        gpus: The GPUs that have them; empty for all.
    """

    count: int = 1
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """How one model is served.

    Args:
        max_batch: Largest batch size; None for the run's.
        dynamic_batching: Whether requests may share a batch; without it each is executed by itself, first come first
            served, and nothing below applies but the instances.
        preferred: Preferred batch sizes; empty for the largest alone.
        max_queue_delay_s: How long a request may be held back for a preferred batch size.
        priority_levels: 0 for none. High priority is level 1; low priority is `default_priority_level`, or the last
            level where that is 1 as well.
        default_priority_level: The level of requests that ask for none; 0 where there are no levels.
        queue: The queue policy of all levels that have none of their own.
        level_queues: Queue policies by level, from 1.
        preserve_ordering: Responses are sent in the order of the requests; simulated for one instance in all, where it
            changes nothing.
        groups: Execution instances.
        variable_inputs: An input has a variable size, so that Triton compares shapes; all requests have the same here,
            but every arrival then wakes the batcher.
    """

    max_batch: int | None = None
    dynamic_batching: bool = True
    preferred: tuple[int, ...] = ()
    max_queue_delay_s: float = 0.0
    priority_levels: int = 0
    default_priority_level: int = 0
    queue: QueuePolicy = field(default_factory=QueuePolicy)
    level_queues: Mapping[int, QueuePolicy] = field(default_factory=dict)
    preserve_ordering: bool = False
    groups: tuple[InstanceGroup, ...] = (InstanceGroup(),)
    variable_inputs: bool = False

    def level(self, priority: Priority) -> int:
        """Return the level, from 1, at which a class queues; 0 where there are no levels."""
        if not self.priority_levels or priority is Priority.HIGH:
            return min(self.priority_levels, 1)
        return self.default_priority_level if self.default_priority_level > 1 else self.priority_levels

    def queue_at(self, level: int) -> QueuePolicy:
        """Return the queue policy of a level. Without levels there is one queue, with the default policy."""
        return self.level_queues.get(level, self.queue) if self.priority_levels else self.queue

    def instances_on(self, gpu: int) -> int:
        """Return how many execution instances a GPU has."""
        return sum(group.count for group in self.groups if not group.gpus or gpu in group.gpus)

    @property
    def keeps_order(self) -> bool:
        """Whether no request can overtake another or leave the queue: only then does Triton form batches ahead.

        Source: triton-inference-server core, scheduler_utils.cc, constructor of `PriorityQueue`. There
        `allow_timeout_override` counts even where no timeout is set, so that it has no other effect.
        """
        return not (
            self.priority_levels
            or self.queue.timeout_s
            or self.queue.allow_timeout_override
            or self.queue.max_queue_size
        )


@dataclass(frozen=True, slots=True)
class Repository:
    """A model repository.

    Args:
        folder: As it was named.
        configs: Configurations by model, in the order of their names.
        refused: Models whose configuration cannot be used, and why: nobody minds unless they are to be served.
    """

    folder: str
    configs: Mapping[str, ModelConfig]
    refused: Mapping[str, SpecError]

    def file(self, model: str) -> str:
        """Return the name of a model's configuration, for messages."""
        return str(Path(self.folder) / model / FILE_NAME)


def read_repository(folder: str | Path) -> Repository:
    """Read a model repository: FOLDER/MODEL/config.pbtxt for each model. Other folders are left out.

    Raises:
        SpecError: there is no such folder, or it has no configuration that can be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SpecError(f"model repository {str(folder)!r} is not a folder: it is to hold MODEL/{FILE_NAME}")
    configs, refused = {}, {}
    for file in sorted(folder.glob(f"*/{FILE_NAME}")):
        try:
            configs[file.parent.name] = _read_file(file)
        except SpecError as error:
            refused[file.parent.name] = error
    if not configs:
        raise next(iter(refused.values()), SpecError(f"model repository {str(folder)!r} holds no MODEL/{FILE_NAME}"))
    return Repository(str(folder), configs, refused)


def _read_file(file: Path) -> ModelConfig:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise SpecError(f"{file}: not a text file in UTF-8") from None
    return read_config(text, file.parent.name, str(file))


def read_config(text: str, model: str | None = None, source: str = FILE_NAME) -> ModelConfig:
    """Read the text of a `config.pbtxt`.

    Args:
        text: In protobuf's text format.
        model: Name that the model must have, if the text states one.
        source: What messages call it.

    Raises:
        SpecError: names the source and the line.
    """
    config = parse(text, source)
    config.allow(_MODEL_FIELDS)
    name = config.text("name")
    if model is not None and name not in ("", model):
        raise config.error(f"is the configuration of {name!r}, but its folder is {model!r}", "name")
    for field_name, why in _REFUSED.items():
        if config.has(field_name):
            raise config.error(f"{field_name} is not simulated: {why}", field_name)
    if config.message("model_transaction_policy").flag("decoupled"):
        raise config.error(
            "decoupled models are not simulated: a request has one response here", "model_transaction_policy"
        )
    if config.message("response_cache").flag("enable"):
        raise config.error("the response cache is not simulated: requests have no content here", "response_cache")
    groups = _groups(config)
    most = config.whole("max_batch_size")
    if not config.has("dynamic_batching"):
        return ModelConfig(1, dynamic_batching=False, groups=groups)
    if not most:
        raise config.error(
            "dynamic_batching without max_batch_size: Triton would take that from the model file; state it",
            "dynamic_batching",
        )
    dynamic = _dynamic(config.message("dynamic_batching"), most)
    variable = any(not one.flag("allow_ragged_batch") and one.varies("dims") for one in config.messages("input"))
    return replace(dynamic, groups=groups, variable_inputs=variable)


def _dynamic(batching: Message, most: int) -> ModelConfig:
    """Return the settings of a `dynamic_batching` message."""
    batching.allow(_BATCHING_FIELDS)
    preferred = batching.wholes("preferred_batch_size")
    for size in preferred:
        if not 0 < size <= most:
            message = f"preferred_batch_size {size} must be within 1 and max_batch_size, {most}"
            raise batching.error(message, "preferred_batch_size")
    levels, default = batching.whole("priority_levels"), batching.whole("default_priority_level")
    if levels and not 1 <= default <= levels:
        where = "default_priority_level" if default else "priority_levels"
        raise batching.error(f"default_priority_level must be within 1 and {levels}, got {default}", where)
    queue, level_queues = _queue(batching.message("default_queue_policy")), _level_queues(batching, levels)
    delays = any(one.timeout_s and one.timeout_action == "delay" for one in (queue, *level_queues.values()))
    ordered = batching.flag("preserve_ordering")
    if ordered and (levels > 1 or delays):
        message = "preserve_ordering goes neither with several levels nor with DELAY, says Triton"
        raise batching.error(message, "preserve_ordering")
    return ModelConfig(
        max_batch=most,
        preferred=preferred,
        max_queue_delay_s=batching.whole("max_queue_delay_microseconds") / 1e6,
        priority_levels=levels,
        default_priority_level=default if levels else 0,
        queue=queue,
        level_queues=level_queues,
        preserve_ordering=ordered,
    )


def _level_queues(batching: Message, levels: int) -> dict[int, QueuePolicy]:
    """Return the queue policies by level; Triton ignores them where there are no levels."""
    found = {}
    for entry in batching.messages("priority_queue_policy"):
        entry.allow(("key", "value"))
        level = entry.whole("key")
        if levels and not 1 <= level <= levels:
            raise batching.error(f"priority_queue_policy is for level {level}, of {levels}", "priority_queue_policy")
        found[level] = _queue(entry.message("value"))
    return found if levels else {}


def _queue(policy: Message) -> QueuePolicy:
    """Return the settings of a `ModelQueuePolicy` message."""
    policy.allow(_QUEUE_FIELDS)
    return QueuePolicy(
        timeout_s=policy.whole("default_timeout_microseconds") / 1e6,
        timeout_action="delay" if policy.choice("timeout_action", ("REJECT", "DELAY")) else "reject",
        allow_timeout_override=policy.flag("allow_timeout_override"),
        max_queue_size=policy.whole("max_queue_size"),
    )


def _groups(config: Message) -> tuple[InstanceGroup, ...]:
    """Return the execution instances on GPUs; one on each where none is stated."""
    groups = []
    for group in config.messages("instance_group"):
        group.allow(_GROUP_FIELDS)
        kind = ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL")[group.choice("kind", _KINDS)]
        if kind in _NOT_ON_A_GPU:
            raise group.error(f"instances of {kind} are not simulated: {_NOT_ON_A_GPU[kind]}", "kind")
        if not group.flag("passive"):
            groups.append(InstanceGroup(group.whole("count") or 1, group.wholes("gpus")))
    if not groups and config.has("instance_group"):
        raise config.error("instance_group has passive instances alone: nothing would serve", "instance_group")
    return tuple(groups) or (InstanceGroup(),)


_KINDS = ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL")
_NOT_ON_A_GPU = {
    "KIND_CPU": "they run on the CPU",
    "KIND_MODEL": "the backend chooses their device; state KIND_GPU if it is a GPU",
}
_REFUSED = {
    "sequence_batching": "requests do not belong to sequences here",
    "ensemble_scheduling": "a request goes to one model; describe the models of the ensemble",
}
_QUEUE_FIELDS = ("timeout_action", "default_timeout_microseconds", "allow_timeout_override", "max_queue_size")
_BATCHING_FIELDS = (
    *("preferred_batch_size", "max_queue_delay_microseconds", "preserve_ordering", "priority_levels"),
    *("default_priority_level", "default_queue_policy", "priority_queue_policy"),
)
_GROUP_FIELDS = (
    *("name", "kind", "count", "rate_limiter", "gpus", "secondary_devices", "profile", "passive"),
    "host_policy",
)
_MODEL_FIELDS = (
    *("name", "platform", "backend", "runtime", "version_policy", "max_batch_size", "input", "output", "batch_input"),
    *("batch_output", "optimization", "dynamic_batching", "sequence_batching", "ensemble_scheduling"),
    *("instance_group", "default_model_filename", "cc_model_filenames", "metric_tags", "parameters", "model_warmup"),
    *("model_operations", "model_transaction_policy", "model_repository_agents", "response_cache", "model_metrics"),
)
