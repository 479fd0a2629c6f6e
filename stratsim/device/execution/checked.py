"""Checks what a user's device model answers, where the answer enters: shipped models are tested, and pay nothing."""

from __future__ import annotations

from math import inf, isnan
from typing import TYPE_CHECKING, Any, NoReturn

from stratsim.errors import SimulationError, StratsimError
from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.device.execution.base import Execution

__all__ = ["CheckedUnit"]

_STUCK = 10_000
"""Calls of `complete` at one time without an end after which a unit is declared stuck."""


class CheckedUnit:
    """A unit whose answers are checked; it can be preempted if the unit can.

    Args:
        unit: The user's.
        name: What to call its device model in errors.
    """

    __slots__ = ("_executing", "_held", "_idle", "_name", "_unit")

    def __init__(self, unit: Any, name: str) -> None:
        self._unit = unit
        self._name = name
        self._executing: set[Any] = set()
        self._held: set[Any] = set()
        self._idle = (-inf, 0)
        """The time of the latest call of `complete` without an end, and how many there were at it."""

    def __len__(self) -> int:
        return len(self._unit)

    @property
    def next_s(self) -> float:
        """When the unit must be called again."""
        at_s: float = self._unit.next_s
        return at_s

    @property
    def running(self) -> Sequence[Execution[Any]]:
        """The executing batches, in the order in which they started."""
        running: Sequence[Execution[Any]] = self._unit.running
        return running

    def add(self, now_s: float, key: Any, solo_s: float, work: Any, level: int = 0) -> None:
        """Start a batch."""
        self._executing.add(key)
        self._call(self._unit.add, now_s, key, solo_s, work, level)
        self._check_next(now_s)

    def complete(self, now_s: float) -> Sequence[Execution[Any]]:
        """Go on to `now_s`, and return the batches that end there."""
        ended: Sequence[Execution[Any]] = self._call(self._unit.complete, now_s)
        for execution in ended:
            if execution.key not in self._executing:
                self._fail(now_s, f"batch {execution.key} ends, which does not execute")
            self._executing.remove(execution.key)
        if ended or now_s > self._idle[0]:
            self._idle = (now_s, 0)
        self._idle = (now_s, self._idle[1] + 1)
        if self._idle[1] > _STUCK:
            self._fail(now_s, "no batch ends and time does not advance")
        self._check_next(now_s)
        return ended

    def copying(self, now_s: float, bytes_per_s: float) -> None:
        """Copies move that many bytes per second from now on."""
        self._call(self._unit.copying, now_s, bytes_per_s)
        self._check_next(now_s)

    def left_s(self, now_s: float, key: Any) -> float:
        """Return how much solo work an executing batch has left."""
        left_s: float = self._call(self._unit.left_s, now_s, key)
        if not 0 <= left_s < inf:
            self._fail(now_s, f"batch {key} has {left_s!r} s of work left: it must be >= 0 and finite")
        return left_s

    def hold(self, now_s: float, key: Any) -> None:
        """Let an executing batch go on as it is, until `rework`."""
        self._held.add(key)
        self._call(self._unit.hold, now_s, key)
        self._check_next(now_s)

    def rework(self, now_s: float, key: Any, work: Any) -> None:
        """Replace what an executing batch has left; None takes it out."""
        self._held.discard(key)
        if work is None:
            self._executing.discard(key)
        self._call(self._unit.rework, now_s, key, work)
        self._check_next(now_s)

    def _call(self, method: Callable[..., Any], now_s: float, *args: Any) -> Any:
        try:
            return method(now_s, *args)
        except StratsimError:
            raise
        except Exception as error:
            raise SimulationError(
                f"device model {self._name!r} failed at t={now_s:.9g} s: {type(error).__name__}: {error}"
            ) from error

    def _check_next(self, now_s: float) -> None:
        next_s = self._unit.next_s
        if isnan(next_s) or next_s < now_s * (1.0 - TIME_RTOL):
            self._fail(now_s, f"the next end is at {next_s!r} s, which must not lie in the past")
        if next_s == inf and len(self._executing) > len(self._held):
            self._fail(now_s, f"{len(self._executing) - len(self._held)} executing batches never end")

    def _fail(self, now_s: float, message: str) -> NoReturn:
        raise SimulationError(f"device model {self._name!r} at t={now_s:.9g} s: {message}")
