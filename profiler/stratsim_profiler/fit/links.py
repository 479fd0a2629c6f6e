"""The duration of a copy against its size: `alpha_s + bytes / bytes_per_s`, with confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from stratsim.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["LinkFit", "fit_link"]

_REJECT = 6.0
"""A size whose residual is more than this many robust deviations (1.4826 MAD) from the fit is left out, once."""
_REJECT_LEAST = 0.2
"""... and is at least this far off: sizes that all fit within a few percent are never left out."""
_REWEIGHTINGS = 50
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class LinkFit:
    """A fitted link.

    Args:
        alpha_s: Fixed time per copy, seconds.
        alpha_s_interval: Its 95 % confidence interval.
        bytes_per_s: Rate.
        bytes_per_s_interval: Its 95 % confidence interval.
        seconds: Median measured duration by size.
        rejected: Sizes that were left out as outliers.
    """

    alpha_s: float
    alpha_s_interval: tuple[float, float]
    bytes_per_s: float
    bytes_per_s_interval: tuple[float, float]
    seconds: Mapping[int, float]
    rejected: tuple[int, ...] = ()

    def copy_s(self, size_bytes: float) -> float:
        """Return the fitted duration of a copy."""
        return self.alpha_s + size_bytes / self.bytes_per_s

    @property
    def errors(self) -> dict[int, float]:
        """Relative error of the fit, by size, outliers included."""
        return {size: self.copy_s(size) / seconds - 1 for size, seconds in self.seconds.items()}

    @property
    def median_error(self) -> float:
        """Median absolute relative error."""
        return float(np.median(np.abs(list(self.errors.values()))))


def fit_link(seconds: Mapping[int, float]) -> LinkFit:
    """Fit a link to median durations by size, by least squares on the relative error.

    The error of a copy is a share of it, from microseconds to milliseconds; so each size counts alike. The intervals
    come from the scatter of the sizes around the line with the HC3 covariance (MacKinnon and White, 1985), which
    allows for an error that changes with the size.

    Args:
        seconds: Median duration by size, bytes, of two sizes or more.

    Raises:
        ProfileError: too few sizes, or durations that do not grow with the size.
    """
    if len(seconds) < 2:
        raise ProfileError(f"a link needs copies of two sizes or more, has {sorted(seconds)}")
    sizes = np.array(sorted(seconds), dtype=float)
    times = np.array([seconds[int(size)] for size in sizes])
    if not np.all(times > 0):
        raise ProfileError(f"a copy of {int(sizes[np.argmin(times)])} bytes took {float(times.min())!r} s")
    keep = _keep(sizes, times)
    values = _solve(sizes[keep], times[keep])
    if not values[1] > 0:
        raise ProfileError("copies do not take longer the larger they are: no rate can be fitted")
    low, high = _intervals(sizes[keep], times[keep], values)
    return LinkFit(
        alpha_s=float(values[0]),
        alpha_s_interval=(max(0.0, float(low[0])), float(high[0])),
        bytes_per_s=float(1 / values[1]),
        bytes_per_s_interval=(float(1 / high[1]), float(1 / low[1]) if low[1] > 0 else float("inf")),
        seconds={int(size): float(time) for size, time in zip(sizes, times, strict=True)},
        rejected=tuple(int(size) for size in sizes[~keep]),
    )


def _design(sizes: Floats, times: Floats) -> Floats:
    return np.column_stack([1 / times, sizes / times])


def _solve(sizes: Floats, times: Floats) -> Floats:
    """Return alpha and seconds per byte; alpha is not below 0."""
    design = _design(sizes, times)
    values = np.asarray(np.linalg.lstsq(design, np.ones(len(times)), rcond=None)[0], dtype=np.float64)
    if values[0] < 0:
        slope = design[:, 1]
        values = np.array([0.0, slope.sum() / (slope @ slope)])
    return values


def _keep(sizes: Floats, times: Floats) -> NDArray[np.bool_]:
    """Return which sizes to fit: outliers lie off the line of least absolute error, which few can tilt."""
    if len(sizes) < 5:
        return np.ones(len(sizes), dtype=bool)
    design, error = _design(sizes, times), np.ones(len(sizes))
    for _ in range(_REWEIGHTINGS):
        root = 1 / np.sqrt(np.maximum(error, 1e-6))
        error = np.abs(design @ np.linalg.lstsq(design * root[:, None], root, rcond=None)[0] - 1)
    return np.asarray(error <= max(_REJECT_LEAST, _REJECT * 1.4826 * float(np.median(error))))


def _intervals(sizes: Floats, times: Floats, values: Floats) -> tuple[Floats, Floats]:
    design = _design(sizes, times)
    freedom = len(times) - 2
    if freedom < 1:
        return np.array([0.0, 0.0]), np.array([np.inf, np.inf])
    inverse = np.linalg.pinv(design.T @ design)
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    errors = (design @ values - 1) / np.maximum(1 - leverage, 1e-6)
    covariance = inverse @ (design.T * errors**2) @ design @ inverse
    half = stdtrit(freedom, (1 + _LEVEL) / 2) * np.sqrt(np.diag(covariance))
    return values - half, values + half
