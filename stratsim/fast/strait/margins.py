"""Margins of solo latencies: `stratsim.policy.strait.margins` on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    ALL_ERRORS_AT,
    ERROR_AT,
    ERROR_BLOCK,
    ERROR_WINDOW,
    LACKING,
    LACKS,
    LEAST_ERRORS,
    MODELS,
    QUANTILE,
    RECENT_COUNT,
    SIZES,
    STRETCH,
    STRETCH_OF_ALL,
)
from stratsim.fast.strait.lists import quantile, remember
from stratsim.fast.strait.queues import at_model

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["learn_alone", "stretch"]


@compiled
def stretch(state: State, kind: int) -> float:
    """Return 1 + the margin of a kind's model."""
    return state.reals[at_model(state, kind // state.ints[SIZES]) + STRETCH]  # type: ignore[no-any-return]


@compiled
def learn_alone(state: State, number: int, error: float) -> None:
    """Remember by how much the solo latency of a model was off."""
    ints, reals = state.ints, state.reals
    model, errors = at_model(state, number), ints[ERROR_AT] + number * ERROR_BLOCK
    remember(reals, errors, ERROR_WINDOW, error)
    if reals[errors + RECENT_COUNT] >= LEAST_ERRORS:
        overdue = quantile(reals, errors, ERROR_WINDOW, reals[QUANTILE])
        reals[model + STRETCH] = 1.0 + overdue if overdue > 0.0 else 1.0
        ints[LACKING] -= ints[model + LACKS]
        ints[model + LACKS] = 0
    if not ints[LACKING]:
        return
    overall = ints[ALL_ERRORS_AT]
    remember(reals, overall, ERROR_WINDOW, error)
    if reals[overall + RECENT_COUNT] >= LEAST_ERRORS:
        all_s = 1.0 + max(quantile(reals, overall, ERROR_WINDOW, reals[QUANTILE]), 0.0)
        if all_s == reals[STRETCH_OF_ALL]:
            return
        reals[STRETCH_OF_ALL] = all_s
        for other in range(ints[MODELS]):
            if ints[at_model(state, other) + LACKS]:
                reals[at_model(state, other) + STRETCH] = all_s
