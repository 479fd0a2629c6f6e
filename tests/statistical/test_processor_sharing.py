"""M/G/1 under processor sharing: the mean sojourn is S / (1 - rho), whatever the distribution of the work.

Insensitivity (Kleinrock, Queueing Systems II, section 4.4). S = 10 ms, rho = .7: 33.333 ms for deterministic,
exponential and hyper-exponential work alike. Judged by 99 % intervals over replications with fixed seeds.
"""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.policy.queueing import Fifo
from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval
from stratsim.testing import make_profile, make_workload

S, LOAD = 10.0, 0.7
REPLICATIONS, REQUESTS, WARM_UP = 16, 6_000, 300
UNLIMITED = 10_000


class Deterministic:
    def factors(self, rng, count):
        return np.ones(count)


class Exponential:
    def factors(self, rng, count):
        return rng.exponential(1.0, count)


class HyperExponential:
    """Mean 2/3 with probability .9, mean 4 otherwise: mean 1, squared coefficient of variation 3."""

    def factors(self, rng, count):
        return np.where(rng.random(count) < 0.9, 2 / 3, 4.0) * rng.exponential(1.0, count)


def sojourns(noise, seed, load=LOAD, **cluster):
    profile = make_profile({"a": S / 1e3}, sharing={"a": Sharing(1.0, 1.0)})
    arrival_s = np.cumsum(Streams(seed).get("arrivals").exponential(S / 1e3 / load, REQUESTS))
    workload = make_workload({"arrival_s": arrival_s, "model": ["a"] * REQUESTS}, profile=profile)
    setting = Cluster(
        **{"device_model": "processor-sharing", "max_concurrency": UNLIMITED, "transfers": False} | cluster
    )
    result = simulate(workload, profile, Fifo(max_batch=1, drop="never"), cluster=setting, noise=noise, seed=seed)
    return (result.requests.finish_s - arrival_s)[WARM_UP:] * 1e3


@pytest.mark.parametrize("noise", [Deterministic(), Exponential(), HyperExponential()], ids=lambda n: type(n).__name__)
def test_mean_sojourn_is_insensitive(noise):
    interval = mean_interval([sojourns(noise, seed).mean() for seed in range(REPLICATIONS)], 0.99)
    assert S / (1 - LOAD) in interval
    assert interval.half_width < 0.1 * interval.mean


def test_streams_of_full_demand_and_equal_weight_are_processor_sharing():
    noise = Exponential()
    one, other = (sojourns(noise, 0, device_model=name) for name in ("processor-sharing", "streams"))
    assert other == pytest.approx(one, rel=1e-9)


def test_first_in_first_out_is_sensitive():
    """The same three under FIFO differ as Pollaczek and Khinchine say: S + rho S (1 + cv^2) / (2 (1 - rho)).

    So the insensitivity above is no accident of the draws.
    """
    for noise, squared_cv in ((Deterministic(), 0.0), (Exponential(), 1.0), (HyperExponential(), 3.0)):
        means = [sojourns(noise, seed, max_concurrency=1, prefetch=0).mean() for seed in range(REPLICATIONS // 2)]
        assert S + LOAD * S * (1 + squared_cv) / (2 * (1 - LOAD)) in mean_interval(means, 0.99)


def test_the_hyper_exponential_is_what_it_says():
    draws = HyperExponential().factors(Streams(0).get("check"), 400_000).reshape(40, -1)
    assert 1.0 in mean_interval(draws.mean(axis=1), 0.99)
    assert 4.0 in mean_interval((draws**2).mean(axis=1), 0.99)  # mean^2 (1 + cv^2)
