"""Coarse time stamps: arrivals that a recorder put on ticks, so that many seem to come at one instant.

The bursts that coarse stamps make never were, and they turn comparisons of policies round. Stamps are coarse where many
requests share an instant *and* the instants lie a common step apart: batches at arbitrary times are real. The step is a
whole multiple in every gap, or the same within 1 % (a recorder that sleeps 3 s between looks drifts by milliseconds).

A reader that knows its format spreads the requests of a tick over it, uniformly and seeded; elsewhere a note says so,
and `--ticks spread` or `leave` decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stratsim.rng import Streams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source

__all__ = ["Resolution", "resolution", "settle"]

COARSE_SHARE = 0.1
"""Share of requests that arrive with an earlier one from which stamps on a common step are coarse (our choice)."""
LEAST_REQUESTS = 8
"""Fewer requests say nothing about ticks (our choice)."""
_LEAST_S = 1e-6
"""Finer steps are no ticks, seconds (our choice)."""
_JITTER = 0.01
"""How far a gap may be from a multiple of the tick, as a share of the tick."""
_FAR = 20
"""Gaps of more ticks than this say nothing about a tick that drifts."""
_OFF_GRID_S = 0.005
"""Stamps this close to multiples of the tick are numbered ticks, seconds: those of Mooncake's files are."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """How fine the time stamps of a trace are.

    Args:
        simultaneous: Requests that arrive at the same instant as an earlier one.
        largest: Most requests at one instant.
        tick_s: Common step of the instants, seconds; 0 if there is none.
        coarse: Whether requests coincide because of it.
    """

    simultaneous: int
    largest: int
    tick_s: float
    coarse: bool


def resolution(arrival_s: NDArray[np.float64]) -> Resolution:
    """Return how fine sorted arrivals are; memory and time follow their number."""
    simultaneous, many = _coincide(arrival_s)
    gaps = np.diff(arrival_s)
    starts = np.concatenate(([0], np.flatnonzero(gaps > 0) + 1, [len(arrival_s)]))
    tick_s = _step(gaps[gaps > 0])
    return Resolution(simultaneous, int(np.diff(starts).max()), tick_s, many and tick_s > 0)


def _coincide(arrival_s: NDArray[np.float64]) -> tuple[int, bool]:
    """Return how many requests arrive with an earlier one, and whether that is often, at more than two instants."""
    simultaneous = int((np.diff(arrival_s) == 0).sum())
    often = len(arrival_s) >= LEAST_REQUESTS and simultaneous >= COARSE_SHARE * len(arrival_s)
    return simultaneous, often and len(arrival_s) - simultaneous > 2


def _step(gaps: NDArray[np.float64]) -> float:
    """Return the common step of gaps, all above 0; 0 if there is none of a microsecond or more."""
    if not len(gaps) or gaps.min() < _LEAST_S:
        return 0.0
    steady = _steady_step(gaps)
    if steady:
        return steady
    whole = np.round(gaps * 1e9)
    if (whole > 2**62).any() or (np.abs(gaps * 1e9 - whole) > np.maximum(1e-4 * whole, 0.5)).any():
        return 0.0
    step = float(np.gcd.reduce(whole.astype(np.int64))) / 1e9
    return step if step >= _LEAST_S else 0.0


def _steady_step(gaps: NDArray[np.float64]) -> float:
    """Return the step that gaps are multiples of, but for a jitter; 0 if there is none."""
    base = float(np.median(gaps[gaps <= 1.5 * gaps.min()]))
    multiples = np.round(gaps / base)
    near = multiples <= _FAR
    base = float(gaps[near].sum() / multiples[near].sum())
    if (np.abs(gaps[near] - multiples[near] * base) > _JITTER * base).any() or (~near).mean() > 0.5:
        return 0.0
    for digits in (0, 1, 2, 3):  # a recorder's tick is a round number, unless it drifts away from it
        tick = round(base, digits)
        if tick and abs(tick - base) <= 1e-4 * base and _multiples(gaps, tick):
            return tick
    return base


def _multiples(gaps: NDArray[np.float64], tick: float) -> bool:
    return bool((np.abs(gaps - np.round(gaps / tick) * tick) <= _JITTER * tick).all())


def settle(trace: Trace, source: Source, *, tick_s: float | None, stream: str) -> Trace:
    """Return the trace with coarse time stamps spread, or with a note about them.

    Args:
        trace: A trace, sorted by arrival.
        source: Has the seed and the user's wish.
        tick_s: The format's tick, seconds; 0: its stamps may be coarse, by the tick that they say themselves; None:
            they are not expected to be.
        stream: Name of the random stream.
    """
    from stratsim.trace.flat import in_order

    simultaneous, often = _coincide(trace.arrival_s)
    if trace.normalised or not (often or tick_s or source.ticks == "spread"):
        return trace
    found = resolution(trace.arrival_s)
    known = tick_s is not None and (tick_s > 0 or found.coarse)
    width = tick_s or found.tick_s
    if source.ticks == "spread" and not (width and (known or simultaneous)):
        return replace(trace, notes=(*trace.notes, "no requests coincide on a common tick: none are spread"))
    if not (known or found.coarse or source.ticks == "spread"):
        return trace
    said = f"time stamps are quantised to {width:.6g} s"
    if source.ticks == "leave" or not (known or source.ticks == "spread"):
        way = "left as they are" if source.ticks == "leave" else "left as they are; --ticks spread spreads them"
        same = f"{found.simultaneous} of {len(trace)} requests arrive at the same instant as another"
        return replace(trace, notes=(*trace.notes, f"{said}: {same}; {way}"))
    note = f"{said}: requests spread uniformly inside their tick (seeded)"
    placed = _placed(trace.arrival_s, width, Streams(source.seed).get(stream).random(len(trace)))
    deadline_s = None if trace.deadline_s is None else trace.deadline_s + (placed - trace.arrival_s)
    return in_order(replace(trace, arrival_s=placed, deadline_s=deadline_s, notes=(*trace.notes, note)), quiet=True)


def _placed(arrival_s: NDArray[np.float64], tick_s: float, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return arrivals inside their ticks: numbered ones where they are multiples, else from the stamp to the next."""
    numbers = np.floor(arrival_s / tick_s + 0.5)
    if (np.abs(arrival_s - numbers * tick_s) <= min(_OFF_GRID_S, 0.1 * tick_s)).all():
        return np.asarray((numbers + share) * tick_s)
    instants = np.unique(arrival_s)
    ends = np.minimum(instants + tick_s, np.append(instants[1:], np.inf))
    width = (ends - instants)[np.searchsorted(instants, arrival_s)]
    return np.asarray(np.minimum(arrival_s + share * width, np.nextafter(arrival_s + width, 0.0)))
