"""Unpartitioned CUDA streams: the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.device.execution.fluid import FluidModel, Phase, phases
from stratsim.model.contention import Sharing, phases_at
from stratsim.solve import capped_weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Streams", "StreamsLoad"]


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

    def _phases(self, model: str, batch: int) -> tuple[Phase[StreamsLoad], ...]:
        table = self._hardware.truth.sharing.get(model) or {1: Sharing(1.0)}
        found = phases_at({size: entry.as_phases() for size, entry in table.items()}, batch)
        return phases((phase.share, StreamsLoad(phase.demand, phase.weight)) for phase in found)

    def rates(self, active: Sequence[StreamsLoad]) -> Sequence[float]:
        """Return the capped weighted shares."""
        return capped_weighted([load.demand for load in active], [load.weight for load in active])
