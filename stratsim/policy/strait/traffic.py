"""High-priority traffic as it has lately been: how often requests come, of which models, and what they ask for."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from stratsim.model.request import Request

__all__ = ["Traffic", "Usual"]

_WINDOW = 64
"""Arrivals that rates and shares are taken from: 5 % of them are three."""
_RENEWED = 4
"""Shares are counted anew after one in so many of the arrivals in the window."""


class Usual:
    """What one model's high-priority requests are like."""

    __slots__ = ("lasts_s", "out_s", "share", "slo_s")

    def __init__(self) -> None:
        self.share = 0.0
        """Of all high-priority requests."""
        self.slo_s = inf
        """From arrival to deadline, of the last one."""
        self.out_s = 0.0
        """What the copy of its output takes."""
        self.lasts_s = inf
        """What is left of the former after that: how long a request may wait for its start and execute."""


class Traffic:
    """The last arrivals of high priority.

    Their rate is `count` over the time from `since_s` to now. That includes the gap since the last of them: while
    nobody comes the rate falls, however many came before. Shares of models change now and then only, so that what is
    made from them can be kept.
    """

    def __init__(self) -> None:
        self.seen: dict[str, Usual] = {}
        """By model that is among the last arrivals."""
        self.renewals = 0
        """How often shares or deadlines have changed."""
        self._last: deque[tuple[float, str]] = deque(maxlen=_WINDOW)
        self._arrived = 0
        self._renew_at = 1

    def note(self, request: Request, out_s: float) -> None:
        """Take in a request that has arrived, and what the copy of its output takes."""
        self._arrived += 1
        self._last.append((request.arrival_s, request.model))
        usual = self.seen.get(request.model)
        if usual is None:
            usual = self.seen[request.model] = Usual()
            self._renew_at = self._arrived
        slo_s = request.deadline_s - request.arrival_s
        if abs(slo_s - usual.slo_s) > TIME_RTOL * request.deadline_s:
            usual.slo_s = slo_s
            self.renewals += 1
        usual.out_s = out_s
        usual.lasts_s = usual.slo_s - out_s
        if self._arrived >= self._renew_at:
            self._renew()

    def _renew(self) -> None:
        self._renew_at = self._arrived + len(self._last) // _RENEWED + 1
        self.renewals += 1
        models = [model for _, model in self._last]
        self.seen = {model: usual for model, usual in self.seen.items() if model in models}
        for model, usual in self.seen.items():
            usual.share = models.count(model) / len(models)

    @property
    def count(self) -> int:
        """How many the last arrivals are."""
        return len(self._last)

    @property
    def since_s(self) -> float:
        """When the first of them arrived; at least one has."""
        return self._last[0][0]
