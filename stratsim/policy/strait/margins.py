"""Safety margins for batches that nobody is beside: how far their solo latencies have lately been off."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Margins", "Recent"]


class Margins:
    """A quantile of the recent relative errors of solo latencies, per model.

    An error is actual / expected of a batch's execution, less 1, where nobody was beside it: run-to-run variation and
    latencies that are not what was profiled. (Those of co-located batches make `CautiousRates`.) The margin is a
    quantile of the last `window` of them, never below zero. Until a model has `least` errors of its own, those of all
    models count; until there are that many of all, there is no margin.

    Args:
        models: All models.
        quantile: Which quantile, within (0, 1]; 0 for no margin at all.
        window: How many errors are remembered, per model and over all.
        least: From how many errors on a margin is taken from them.
    """

    def __init__(self, models: Iterable[str], quantile: float, window: int = 100, least: int = 20) -> None:
        self._quantile = quantile
        self._least = least
        self._errors = {model: Recent(window) for model in models}
        self._all = Recent(window)
        self._lacking = set(self._errors)
        """Models that have not enough errors of their own yet."""
        self.stretch = dict.fromkeys(self._errors, 1.0)
        """By model: 1 + margin, the factor that an estimate is multiplied by."""

    def learn(self, model: str, expected_s: float, actual_s: float) -> None:
        """Remember what a batch took that ran alone, and what it was expected to take, seconds."""
        if not self._quantile or expected_s <= 0.0:
            return
        error = actual_s / expected_s - 1.0
        own = self._errors[model]
        own.add(error)
        if len(own.ordered) >= self._least:
            overdue = own.quantile(self._quantile)
            self.stretch[model] = 1.0 + overdue if overdue > 0.0 else 1.0
            self._lacking.discard(model)
        if self._lacking:
            self._learn_for_all(error)

    def _learn_for_all(self, error: float) -> None:
        """Give the models that lack errors of their own those of all."""
        self._all.add(error)
        if len(self._all.ordered) >= self._least:
            overall = 1.0 + max(self._all.quantile(self._quantile), 0.0)
            for model in self._lacking:
                self.stretch[model] = overall


class Recent:
    """The last values of a sequence, kept in order of size as well."""

    __slots__ = ("_arrived", "_window", "ordered")

    def __init__(self, window: int) -> None:
        self._arrived: deque[float] = deque()
        self._window = window
        self.ordered: list[float] = []

    def add(self, value: float) -> None:
        """Take in a value; the oldest beyond the window is forgotten."""
        arrived, ordered = self._arrived, self.ordered
        if len(arrived) == self._window:
            del ordered[bisect_left(ordered, arrived.popleft())]
        arrived.append(value)
        insort(ordered, value)

    def quantile(self, share: float) -> float:
        """Return the smallest value that at least this share of all values does not exceed."""
        ordered = self.ordered
        rank = int(share * len(ordered))
        return ordered[rank] if rank < len(ordered) else ordered[-1]
