"""One slot, one request at a time, against closed forms of queueing theory. Times in ms; a service takes 10.

Every estimate comes from independent replications with fixed seeds, 0 and up, and is judged by its 99 % t interval.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import partial
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.request import Priority, Status
from stratsim.policy.queueing import Fifo, PriorityFifo
from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval
from stratsim.testing import make_profile, make_workload
from stratsim.validate.case import Check, Claim, Findings, Setting, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.engine import Result
    from stratsim.stats.intervals import Interval

__all__ = ["CHECKS", "SERVICE", "mean_wait", "poisson", "serve", "tail", "two_classes", "waits"]

SERVICE = 10.0
LEVEL = 0.99
_REPLICATIONS, _REQUESTS, _WARM_UP = 32, 16_000, 500
_ERLANG = "Erlang 1909, M/D/1"
_KHINCHINE = "Pollaczek 1930, Khinchine 1932: M/G/1"
_COBHAM = "Cobham 1954: non-preemptive priorities"
_KLEINROCK = "Kleinrock 1965: conservation law"
_LINDLEY = "Lindley 1952: W(n+1) = max(W(n) + S - gap, 0)"


def mean_wait(load: float) -> float:
    """Return the mean wait of M/D/1: load S / (2 (1 - load))."""
    return load * SERVICE / (2 * (1 - load))


def tail(load: float, t: float) -> float:
    """Return P(W > t) of M/D/1: 1 - (1 - load) sum over k of [r (k S - t)]^k / k! exp(-r (k S - t)), r = load / S.

    The terms alternate and are large: evaluated with 60 digits.
    """
    with localcontext() as context:
        context.prec = 60
        rate = Decimal(str(load)) / Decimal(SERVICE)
        total = Decimal(0)
        for k in range(int(t // SERVICE) + 1):
            x = rate * (k * Decimal(SERVICE) - Decimal(t))
            total += (x**k if k else Decimal(1)) / Decimal(factorial(k)) * (-x).exp()
        return float(1 - (1 - Decimal(str(load))) * total)


def poisson(rate_per_s: float, seed: int, count: int = _REQUESTS) -> NDArray[np.float64]:
    """Return arrival times, s; every rate has draws of its own, so that experiments are independent."""
    return np.cumsum(Streams(seed).get("arrivals", f"{rate_per_s:g}").exponential(1 / rate_per_s, count))


def serve(
    policy: type[Fifo | PriorityFifo],
    arrival_s: NDArray[np.float64],
    levels: Sequence[int] | None = None,
    slo_s: float = np.inf,
) -> Result:
    """Simulate one server: one GPU, one slot, no transfers, batches of 1, nothing dropped.

    Args:
        policy: The queue's order.
        arrival_s: Of each request.
        levels: `Priority` of each request; all low by default.
        slo_s: From arrival to deadline.
    """
    profile = make_profile({"a": SERVICE / 1e3})
    columns = {"arrival_s": arrival_s, "model": ["a"] * len(arrival_s), "deadline_s": arrival_s + slo_s}
    if levels is not None:
        columns["priority"] = [Priority(level) for level in levels]
    server = Cluster(max_concurrency=1, prefetch=0, transfers=False)
    return simulate(make_workload(columns, profile=profile), profile, policy(max_batch=1, drop="never"), cluster=server)


def waits(result: Result) -> NDArray[np.float64]:
    """Return the wait of each request, ms."""
    start_s = result.batches.execution_start_s[result.requests.batch]
    return (start_s - result.requests.arrival_s) * 1e3


_TAILS = {0.3: (0, 10, 30), 0.7: (0, 10, 20, 30, 50), 0.85: (0, 10, 30)}
"""By load: the waits t, ms, whose P(W > t) is checked."""
_RARE = (0.7, 90)
"""Load and wait of an event so rare that fewer than all replications make too skew an estimate for a t interval."""


def _m_d_1(load: float) -> Check:
    name = f"M/D/1 at load {load:g}"
    claims = (
        Claim(f"{name}: mean wait", mean_wait(load), 0.1 * mean_wait(load), _KHINCHINE, "ms"),
        *(Claim(f"{name}: P(W > {t} ms)", tail(load, t), 0.03, _ERLANG) for t in _TAILS[load]),
        Claim(f"{name}: late at a deadline of 40 ms", tail(load, 30), 0.03, _ERLANG),
    )
    return Check(claims, partial(_measure_m_d_1, load))


def _measure_m_d_1(load: float, setting: Setting) -> Findings:
    samples, late = [], []
    for seed in range(setting.replications(_REPLICATIONS)):
        result = serve(Fifo, poisson(load / SERVICE * 1e3, seed), slo_s=0.040)
        samples.append(waits(result)[_WARM_UP:])
        late.append((result.requests.status[_WARM_UP:] == Status.LATE).mean())
    values = [
        mean_interval([sample.mean() for sample in samples], LEVEL),
        *(_over(samples, t) for t in _TAILS[load]),
        mean_interval(late, LEVEL),
    ]
    return Findings(values, tables=[_tail_table(load, samples)] if load == 0.7 else [])


def _rare_tail() -> Check:
    load, t = _RARE
    return Check((Claim(f"M/D/1 at load {load:g}: P(W > {t} ms)", tail(load, t), 0.03, _ERLANG),), _measure_rare_tail)


def _measure_rare_tail(_setting: Setting) -> Findings:
    load, t = _RARE
    results = (serve(Fifo, poisson(load / SERVICE * 1e3, seed)) for seed in range(_REPLICATIONS))
    return Findings([_over([waits(result)[_WARM_UP:] for result in results], t)])


def _over(samples: Sequence[NDArray[np.float64]], t: float) -> Interval:
    # A wait of exactly t may come out a rounding error above it.
    return mean_interval([(sample > t + 1e-6).mean() for sample in samples], LEVEL)


def _tail_table(load: float, samples: Sequence[NDArray[np.float64]]) -> Table:
    rows = []
    for t in range(0, 105, 5):
        found = _over(samples, t)
        rows.append((t, tail(load, t), found.mean, found.low, found.high))
    columns = ("wait_ms", "closed_form", "simulated", "low", "high")
    return Table("m-d-1-tail", f"P(W > t) of M/D/1 at load {load:g}", columns, rows)


def two_classes(seed: int, count: int = _REQUESTS) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return arrivals at 70/s, and for each the class that a fair coin gives it: 35/s each."""
    return poisson(70, seed, count), (Streams(seed).get("classes").random(count) < 0.5).astype(np.int64)


