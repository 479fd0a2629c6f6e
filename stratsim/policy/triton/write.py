"""Writes `config.pbtxt`: how each model was served in a run, as `stratsim.policy.triton.config` reads it back.

Where the policy read a model repository, its files are taken as they are, and the fields that say how requests are
batched and queued take the place of those that were there; comments are lost. Else a file states these fields alone:
platform, inputs and outputs are of the model file, and Triton completes them from it for most backends.

Source: triton-inference-server/common, protobuf/model_config.proto (names, units and defaults).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stratsim.errors import OutputError, SpecError
from stratsim.model.write import file_name, write_text
from stratsim.policy.triton.config import FILE_NAME, QueuePolicy
from stratsim.policy.triton.pbtxt import Message, parse, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stratsim.policy.base import Setting
    from stratsim.policy.triton.config import ModelConfig
    from stratsim.policy.triton.policy import Triton

__all__ = ["check_new", "config_text", "write_repository"]

_OURS = ("name", "max_batch_size", "dynamic_batching")
_NO_QUEUE = QueuePolicy()


def check_new(folder: Path) -> None:
    """Raise OutputError unless a folder is empty, or is not there yet: a served repository is not to be mixed up."""
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be read: {error.strerror or error}") from None
    if taken:
        raise OutputError(f"{folder}: exists and is not an empty folder; choose another name for the repository")


def write_repository(
    policy: Triton, setting: Setting, models: Iterable[str], folder: Path, about: Iterable[str] = ()
) -> list[Path]:
    """Write FOLDER/MODEL/config.pbtxt for each model and return the files.

    Args:
        policy: The policy of the run.
        setting: What it was told before the run.
        models: Which models.
        folder: The repository, to be made.
        about: Lines of a comment at the top of each file.

    Raises:
        SpecError: something that no configuration can say: `prefetch`, a time that is no whole number of microseconds,
            a model whose name is no folder's.
        OutputError: a file cannot be written.
    """
    served = policy.served(setting)
    texts = {}
    for model in models:
        if file_name(model) != model:
            raise SpecError(
                f"model {model!r}: this name cannot be that of a folder, so no repository can hold the model"
            )
        original = _original(policy, model)
        lines = config_text(model, served[model], original, own_groups=policy.overrides_instances)
        texts[folder / model / FILE_NAME] = "".join(f"{line}\n" for line in (*(f"# {line}" for line in about), *lines))
    for file, text in texts.items():
        write_text(text, file)
    return list(texts)


def _original(policy: Triton, model: str) -> Message | None:
    """Return the configuration that a model was read from."""
    if policy.repository is None:
        return None
    file = policy.repository.file(model)
    return parse(Path(file).read_text(encoding="utf-8"), file)


def config_text(
    model: str, config: ModelConfig, original: Message | None = None, *, own_groups: bool = False
) -> Iterator[str]:
    """Yield the lines of a configuration.

    Args:
        model: Its name.
        config: How it is served, with its largest batch.
        original: Where all other fields are taken from.
        own_groups: Whether the instances take the place of those in `original`.

    Raises:
        SpecError: a time that is no whole number of microseconds.
    """
    yield f"name: {quoted(model)}"
    keeps_groups = original is not None and not own_groups
    if original is not None:
        ours = _OURS if keeps_groups else (*_OURS, "instance_group")
        yield from original.lines(without=ours if config.dynamic_batching else [*ours[:1], *ours[3:]])
    if config.dynamic_batching or original is None:
        yield f"max_batch_size: {config.max_batch}"
    if config.dynamic_batching:
        yield "dynamic_batching {"
        yield from (f"  {line}" for line in _dynamic(config))
        yield "}"
    if not keeps_groups:
        for group in config.groups:
            yield "instance_group {"
            yield f"  count: {group.count}"
            yield "  kind: KIND_GPU"
            yield from (f"  gpus: {gpu}" for gpu in group.gpus)
            yield "}"


def _dynamic(config: ModelConfig) -> Iterator[str]:
    assert config.max_batch is not None  # noqa: S101 (served: it is known)
    yield from (f"preferred_batch_size: {size}" for size in config.preferred if size <= config.max_batch)
    yield f"max_queue_delay_microseconds: {_micro('max_queue_delay_s', config.max_queue_delay_s)}"
    if config.preserve_ordering:
        yield "preserve_ordering: true"
    if config.priority_levels:
        yield f"priority_levels: {config.priority_levels}"
        yield f"default_priority_level: {config.default_priority_level or config.priority_levels}"
    if config.queue != _NO_QUEUE:
        yield "default_queue_policy {"
        yield from (f"  {line}" for line in _queue(config.queue))
        yield "}"
    for level, queue in sorted(config.level_queues.items()):
        yield "priority_queue_policy {"
        yield f"  key: {level}"
        yield "  value {"
        yield from (f"    {line}" for line in _queue(queue))
        yield "  }"
        yield "}"


def _queue(policy: QueuePolicy) -> Iterator[str]:
    yield f"timeout_action: {policy.timeout_action.upper()}"
    yield f"default_timeout_microseconds: {_micro('timeout_s', policy.timeout_s)}"
    yield f"allow_timeout_override: {str(policy.allow_timeout_override).lower()}"
    yield f"max_queue_size: {policy.max_queue_size}"


def _micro(name: str, seconds: float) -> int:
    """Return whole microseconds."""
    found = round(seconds * 1e6)
    if found / 1e6 != seconds:
        raise SpecError(f"{name}={seconds!r} is no whole number of microseconds, as config.pbtxt has it")
    return found
