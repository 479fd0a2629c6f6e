"""The same queues in another simulator, Ciw (Palmer, Knight, Harper and Hawa, Journal of Simulation 2019).

With the same arrivals and service times given to both, every single wait must agree. With random numbers of their own,
the difference of the mean waits over independent replications must have a 99 % interval that contains 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.policy.queueing import Fifo, PriorityFifo
from stratsim.rng import Streams
from stratsim.stats.intervals import paired_interval
from stratsim.testing import make_profile, make_workload
from stratsim.validate.case import Check, Claim, Findings, Setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Draws = NDArray[np.float64]

__all__ = ["CHECKS"]

SERVERS, SERVICE_S = 3, 0.010
SHAPE = 4.0
"""Of gamma service times: a coefficient of variation of 1/2."""
LEVEL = 0.99
_REPLICATIONS = 24
_CIW = "Ciw (Palmer et al., Journal of Simulation 2019), run beside"


class _Gamma:
    """Factors of mean 1."""

    def factors(self, rng: np.random.Generator, count: int) -> Draws:
        return rng.gamma(SHAPE, 1 / SHAPE, count)


class _Given:
    """One list of factors per model, in the order in which the models first ask."""

    def __init__(self, lists: Sequence[Draws]) -> None:
        self._lists = list(lists)
        self._of: dict[np.random.Generator, Draws] = {}

    def factors(self, rng: np.random.Generator, count: int) -> Draws:
        if rng not in self._of:
            self._of[rng] = self._lists.pop(0)
        drawn, self._of[rng] = self._of[rng][:count], self._of[rng][count:]
        return drawn


def _draw(seed: int, count: int, rate: float) -> tuple[Draws, Draws]:
    """Return gaps, s, and factors of service."""
    streams = Streams(seed)
    return streams.get("gaps").exponential(1 / rate, count), streams.get("work").gamma(SHAPE, 1 / SHAPE, count)


def _our_waits(arrival_s: Draws, noise: _Gamma | _Given, seed: int = 0) -> Draws:
    """Return the waits, s, at c servers: streams of demand 1/c never slow each other, and c may execute at once."""
    profile = make_profile({"a": SERVICE_S}, sharing={"a": Sharing(1 / SERVERS, 1.0)})
    workload = make_workload({"arrival_s": arrival_s, "model": ["a"] * len(arrival_s)}, profile=profile)
    cluster = Cluster(device_model="streams", max_concurrency=SERVERS, prefetch=0, transfers=False)
    policy = Fifo(max_batch=1, drop="never")
    result = simulate(workload, profile, policy, cluster=cluster, noise=noise, seed=seed)
    return result.batches.execution_start_s[result.requests.batch] - arrival_s


def _ciw_waits(customers: int, seed: int = 0, **network: Any) -> dict[str, Draws]:
    """Return Ciw's waits, s, by class, in the order of arrival."""
    import ciw

    ciw.seed(seed)
    simulation = ciw.Simulation(ciw.create_network(**network))
    simulation.simulate_until_max_customers(customers, method="Finish")
    records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)
    return {
        name: np.array([record.waiting_time for record in records if record.customer_class == name])
        for name in dict.fromkeys(record.customer_class for record in records)
    }


def _sequences(gaps: Draws, factors: Draws) -> tuple[list[Any], list[Any]]:
    import ciw

    return (
        [ciw.dists.Sequential([*gaps.tolist(), float("inf")])],
        [ciw.dists.Sequential((factors * SERVICE_S).tolist())],
    )


def _measure_paths(_: Setting) -> Findings:
    gaps, factors = _draw(5, 4_000, 0.8 * SERVERS / SERVICE_S)
    ours = _our_waits(np.cumsum(gaps), _Given([factors]))
    arrivals, services = _sequences(gaps, factors)
    theirs = _ciw_waits(
        len(gaps), arrival_distributions=arrivals, service_distributions=services, number_of_servers=[SERVERS]
    )["Customer"]
    return Findings(
        [float(np.abs(ours - theirs).max()) * 1e3], [f"{(ours > 1e-3).mean():.0%} of them longer than 1 ms"]
    )


def _measure_means(setting: Setting) -> Findings:
    import ciw

    count, warm_up, rate = 2_500, 250, 0.7 * SERVERS / SERVICE_S
    ours, theirs = [], []
    for seed in range(setting.replications(_REPLICATIONS)):
        arrival_s = np.cumsum(Streams(seed).get("arrivals").exponential(1 / rate, count))
        ours.append(_our_waits(arrival_s, _Gamma(), seed)[warm_up:].mean() * 1e3)
        found = _ciw_waits(
            count,
            seed,
            arrival_distributions=[ciw.dists.Exponential(rate)],
            service_distributions=[ciw.dists.Gamma(SHAPE, SERVICE_S / SHAPE)],
            number_of_servers=[SERVERS],
        )["Customer"]
        theirs.append(found[warm_up:].mean() * 1e3)
    remark = f"mean waits {np.mean(ours):.4g} and {np.mean(theirs):.4g} ms"
    return Findings([paired_interval(ours, theirs, LEVEL)], [remark])


def _measure_priorities(_: Setting) -> Findings:
    """One server, non-preemptive: the n-th request of a class gets the n-th service time of its class."""
    classes = {"high": _draw(1, 1_200, 30.0), "low": _draw(2, 1_600, 40.0)}
    profile = make_profile(dict.fromkeys(classes, SERVICE_S))
    rows = [(at_s, name, name) for name, (gaps, _) in classes.items() for at_s in np.cumsum(gaps).tolist()]
    result = simulate(
        make_workload(rows, profile=profile),
        profile,
        PriorityFifo(max_batch=1, drop="never"),
        cluster=Cluster(max_concurrency=1, prefetch=0, transfers=False),
        noise=_Given([factors for _, factors in classes.values()]),
    )
    waits = result.batches.execution_start_s[result.requests.batch] - result.requests.arrival_s
    given = {name: _sequences(*draws) for name, draws in classes.items()}
    theirs = _ciw_waits(
        len(rows),
        arrival_distributions={name: arrivals for name, (arrivals, _) in given.items()},
        service_distributions={name: services for name, (_, services) in given.items()},
        number_of_servers=[1],
        priority_classes={"high": 0, "low": 1},
    )
    model = result.requests.model
    return Findings(
        [float(np.abs(waits[model == code] - theirs[name]).max()) * 1e3 for code, name in enumerate(classes)]
    )


CHECKS = (
    Check(
        (Claim("M/G/3 path by path: largest difference of 4000 waits", 0.0, 1e-6, _CIW, "ms"),),
        _measure_paths,
        modules=("ciw",),
    ),
    Check(
        (Claim("M/G/3, random numbers of their own: difference of the mean waits", 0.0, 1.0, _CIW, "ms"),),
        _measure_means,
        modules=("ciw",),
    ),
    Check(
        (
            Claim("two priorities path by path: largest difference of 1200 high waits", 0.0, 1e-6, _CIW, "ms"),
            Claim("two priorities path by path: largest difference of 1600 low waits", 0.0, 1e-6, _CIW, "ms"),
        ),
        _measure_priorities,
        modules=("ciw",),
    ),
)
"""Three servers, and two priorities at one."""