_RHO, _RESIDUAL = 0.35, 3.5
"""Load of each class, and the mean residual service that an arrival finds, ms: rho S / 2 for both together."""


def _measure_priorities(setting: Setting) -> Findings:
    means = np.array([_class_means(seed) for seed in range(setting.replications(_REPLICATIONS))])
    return Findings([mean_interval(column, LEVEL) for column in (*means.T, _RHO * means.sum(axis=1))])


def _class_means(seed: int) -> tuple[float, float]:
    arrival_s, level = two_classes(seed)
    sample = waits(serve(PriorityFifo, arrival_s, level.tolist()))[_WARM_UP:]
    high, low = (float(sample[level[_WARM_UP:] == each].mean()) for each in (Priority.HIGH, Priority.LOW))
    return high, low


_PRIORITIES = Check(
    (
        Claim("two priorities: mean wait of the high class", _RESIDUAL / (1 - _RHO), 0.5, _COBHAM, "ms"),
        Claim(
            "two priorities: mean wait of the low class", _RESIDUAL / (1 - _RHO) / (1 - 2 * _RHO), 1.8, _COBHAM, "ms"
        ),
        Claim("two priorities: sum of rho W over the classes", 2 * _RHO * mean_wait(2 * _RHO), 0.8, _KLEINROCK, "ms"),
    ),
    _measure_priorities,
)


def _measure_lindley(_: Setting) -> Findings:
    arrival_s = poisson(80, 1, 5_000)
    wait, expected = 0.0, []
    for gap in np.diff(arrival_s, append=arrival_s[-1]).tolist():
        expected.append(wait)
        wait = max(wait + SERVICE / 1e3 - gap, 0.0)
    return Findings([float(np.abs(waits(serve(Fifo, arrival_s)) - np.array(expected) * 1e3).max())])


def _measure_starts(_: Setting) -> Findings:
    arrival_s, level = two_classes(0)
    fifo, priority = (
        np.sort(serve(policy, arrival_s, level.tolist()).batches.execution_start_s) for policy in (Fifo, PriorityFifo)
    )
    return Findings([float(np.abs(fifo - priority).max()) * 1e3])


CHECKS = (
    *(_m_d_1(load) for load in _TAILS),
    _rare_tail(),
    Check((Claim("D/1 path by path: largest error of 5000 waits", 0.0, 1e-6, _LINDLEY, "ms"),), _measure_lindley),
    _PRIORITIES,
    Check(
        (Claim("priorities move no start of a service: largest shift of 16000", 0.0, 0.0, _KLEINROCK, "ms"),),
        _measure_starts,
    ),
)
"""Poisson arrivals at one server, one class and two."""
