"""Unpartitioned CUDA streams: the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.device.execution.fluid import FluidModel, Phase, phases
from stratsim.model.contention import Sharing, phases_at
from stratsim.solve import capped_weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["Streams", "StreamsLoad"]

_PROCESSOR_SHARING = {1: Sharing(1.0)}
"""Of a model without an entry."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamsLoad:
    """What one phase of a batch asks of the GPU. Compared by identity.

    Args:
        demand: Share of the GPU occupied at full speed, within (0, 1].
        weight: How strongly its kernels win against others', > 0.
    """

    demand: float
    weight: float


class Streams(FluidModel[StreamsLoad]):
    """Capped weighted sharing of the whole GPU: a share by weight, never more than what is needed at full speed.

    Source: our choice of rule (`stratsim.solve.capped_weighted`); its parameters come from the profile, whose page says
    how far they can be trusted.
    """

    name = "streams"
    needs = "truth.sharing (demand 1, weight 1 for models without it)"

    def __init__(self, hardware: HardwareProfile, slots: int = 1) -> None:
        super().__init__(hardware, slots)
        sharing = hardware.truth.sharing
        self._tables = {
            model: {size: entry.as_phases() for size, entry in (sharing.get(model) or _PROCESSOR_SHARING).items()}
            for model in hardware.models
        }

    def _phases(self, model: str, batch: int) -> tuple[Phase[StreamsLoad], ...]:
        found = phases_at(self._tables[model], batch)
        return phases((phase.share, StreamsLoad(phase.demand, phase.weight)) for phase in found)

    def rates(self, active: Sequence[StreamsLoad]) -> Sequence[float]:
        """Return the capped weighted shares."""
        return capped_weighted([load.demand for load in active], [load.weight for load in active])
