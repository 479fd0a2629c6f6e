"""Partitions that slow each other through kernel scheduling, L2 and power, as iGniter predicts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.device.execution.fluid import FluidModel, Phase
from stratsim.device.execution.lacking import lacks, partition
from stratsim.solve import Resident, execution_ms, resident

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["Igniter", "IgniterLoad"]


@dataclass(frozen=True, slots=True, eq=False)
class IgniterLoad:
    """A batch in its partition, and how long it executes alone there. Compared by identity."""

    batch: Resident
    alone_ms: float


class Igniter(FluidModel[IgniterLoad]):
    """iGniter's analytic slowdown: scheduling delay per kernel, others' use of the L2, the clock under a power limit.

    A batch progresses at the ratio of what the formula gives for it alone in its partition to what it gives in the
    present company. iGniter itself predicts steady co-residence; here the company may change in mid-batch.

    Source: Xu et al., "iGniter: interference-aware GPU resource provisioning for predictable DNN inference in the
    cloud", IEEE TPDS 2023.
    """

    name = "igniter"
    needs = "truth.igniter; truth.partitions (else equal parts)"

    def __init__(self, hardware: HardwareProfile, slots: int = 1) -> None:
        super().__init__(hardware, slots)
        if hardware.truth.igniter is None:
            raise lacks(self.name, hardware, "truth.igniter")
        self._parameters = hardware.truth.igniter
        for model in hardware.models:
            if model not in self._parameters.models:
                raise lacks(self.name, hardware, f"truth.igniter.models.{model}")

    def _phases(self, model: str, batch: int) -> tuple[Phase[IgniterLoad], ...]:
        percent = 100.0 * partition(self._hardware, model, self._slots)
        brings = resident(self._parameters.models[model], max(batch, 1), percent)
        (alone_ms,) = execution_ms(self._parameters.gpu, [brings])
        return (Phase(1.0, IgniterLoad(brings, alone_ms)),)

    def rates(self, active: Sequence[IgniterLoad]) -> Sequence[float]:
        """Return execution time alone over that in this company."""
        together_ms = execution_ms(self._parameters.gpu, [load.batch for load in active])
        return [min(1.0, load.alone_ms / ms) for load, ms in zip(active, together_ms, strict=True)]
