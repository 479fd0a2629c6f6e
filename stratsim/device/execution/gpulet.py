"""Partitions that slow each other through the memory system, as gpulet predicts it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from stratsim.device.execution.fluid import Phase
from stratsim.device.execution.kinds import PairModel
from stratsim.device.execution.lacking import lacks, partition, utilisation
from stratsim.errors import SpecError, suggest
from stratsim.model.contention import GpuletFit
from stratsim.solve import linear_slowdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["PUBLISHED", "Gpulet", "Utilisation"]

PUBLISHED = {
    "rtx2080ti": GpuletFit(0.11290838746, 0.71595987168, 0.35486591956, 0.08820382599, 0.89536939173),
    "rtx3080": GpuletFit(-0.17988746, 0.03840912, 0.12551833, -0.05648206, 1.01842707),
}
"""Coefficients that gpulet's authors fitted (glet, resource/2080ti and resource/3080)."""


@dataclass(frozen=True, slots=True, eq=False)
class Utilisation:
    """What a batch uses alone on the whole GPU, and the share of the GPU that its partition has."""

    l2: float
    dram: float
    share: float


class Gpulet(PairModel[Utilisation]):
    """gpulet's linear slowdown from both sides' L2 and DRAM utilisation; the worst of several co-runners counts.

    The profile's solo latency counts as the latency alone in the partition.

    Source: Choi et al., "Serving heterogeneous machine learning models on multi-GPU servers with spatio-temporal
    sharing", USENIX ATC 2022 (glet, src/scheduler/interference_model.cpp).
    """

    name = "gpulet"
    needs = "features with l2; truth.gpulet, or fit=rtx2080ti or fit=rtx3080; truth.partitions (else equal parts)"

    def __init__(self, hardware: HardwareProfile, slots: int = 1, *, fit: str | None = None) -> None:
        super().__init__(hardware, slots)
        if fit is not None and fit not in PUBLISHED:
            raise SpecError(f"there is no published fit {fit!r}; {suggest(str(fit), PUBLISHED)}")
        found = hardware.truth.gpulet if fit is None else PUBLISHED[fit]
        for name, model in hardware.models.items():
            if utilisation(model, 1, "l2") is None:
                raise lacks(self.name, hardware, f"observable.models.{name}.features with l2")
        if found is None:
            raise lacks(self.name, hardware, "truth.gpulet (gpulet(fit=rtx3080) takes a published one)")
        self._coefficients = astuple(found)

    def _phases(self, model: str, batch: int) -> tuple[Phase[Utilisation], ...]:
        entry = self._hardware.models[model]
        l2, dram = (utilisation(entry, batch, "l2"), utilisation(entry, batch, "memory"))
        share = partition(self._hardware, model, self._slots)
        return (Phase(1.0, Utilisation(l2 or 0.0, dram or 0.0, share)),)

    def _slowdown(self, own: Utilisation, other: Utilisation) -> float:
        sides = ((own.l2, own.dram), (other.l2, other.dram))
        return linear_slowdown(self._coefficients, *sides, own.share, other.share)

    def _combine(self, slowdowns: Sequence[tuple[float, int]]) -> float:
        return max((slowdown for slowdown, _ in slowdowns), default=1.0)
