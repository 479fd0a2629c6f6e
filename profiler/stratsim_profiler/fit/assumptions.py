"""Tests of what capped weighted sharing assumes, and whether the global terms are needed.

Saturated (the demands sum to more than 1): the device is busy all the time, so sum of demand * rate is 1, however many
streams there are. Below saturation every batch runs at full speed: all rates are 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from stratsim.fit.sharing import fit_sharing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.fit.cells import Cell
    from stratsim.fit.sharing import Shares, SharingFit, Terms

__all__ = ["ALL_TERMS", "MeanTest", "TermsTest", "below_saturation", "clock_effect", "needs_terms", "saturated_work"]

ALL_TERMS = ("sub_saturation", "thrash")
_SIGNIFICANCE = 0.01
_MARGIN = 0.05
"""Cells whose demands sum to within this of 1 belong to neither side: the sum is not known better."""


@dataclass(frozen=True, slots=True)
class MeanTest:
    """A mean that should be zero.

    Args:
        count: Number of observations.
        mean: Their mean, as a relative deviation.
        interval: Its 95 % confidence interval.
        violated: Whether zero lies outside the interval at the 1 % level.
    """

    count: int
    mean: float
    interval: tuple[float, float]
    violated: bool


@dataclass(frozen=True, slots=True)
class TermsTest:
    """Whether the global terms are needed, by an F test of the fit with them against the fit without.

    Args:
        terms: The values that fit best.
        p_value: Probability of an improvement as large by chance.
        needed: Whether it is below 1 %.
        sigma: Standard deviation of the residuals without and with the terms.
        fit: The fit with the terms.
    """

    terms: Terms
    p_value: float
    needed: bool
    sigma: tuple[float, float]
    fit: SharingFit


def saturated_work(cells: Sequence[Cell], shares: Shares) -> dict[int, MeanTest]:
    """Test, by number of streams, that sum of demand * measured rate is 1 in the saturated cells.

    The fit sees to it that the mean over all cells is about 1; a device that loses capacity as streams are added shows
    as a mean that falls with their number.
    """
    found = {}
    for count in sorted({len(cell.loads) for cell in cells}):
        own = [cell for cell in cells if len(cell.loads) == count]
        tested = _of_cells(own, shares, lambda total: total > 1 + _MARGIN, lambda s, r: float(np.log(s @ r)))
        if tested is not None:
            found[count] = tested
    return found


def below_saturation(cells: Sequence[Cell], shares: Shares) -> MeanTest | None:
    """Test that the mean log slowdown is 0 in the cells below saturation; None without any."""
    return _of_cells(cells, shares, lambda total: total < 1 - _MARGIN, lambda _, r: float(-np.log(r).mean()))


def _of_cells(
    cells: Sequence[Cell],
    shares: Shares,
    belongs: Callable[[float], bool],
    deviation: Callable[..., float],
) -> MeanTest | None:
    found = []
    for cell in cells:
        demand = np.array([shares.demand[load] for load in cell.loads])
        if belongs(float(demand.sum())):
            found.append(deviation(demand, 1 / np.array(cell.slowdowns)))
    return _mean_test(found)


def _mean_test(values: Sequence[float]) -> MeanTest | None:
    count = len(values)
    if count < 3:
        return None
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(count))
    half = float(stdtrit(count - 1, 0.975)) * error
    strict = float(stdtrit(count - 1, 1 - _SIGNIFICANCE / 2)) * error
    return MeanTest(count, mean, (mean - half, mean + half), abs(mean) > strict)


def needs_terms(cells: Sequence[Cell], plain: SharingFit, starts: int = 4) -> TermsTest | None:
    """Fit the global terms too, and test whether that is better than chance; None with too few cells."""
    rich = fit_sharing(cells, anchor=plain.anchor, terms=ALL_TERMS, starts=starts)
    freedom = len(rich.residuals) - (rich.problem.size - 1)
    if freedom < 1:
        return None
    without, with_ = float(np.sum(plain.residuals**2)), float(np.sum(rich.residuals**2))
    gain = max(0.0, without - with_) / len(ALL_TERMS) / max(with_ / freedom, 1e-18)
    p_value = float(fdtrc(len(ALL_TERMS), freedom, gain))
    return TermsTest(rich.shares.terms, p_value, p_value < _SIGNIFICANCE, (plain.sigma, rich.sigma), rich)


def clock_effect(cells: Sequence[Cell], shares: Shares) -> tuple[float, float] | None:
    """Return how the log slowdown that the fit leaves unexplained changes with the log clock, and its p-value.

    A clock that falls under a power cap slows everything down; -1 would be in proportion. None without clocks, or when
    they hardly vary.
    """
    known = [cell for cell in cells if cell.clock]
    clock = np.log([float(cell.clock or 1.0) for cell in known])
    if len(known) < 5 or float(np.ptp(clock)) < 0.01:
        return None
    left = [
        float(np.mean(np.log(cell.slowdowns) - np.log(guess)))
        for cell, guess in zip(known, shares.slowdowns(known), strict=True)
    ]
    centred = clock - clock.mean()
    slope = float(centred @ left / (centred @ centred))
    rest = np.array(left) - np.mean(left) - slope * centred
    error = float(np.sqrt(rest @ rest / (len(known) - 2) / (centred @ centred)))
    return slope, float(2 * stdtr(len(known) - 2, -abs(slope) / max(error, 1e-12)))
