"""Execution models: at which rate each of several co-located batches progresses.

A rate of 1 is the solo speed. A model is a pure function of the active loads; it is solved anew whenever a batch joins,
leaves or enters its next phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from stratsim.errors import SpecError, suggest
from stratsim.solve import capped_weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["EXECUTION_MODELS", "Exclusive", "ExecutionModel", "Load", "Phase", "ProcessorSharing", "Streams"]
__all__ += ["execution_model"]


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """What one executing batch asks of the GPU. Compared by identity: a model makes one per (model, batch size).

    Args:
        demand: Share of the GPU occupied at full speed, within (0, 1].
        weight: How strongly its kernels win against others', > 0.
    """

    demand: float
    weight: float


class Phase(NamedTuple):
    """A stretch of a batch's solo execution with one load."""

    share: float
    """Share of the solo time; the shares of a batch sum to 1."""
    load: Load


class ExecutionModel(Protocol):
    """Rates of co-located batches."""

    name: str
    max_concurrency: int | None
    """The most batches the model can run at once; None for any number."""

    def phases(self, model: str, batch: int) -> tuple[Phase, ...]:
        """Return the phases of a batch, in order. The same object on every call."""
        ...

    def rates(self, active: Sequence[Load]) -> Sequence[float]:
        """Return the progress rate of each active load, within (0, 1]: pure."""
        ...


class Streams:
    """Unpartitioned CUDA streams: capped weighted sharing of the whole GPU (`solve.capped_weighted`). The default.

    Source: our choice. Its parameters come from the profile, whose page says how far they can be trusted.
    """

    name = "streams"
    max_concurrency: int | None = None

    def __init__(self, hardware: HardwareProfile) -> None:
        self._hardware = hardware
        self._phases: dict[tuple[str, int], tuple[Phase, ...]] = {}

    def load(self, model: str, batch: int) -> Load:
        """Return the load of a batch; the same object on every call."""
        return self.phases(model, batch)[0].load

    def phases(self, model: str, batch: int) -> tuple[Phase, ...]:
        """Return one phase: the whole execution."""
        found = self._phases.get((model, batch))
        if found is None:
            found = self._phases[model, batch] = (Phase(1.0, self._make(model, batch)),)
        return found

    def _make(self, model: str, batch: int) -> Load:
        sharing = self._hardware.models[model].sharing[batch]
        return Load(sharing.demand, sharing.weight)

    def rates(self, active: Sequence[Load]) -> Sequence[float]:
        """Return the capped weighted shares."""
        return capped_weighted([load.demand for load in active], [load.weight for load in active])


class ProcessorSharing(Streams):
    """Each of n batches progresses at 1/n, whatever it is: for checks against closed forms."""

    name = "processor-sharing"

    def _make(self, model: str, batch: int) -> Load:  # noqa: ARG002
        return Load(1.0, 1.0)

    def rates(self, active: Sequence[Load]) -> Sequence[float]:
        """Return 1/n for each."""
        return [1.0 / len(active)] * len(active)


class Exclusive(ProcessorSharing):
    """One batch at a time at full speed, as Clockwork runs its GPUs (Gujarati et al., OSDI 2020)."""

    name = "exclusive"
    max_concurrency: int | None = 1


EXECUTION_MODELS: dict[str, type[Streams]] = {model.name: model for model in (Streams, ProcessorSharing, Exclusive)}


def execution_model(name: str, hardware: HardwareProfile) -> Streams:
    """Return the execution model `name` with the parameters of `hardware`.

    Raises:
        SpecError: there is no such model; the message names the nearest.
    """
    if name not in EXECUTION_MODELS:
        raise SpecError(f"unknown device model {name!r}; {suggest(name, EXECUTION_MODELS)}")
    return EXECUTION_MODELS[name](hardware)
