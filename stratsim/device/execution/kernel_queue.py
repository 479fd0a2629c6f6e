"""Streams whose kernels take turns at the block scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.device.execution.fluid import FluidModel, Phase
from stratsim.device.execution.lacking import lacks
from stratsim.model.interpolate import interpolate
from stratsim.solve import kernel_queue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["KernelLoad", "KernelQueue"]


@dataclass(frozen=True, slots=True, eq=False)
class KernelLoad:
    """The kernels of a batch. Compared by identity.

    Args:
        length_s: Mean duration of one, alone.
        hold_s: For how long of that it keeps others' kernels from being placed.
    """

    length_s: float
    hold_s: float


class KernelQueue(FluidModel[KernelLoad]):
    """Kernels of all streams take turns at the block scheduler: the longer a stream's kernels, the larger its share.

    Unpartitioned CUDA streams of one process. Each has one kernel at a time in the hardware; it waits for those before
    it to be placed, then executes partly together (`stratsim.solve.kernel_queue`). A batch of short kernels waits
    as long per kernel as one of long kernels, so it is slowed far more: no symmetric model can say that.

    Source: our choice of rule, from what is known of the hardware's queue; its parameters come from the profile.
    """

    name = "kernel-queue"
    needs = "truth.kernel_queue; kernel lengths there or in observable.models.M.kernels"

    def __init__(self, hardware: HardwareProfile, slots: int = 1) -> None:
        super().__init__(hardware, slots)
        if hardware.truth.kernel_queue is None:
            raise lacks(self.name, hardware, "truth.kernel_queue")
        self._parameters = hardware.truth.kernel_queue
        for model, entry in hardware.models.items():
            if model not in self._parameters.length_s and entry.kernels is None:
                raise lacks(self.name, hardware, f"truth.kernel_queue.length_s.{model}")

    def _phases(self, model: str, batch: int) -> tuple[Phase[KernelLoad], ...]:
        length_s = self._length_s(model, batch)
        table = self._parameters.holds.get(model)
        hold = self._parameters.hold if table is None else _at(table, batch)
        return (Phase(1.0, KernelLoad(length_s, hold * length_s)),)

    def _length_s(self, model: str, batch: int) -> float:
        table = self._parameters.length_s.get(model)
        if table is not None:
            return _at(table, batch)
        kernels = self._hardware.models[model].kernels
        if kernels is None:  # refused by the constructor
            raise lacks(self.name, self._hardware, f"truth.kernel_queue.length_s.{model}")
        return kernels.mean_s

    def rates(self, active: Sequence[KernelLoad]) -> Sequence[float]:
        """Return solo time over time with waits, per kernel."""
        parameters = self._parameters
        return kernel_queue(
            [load.length_s for load in active],
            [load.hold_s for load in active],
            parameters.residual,
            parameters.gap_s,
        )


def _at(table: Mapping[int, float], batch: int) -> float:
    """Return a table's value: linear between batch sizes, constant beyond."""
    return interpolate(table, min(max(batch, min(table)), max(table)), "linear")
