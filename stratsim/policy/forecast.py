"""What one GPU will do next, as its scheduler believes: who executes beside whom, for how long, and when each ends.

A scheduler cannot see how far a running batch has got. It knows its own log: which batches started when, and which have
ended. A `Forecast` integrates the work left of each batch from the rates that a belief gives for the set that executes,
and walks on from there: in each interval of constant co-runners every batch progresses at its believed rate, and an
interval ends when a batch ends or the next input is there. This is the fine-grained view of co-location: who overlaps
whom and for how long, not one average co-runner.

Source: our reconstruction of what arXiv 2604.28175 and 2512.18725 describe in their abstracts.
"""

from __future__ import annotations

from math import inf
from operator import truediv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.policy.view import InFlight
    from stratsim.predict import Active

    Key = tuple[str, int]
    Rates = Callable[[Active], Sequence[float]]

__all__ = ["Forecast", "Planned"]


class Planned:
    """A batch that is on the GPU, or could be: a candidate.

    Args:
        key: Its model and size, by which beliefs know it.
        solo_s: Its execution time alone.
        ready_s: When its input is expected on the GPU.
        out_s: What its copy-out is expected to take.
        due_s: The earliest deadline among its requests of the class that it counts as.
        bytes_in: What is copied in; 0 for a batch without a copy.
        high: Whether it counts as high priority.
    """

    __slots__ = (
        "asked_s",
        "batch",
        "bytes_in",
        "due_s",
        "end_s",
        "expected_s",
        "first",
        "high",
        "key",
        "left_s",
        "out_s",
        "ready_s",
        "solo_s",
    )

    def __init__(
        self, key: Key, solo_s: float, ready_s: float, out_s: float, due_s: float, bytes_in: int = 0, *, high: bool
    ) -> None:
        self.key = key
        self.solo_s = solo_s
        self.left_s = solo_s
        """Solo work left at the forecast's last update, as believed."""
        self.ready_s = ready_s
        self.out_s = out_s
        self.due_s = due_s
        self.bytes_in = bytes_in
        self.high = high
        self.end_s = inf
        """Believed end of the execution, by the last walk that included it."""
        self.expected_s = inf
        """Believed end of the execution when it was last committed to (`Forecast.commit`)."""
        self.asked_s = 0.0
        """When that was."""
        self.first = 0
        """The interval, by number, in which it began to execute."""
        self.batch: InFlight | None = None
        """What the view says of it, once it has been started."""


