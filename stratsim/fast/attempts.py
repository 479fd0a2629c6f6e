"""Requests that are sent again after a drop, asked by kernels: what `stratsim.engine.retries` does."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from stratsim.fast import codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stratsim.fast.compiled import Ints, Reals
    from stratsim.model.rejection import Rejection

__all__ = ["Attempts"]


class Attempts:
    """The clients' side of dropped requests.

    Args:
        rejection: How often, and when, a request is sent again.
        deadline_s: By request.
        sent_s: By request: when it arrived, and takes when its latest attempt does.
        ints: Takes numbers for an answer.
        reals: Takes times for an answer, and has the present.

    Attributes:
        made: How often each request was sent, by its number, where that is more than once.
        sent_s: As given.
    """

    def __init__(
        self,
        rejection: Rejection,
        deadline_s: NDArray[Any],
        sent_s: NDArray[Any],
        ints: Ints,
        reals: Reals,
    ) -> None:
        self._rejection, self._deadline_s = rejection, deadline_s
        self._ints, self._reals = ints, reals
        self.sent_s = sent_s
        self.made: dict[int, int] = {}

    @property
    def answers(self) -> dict[int, Callable[[int], None]]:
        """What answers each question, where no client waits for replies."""
        return {codes.OF_DROP: self.drop, codes.OF_ATTEMPT: self.attempt}

    def again(self, row: int, stop_s: float = inf) -> bool:
        """Have a request that is dropped now sent again; return whether it is.

        Args:
            row: Its number.
            stop_s: When its client ends.
        """
        attempt = self.made.get(row, 1)
        at_s = float(self._reals[codes.NOW_S]) + self._rejection.pause_s(attempt)
        if attempt > self._rejection.retries or at_s >= min(float(self._deadline_s[row]), stop_s):
            return False
        self._ints[codes.FOUND], self._reals[codes.SENDS_S] = codes.SENT_AGAIN, at_s
        return True

    def drop(self, row: int) -> None:
        """Say whether a request that nobody waits for is sent again."""
        if self._rejection.retry_by != "all" or not self.again(row):
            self._ints[codes.FOUND] = codes.NOBODY

    def attempt(self, row: int) -> None:
        """Take note of a further attempt, which arrives now."""
        self.made[row] = self.made.get(row, 1) + 1
        self.sent_s[row] = self._reals[codes.NOW_S]
