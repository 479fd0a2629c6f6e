"""A host that has two speeds: how fast each is, and how long it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.fidelity.one_step import freed_slots
from stratsim.model.truth import Speeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.engine import Result

    Floats = NDArray[np.float64]

__all__ = ["gaps", "measure_speeds", "two_speeds"]

_BLOCK_S = 0.1
"""The host is taken to have one speed for so long: its figure is the median of the gaps."""
_LEAST_BLOCKS = 20
_LEAST_RATIO = 1.3
"""Between the two speeds; below it is one speed that wanders."""
_STEPS = 100


def measure_speeds(results: Sequence[Result]) -> Speeds | None:
    """Return the two speeds of the host, from the gaps between batches on a slot; None: it has one.

    Args:
        results: Live runs.
    """
    return two_speeds([gaps(result) for result in results])


def gaps(result: Result) -> tuple[Floats, Floats]:
    """Return when a slot was handed from one batch to a waiting one, and how long that took; shapes (k,), seconds."""
    batches, freed_s = result.batches, freed_slots(result)
    waited = (freed_s > batches.dispatch_s) & (batches.copy_in_end_s <= freed_s) & ~np.isnan(batches.execution_end_s)
    order = np.argsort(freed_s[waited], kind="stable")
    return freed_s[waited][order], (batches.execution_start_s - freed_s)[waited][order]


def two_speeds(runs: Sequence[tuple[Floats, Floats]]) -> Speeds | None:
    """Return the states of a two-state Markov process, with factors about the median of all gaps.

    The medians of blocks of 0.1 s fall into two groups by their logarithms (two means). A state's mean stay is the time
    in it over the times that it was left: the maximum likelihood of an exponential stay, runs being cut off.

    Args:
        runs: Of each run: when, and how long, shapes (k,), in order of time.
    """
    blocks = [_blocks(*run) for run in runs if len(run[0])]
    joined = np.concatenate([*blocks, np.empty(0)])
    if len(joined) < _LEAST_BLOCKS:
        return None
    logs = np.log(joined)
    low, high = _two_means(logs)
    if np.exp(high - low) < _LEAST_RATIO:
        return None
    states = [np.log(block) > (low + high) / 2 for block in blocks]
    slow = sum(int(state.sum()) for state in states)
    changes = [np.diff(state.astype(int)) for state in states]
    left_fast, left_slow = (sum(int((change == way).sum()) for change in changes) for way in (1, -1))
    middle = float(np.median(np.concatenate([took_s for _, took_s in runs])))
    return Speeds(
        fast=float(np.exp(low)) / middle,
        slow=float(np.exp(high)) / middle,
        fast_s=_BLOCK_S * (len(joined) - slow) / max(left_fast, 1),
        slow_s=_BLOCK_S * slow / max(left_slow, 1),
    )


def _blocks(at_s: Floats, took_s: Floats) -> Floats:
    block = ((at_s - at_s[0]) / _BLOCK_S).astype(int)
    return np.array([np.median(took_s[block == number]) for number in np.unique(block)])


def _two_means(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, (0.1, 0.9)).tolist()
    for _ in range(_STEPS):
        upper = values > (low + high) / 2
        if not upper.any() or upper.all():
            return low, low
        found = float(values[~upper].mean()), float(values[upper].mean())
        if found == (low, high):
            break
        low, high = found
    return low, high
