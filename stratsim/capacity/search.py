"""Finds the rate at which a figure crosses its target: bracketing, then bisection. Knows nothing of simulations.

Three verdicts on a rate (`Probe.certain`, `expected` and `possible`), each true below some rate and false above it
where what misses the target grows with the rate.

The rates where they turn are the lower end, the estimate and the upper end of an interval for the capacity: the rates
at which a test of "the mean violation is the target" does not reject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.capacity.measure import Probe
from stratsim.errors import SpecError
from stratsim.stats.intervals import paired_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Found", "find_rate", "reversals"]

_MONOTONE_LEVEL = 0.99
"""Confidence with which violations must fall from a rate to a higher one to be called not monotone."""
_FURTHEST = 1024.0
"""The bracket is looked for within this factor of the first rate."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where the target is met.

    Args:
        at: The highest rate up to which every rate that was tried meets the target for certain; None: none does.
        expected: Between which two rates that were tried the means cease to meet it; None at a side where none was.
        above: The lowest rate that was tried and does not meet it for certain; None: none.
        probes: Everything that was tried, by rate.
    """

    at: Probe | None
    expected: tuple[float | None, float | None]
    above: float | None
    probes: tuple[Probe, ...]


def find_rate(
    probe: Callable[[float], Probe], target: Mapping[str, float], *, start: float, precision: float = 0.01
) -> Found:
    """Return the rates at which the three verdicts turn.

    From `start` the rate is doubled until the target is certainly missed, and halved until it is certainly met, by at
    most a factor of 1024 either way. Each verdict's bracket is then halved until its ends are within `precision`.
    Brackets lie between the lowest rate that fails and the highest below it that holds: where violations are not
    monotone, the first crossing counts.

    Args:
        probe: Measures a rate.
        target: Largest share that may miss, by goal.
        start: The first rate, > 0.
        precision: Relative distance of a bracket's ends, > 0.

    Raises:
        SpecError: a start or a precision that is not above 0.
    """
    if not (start > 0 and precision > 0):
        raise SpecError(f"start and precision must be > 0, got {start} and {precision}")
    tried: dict[float, Probe] = {}

    def at(rate: float) -> Probe:
        if rate not in tried:
            tried[rate] = probe(rate)
        return tried[rate]

    _bracket(at, target, start)
    for verdict in (Probe.certain, Probe.possible, Probe.expected):
        while True:
            low, high = _turn(tried, target, verdict)
            if low is None or high is None or high <= low * (1 + precision):
                break
            at((low + high) / 2)
    certain = _turn(tried, target, Probe.certain)[0]
    return Found(
        at=None if certain is None else tried[certain],
        expected=_turn(tried, target, Probe.expected),
        above=_turn(tried, target, Probe.possible)[1],
        probes=tuple(tried[rate] for rate in sorted(tried)),
    )


def _bracket(at: Callable[[float], Probe], target: Mapping[str, float], start: float) -> None:
    rate = start
    while at(rate).possible(target) and rate < start * _FURTHEST:
        rate *= 2
    rate = start
    while not at(rate).certain(target) and rate > start / _FURTHEST:
        rate /= 2


def _turn(
    tried: Mapping[float, Probe], target: Mapping[str, float], verdict: Callable[[Probe, Mapping[str, float]], bool]
) -> tuple[float | None, float | None]:
    """Return the highest rate that holds below the lowest that fails, and the latter."""
    rates = sorted(tried)
    fails = next((rate for rate in rates if not verdict(tried[rate], target)), None)
    holds = [rate for rate in rates if fails is None or rate < fails]
    return (holds[-1] if holds else None), fails


def reversals(found: Found) -> list[tuple[str, float, float]]:
    """Return where less misses a goal as the rate grows: goal, rate and next higher rate that was tried.

    Only what the 99 % interval of the difference over the same seeds confirms.
    """
    return [
        (name, low.rate, high.rate)
        for low, high in zip(found.probes, found.probes[1:], strict=False)
        for name, sample in low.samples.items()
        if paired_interval(high.samples[name], sample, _MONOTONE_LEVEL).high < 0
    ]
