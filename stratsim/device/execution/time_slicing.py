"""Processes that share a GPU by time slices, without MPS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.device.execution.fluid import FluidModel, Phase
from stratsim.device.execution.lacking import lacks
from stratsim.model.interpolate import interpolate
from stratsim.solve import time_slices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["TimeSlicing", "TimeSlicingLoad"]


@dataclass(frozen=True, slots=True, eq=False)
class TimeSlicingLoad:
    """How a process uses the GPU. Compared by identity.

    Args:
        busy: Share of its time alone in which the GPU works for it, within (0, 1].
        burst: For how long it works at a stretch, in slices.
    """

    busy: float
    burst: float


class TimeSlicing(FluidModel[TimeSlicingLoad]):
    """Processes of their own, without MPS: the GPU works for one of them at a time, in slices.

    A process that pauses between its bursts loses little beside another that pauses too; one of short bursts waits for
    a whole slice of the other before each of them (`stratsim.solve.time_slices`). One batch per process.

    Source: our choice of rule, from NVIDIA's documentation of time slicing; its parameters come from the profile.
    """

    name = "time-slicing"
    needs = "truth.time_slicing"

    def __init__(self, hardware: HardwareProfile, slots: int = 1) -> None:
        super().__init__(hardware, slots)
        parameters = hardware.truth.time_slicing
        if parameters is None:
            raise lacks(self.name, hardware, "truth.time_slicing")
        for section, tables in (("busy", parameters.busy), ("bursts", parameters.bursts)):
            for model in hardware.models:
                if model not in tables:
                    raise lacks(self.name, hardware, f"truth.time_slicing.{section}.{model}")
        self._parameters = parameters

    def _phases(self, model: str, batch: int) -> tuple[Phase[TimeSlicingLoad], ...]:
        busy, bursts = self._parameters.busy[model], self._parameters.bursts[model]
        return (Phase(1.0, TimeSlicingLoad(_at(busy, batch), _at(bursts, batch))),)

    def rates(self, active: Sequence[TimeSlicingLoad]) -> Sequence[float]:
        """Return the time of a burst and its pause alone over that with turns of the others."""
        return time_slices([load.busy for load in active], [load.burst for load in active])


def _at(table: Mapping[int, float], batch: int) -> float:
    """Return a table's value: linear between batch sizes, constant beyond."""
    return interpolate(table, min(max(batch, min(table)), max(table)), "linear")
