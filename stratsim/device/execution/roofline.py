"""Several resources at once: which one is short depends on who runs, and in which phase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import fsum, inf
from typing import TYPE_CHECKING, Any, TypeVar

from stratsim.device.execution.fluid import FluidModel, FluidUnit, Phase, phases
from stratsim.device.execution.lacking import lacks, utilisation
from stratsim.errors import SpecError
from stratsim.model.contention import ResourcePhase, phases_at
from stratsim.solve import max_min_demands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["Demand", "Roofline", "RooflineUnit"]

Key = TypeVar("Key")

_FOLLOWED = 0.04
"""Share of the memory's bandwidth that copies must be able to take to be followed unasked: each costs events, and less
is well below what any fit of contention reaches (our choice)."""
_LEAST_DRAM = 0.01
"""Share of the memory's bandwidth that no copy takes from the kernels: they never stop (our choice)."""


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What one phase of a batch takes at full speed. Compared by identity.

    Args:
        takes: Fractions of SM arithmetic, DRAM bandwidth, L2 bandwidth and issue slots.
        working_set_bytes: What it keeps reusing through the L2.
        dram_spill: What its DRAM bandwidth grows by when all of that is evicted.
    """

    takes: tuple[float, float, float, float]
    working_set_bytes: float
    dram_spill: float


class Roofline(FluidModel[Demand]):
    """Max-min fair rates over SM arithmetic, DRAM and L2 bandwidth and issue slots, phase by phase.

    When the working sets together exceed the L2, each keeps its proportional part, and who hits less takes more DRAM
    bandwidth. Copies to and from the GPU take their rate off the DRAM bandwidth: with `copies=true`, or with `auto` if
    both directions of the profile's link together have 4 % of that bandwidth or more.

    Source: Williams et al., "Roofline", CACM 2009, for the resources; Elvinger et al., "Understanding GPU resource
    interference one level deeper", SoCC 2025, for issue slots and L2 capacity; the fair rates are our choice.
    """

    name = "roofline"
    needs = (
        "truth.roofline, or features for one phase per batch; device.l2_bytes for L2 capacity, "
        "device.memory_bandwidth_bytes_per_s for copies"
    )

    def __init__(self, hardware: HardwareProfile, slots: int = 1, *, copies: bool | str = "auto") -> None:
        super().__init__(hardware, slots)
        if copies not in (True, False, "auto"):
            raise SpecError(f"copies must be true, false or auto, got {copies!r}")
        self._l2_bytes = hardware.device.l2_bytes
        self._bandwidth = hardware.device.memory_bandwidth_bytes_per_s
        self.heeds_copies = self._follows(copies)
        for name, model in hardware.models.items():
            if name not in hardware.truth.roofline and not model.features:
                raise lacks(self.name, hardware, f"truth.roofline.{name} and observable.models.{name}.features")

    def _follows(self, copies: bool | str) -> bool:
        if self._bandwidth is None:
            if copies is True:
                raise lacks(self.name, self._hardware, "device.memory_bandwidth_bytes_per_s (for copies=true)")
            return False
        pcie = self._hardware.pcie
        most = (pcie.h2d.bytes_per_s + pcie.d2h.bytes_per_s) / self._bandwidth
        return copies is True or (copies == "auto" and _FOLLOWED <= most < inf)

    def _phases(self, model: str, batch: int) -> tuple[Phase[Demand], ...]:
        table = self._hardware.truth.roofline.get(model)
        found = phases_at(table, batch) if table else (self._from_features(model, batch),)
        return phases((phase.share, _demand(phase)) for phase in found)

    def _from_features(self, model: str, batch: int) -> ResourcePhase:
        """Return one phase that takes what the whole batch takes on average."""
        entry = self._hardware.models[model]
        sm, dram, l2 = (utilisation(entry, batch, name) for name in ("compute", "memory", "l2"))
        return ResourcePhase(1.0, sm or 0.0, dram or 0.0, l2 or 0.0)

    def rates(self, active: Sequence[Demand], copies: float = 0.0) -> Sequence[float]:
        """Return the max-min fair rates.

        Args:
            active: What each batch takes.
            copies: Share of the DRAM bandwidth that copies take.
        """
        return max_min_demands(self._taken(active), (1.0, max(1.0 - copies, _LEAST_DRAM), 1.0, 1.0))

    def _taken(self, active: Sequence[Demand]) -> Sequence[tuple[float, float, float, float]]:
        """Return what each takes in this company: more DRAM bandwidth where others evict what it reuses."""
        cache, wanted = self._l2_bytes, fsum([load.working_set_bytes for load in active])
        if cache is None or wanted <= cache:
            return [load.takes for load in active]
        taken = []
        for load in active:
            sm, dram, l2, issue = load.takes
            alone = min(1.0, cache / load.working_set_bytes) if load.working_set_bytes else 1.0
            evicted = max(0.0, 1.0 - cache / wanted / alone)
            taken.append((sm, dram + load.dram_spill * evicted, l2, issue))
        return taken

    def unit(self) -> FluidUnit[Any]:
        """Return a new, idle GPU."""
        if self._bandwidth is None or not self.heeds_copies:
            return FluidUnit(self.rates)
        return RooflineUnit(self, self._bandwidth)


class RooflineUnit(FluidUnit[Key]):
    """A fluid unit whose memory serves copies besides: even one batch alone may then be slower.

    Args:
        model: The execution model.
        bandwidth: Of the GPU's memory, bytes/s.
    """

    __slots__ = ("_bandwidth", "_by_copies", "_copies", "_model")

    def __init__(self, model: Roofline, bandwidth: float) -> None:
        super().__init__(model.rates)
        self._model = model
        self._bandwidth = bandwidth
        self._copies = 0.0
        self._by_copies = {0.0: self._sets}

    def add(self, now_s: float, key: Key, solo_s: float, work: Sequence[Phase[Any]], level: int = 0) -> None:
        """Start a batch."""
        super().add(now_s, key, solo_s, work, level)
        if self._copies and len(self._running) == 1:
            self._solve_any(now_s)

    def copying(self, now_s: float, bytes_per_s: float) -> None:
        """Take the copies' rate off the DRAM bandwidth from now on."""
        copies = bytes_per_s / self._bandwidth
        if copies == self._copies:
            return
        elapsed_s = now_s - self._updated_s
        for batch in self._running:
            batch.left_s -= elapsed_s * batch.rate
        self._copies = copies
        # Links have few rates: each keeps its answers.
        self._sets = self._by_copies.setdefault(copies, {})
        self._rates = partial(self._model.rates, copies=copies)
        if self._running:
            self._solve(now_s)

    def _solve(self, now_s: float) -> None:
        if self._copies:
            self._solve_any(now_s)
        else:
            super()._solve(now_s)


def _demand(phase: ResourcePhase) -> Demand:
    return Demand((phase.sm, phase.dram, phase.l2, phase.issue), phase.working_set_bytes, phase.dram_spill)
