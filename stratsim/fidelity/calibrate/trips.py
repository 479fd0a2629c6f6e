"""What latencies alone say of a device: a factor per model on its solo times, and a constant that all of them have.

A latency is waiting, execution and the rest, and only their sum is known. So the requests are replayed through the
policy that the server had, and factors and constant are those with which the replay's latencies come nearest, request
by request, by least squares on their logarithms (with a loss that a few do not govern). Where requests wait for each
other the two can be told apart: a longer execution makes others wait, a constant does not. Where nobody waits they
cannot, unless batch sizes differ; then the constant is 0 and the factors have all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError
from stratsim.fidelity.calibrate.factors import check_factor, with_one_factor
from stratsim.fidelity.levels import free_replay
from stratsim.model.parts import Provenance
from stratsim.model.profile import SCHEMA_VERSION
from stratsim.model.provenance import replaced
from stratsim.model.truth import Host

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.engine import Result
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

    Floats = NDArray[np.float64]

__all__ = ["Trips", "fit_trips", "with_trips"]

_LEAST = 20
"""Answered requests of a model from which on it has a factor of its own."""
_MOST = 2000
"""Requests that are replayed for the fit: the first of them."""
_RANGE = (0.02, 50.0)
"""Of a factor; beyond it a unit is wrong. Our choice."""
_WIDE = 0.25
"""A constant is told from the factors if its 95 % interval is at most so wide, as a share of the median latency, on
either side. Our choice, as are the limits below."""
_NOISE = 0.1
"""Relative error beyond which a request counts less."""
_STEP = 0.003


@dataclass(frozen=True, slots=True)
class Trips:
    """What a fit to latencies found.

    Args:
        factors: On the solo times, by model; those with fewer than 20 requests have the others' geometric mean.
        intervals: 95 %, by the curvature at the optimum, requests taken for independent: too narrow under load.
        constant_s: In every latency, seconds; 0 where it cannot be told from the factors.
        constant_interval_s: Its 95 % interval; None where it cannot be told.
        n: Requests that were fitted.
        few: Models with too few requests.
    """

    factors: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    constant_s: float
    constant_interval_s: tuple[float, float] | None
    n: int
    few: tuple[str, ...]

    @property
    def told_apart(self) -> bool:
        """Whether the constant could be told from the factors."""
        return self.constant_interval_s is not None


def fit_trips(run: Recorded, profile: Profile) -> Trips:
    """Return the factors and the constant with which replays come nearest to a run's latencies.

    Args:
        run: Requests and their latencies; its batches are not looked at.
        profile: The device before.

    Raises:
        SpecError: too few requests, or no replay comes near them.
    """
    run = replace(run, result=_first(run.result))
    quiet = replace(profile, truth=replace(profile.truth, noise_cv=0.0, noise_cvs={}))
    live_s = run.result.requests.finish_s - run.result.requests.arrival_s
    counts = np.bincount(run.result.requests.model[~np.isnan(live_s)], minlength=len(run.result.models))
    fitted = [name for name, count in zip(run.result.models, counts.tolist(), strict=True) if count >= _LEAST]
    if not fitted:
        raise SpecError(f"{run.directory}: no model has {_LEAST} answered requests to calibrate with")
    problem = _Problem(run, quiet, fitted, live_s)
    problem.check()
    both = problem.best(constant=True)
    spread = problem.spread(both.x, both.jac, both.fun)
    told = bool(spread[-1] * 1.96 <= _WIDE) and both.x[-1] > 0
    found = both if told else problem.best(constant=False)
    deviations = spread if told else problem.spread(found.x, found.jac, found.fun)
    return problem.trips(found.x, deviations, told=told)


def with_trips(profile: Profile, trips: Trips, source: str) -> Profile:
    """Return a copy of the profile with what latencies said."""
    fitted = f"fitted to the latencies of {trips.n} requests"
    few = f"the other models' mean, as it has fewer than {_LEAST} requests; they were {fitted}"
    made = profile
    for name, factor in trips.factors.items():
        made = with_one_factor(made, name, factor, few if name in trips.few else fitted, source)
    host = replace(profile.truth.host or Host(), collect_s=trips.constant_s)
    told = "" if trips.told_apart else "; it could not be told from the factors, and is 0"
    entry = Provenance("synthetic", source, note=f"collect_s: a constant of every latency, {fitted}{told}")
    return replace(
        made,
        schema_version=SCHEMA_VERSION,
        truth=replace(profile.truth, host=host),
        provenance=replaced(made.provenance, "truth.host", entry),
    )


def _first(result: Result) -> Result:
    """Return a run of the first requests, without batches."""
    requests = result.requests
    columns = {name: getattr(requests, name)[:_MOST] for name in requests.__slots__}
    return replace(result, requests=type(requests)(**columns))


@dataclass(frozen=True, slots=True)
class _Problem:
    """Parameters are the logarithms of the factors, then the constant over the median latency."""

    run: Recorded
    profile: Profile
    fitted: list[str]
    live_s: Floats

    @property
    def scale_s(self) -> float:
        """Median latency, seconds."""
        return float(np.nanmedian(self.live_s))

    def check(self) -> None:
        """Refuse latencies that no factor explains: all far above the time alone, or most far below it.

        Raises:
            SpecError: they are in another unit, or of another device.
        """
        known, requests = self.profile.for_scheduler(), self.run.result.requests
        for name in self.fitted:
            own_s = self.live_s[requests.model == self.run.result.models.index(name)]
            own_s = own_s[~np.isnan(own_s)]
            ratios = own_s / known.end_to_end_s(name)
            what = f"{self.run.directory}: requests for {name!r}"
            check_factor(what, max(1.0, float(ratios.min())))
            check_factor(what, min(1.0, float(np.median(ratios))))

    def best(self, *, constant: bool) -> Any:
        """Return the best of the fits from each start, as scipy gives it."""
        from scipy.optimize import least_squares

        low, high = np.log(_RANGE)
        count = len(self.fitted)
        bounds = ([low] * count + [0.0] * constant, [high] * count + [1.0] * constant)
        found = [
            least_squares(
                self.residuals, start, bounds=bounds, loss="soft_l1", f_scale=_NOISE, diff_step=[_STEP], x_scale=0.1
            )
            for start in self.starts(constant=constant)
        ]
        return min(found, key=lambda each: each.cost)

    def starts(self, *, constant: bool) -> list[list[float]]:
        """Return a start where execution has all of the quickest latencies, and one where the profile is right."""
        known, requests = self.profile.for_scheduler(), self.run.result.requests
        alone_s = np.array([known.end_to_end_s(name) for name in self.run.result.models])
        codes = [self.run.result.models.index(name) for name in self.fitted]
        quick_s = np.array([np.nanquantile(self.live_s[requests.model == code], 0.1) for code in codes])
        slow = np.log(np.clip(quick_s / alone_s[codes], *_INSIDE)).tolist()
        rest = float(np.clip((quick_s - alone_s[codes]).min() / self.scale_s, 0.01, 0.9))
        if not constant:
            return [slow]
        return [[*slow, 0.01], [*[0.0] * len(self.fitted), rest]]

    def trial(self, parameters: Floats) -> Profile:
        """Return the profile with these factors and this constant."""
        factors = self.factors(parameters)
        constant_s = self.constant_s(parameters)
        return with_trips(self.profile, Trips(factors, {}, constant_s, None, 0, ()), "trial")

    def factors(self, parameters: Floats) -> dict[str, float]:
        """Return the factor of every model."""
        own = dict(zip(self.fitted, np.exp(parameters[: len(self.fitted)]).tolist(), strict=True))
        mean = float(np.exp(parameters[: len(self.fitted)].mean()))
        return {name: own.get(name, mean) for name in self.run.result.models}

    def constant_s(self, parameters: Floats) -> float:
        """Return the constant, seconds; 0 where there is none."""
        return float(parameters[-1]) * self.scale_s if len(parameters) > len(self.fitted) else 0.0

    def residuals(self, parameters: Floats) -> Floats:
        """Return ln(simulated / live) of every request that was answered in the log.

        One that is not answered in a replay is taken to be ten times as late.
        """
        replayed = free_replay(self.run, self.trial(parameters)).requests
        simulated_s = replayed.finish_s - replayed.arrival_s
        known = ~np.isnan(self.live_s)
        found: Floats = np.log(
            np.where(np.isnan(simulated_s), 10 * self.live_s, simulated_s)[known] / self.live_s[known]
        )
        return found

    def spread(self, parameters: Floats, jacobian: Floats, residuals: Floats) -> Floats:
        """Return standard deviations of the parameters; infinite where the requests do not determine them."""
        weights = 1 / np.sqrt(1 + (residuals / _NOISE) ** 2)
        variance = float((weights * residuals**2).sum() / max(len(residuals) - len(parameters), 1))
        curvature = jacobian.T @ jacobian
        if np.linalg.cond(curvature) > _SINGULAR:
            return np.full(len(parameters), np.inf)
        found: Floats = np.sqrt(np.diag(np.linalg.inv(curvature)) * max(variance, _LEAST_VARIANCE))
        return found

    def trips(self, parameters: Floats, deviations: Floats, *, told: bool) -> Trips:
        """Return the parameters as they are spoken of."""
        factors, constant_s = self.factors(parameters), self.constant_s(parameters)
        reach = 1.96 * np.minimum(deviations, 10.0)
        reach_s = float(reach[-1]) * self.scale_s
        return Trips(
            factors,
            {
                name: (float(np.exp(value - around)), float(np.exp(value + around)))
                for name, value, around in zip(self.fitted, parameters, reach, strict=False)
            },
            constant_s,
            (max(constant_s - reach_s, 0.0), constant_s + reach_s) if told else None,
            int(np.count_nonzero(~np.isnan(self.live_s))),
            tuple(name for name in factors if name not in self.fitted),
        )


_INSIDE = (_RANGE[0] * 1.1, _RANGE[1] / 1.1)
_SINGULAR = 1e8
_LEAST_VARIANCE = 1e-6
"""Of the residuals: a replay of a simulated run would be exact else."""
