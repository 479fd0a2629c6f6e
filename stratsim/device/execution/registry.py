"""Execution models by name, with inline options: `streams`, `pairwise(combine=max)`, `my_model.py:MyModel`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from stratsim import plugins
from stratsim.device.execution.block_priority import BlockPriority
from stratsim.device.execution.checked import CheckedUnit
from stratsim.device.execution.gpulet import Gpulet
from stratsim.device.execution.igniter import Igniter
from stratsim.device.execution.kernel_queue import KernelQueue
from stratsim.device.execution.pairwise import Pairwise
from stratsim.device.execution.roofline import Roofline
from stratsim.device.execution.simple import Exclusive, ProcessorSharing
from stratsim.device.execution.streams import Streams
from stratsim.device.execution.time_slicing import TimeSlicing
from stratsim.errors import ProfileError, SpecError, suggest
from stratsim.model.frozen import by_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.device.execution.base import ExecutionModel, ExecutionUnit
    from stratsim.model.profile import HardwareProfile

__all__ = ["EXECUTION_MODELS", "Description", "DeviceModel", "checked_unit", "describe_model", "execution_model"]
__all__ += ["find_model"]
__all__ += ["preemptable", "supported"]


class DeviceModel(Protocol):
    """A class of execution models."""

    name: str
    needs: str
    """What a profile must have."""
    max_concurrency: int | None

    def __call__(self, hardware: HardwareProfile, slots: int = 1, **options: Any) -> ExecutionModel:
        """Return the model with the parameters of `hardware`, for a GPU that runs up to `slots` batches at once.

        Raises:
            ProfileError: the profile lacks what the model needs.
            SpecError: an option has a value that the model refuses.
        """
        ...


_CLASSES: tuple[Any, ...] = (
    Streams,
    KernelQueue,
    ProcessorSharing,
    Exclusive,
    Roofline,
    Pairwise,
    Gpulet,
    Igniter,
    BlockPriority,
    TimeSlicing,
)
EXECUTION_MODELS: Mapping[str, DeviceModel] = {model.name: model for model in _CLASSES}


class _Models(plugins.Registry[Any]):
    """Ours by name; a user's by file and class."""

    def load(self, name: str) -> type[Any]:
        if ".py:" in name:
            return super().load(name)
        if name not in EXECUTION_MODELS:
            raise SpecError(f"unknown {self.kind} {name!r}; {suggest(name, EXECUTION_MODELS)}")
        return cast("type[Any]", EXECUTION_MODELS[name])


_MODELS = _Models(
    kind="device model",
    group="",
    base="stratsim.device.ExecutionModel",
    needed=("name", "needs", "max_concurrency", "heeds_copies", "work", "unit"),
    family="",  # their bases are of no interest to users
    supplied=("hardware", "slots"),
)


def find_model(text: str) -> DeviceModel:
    """Return the class of the execution model that `text` names.

    Raises:
        SpecError: there is no such model; the message names the nearest.
    """
    return cast("DeviceModel", _MODELS.load(_MODELS.parse_one(text).name))


def execution_model(text: str, hardware: HardwareProfile, slots: int = 1, *, shared: bool = True) -> ExecutionModel:
    """Return the execution model that `text` names, with the parameters of `hardware`.

    Args:
        text: NAME, NAME(OPTION=VALUE, ...) or FILE.py:CLASS.
        hardware: The profile, with the models that will run.
        slots: Batches that may execute at once; partitions are equal parts for as many where the profile has none.
        shared: A model of ours is made once per process for equal arguments. False makes another: for an oracle, as a
            belief shares no object with the device, not even the truth that it is given.

    Raises:
        SpecError: there is no such model, option or value; the message names the nearest.
        ProfileError: the profile lacks what the model needs; the message says what, and which models it supports.
    """
    try:
        return (_made_once if shared and ".py:" not in text else _make)(text, hardware, slots)
    except ProfileError as error:
        names = ", ".join(name for name, lacking in supported(hardware).items() if lacking is None)
        raise ProfileError(f"{error}; it supports {names}") from None


def _make(text: str, hardware: HardwareProfile, slots: int) -> ExecutionModel:
    return cast("ExecutionModel", _MODELS.make(_MODELS.parse_one(text), hardware=hardware, slots=slots))


_made_once = by_content(_make)
"""Ours are pure functions of their parameters and keep nothing but their own answers; a user's may not be."""


def checked_unit(model: ExecutionModel) -> ExecutionUnit[Any]:
    """Return a new, idle unit; one of a user's model is watched, and errors name the model."""
    unit = model.unit()
    return unit if type(model) in _CLASSES else cast("ExecutionUnit[Any]", CheckedUnit(unit, model.name))


def supported(hardware: HardwareProfile) -> dict[str, str | None]:
    """Return, by name of each execution model, why the profile does not support it, or None where it does."""
    found: dict[str, str | None] = {}
    for name, model in EXECUTION_MODELS.items():
        try:
            model(hardware)
        except ProfileError as error:
            found[name] = str(error)
        else:
            found[name] = None
    return found


def preemptable() -> list[str]:
    """Return the names of the execution models whose batches can be stopped on the way."""
    return [name for name, model in EXECUTION_MODELS.items() if hasattr(model, "part")]


@dataclass(frozen=True, slots=True)
class Description(plugins.Description):
    """What an execution model says of itself.

    Args:
        needs: What a profile must have.
    """

    needs: str


def describe_model(name: str) -> Description:
    """Return what the execution model `name` says of itself.

    Raises:
        SpecError: there is no such model.
    """
    about = _MODELS.describe(name)
    return Description(about.summary, about.text, about.source, about.parameters, find_model(name).needs)
