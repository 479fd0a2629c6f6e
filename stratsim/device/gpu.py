"""Executing batches: how much work each has left, and when the next of them ends or changes phase."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.device.execution import ExecutionModel, Load, Phase

__all__ = ["Execution", "ExecutionUnit"]

Key = TypeVar("Key")

_CACHE_LIMIT = 65_536


class Execution(Generic[Key]):
    """One executing batch, made by `ExecutionUnit.add`."""

    __slots__ = ("key", "later", "left_s", "load", "rate", "solo_s")

    key: Key
    solo_s: float
    load: Load
    """Of the current phase."""
    left_s: float
    """Solo time left in the current phase, at the unit's last update."""
    rate: float
    """Since then; 1 is the solo speed."""
    later: Sequence[Phase]
    """Phases to come."""

    def next_phase(self) -> None:
        """Go over to the next phase, which must exist."""
        phase, *self.later = self.later
        self.load = phase.load
        self.left_s = self.solo_s * phase.share


class ExecutionUnit(Generic[Key]):
    """The execution slots of one GPU under one execution model.

    The owner calls `add` and `complete`, and sees to it that `complete` is called at `next_s`.
    """

    __slots__ = ("_cache", "_ends_next", "_model", "_running", "_updated_s", "next_s")

    def __init__(self, model: ExecutionModel) -> None:
        self._model = model
        self._running: list[Execution[Key]] = []
        self._updated_s = 0.0
        self._ends_next: Execution[Key] | None = None
        self._cache: dict[tuple[Load, ...], Sequence[float]] = {}
        self.next_s = inf
        """When the next batch ends or changes phase; `inf` when nothing executes."""

    def __len__(self) -> int:
        return len(self._running)

    @property
    def running(self) -> Sequence[Execution[Key]]:
        """The executing batches, in the order in which they started."""
        return tuple(self._running)

    def add(self, now_s: float, key: Key, solo_s: float, phases: Sequence[Phase]) -> None:
        """Start a batch that would take `solo_s` seconds alone.

        `now_s` may lie ahead of the owner's time, up to `next_s`, if the owner knows that nothing starts before.
        """
        # Without a constructor, which would cost more than all that follows.
        batch: Execution[Key] = Execution.__new__(Execution)
        batch.key = key
        batch.solo_s = solo_s
        phase = phases[0]
        batch.load = phase.load
        batch.left_s = left_s = solo_s * phase.share
        batch.later = phases[1:] if len(phases) > 1 else ()
        running = self._running
        if not running:  # alone: full speed, by definition of solo time
            batch.rate = 1.0
            running.append(batch)
            self._ends_next = batch
            self._updated_s = now_s
            self.next_s = now_s + left_s
            return
        elapsed_s = now_s - self._updated_s
        for other in running:
            other.left_s -= elapsed_s * other.rate
        running.append(batch)
        self._solve(now_s)

    def complete(self, now_s: float) -> Sequence[Execution[Key]]:
        """Go on to `now_s`, which must be `next_s`, and return the batches that end there (maybe none)."""
        first = self._ends_next
        if first is None:
            return ()
        running = self._running
        if len(running) == 1 and not first.later:  # the usual case at low load, written out
            self._running = []
            self._ends_next = None
            self.next_s = inf
            return running
        elapsed_s = now_s - self._updated_s
        ended = []
        self._running = staying = []
        for batch in running:
            # The first ends by definition of next_s: no rounding error decides it.
            left_s = 0.0 if batch is first else batch.left_s - elapsed_s * batch.rate
            if left_s > TIME_RTOL * batch.solo_s:
                batch.left_s = left_s
                staying.append(batch)
            elif batch.later:
                batch.next_phase()
                staying.append(batch)
            else:
                ended.append(batch)
        self._solve(now_s)
        return ended

    def _solve(self, now_s: float) -> None:
        """Find the rates from `now_s` on, to which the work left refers, and what ends next."""
        running = self._running
        self._updated_s = now_s
        if len(running) == 1:  # alone: full speed, by definition of solo time
            batch = self._ends_next = running[0]
            batch.rate = 1.0
            self.next_s = now_s + batch.left_s
            return
        if len(running) == 2:  # the usual case, written out
            one, other = running
            pair = (one.load, other.load)
            one.rate, other.rate = self._cache.get(pair) or self._remember(pair)
            one_s = now_s + one.left_s / one.rate
            other_s = now_s + other.left_s / other.rate
            self.next_s, self._ends_next = (other_s, other) if other_s < one_s else (one_s, one)
            return
        self.next_s = inf
        self._ends_next = None
        if running:
            active = tuple([batch.load for batch in running])
            rates = self._cache.get(active) or self._remember(active)
            for batch, rate in zip(running, rates, strict=True):
                batch.rate = rate
                at_s = now_s + batch.left_s / rate
                if at_s < self.next_s:
                    self.next_s = at_s
                    self._ends_next = batch

    def _remember(self, active: tuple[Load, ...]) -> Sequence[float]:
        if len(self._cache) >= _CACHE_LIMIT:
            self._cache.clear()
        rates = self._cache[active] = self._model.rates(active)
        return rates
