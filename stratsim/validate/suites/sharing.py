"""Processor sharing against closed forms. Times in ms; the mean work is 10.

M/G/1-PS is insensitive: the mean sojourn is S / (1 - load), whatever the distribution of the work (Kleinrock, Queueing
Systems II, section 4.4). Under FIFO the same three distributions differ, as Pollaczek and Khinchine say: so the
insensitivity is no accident of the draws.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.policy.queueing import Fifo
from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval
from stratsim.testing import make_profile, make_workload
from stratsim.validate.case import Check, Claim, Findings, Setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CHECKS", "WORKS", "Deterministic", "Exponential", "HyperExponential", "Work", "sojourns"]

WORK, LOAD, LEVEL = 10.0, 0.7, 0.99
_REPLICATIONS, _REQUESTS, _WARM_UP = 32, 6_000, 300
_UNLIMITED = 10_000
_INSENSITIVE = "Kleinrock, Queueing Systems II, 4.4: S / (1 - load)"
_KHINCHINE = "Pollaczek 1930, Khinchine 1932: S + load S (1 + cv^2) / (2 (1 - load))"


class Work(Protocol):
    """A distribution of mean 1, as noise on the solo time."""

    squared_cv: float

    def factors(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Return `count` draws."""
        ...


class Deterministic:
    """Every job has the mean work."""

    squared_cv = 0.0

    def factors(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:  # noqa: ARG002
        """Return ones."""
        return np.ones(count)


class Exponential:
    """Exponential work."""

    squared_cv = 1.0

    def factors(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Return factors of mean 1."""
        return rng.exponential(1.0, count)


class HyperExponential:
    """Exponential of mean 2/3 with probability .9, of mean 4 otherwise: mean 1, squared coefficient of variation 3."""

    squared_cv = 3.0

    def factors(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Return factors of mean 1."""
        return np.where(rng.random(count) < 0.9, 2 / 3, 4.0) * rng.exponential(1.0, count)


WORKS: dict[str, Work] = {
    "deterministic": Deterministic(),
    "exponential": Exponential(),
    "hyper-exponential": HyperExponential(),
}
"""Distributions of the work of a job."""


def sojourns(noise: Work, seed: int, **cluster: object) -> NDArray[np.float64]:
    """Return the sojourns, ms, of Poisson arrivals at load .7; all share one GPU unless `cluster` says otherwise."""
    profile = make_profile({"a": WORK / 1e3}, sharing={"a": Sharing(1.0, 1.0)})
    arrival_s = np.cumsum(Streams(seed).get("arrivals").exponential(WORK / 1e3 / LOAD, _REQUESTS))
    workload = make_workload({"arrival_s": arrival_s, "model": ["a"] * _REQUESTS}, profile=profile)
    shared = {"device_model": "processor-sharing", "max_concurrency": _UNLIMITED, "transfers": False}
    result = simulate(
        workload,
        profile,
        Fifo(max_batch=1, drop="never"),
        cluster=Cluster(**(shared | cluster)),  # type: ignore[arg-type]
        noise=noise,
        seed=seed,
    )
    sojourn: NDArray[np.float64] = (result.requests.finish_s - arrival_s)[_WARM_UP:] * 1e3
    return sojourn


def _shared(name: str) -> Check:
    mean = WORK / (1 - LOAD)
    claim = Claim(f"M/G/1-PS, {name} work: mean sojourn", mean, 0.1 * mean, _INSENSITIVE, "ms")
    return Check((claim,), partial(_measure, name, {}))


def _queued(name: str) -> Check:
    mean = WORK + LOAD * WORK * (1 + WORKS[name].squared_cv) / (2 * (1 - LOAD))
    claim = Claim(f"M/G/1 FIFO, {name} work: mean sojourn", mean, 0.2 * mean, _KHINCHINE, "ms")
    return Check((claim,), partial(_measure, name, {"max_concurrency": 1, "prefetch": 0}))


def _measure(name: str, cluster: dict[str, object], setting: Setting) -> Findings:
    count = setting.replications(_REPLICATIONS)
    return Findings([mean_interval([sojourns(WORKS[name], seed, **cluster).mean() for seed in range(count)], LEVEL)])


_TWO_JOBS = (
    Claim("PS, two jobs of 10 ms at 0 and 5: end of the first", 15.0, 1e-9, "5 alone, then 5 left at half speed", "ms"),
    Claim("PS, two jobs of 10 ms at 0 and 5: end of the second", 20.0, 1e-9, "5 left at 15, alone", "ms"),
)


def _measure_two_jobs(_: Setting) -> Findings:
    profile = make_profile({"a": WORK / 1e3})
    workload = make_workload([(0.0, "a"), (0.005, "a")], profile=profile)
    cluster = Cluster(device_model="processor-sharing", max_concurrency=2, transfers=False)
    result = simulate(workload, profile, Fifo(max_batch=1, drop="never"), cluster=cluster)
    return Findings((result.requests.finish_s * 1e3).tolist())


def _measure_streams(_: Setting) -> Findings:
    noise = Exponential()
    one, other = (sojourns(noise, 0, device_model=name) for name in ("processor-sharing", "streams"))
    return Findings([float(np.abs(other / one - 1).max())])


CHECKS = (
    Check(_TWO_JOBS, _measure_two_jobs),
    *(_shared(name) for name in WORKS),
    *(_queued(name) for name in WORKS),
    Check(
        (
            Claim(
                "streams of demand 1 and equal weights are PS: largest relative difference of 5700 sojourns",
                0.0,
                1e-9,
                "lambda = 1 / n",
            ),
        ),
        _measure_streams,
    ),
)
"""Poisson arrivals at a GPU that all share, and two jobs worked out by hand."""
