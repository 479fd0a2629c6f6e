"""How long a class was kept waiting without any of it being served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.stats.occupancy import clip, merged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["longest_starvation_s"]

_BEGIN, _SERVICE, _END = 0, 1, 2


def longest_starvation_s(
    arrival_s: Floats, until_s: Floats, served_s: Floats, span: tuple[float, float] = (-np.inf, np.inf)
) -> float:
    """Return the longest stretch during which somebody waited all the time and nobody was served, seconds.

    A stretch ends when somebody is served or nobody waits any more; a request that gives up ends it only if it was the
    last. So a class whose requests come and are all dropped starves from the first arrival to the last drop, as long
    as at least one waits. 0 where nobody ever waited.

    Source: our choice of definition; "longest interval without service" is common.

    Args:
        arrival_s: From when each request waits, shape (n,).
        until_s: Until when: served, or given up, shape (n,).
        served_s: When each was served; NaN: never. Shape (n,).
        span: Only what lies in it counts: a stretch is cut at its ends.
    """
    begin_s, end_s = merged(*clip(arrival_s, until_s, *span))
    if not len(begin_s):
        return 0.0
    served = np.unique(served_s[(served_s >= span[0]) & (served_s <= span[1])])
    period = np.searchsorted(begin_s, served, side="right") - 1
    served = served[(period >= 0) & (served <= end_s[period])]
    at_s = np.concatenate([begin_s, served, end_s])
    kind = np.repeat([_BEGIN, _SERVICE, _END], [len(begin_s), len(served), len(end_s)])
    order = np.lexsort((kind, at_s))
    gaps, after = np.diff(at_s[order]), kind[order][:-1]
    return float(gaps[after != _END].max(initial=0.0))
