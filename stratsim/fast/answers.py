"""Answers what kernels ask for while they run: rates that they have not met yet, and draws."""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING

from stratsim.fast import codes
from stratsim.fast.compiled import IS_COMPILED, native
from stratsim.fast.rates import Rates
from stratsim.fast.strait.inside import Inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stratsim.fast.compiled import Ask, Ints, Reals
    from stratsim.fast.setup import Run

__all__ = ["Answers"]


class Answers:
    """All answers of one run.

    Args:
        made: The run: its arrays have the questions, and take the answers.
        gpus: Number of GPUs.
    """

    def __init__(self, made: Run, gpus: int) -> None:
        self._ints = made.ints
        self._rates = Rates(made.unit, made.layout.links, made.loads, gpus, made.ints, made.reals)
        self._others: dict[int, Callable[[int], None]] = {codes.OF_LANES: self._rates.of_lanes}
        if made.stops is not None:
            self._others[codes.OF_STOP] = made.stops
        if made.attempts is not None:
            self._others |= made.attempts.answers
        if made.clients is not None:
            self._others |= made.clients.answers
        if isinstance(made.inside, Inside):
            self._others[codes.OF_POLICY] = made.inside.make_room
        if made.stays is not None:
            self._others[codes.OF_STAYS] = _Stays(made.stays, made.ints, made.reals).more
        if made.thoughts is not None:
            self._others[codes.OF_THOUGHTS] = _Thoughts(made.thoughts, made.ints, made.reals).more

    def ask(self, whom: int, what: int) -> None:
        """Answer a question, to a GPU by its number or to another, as `codes` has them.

        What goes wrong is left to the reference engine, which is to meet it again, and say when and where.
        """
        try:
            if whom >= 0:
                self._rates.of_loads(whom, what)
            else:
                self._others[whom](what)
        except Exception:  # noqa: BLE001 (as said)
            self._ints[codes.STATUS] = codes.FAILED

    def callback(self) -> Ask:
        """Return a function that kernels can call, compiled or not."""
        if not IS_COMPILED:
            return self.ask
        function = ctypes.PYFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(self.ask)
        return native()(ctypes.cast(function, ctypes.c_void_p).value, function)  # type: ignore[no-any-return]


class _Stays:
    """When the host's stays in each of its two speeds end, as far as kernels have room for."""

    def __init__(self, ends: Iterator[float], ints: Ints, reals: Reals) -> None:
        begin, self._most = int(ints[codes.STAY_AT]), int(ints[codes.MOST_STAYS])
        self._ends, self._ints, self._reals = ends, ints, reals
        self._kept = reals[begin : begin + self._most]

    def more(self, _: int) -> None:
        """Replace those that are over by some to come; an even number, so that speeds keep their turns."""
        known = int(self._ints[codes.STAYS])
        over = bisect_right(self._kept[:known].tolist(), self._reals[codes.SINCE_S]) // 2 * 2
        if not over and known == self._most:
            self._ints[codes.STATUS] = codes.FULL
        kept = [*self._kept[over:known].tolist(), *islice(self._ends, self._most - known + over)]
        self._kept[:] = kept
        self._ints[codes.STAYS] = self._most


class _Thoughts:
    """Thinking times."""

    def __init__(self, drawn: Iterator[float], ints: Ints, reals: Reals) -> None:
        begin = int(ints[codes.THOUGHT_AT])
        self._drawn, self._times_s = drawn, reals[begin : begin + codes.MOST_THOUGHTS]

    def more(self, count: int) -> None:
        """Put down the next."""
        self._times_s[:] = list(islice(self._drawn, count))
