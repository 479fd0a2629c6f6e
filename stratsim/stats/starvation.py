"""How long a class was kept waiting without any of it being served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.stats.occupancy import clip, merged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["longest_starvation_s"]

_BLOCK = 262_144


def longest_starvation_s(
    arrival_s: Floats, until_s: Floats, served: NDArray[np.bool_], span: tuple[float, float] = (-np.inf, np.inf)
) -> float:
    """Return the longest stretch during which somebody waited all the time and nobody was served, seconds.

    A stretch ends when somebody is served or nobody waits any more; a request that gives up ends it only if it was the
    last. So a class whose requests come and are all dropped starves from the first arrival to the last drop, as long
    as at least one waits. 0 where nobody ever waited.

    Source: our choice of definition; "longest interval without service" is common.

    Args:
        arrival_s: From when each request waits, shape (n,).
        until_s: Until when: served, or given up, shape (n,).
        served: Which of the two, shape (n,).
        span: Only what lies in it counts: a stretch is cut at its ends.
    """
    begin_s, end_s = merged(*clip(arrival_s, until_s, *span))
    served_s = until_s[served & (until_s >= span[0]) & (until_s <= span[1])]
    served_s.sort()
    longest = 0.0
    # Gaps before services, and after a stretch's last one; stretches without any are gaps themselves.
    unserved = np.ones(len(begin_s), dtype=bool)
    before = -1, 0.0  # the stretch of the service before, and when that was
    for first in range(0, len(served_s), _BLOCK):
        at_s = served_s[first : first + _BLOCK]
        stretch = np.searchsorted(begin_s, at_s, side="right") - 1
        at_s, stretch = _within(at_s, stretch, end_s)
        if not len(at_s):
            continue
        unserved[stretch] = False
        goes_on = np.append(before[0], stretch[:-1]) == stretch
        last_s = np.append(before[1], at_s[:-1])
        longest = max(longest, float((at_s - np.where(goes_on, last_s, begin_s[stretch])).max()))
        ended = np.flatnonzero(~goes_on[1:])
        longest = max(longest, float((end_s[stretch[ended]] - at_s[ended]).max(initial=0.0)))
        if before[0] >= 0 and not goes_on[0]:
            longest = max(longest, float(end_s[before[0]]) - before[1])
        before = int(stretch[-1]), float(at_s[-1])
    if before[0] >= 0:
        longest = max(longest, float(end_s[before[0]]) - before[1])
    return max(longest, float((end_s[unserved] - begin_s[unserved]).max(initial=0.0)))


def _within(at_s: Floats, stretch: NDArray[np.intp], end_s: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return those services that lie within the stretch before whose end they begin, with it."""
    inside = stretch >= 0
    inside[inside] = at_s[inside] <= end_s[stretch[inside]]
    return at_s[inside], stretch[inside]
