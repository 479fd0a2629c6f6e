"""One slot, one request at a time: M/D/1 and its priority variant against closed forms.

Every figure is judged by a 99 % confidence interval over independent replications with fixed seeds, and each interval
must be narrow enough to mean something. Times in ms; service takes D = 10.
"""

from decimal import Decimal, getcontext
from math import factorial

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.request import Priority, Status
from stratsim.policy.queueing import Fifo, PriorityFifo
from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval
from stratsim.testing import make_profile, make_workload

D = 10.0
PROFILE = make_profile({"a": D / 1e3})
SERVER = Cluster(max_concurrency=1, prefetch=0, transfers=False)
REPLICATIONS, REQUESTS, WARM_UP = 16, 16_000, 500


def poisson(rate_per_s, seed, count=REQUESTS):
    """Arrival times; every rate has draws of its own, so that the experiments are independent."""
    return np.cumsum(Streams(seed).get("arrivals", f"{rate_per_s:g}").exponential(1 / rate_per_s, count))


def run(policy, arrival_s, priority=None, slo_s=np.inf):
    columns = {"arrival_s": arrival_s, "model": ["a"] * len(arrival_s), "deadline_s": arrival_s + slo_s}
    if priority is not None:
        columns["priority"] = priority
    return simulate(make_workload(columns, profile=PROFILE), PROFILE, policy(max_batch=1, drop="never"), cluster=SERVER)


def waits(result):
    """Waiting times in ms, without the first requests, which find an empty system."""
    start_s = result.batches.execution_start_s[result.requests.batch]
    return (start_s - result.requests.arrival_s)[WARM_UP:] * 1e3


def mean_wait(load):
    """Pollaczek-Khinchine for deterministic service: rho D / (2 (1 - rho))."""
    return load * D / (2 * (1 - load))


def tail(load, t):
    """P(W > t) of M/D/1 (Erlang 1909): 1 - (1 - rho) sum_k [lambda (k D - t)]^k / k! exp(-lambda (k D - t)).

    The terms alternate and are large: evaluated with 60 digits.
    """
    getcontext().prec = 60
    rate = Decimal(str(load)) / Decimal(D)
    total = Decimal(0)
    for k in range(int(t // D) + 1):
        x = rate * (k * Decimal(D) - Decimal(t))
        power = x**k if k else Decimal(1)
        total += power / Decimal(factorial(k)) * (-x).exp()
    return float(1 - (1 - Decimal(str(load))) * total)


def test_the_formulas_give_the_published_figures():
    assert mean_wait(0.7) == pytest.approx(11.6667, abs=5e-5)
    published = {0: 0.7, 10: 0.395874, 20: 0.206328, 30: 0.105322, 50: 0.027276, 90: 0.001830}
    for t, probability in published.items():
        assert tail(0.7, t) == pytest.approx(probability, abs=5e-7)
    assert tail(0.5, 0) == pytest.approx(0.5)


@pytest.mark.parametrize("load", [0.3, 0.7, 0.85])
def test_m_d_1(load):
    """Mean wait, tail of the wait, and the ratio of late requests: due 40 ms after arrival, late means W > 30."""
    results = [run(Fifo, poisson(load / D * 1e3, seed), slo_s=0.040) for seed in range(REPLICATIONS)]
    samples = [waits(result) for result in results]
    mean = mean_interval([sample.mean() for sample in samples], 0.99)
    assert mean_wait(load) in mean
    assert mean.half_width < 0.1 * mean.mean
    for t in (0.0, 10.0, 30.0):
        over = mean_interval([(sample > t + 1e-6).mean() for sample in samples], 0.99)
        assert tail(load, t) in over, t
        assert over.half_width < 0.03
    late = mean_interval([(result.requests.status[WARM_UP:] == Status.LATE).mean() for result in results], 0.99)
    assert tail(load, 30) in late


def two_classes(seed):
    """70 requests/s, each of either class with probability 1/2: 35/s each."""
    return poisson(70, seed), (Streams(seed).get("classes").random(REQUESTS) < 0.5).astype(int)


def test_two_priority_classes():
    """Cobham 1954: W1 = R / (1 - rho1) = 5.3846, W2 = R / ((1 - rho1)(1 - rho)) = 17.9487, R = rho D / 2 = 3.5.

    The conservation law: rho1 W1 + rho2 W2 = rho W_fcfs = 8.1667 for every non-preemptive order (Kleinrock 1965).
    """
    by_class = {Priority.HIGH: [], Priority.LOW: []}
    for seed in range(REPLICATIONS):
        arrival_s, low = two_classes(seed)
        result = run(PriorityFifo, arrival_s, [Priority(level) for level in low.tolist()])
        sample = waits(result)
        for level, means in by_class.items():
            means.append(sample[low[WARM_UP:] == level].mean())
    high, low = by_class.values()
    residual, rho = 3.5, 0.35
    for means, expected in ((high, residual / (1 - rho)), (low, residual / ((1 - rho) * (1 - 2 * rho)))):
        interval = mean_interval(means, 0.99)
        assert expected in interval
        assert interval.half_width < 0.1 * expected
    assert [round(residual / (1 - rho), 4), round(residual / ((1 - rho) * (1 - 2 * rho)), 4)] == [5.3846, 17.9487]
    weighted = mean_interval(rho * np.array(high) + rho * np.array(low), 0.99)
    assert 8.1667 in weighted
    assert weighted.half_width < 0.5


def test_the_conservation_law_is_exact_for_equal_services():
    """Requests of one length: whatever the order, a service starts at the same moments, path by path."""
    arrival_s, low = two_classes(0)
    starts = [
        np.sort(run(policy, arrival_s, [Priority(level) for level in low.tolist()]).batches.execution_start_s)
        for policy in (Fifo, PriorityFifo)
    ]
    assert np.array_equal(*starts)


def test_lindleys_recursion_path_by_path():
    """W(n+1) = max(W(n) + D - gap, 0): every single wait, not only their mean."""
    arrival_s = poisson(80, 1, 5_000)
    wait, expected = 0.0, []
    for gap in np.diff(arrival_s, append=arrival_s[-1]).tolist():
        expected.append(wait)
        wait = max(wait + D / 1e3 - gap, 0.0)
    result = run(Fifo, arrival_s)
    found = result.batches.execution_start_s[result.requests.batch] - result.requests.arrival_s
    assert found == pytest.approx(expected, abs=1e-9)
