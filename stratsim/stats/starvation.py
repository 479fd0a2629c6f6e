"""How long a class was kept waiting without any of it being served."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.stats.occupancy import clip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Waits", "longest_starvation_s"]

_BLOCK = 262_144


class Waits(NamedTuple):
    """How long some requests waited; all of shape (n,)."""

    arrival_s: Floats
    until_s: Floats
    """When they were served, or given up."""
    served: NDArray[np.bool_]
    """Which of the two."""


def longest_starvation_s(waits: Iterable[Waits], span: tuple[float, float] = (-np.inf, np.inf)) -> float:
    """Return the longest stretch during which somebody waited all the time and nobody was served, seconds.

    A stretch ends when somebody is served or nobody waits any more; a request that gives up ends it only if it was the
    last. So a class whose requests come and are all dropped starves from the first arrival to the last drop, as long
    as at least one waits. 0 where nobody ever waited.

    Source: our choice of definition; "longest interval without service" is common.

    Args:
        waits: The requests in the order of arrival, some at a time; kept are those of the last stretch of waiting.
        span: Only what lies in it counts: a stretch is cut at its ends.
    """
    longest, latest_s = 0.0, -np.inf
    begin_s, services = np.empty(0), [np.empty(0)]
    for arrival_s, until_s, served in waits:
        services.append(until_s[served & (until_s >= span[0]) & (until_s <= span[1])])
        start_s, stop_s = clip(arrival_s, until_s, *span)
        latest = np.maximum.accumulate(np.append(latest_s, stop_s))
        new = np.flatnonzero(start_s > latest[:-1])
        end_s = latest[new] if len(begin_s) else latest[new[1:]]
        begin_s = np.append(begin_s, start_s[new])
        latest_s = latest[-1]
        if len(end_s):  # all stretches but the last have ended, and nobody is served in them any more
            served_s = np.sort(np.concatenate(services))
            later = np.searchsorted(served_s, begin_s[-1])
            longest = max(longest, _longest(begin_s[:-1], end_s, served_s[:later]))
            begin_s, services = begin_s[-1:], [served_s[later:]]
    end_s = np.full(len(begin_s), latest_s)
    return max(longest, _longest(begin_s, end_s, np.sort(np.concatenate(services))))


def _longest(begin_s: Floats, end_s: Floats, served_s: Floats) -> float:
    """Return the longest time without a service within stretches of waiting, which do not overlap; all in order."""
    return max(_to_and_from_services(begin_s, end_s, served_s), _between_services(begin_s, end_s, served_s))


def _to_and_from_services(begin_s: Floats, end_s: Floats, served_s: Floats) -> float:
    """Return the longest time from the begin of a stretch of waiting to its first service, or from its last to its end.

    For a stretch without any service, all of it.
    """
    longest = 0.0
    for first in range(0, len(begin_s), _BLOCK):
        begin, end = begin_s[first : first + _BLOCK], end_s[first : first + _BLOCK]
        low, high = np.searchsorted(served_s, begin, side="left"), np.searchsorted(served_s, end, side="right")
        some = low < high
        for gaps in (
            (end - begin)[~some],
            served_s[low[some]] - begin[some],
            end[some] - served_s[high[some] - 1],
        ):
            longest = max(longest, float(gaps.max(initial=0.0)))
    return longest


def _between_services(begin_s: Floats, end_s: Floats, served_s: Floats) -> float:
    """Return the longest time between services that follow each other within a stretch of waiting."""
    if not len(begin_s):
        return 0.0
    longest = 0.0
    for first in range(0, len(served_s), _BLOCK):
        at_s = served_s[first : first + _BLOCK + 1]
        stretch = np.searchsorted(begin_s, at_s, side="right") - 1
        inside = (stretch >= 0) & (at_s <= end_s[stretch])
        within = inside[1:] & inside[:-1] & (stretch[1:] == stretch[:-1])
        longest = max(longest, float(np.diff(at_s)[within].max(initial=0.0)))
    return longest
