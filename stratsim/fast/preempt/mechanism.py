"""What it takes to stop a batch: `stratsim.model.preemption` on arrays."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

from stratsim.fast.codes import ON_TIME, PREEMPTS, SAME
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.codes import (
    AT_BOUNDARY,
    CONTEXT_SWITCH,
    GATED,
    KERNELS,
    LATENCY_S,
    MECHANISM,
    MOST_S,
    RESET,
    RESTART,
    SHARE,
    THROTTLED,
)

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints, Reals

__all__ = ["draws", "step_s", "stop"]


@compiled
def draws(ints: Ints) -> bool:
    """Whether what it takes is random."""
    return ints[ints[PREEMPTS] + MECHANISM] <= THROTTLED  # type: ignore[no-any-return]


@compiled
def step_s(ints: Ints, reals: Reals, kernel_s: float) -> float:
    """Return the solo work between two points that work done is counted from; 0 if it is not."""
    kind = ints[ints[PREEMPTS] + MECHANISM]
    if kind == AT_BOUNDARY:
        return kernel_s * reals[ints[ints[PREEMPTS]] + SHARE]  # type: ignore[no-any-return]
    return kernel_s if kind == RESET else 0.0


@compiled
def stop(
    ints: Ints, reals: Reals, done_s: float, solo_s: float, kernel_s: float, draw: float
) -> tuple[float, float, float]:
    """Return what a batch drains, the latency after that, and what it loses."""
    kind, own = ints[ints[PREEMPTS] + MECHANISM], ints[ints[PREEMPTS]]
    latency_s = reals[own + LATENCY_S]
    if kind == GATED:
        return (1.0 + draw) / 2 * reals[own + KERNELS] * kernel_s, 0.0, 0.0
    if kind == THROTTLED:
        launched = floor(reals[own + MOST_S] / kernel_s * ON_TIME) + 1
        return draw * launched * kernel_s, 0.0, 0.0
    if kind == AT_BOUNDARY:
        step = kernel_s * reals[own + SHARE]
        begun_s = _into(done_s, step, solo_s)
        return (step - begun_s if begun_s else 0.0), 0.0, 0.0
    if kind == CONTEXT_SWITCH:
        return 0.0, latency_s, 0.0
    if kind == RESTART:
        return 0.0, latency_s, done_s
    return 0.0, latency_s, min(done_s, _into(done_s, kernel_s, solo_s) + reals[own + KERNELS] * kernel_s)


@compiled
def _into(done_s: float, step: float, solo_s: float) -> float:
    """Return how far the work has got into the present step; 0 at a boundary, within rounding."""
    into_s = done_s - floor(done_s / step) * step
    close_s = SAME * solo_s
    return 0.0 if into_s <= close_s or into_s >= step - close_s else into_s
