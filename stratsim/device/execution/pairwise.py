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
    from collections.abc import Mapping, Sequence

    from stratsim.model.profile import HardwareProfile, Pair

__all__ = ["Cell", "Pairwise"]

_COMBINE = ("product", "max")
_SAME_SHARE = 1e-3
"""Shares that differ by less, in logarithms to base 2, are the same: 0.1 %, a rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A model at a batch size. Compared by identity."""

    model: str
    batch: int


class Pairwise(PairModel[Cell]):
    """The profile's measured pairs: each co-runner slows a batch by the factor that was measured with it.

    Where a batch size was not measured, the pair of sizes nearest in the sum of the distances of their logarithms
    counts, the smaller target size if two are equally near, then the smaller other size. Below 1 counts as 1.

    Pairs that were measured with shares of the GPU count where the profile says which share each model has
    (`truth.partitions`; the whole GPU where it does not say): of all pairs of two models those nearest in the sum of
    the distances of the logarithms of the shares. Without partitions only pairs without shares count.

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
        partitions = hardware.truth.partitions
        self._pairs: dict[tuple[str, str], list[Pair]] = {}
        for pair in hardware.pairs:
            if partitions or not pair.limited:
                self._pairs.setdefault((pair.target, pair.other), []).append(pair)
        if not self._pairs:
            raise lacks(self.name, hardware, "truth.partitions" if hardware.pairs else "pairs")
        self._pairs = {key: _nearest_shares(found, partitions) for key, found in self._pairs.items()}
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


def _nearest_shares(pairs: Sequence[Pair], partitions: Mapping[str, float]) -> list[Pair]:
    """Return the pairs of two models that were measured with the shares nearest to those that they have."""

    def distance(pair: Pair) -> float:
        own = abs(log2((pair.target_share or 1.0) / partitions.get(pair.target, 1.0)))
        return own + abs(log2((pair.other_share or 1.0) / partitions.get(pair.other, 1.0)))

    least = min(distance(pair) for pair in pairs)
    return [pair for pair in pairs if distance(pair) <= least + _SAME_SHARE]


def _distance(pair: Pair, target_batch: int, other_batch: int) -> tuple[float, int, int]:
    # Rounded, so that 1 and 4 are equally far from 2 whatever the last bit of a logarithm.
    far = abs(log2(pair.target_batch / target_batch)) + abs(log2(pair.other_batch / other_batch))
    return round(far, 9), pair.target_batch, pair.other_batch
