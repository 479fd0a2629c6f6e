"""Demand and weight of loads that were not co-located: other batch sizes of a model, by a stated law.

`linear` in the batch size is what a profile's reader does between the entries of `truth.sharing`; `log-log` is linear
in the logarithms. Both are constant beyond the smallest and the largest batch size that was fitted. Which one the
profile uses is decided by leaving batch sizes out (`stratsim.fit.holdout`).
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from stratsim.model.interpolate import METHODS, Interpolation, interpolate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratsim.fit.cells import Load
    from stratsim.fit.sharing import Shares

__all__ = ["LAWS", "at_batch", "complete"]

LAWS: tuple[Interpolation, ...] = METHODS


def complete(shares: Shares, loads: Iterable[Load], law: Interpolation = "linear") -> Shares:
    """Return a model that knows `loads` too.

    Batch sizes of a known model follow the law. A model of which nothing is known gets the median demand and the
    geometric mean of the weights of all others: a guess, for judging how much knowing it is worth.
    """
    demand, weight = dict(shares.demand), dict(shares.weight)
    for load in loads:
        if load not in demand:
            demand[load] = at_batch(shares.demand, load, law, median(shares.demand.values()))
            typical = float(np.exp(fmean(np.log(list(shares.weight.values())))))
            weight[load] = at_batch(shares.weight, load, law, typical)
    return replace(shares, demand=demand, weight=weight)


def at_batch(values: Mapping[Load, float], load: Load, law: Interpolation, otherwise: float) -> float:
    """Return the value of a load, fitted or not: by the law between batch sizes of its model, constant beyond.

    Args:
        values: By load that was fitted.
        load: Any load.
        law: Between batch sizes.
        otherwise: The value of a model of which nothing is known.
    """
    table = {known.batch: value for known, value in values.items() if known.model == load.model}
    if not table:
        return otherwise
    return interpolate(table, min(max(load.batch, min(table)), max(table)), law)
