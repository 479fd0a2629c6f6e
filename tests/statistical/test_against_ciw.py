"""The same queues in another simulator, Ciw (Palmer, Knight, Harper and Hawa, Journal of Simulation 2019).

With the same inter-arrival and service times given to both, every single wait must agree. With random numbers of their
own, the difference of the mean waits over independent replications must have a 99 % interval that contains 0.
"""

import ciw
import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority
from stratsim.policy.queueing import Fifo, PriorityFifo
from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval, paired_interval
from stratsim.testing import make_profile, make_workload

SERVERS, SERVICE_S = 3, 0.010
SHAPE = 4.0  # of gamma service times: a coefficient of variation of 1/2


class Gamma:
    """Factors of mean 1."""

    def factors(self, rng, count):
        return rng.gamma(SHAPE, 1 / SHAPE, count)


class Given:
    """The factors that it was given, in order."""

    def __init__(self, factors):
        self.left = {}
        self.given = factors

    def factors(self, rng, count):
        first = self.left.get(rng, 0)
        self.left[rng] = first + count
        return np.asarray(self.given[first : first + count])


def multi_server(arrival_s, noise, seed=0):
    """c servers: streams of demand 1/c never slow each other, and c may execute at once."""
    profile = make_profile({"a": SERVICE_S}, sharing={"a": Sharing(1 / SERVERS, 1.0)})
    workload = make_workload({"arrival_s": arrival_s, "model": ["a"] * len(arrival_s)}, profile=profile)
    cluster = Cluster(device_model="streams", max_concurrency=SERVERS, prefetch=0, transfers=False)
    result = simulate(workload, profile, Fifo(max_batch=1, drop="never"), cluster=cluster, noise=noise, seed=seed)
    return result.batches.execution_start_s[result.requests.batch] - arrival_s


def ciw_waits(seed=0, customers=None, **network):
    """Waits by class, in the order of arrival."""
    ciw.seed(seed)
    simulation = ciw.Simulation(ciw.create_network(**network))
    simulation.simulate_until_max_customers(customers, method="Finish")
    records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)
    return {
        name: np.array([record.waiting_time for record in records if record.customer_class == name])
        for name in dict.fromkeys(record.customer_class for record in records)
    }


def draw(seed, count, rate):
    streams = Streams(seed)
    return streams.get("gaps").exponential(1 / rate, count), streams.get("work").gamma(SHAPE, 1 / SHAPE, count)


def test_m_g_c_path_by_path():
    gaps, factors = draw(5, 4_000, 0.8 * SERVERS / SERVICE_S)
    ours = multi_server(np.cumsum(gaps), Given(factors))
    theirs = ciw_waits(
        customers=len(gaps),
        arrival_distributions=[ciw.dists.Sequential([*gaps.tolist(), float("inf")])],
        service_distributions=[ciw.dists.Sequential((factors * SERVICE_S).tolist())],
        number_of_servers=[SERVERS],
    )["Customer"]
    assert len(theirs) == len(ours)
    assert ours == pytest.approx(theirs, abs=1e-9)
    assert (ours > 1e-3).mean() > 0.2  # they do queue


def test_m_g_c_with_random_numbers_of_their_own():
    count, warm_up, rate = 2_500, 250, 0.7 * SERVERS / SERVICE_S
    ours, theirs = [], []
    for seed in range(12):
        arrival_s = np.cumsum(Streams(seed).get("arrivals").exponential(1 / rate, count))
        ours.append(multi_server(arrival_s, Gamma(), seed)[warm_up:].mean() * 1e3)
        waits = ciw_waits(
            seed=seed,
            customers=count,
            arrival_distributions=[ciw.dists.Exponential(rate)],
            service_distributions=[ciw.dists.Gamma(SHAPE, SERVICE_S / SHAPE)],
            number_of_servers=[SERVERS],
        )
        theirs.append(waits["Customer"][warm_up:].mean() * 1e3)
    one, other = mean_interval(ours, 0.99), mean_interval(theirs, 0.99)
    assert max(one.low, other.low) <= min(one.high, other.high)
    difference = paired_interval(ours, theirs, 0.99)
    assert 0.0 in difference
    assert difference.half_width < 0.35 * one.mean


def test_two_priority_classes_path_by_path():
    """One server, non-preemptive: the n-th request of a class gets the n-th service time of its class."""
    classes = {"high": draw(1, 1_200, 30.0), "low": draw(2, 1_600, 40.0)}
    profile = make_profile({"high": SERVICE_S, "low": SERVICE_S})
    rows = [(at_s, name, name) for name, (gaps, _) in classes.items() for at_s in np.cumsum(gaps).tolist()]
    workload = make_workload(rows, profile=profile)
    result = simulate(
        workload,
        profile,
        PriorityFifo(max_batch=1, drop="never"),
        cluster=Cluster(max_concurrency=1, prefetch=0, transfers=False),
        noise=InTurn([factors for _, factors in classes.values()]),
    )
    waits = result.batches.execution_start_s[result.requests.batch] - result.requests.arrival_s
    theirs = ciw_waits(
        customers=len(rows),
        arrival_distributions={
            name: [ciw.dists.Sequential([*gaps.tolist(), float("inf")])] for name, (gaps, _) in classes.items()
        },
        service_distributions={
            name: [ciw.dists.Sequential((factors * SERVICE_S).tolist())] for name, (_, factors) in classes.items()
        },
        number_of_servers=[1],
        priority_classes={"high": 0, "low": 1},
    )
    for level, name in ((Priority.HIGH, "high"), (Priority.LOW, "low")):
        assert waits[result.requests.priority == level] == pytest.approx(theirs[name], abs=1e-9)
    assert theirs["low"].mean() > 2 * theirs["high"].mean()


class InTurn:
    """One list of factors per model, in the order in which the models first ask."""

    def __init__(self, lists):
        self.lists = list(lists)

    def factors(self, rng, count):
        factors = self.lists.pop(0)
        assert len(factors) == count
        return np.asarray(factors)