class Forecast:
    """The believed future of one GPU.

    Args:
        slots: Batches that may execute at once.
        rates: The belief: rates of a set of co-located batches, in (0, 1], in the order given. Pure between two
            observations.
        floor: A batch that is overdue, as it should have ended and has not, keeps this share of its solo work: the
            least that is ever believed to be left.
    """

    __slots__ = (
        "_changes",
        "_rates",
        "_slots",
        "_updated_s",
        "executing",
        "floor",
        "overdue",
        "staged",
        "walked",
    )

    def __init__(self, slots: int, rates: Rates, floor: float = 0.05) -> None:
        self._slots = slots
        self._rates = rates
        self.floor = floor
        self.executing: list[Planned] = []
        """In the order in which they started."""
        self.staged: list[Planned] = []
        """In the order of dispatch."""
        self.overdue = 0
        """How often a batch had to be given work back because it had not ended when believed."""
        self.walked: Planned | None = None
        """The candidate of the last walk: the ends are those with it in flight."""
        self._updated_s = 0.0
        self._changes: list[tuple[float, tuple[Planned, ...]]] = []
        """Intervals of constant co-runners: when each began and who executed in it, empty ones included."""

    def __len__(self) -> int:
        return len(self.executing) + len(self.staged)

    def start(self, planned: Planned, batch: InFlight) -> None:
        """Follow a batch that has just been dispatched."""
        planned.batch = batch
        self.staged.append(planned)

    def update(self, now_s: float) -> list[Planned]:
        """Take over from the log what has happened up to `now_s`; return the batches that have ended, in that order."""
        happened = []
        for planned in self.executing:
            end_s = planned.batch.execution_end_s  # type: ignore[union-attr]  # (what executes was started)
            if end_s <= now_s:  # not if it is not known: NaN
                happened.append((end_s, 0, planned))
        for planned in self.staged:
            start_s = planned.batch.execution_start_s  # type: ignore[union-attr]
            if start_s <= now_s:
                happened.append((start_s, 1, planned))
                end_s = planned.batch.execution_end_s  # type: ignore[union-attr]
                if end_s <= now_s:
                    happened.append((end_s, 0, planned))
        ended = self._take_over(happened) if happened else []
        self._integrate(now_s)
        return ended

    def catch_up(self, now_s: float) -> None:
        """Take off the work that was done until now, if nothing else has happened since the last update."""
        if self._updated_s < now_s:
            self._integrate(now_s)

    def _take_over(self, happened: list[tuple[float, int, Planned]]) -> list[Planned]:
        """Follow starts and ends in the order in which they happened; return the batches that have ended."""
        if len(happened) > 1:
            happened.sort(key=_time)
        executing, ended = self.executing, []
        for at_s, starts, planned in happened:
            if executing:
                self._integrate(at_s, planned)
            else:
                self._updated_s = at_s
            if starts:
                self.staged.remove(planned)
                executing.append(planned)
                planned.first = len(self._changes)
            else:
                executing.remove(planned)
                ended.append(planned)
            self._changes.append((at_s, tuple(executing)))
        return ended

    def _integrate(self, to_s: float, ends: Planned | None = None) -> None:
        """Take what was done since the last update, at the believed rates, off the work left.

        A batch that ends now may well have none left: it is not overdue.
        """
        elapsed_s = to_s - self._updated_s
        self._updated_s = to_s
        executing = self.executing
        if not executing or elapsed_s <= 0.0:
            return
        rates = _ALONE if len(executing) == 1 else self._rates(tuple([planned.key for planned in executing]))
        for planned, rate in zip(executing, rates, strict=True):
            left_s = planned.left_s - elapsed_s * rate
            least_s = self.floor * planned.solo_s
            if left_s < least_s:
                self.overdue += planned.left_s > least_s and planned is not ends
                left_s = least_s
            planned.left_s = left_s

    def intervals(self, planned: Planned) -> list[tuple[float, tuple[Key, ...]]]:
        """Return (length in seconds, the others that executed) for each stretch of an ended batch's execution."""
        changes = self._changes
        found = []
        number = planned.first
        began_s, members = changes[number]
        while planned in members:
            number += 1
            until_s, following = changes[number]
            if until_s > began_s:
                others = [other.key for other in members if other is not planned] if len(members) > 1 else ()
                found.append((until_s - began_s, tuple(others)))
            began_s, members = until_s, following
        return found

    def forget(self) -> None:
        """Forget intervals that nobody will ask for: call it after the ended batches of an update are dealt with."""
        if len(self._changes) <= _KEEP:
            return
        oldest = min([planned.first for planned in self.executing], default=len(self._changes))
        if oldest > _KEEP:
            del self._changes[:oldest]
            for planned in self.executing:
                planned.first -= oldest

    def walk(self, now_s: float, candidate: Planned | None = None, rates_of: Rates | None = None) -> Sequence[Planned]:
        """Set `end_s` of every batch on the GPU, and of a candidate behind them, to its believed end; return them.

        Call `update(now_s)` first where a batch may have started or ended. Cost: one belief per interval, at most two
        intervals per batch.

        Args:
            now_s: The time.
            candidate: A batch that would be started now.
            rates_of: Another belief than the forecast's own.
        """
        if self._updated_s < now_s:
            self._integrate(now_s)
        executing = self.executing
        batches = [*executing, *self.staged]
        if candidate is not None:
            batches.append(candidate)
        self.walked = candidate
        self._walk(batches, now_s, rates_of or self._rates)
        return batches

    def _walk(self, batches: Sequence[Planned], now_s: float, rates_of: Rates) -> None:
        """Set the ends of `batches`: those that execute come first, and the others join them in turn."""
        running, to_come = self.executing.copy(), [*batches[len(self.executing) :]]
        left_s, at_s = [planned.left_s for planned in running], now_s
        while running or to_come:
            if not running:
                at_s = max(at_s, to_come[0].ready_s)
            while to_come and len(running) < self._slots and to_come[0].ready_s <= at_s:
                running.append(to_come.pop(0))
                left_s.append(running[-1].solo_s)
            if len(running) == 1 and not to_come:
                running[0].end_s = at_s + left_s[0]
                return
            rates = rates_of(tuple([planned.key for planned in running])) if len(running) > 1 else _ALONE
            needs_s = list(map(truediv, left_s, rates))
            step_s = min(needs_s)
            next_s, ends = at_s + step_s, [needs_s.index(step_s)]
            if to_come and len(running) < self._slots and to_come[0].ready_s - at_s < step_s:
                next_s, ends = to_come[0].ready_s, []  # it joins before any ends
                step_s = next_s - at_s
            for index, rate in enumerate(rates):
                left_s[index] -= step_s * rate
            at_s = next_s
            for index in ends:
                running.pop(index).end_s = at_s
                del left_s[index]

    def commit(self, now_s: float) -> None:
        """Remember the ends of the last walk, at `now_s`, as what is expected of each batch on the GPU."""
        for batches in (self.executing, self.staged):
            for planned in batches:
                planned.expected_s = planned.end_s
                planned.asked_s = now_s


_ALONE = (1.0,)
"""The rates of a batch that nobody is beside, by definition of solo time."""

_KEEP = 256
"""Intervals of the past kept before they are cleared away."""


def _time(happening: tuple[float, int, Planned]) -> tuple[float, int]:
    """Ends before starts at the same instant: a slot is taken over."""
    return happening[0], happening[1]
