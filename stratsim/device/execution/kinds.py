"""Rates that depend on the co-runners one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from stratsim.device.execution.fluid import FluidModel

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PairModel"]

Load = TypeVar("Load")


class PairModel(FluidModel[Load]):
    """A base for models made of pairwise slowdowns. Batches of one kind are solved once, so cost is O(n + kinds^2)."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._beside: dict[tuple[Load, Load], float] = {}

    def rates(self, active: Sequence[Load]) -> Sequence[float]:
        """Return the inverse of each batch's combined slowdown."""
        count = Counter(active)
        rate = {own: 1.0 / self._combined(own, count) for own in count}
        return [rate[load] for load in active]

    def _combined(self, own: Load, count: Counter[Load]) -> float:
        others = {load: number - (load is own) for load, number in count.items()}
        # Sorted, so that no bit of a product depends on the order of batches.
        return self._combine(sorted((self._pair(own, load), number) for load, number in others.items() if number))

    def _pair(self, own: Load, other: Load) -> float:
        found = self._beside.get((own, other))
        if found is None:
            found = self._beside[own, other] = max(1.0, self._slowdown(own, other))
        return found

    @abstractmethod
    def _slowdown(self, own: Load, other: Load) -> float:
        """Return by which factor `own` takes longer with one co-located `other`; taken as 1 if below."""

    @abstractmethod
    def _combine(self, slowdowns: Sequence[tuple[float, int]]) -> float:
        """Return one slowdown from those with each kind of co-runner, with their numbers; 1 without any."""
