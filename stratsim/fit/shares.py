"""Capped weighted sharing of many cells at once, with derivatives: what the fit minimises over.

`stratsim.solve.capped_weighted` is the rule, one cell at a time; a test holds the two to each other. Two optional terms
extend it, each one number for the whole device, zero where the rule holds as it is. With S the sum of the demands:

    sub-saturation  every batch is slowed by 1 + sub_saturation * (min(S, 1) - its own demand)
    thrash          every batch is slowed by 1 + thrash * max(S - 1, 0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["Blocks", "log_rates", "log_rates_and_blocks"]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Derivatives of `log_rates`: entry [c, i, j] is that of stream i's log rate in cell c.

    Args:
        demand: By the demand of stream j, shape (cells, n, n).
        log_weight: By the logarithm of the weight of stream j, shape (cells, n, n).
        sub_saturation: By the term, shape (cells, n).
        thrash: By the term, shape (cells, n).
    """

    demand: Floats
    log_weight: Floats
    sub_saturation: Floats
    thrash: Floats


@dataclass(frozen=True, slots=True)
class _Filling:
    """The outcome of progressive filling; arrays of shape (cells, n) or (cells, 1)."""

    free: Bools
    """Streams below full speed."""
    capped: Bools
    """Streams at full speed, co-located with slower ones."""
    pull: Floats
    """Sum of demand * weight over the free streams, 1 where there are none."""
    left: Floats
    """What the streams at full speed leave, 1 where there are no free ones."""


def log_rates(
    demand: Floats, weight: Floats, present: Bools, sub_saturation: float = 0.0, thrash: float = 0.0
) -> Floats:
    """Return the logarithm of each stream's rate, shape (cells, n); 0 for streams that are not present.

    Args:
        demand: Shape (cells, n), each within (0, 1].
        weight: Shape (cells, n), each > 0.
        present: Shape (cells, n): cells with fewer than n streams are padded.
        sub_saturation: The term of that name, >= 0.
        thrash: The term of that name, >= 0.
    """
    demand = np.where(present, demand, 0.0)
    return _log_rates(demand, weight, present, _fill(demand, weight, present), sub_saturation, thrash)


def log_rates_and_blocks(
    demand: Floats, weight: Floats, present: Bools, sub_saturation: float = 0.0, thrash: float = 0.0
) -> tuple[Floats, Blocks]:
    """Return `log_rates` and its derivatives; at a kink, those of one side."""
    demand = np.where(present, demand, 0.0)
    filling = _fill(demand, weight, present)
    rates = _log_rates(demand, weight, present, filling, sub_saturation, thrash)
    below, above, saturated = _loads(demand, present)
    same = np.eye(demand.shape[1], dtype=bool)[None]
    free_i, free_j = filling.free[:, :, None], filling.free[:, None, :]
    pull_j = np.where(free_j, (weight / filling.pull)[:, None, :], 0.0)
    left_j = np.where(filling.capped[:, None, :], 1.0 / filling.left[:, :, None], 0.0)
    by_weight = np.where(free_i, same - demand[:, None, :] * pull_j, 0.0)
    by_demand = np.where(free_i, -pull_j - left_j, 0.0)
    by_demand -= (sub_saturation * (~saturated[:, :, None] * 1.0 - same)) / (1 + sub_saturation * below)[:, :, None]
    by_demand -= (thrash * saturated / (1 + thrash * above))[:, :, None]
    both = present[:, :, None] & present[:, None, :]
    blocks = Blocks(
        demand=np.where(both, by_demand, 0.0),
        log_weight=np.where(both, by_weight, 0.0),
        sub_saturation=np.where(present, -below / (1 + sub_saturation * below), 0.0),
        thrash=np.where(present, -above / (1 + thrash * above), 0.0),
    )
    return rates, blocks


def _log_rates(
    demand: Floats, weight: Floats, present: Bools, filling: _Filling, sub_saturation: float, thrash: float
) -> Floats:
    rates = np.where(filling.free, np.log(filling.left / filling.pull * weight), 0.0)
    if sub_saturation or thrash:
        below, above, _ = _loads(demand, present)
        rates = rates - np.log1p(sub_saturation * below) - np.log1p(thrash * above)
    return np.where(present, rates, 0.0)


def _loads(demand: Floats, present: Bools) -> tuple[Floats, Floats, Bools]:
    """Return what the others occupy below saturation, the demand above it, and whether a cell is saturated."""
    total = demand.sum(axis=1, keepdims=True)
    below = np.where(present, np.maximum(np.minimum(total, 1.0) - demand, 0.0), 0.0)
    return below, np.maximum(total - 1.0, 0.0), total > 1.0


def _fill(demand: Floats, weight: Floats, present: Bools) -> _Filling:
    """Fill progressively: the heaviest streams reach full speed first, the rest share what they leave."""
    pulls = np.where(present, weight, 0.0)
    order = np.argsort(-pulls, axis=1, kind="stable")
    row = np.arange(len(order))[:, None]
    s, w = demand[row, order], pulls[row, order]
    taken = np.cumsum(s, axis=1) - s
    pull = np.cumsum((s * w)[:, ::-1], axis=1)[:, ::-1]
    slow = (1.0 - taken) * w <= pull
    first = np.argmax(slow, axis=1)[:, None]
    saturated = demand.sum(axis=1, keepdims=True) > 1.0
    rank = np.empty_like(order)
    rank[row, order] = np.arange(order.shape[1])
    free = saturated & present & (rank >= first)
    capped = saturated & present & ~free
    return _Filling(
        free=free,
        capped=capped,
        pull=np.where(saturated, pull[row, first], 1.0),
        left=np.where(saturated, 1.0 - taken[row, first], 1.0),
    )
