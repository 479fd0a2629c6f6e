"""Fluid execution: each of the co-located batches progresses at a rate, solved anew whenever one of them changes.

A rate of 1 is the solo speed. A model is a pure function from the active loads to their rates; everything else, work
left, phases, what ends next, is the same for all such models and is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from stratsim.errors import SimulationError
from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["MOST_SETS", "FluidExecution", "FluidModel", "FluidUnit", "Phase", "phases"]

Key = TypeVar("Key")
Load = TypeVar("Load")

MOST_SETS = 65_536
"""Sets of loads whose rates a unit keeps; then it forgets them all."""
_RATE_RTOL = 1e-9
"""By how much a rate may exceed 1, which rounding does."""


class Phase(NamedTuple, Generic[Load]):
    """A part of a batch's solo execution with one load."""

    share: float
    """Share of the solo time; the shares of a batch sum to 1."""
    load: Load
    """What it asks of the GPU: hashable, and best compared by identity."""


def phases(parts: Iterable[tuple[float, Load]]) -> tuple[Phase[Load], ...]:
    """Return phases from (share, load), with shares made to sum to 1."""
    listed = list(parts)
    total = sum(share for share, _ in listed)
    return tuple(Phase(share / total, load) for share, load in listed)


class FluidModel(ABC, Generic[Load]):
    """A base for execution models that are a pure function of the active loads.

    Args:
        hardware: The profile, with the models that will run.
        slots: Batches that may execute at once.
    """

    name: str
    needs: str
    """What a profile must have."""
    max_concurrency: int | None = None
    heeds_copies: bool = False
    start_cost_s: float = 0.0
    """What the start of a batch costs each of those that run, seconds."""

    def __init__(self, hardware: HardwareProfile, slots: int = 1) -> None:
        self._hardware = hardware
        self._slots = slots
        self._work: dict[tuple[str, int], tuple[Phase[Load], ...]] = {}

    def work(self, model: str, batch: int) -> tuple[Phase[Load], ...]:
        """Return the phases of a batch, in order. The same object on every call."""
        found = self._work.get((model, batch))
        if found is None:
            found = self._work[model, batch] = self._phases(model, batch)
            total = sum([phase.share for phase in found])
            if not all(phase.share > 0 for phase in found) or not abs(total - 1) <= _RATE_RTOL:
                raise SimulationError(
                    f"device model {self.name!r}: the phases of {model!r} at batch size {batch} have the shares "
                    f"{[phase.share for phase in found]!r}, which must be > 0 and sum to 1"
                )
        return found

    def part(self, work: Sequence[Phase[Load]], start: float, end: float) -> tuple[Phase[Load], ...]:
        """Return the phases of a batch, or parts of them, between two shares of its solo time."""
        found, begin = [], 0.0
        last = len(work) - 1
        for index, phase in enumerate(work):
            # The last phase ends at 1, whatever the rounding of the sum.
            stop = 1.0 if index == last else begin + phase.share
            share = min(stop, end) - max(begin, start)
            if share > 0:
                found.append(Phase(share, phase.load))
            begin = stop
        return tuple(found)

    @abstractmethod
    def _phases(self, model: str, batch: int) -> tuple[Phase[Load], ...]:
        """Make the phases of a batch."""

    @abstractmethod
    def rates(self, active: Sequence[Load]) -> Sequence[float]:
        """Return the progress rate of each active load, within (0, 1]: pure, and 1 for one alone.

        Equal loads have equal rates, and the order in which loads are given makes no difference, to the last bit.
        """

    def unit(self) -> FluidUnit[Any]:
        """Return a new, idle GPU."""
        return FluidUnit(self.sound_rates)

    def sound_rates(self, active: Sequence[Load]) -> Sequence[float]:
        """Return the rates, checked: asked for once per set of loads."""
        rates = self.rates(active)
        if len(rates) != len(active) or not all(0 < rate <= 1 + _RATE_RTOL for rate in rates):
            raise SimulationError(
                f"device model {self.name!r} gives {len(active)} batches the rates {list(rates)!r}: "
                "one each is needed, within (0, 1]"
            )
        return rates


class FluidExecution(Generic[Key]):
    """One executing batch, made by `FluidUnit.add`."""

    __slots__ = ("key", "later", "left_s", "load", "rate", "solo_s")

    key: Key
    solo_s: float
    load: Any
    """Of the current phase."""
    left_s: float
    """Solo time left in the current phase, at the unit's last update."""
    rate: float
    """Since then; 1 is the solo speed."""
    later: tuple[Phase[Any], ...]
    """Phases to come."""

    def next_phase(self) -> None:
        """Go over to the next phase, which must exist."""
        later = self.later
        share, self.load = later[0]
        self.left_s = self.solo_s * share
        self.later = later[1:]


