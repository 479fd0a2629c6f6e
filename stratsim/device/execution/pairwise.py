"""Measured co-locations, replayed."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, prod
from typing import TYPE_CHECKING

from stratsim.device.execution.fluid import Phase
from stratsim.device.execution.kinds import PairModel
from stratsim.device.execution.lacking import lacks
from stratsim.errors import ProfileError, SpecError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import HardwareProfile, Pair

__all__ = ["Cell", "Pairwise"]

_COMBINE = ("product", "max")


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A model at a batch size. Compared by identity."""

    model: str
    batch: int


class Pairwise(PairModel[Cell]):
    """The profile's measured pairs: each co-runner slows a batch by the factor that was measured with it.

    Where a batch size was not measured, the pair of sizes nearest in the sum of the distances of their logarithms
    counts, the smaller target size if two are equally near, then the smaller other size. Below 1 counts as 1.

    Source: measured slowdowns in the profile's `pairs`. How several co-runners combine is an assumption: `product`
    takes them as independent, `max` lets the worst alone count (as gpulet does).
    """

    name = "pairwise"
    needs = "pairs"

    def __init__(self, hardware: HardwareProfile, slots: int = 1, *, combine: str = "product") -> None:
        super().__init__(hardware, slots)
        if combine not in _COMBINE:
            raise SpecError(f"combine must be 'product' or 'max', got {combine!r}; {suggest(str(combine), _COMBINE)}")
        self._product = combine == "product"
        self._pairs: dict[tuple[str, str], list[Pair]] = {}
        for pair in hardware.pairs:
            self._pairs.setdefault((pair.target, pair.other), []).append(pair)
        if not self._pairs:
            raise lacks(self.name, hardware, "pairs")
        targets = {target for target, _ in self._pairs}
        for model in hardware.models:
            if model not in targets:
                raise lacks(self.name, hardware, f"pairs with target {model!r}")

    def _phases(self, model: str, batch: int) -> tuple[Phase[Cell], ...]:
        return (Phase(1.0, Cell(model, max(batch, 1))),)

    def _slowdown(self, own: Cell, other: Cell) -> float:
        found = self._pairs.get((own.model, other.model))
        if not found:
            known = sorted(beside for target, beside in self._pairs if target == own.model)
            raise ProfileError(
                f"profile {self._hardware.name!r} has no pair of {own.model!r} beside {other.model!r}, which device "
                f"model {self.name!r} needs; it has {own.model!r} beside {', '.join(known)}"
            )
        return min(found, key=lambda pair: _distance(pair, own.batch, other.batch)).slowdown

    def _combine(self, slowdowns: Sequence[tuple[float, int]]) -> float:
        if self._product:
            return prod(slowdown**number for slowdown, number in slowdowns)
        return max((slowdown for slowdown, _ in slowdowns), default=1.0)


def _distance(pair: Pair, target_batch: int, other_batch: int) -> tuple[float, int, int]:
    # Rounded, so that 1 and 4 are equally far from 2 whatever the last bit of a logarithm.
    far = abs(log2(pair.target_batch / target_batch)) + abs(log2(pair.other_batch / other_batch))
    return round(far, 9), pair.target_batch, pair.other_batch
