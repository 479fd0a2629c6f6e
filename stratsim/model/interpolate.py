"""Figures between measured batch sizes.

Which method suits a profile is decided by leaving each measured batch size out in turn (`leave_one_out`), recorded in
the profile's `observable.interpolation`, and shown by `stratsim profile show`.
"""

from __future__ import annotations

import math
from bisect import bisect
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["METHODS", "Interpolation", "dense", "interpolate", "leave_one_out"]

Interpolation = Literal["linear", "log-log"]
METHODS: tuple[Interpolation, ...] = get_args(Interpolation)


def interpolate(table: Mapping[int, float], at: int, method: Interpolation) -> float:
    """Return the value at batch size `at`, between its two measured neighbours.

    Args:
        table: Values by measured batch size; positive for `log-log`.
        at: Batch size within the measured range.
        method: `linear` in the batch size, or linear in the logarithms of both.

    Raises:
        ValueError: `at` lies outside the measured range.
    """
    return _interpolate(table, sorted(table), at, method)


def _interpolate(table: Mapping[int, float], sizes: list[int], at: int, method: Interpolation) -> float:
    if at in table:
        return table[at]
    if not sizes[0] < at < sizes[-1]:
        raise ValueError(f"batch size {at} lies outside the measured {sizes[0]} to {sizes[-1]}")
    above = bisect(sizes, at)
    low, high = sizes[above - 1], sizes[above]
    if method == "log-log":
        share = math.log(at / low) / math.log(high / low)
        return math.exp((1 - share) * math.log(table[low]) + share * math.log(table[high]))
    share = (at - low) / (high - low)
    return (1 - share) * table[low] + share * table[high]


def dense(table: Mapping[int, float], method: Interpolation, size: int | None = None) -> tuple[float, ...]:
    """Return the values for batch sizes 0 to `size` - 1 (default: up to the largest measured one).

    Entry 0 repeats entry 1; sizes outside the measured range repeat the nearest end, which callers use only for
    quantities that are assumed constant there.
    """
    sizes = sorted(table)
    least, most = sizes[0], sizes[-1]
    count = (most + 1) if size is None else size
    return tuple(_interpolate(table, sizes, min(max(batch, 1, least), most), method) for batch in range(count))


def leave_one_out(table: Mapping[int, float], method: Interpolation) -> dict[int, float]:
    """Return, by inner batch size, the relative error of predicting it from the others."""
    errors = {}
    for batch in sorted(table)[1:-1]:
        others = {size: value for size, value in table.items() if size != batch}
        errors[batch] = interpolate(others, batch, method) / table[batch] - 1
    return errors