class FluidUnit(Generic[Key]):
    """The batches on one GPU under a fluid model; an `ExecutionUnit`.

    Args:
        rates: Of the active loads: pure, equal loads have equal rates. Answers are kept.
    """

    __slots__ = ("_ends_next", "_pairs", "_rates", "_running", "_sets", "_updated_s", "next_s")

    def __init__(self, rates: Callable[[Sequence[Any]], Sequence[float]]) -> None:
        self._rates = rates
        self._running: list[FluidExecution[Key]] = []
        self._updated_s = 0.0
        self._ends_next: FluidExecution[Key] | None = None
        self._pairs: dict[tuple[Any, Any], Sequence[float]] = {}
        self._sets: dict[frozenset[tuple[Any, int]], dict[Any, float]] = {}
        """Rates by load, by what is active: loads with their numbers. Orders would be too many."""
        self.next_s = inf
        """When the next batch ends or changes phase; `inf` when nothing executes."""

    def __len__(self) -> int:
        return len(self._running)

    @property
    def rates(self) -> Callable[[Sequence[Any]], Sequence[float]]:
        """The rates of co-located loads: pure, equal loads have equal rates."""
        return self._rates

    @property
    def running(self) -> Sequence[FluidExecution[Key]]:
        """The executing batches, in the order in which they started."""
        return tuple(self._running)

    def add(self, now_s: float, key: Key, solo_s: float, work: Sequence[Phase[Any]], level: int = 0) -> None:  # noqa: ARG002
        """Start a batch of these phases; all levels share alike."""
        batch: FluidExecution[Key] = FluidExecution()  # no constructor: it would cost more than all that follows
        batch.key = key
        batch.solo_s = solo_s
        share, batch.load = work[0]
        batch.left_s = left_s = solo_s * share
        batch.later = tuple(work[1:]) if len(work) > 1 else ()
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

    def complete(self, now_s: float) -> Sequence[FluidExecution[Key]]:
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

    def copying(self, now_s: float, bytes_per_s: float) -> None:
        """Take no notice: these rates depend on the batches alone."""

    def left_s(self, now_s: float, key: Key) -> float:
        """Return how much solo work an executing batch has left."""
        batch = self._find(key)
        to_come = 0.0
        for phase in batch.later:  # one by one: from Python 3.12 on `sum` rounds otherwise
            to_come += phase.share
        return max(batch.left_s - (now_s - self._updated_s) * batch.rate, 0.0) + batch.solo_s * to_come

    def hold(self, now_s: float, key: Key) -> None:
        """Let an executing batch stay in its phase until `rework`."""
        self._advance(now_s)
        batch = self._find(key)
        batch.left_s = inf
        batch.later = ()
        self._settle(now_s)

    def rework(self, now_s: float, key: Key, work: Sequence[Phase[Any]] | None) -> None:
        """Replace what an executing batch has left by these phases; None takes it out."""
        self._advance(now_s)
        batch = self._find(key)
        if work:
            batch.later = tuple(work)
            batch.next_phase()
        else:
            self._running = [other for other in self._running if other is not batch]
        self._settle(now_s)

    def _advance(self, now_s: float) -> None:
        """Take the work that was done off what is left; `_settle` must follow."""
        elapsed_s = now_s - self._updated_s
        for batch in self._running:
            batch.left_s -= elapsed_s * batch.rate

    def _settle(self, now_s: float) -> None:
        if self._running:
            self._solve(now_s)
        else:
            self._ends_next = None
            self.next_s = inf

    def _find(self, key: Key) -> FluidExecution[Key]:
        return next(batch for batch in self._running if batch.key == key)

    def _solve(self, now_s: float) -> None:
        """Find the rates from `now_s` on, to which the work left refers, and what ends next."""
        running = self._running
        if len(running) == 1:  # alone: full speed, by definition of solo time
            self._updated_s = now_s
            batch = self._ends_next = running[0]
            batch.rate = 1.0
            self.next_s = now_s + batch.left_s
        elif len(running) == 2:  # the usual case, written out
            self._updated_s = now_s
            one, other = running
            pair = (one.load, other.load)
            one.rate, other.rate = self._pairs.get(pair) or self._solve_pair(pair)
            one_s = now_s + one.left_s / one.rate
            other_s = now_s + other.left_s / other.rate
            self.next_s, self._ends_next = (other_s, other) if other_s < one_s else (one_s, one)
        else:
            self._solve_any(now_s)

    def _solve_any(self, now_s: float) -> None:
        """Do the same for any number of batches, whatever their rates."""
        self._updated_s = now_s
        self.next_s = inf
        self._ends_next = None
        running = self._running
        if not running:
            return
        count: dict[Any, int] = {}
        for batch in running:
            load = batch.load
            count[load] = count.get(load, 0) + 1
        active = frozenset(count.items())
        rates = self._sets.get(active) or self._solve_set(active)
        for batch in running:
            batch.rate = rate = rates[batch.load]
            at_s = now_s + batch.left_s / rate
            if at_s < self.next_s:
                self.next_s = at_s
                self._ends_next = batch

    def _solve_pair(self, pair: tuple[Any, Any]) -> Sequence[float]:
        if len(self._pairs) >= MOST_SETS:
            self._pairs.clear()
        rates = self._pairs[pair] = self._rates(pair)
        return rates

    def _solve_set(self, active: frozenset[tuple[Any, int]]) -> dict[Any, float]:
        if len(self._sets) >= MOST_SETS:
            self._sets.clear()
        loads = [batch.load for batch in self._running]
        rates = self._sets[active] = dict(zip(loads, self._rates(loads), strict=True))
        return rates
