"""Load 1 in the unit `saturation`: the highest rate at which a server that wastes nothing keeps its backlog bounded.

The reference server takes the mix first in, first out, in batches as full as they get, with the number of slots and the
largest batch that give most throughput; nobody has a deadline, copies cost what they cost. Its saturation is found by
the saturation rule: let all requests wait at time 0; the rate at which they are answered, away from both ends, is the
highest arrival rate that leaves the backlog bounded. Replications (the order of the same requests is drawn anew, and so
is the noise) go on until the 95 % interval is narrow enough.

Source: Baccelli and Foss, "On the saturation rule for the stability of queues", Journal of Applied Probability 32,
1995, for the rule; the reference server is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.engine import simulate
from stratsim.errors import SpecError
from stratsim.model.request import Priority
from stratsim.model.workload import Workload
from stratsim.policy.queueing import Fifo
from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval
from stratsim.trace.rule import saturation_rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.model.profile import Profile
    from stratsim.run.spec import RunSpec

__all__ = ["Saturation", "SaturationPoint", "equal_mix", "saturation"]

_EDGES = (0.1, 0.9)
"""Between these quantiles of the answers the rate is measured: the start has no batches under way, the end too few."""
_LEAST, _MOST = 3, 30
"""Replications."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """How closely the saturation is measured.

    Args:
        concurrency: Values of C that the reference server may use.
        requests: Length of one replication.
        width: Half width of the 95 % interval that is narrow enough, as a share of the rate.
    """

    concurrency: tuple[int, ...] = (1, 2, 3)
    requests: int = 4000
    width: float = 0.005

    def __post_init__(self) -> None:
        if not self.concurrency or min(self.concurrency) < 1:
            raise SpecError(f"concurrency must be numbers >= 1, got {list(self.concurrency)}")
        if not 0 < self.width < 1:
            raise SpecError(f"width must be within (0, 1), got {self.width}")
        if self.requests < 100:
            raise SpecError(f"requests must be at least 100, got {self.requests}")


class SaturationPoint(NamedTuple):
    """Load 1.0 of one profile, mix and machine."""

    rate_per_s: float
    """Requests per second, all models together."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""
    concurrency: int
    """C of the reference server."""
    max_batch: int
    """Its largest batch."""
    solo_load: float
    """Offered work at that rate, had every request been alone at batch 1: a share of the GPUs' time."""


def equal_mix(profile: Profile, mix: Mapping[str, float] | None) -> dict[str, float]:
    """Return the shares of the models, which sum to 1, by the profile's own names; equal shares where none are said."""
    named = dict.fromkeys(profile.observable.models, 1.0) if mix is None else mix
    total = sum(named.values())
    shares: dict[str, float] = {}
    for model, share in named.items():
        own = profile.resolve(model)
        shares[own] = shares.get(own, 0.0) + share / total
    return shares


def saturation(
    profile: Profile, spec: RunSpec, mix: Mapping[str, float] | None = None, limits: Saturation | None = None
) -> SaturationPoint:
    """Return load 1.0.

    Args:
        profile: The GPU.
        spec: The machine around it: its GPUs, links, prefetch and largest batch count; its policy, load and C do not.
        mix: Shares by model; equal ones by default.
        limits: How closely.

    Raises:
        SpecError: the interval is not that narrow after 30 replications.
    """
    limits = limits or Saturation()
    shares = equal_mix(profile, mix)
    servers = [(slots, cap) for slots in limits.concurrency for cap in _caps(spec.max_batch)]
    tried = {server: _throughput(profile, spec, shares, *server, limits.requests, 0) for server in servers}
    best = max(servers, key=tried.__getitem__)
    rates = [tried[best]]
    while True:
        rates.append(_throughput(profile, spec, shares, *best, limits.requests, len(rates)))
        if len(rates) < _LEAST:
            continue
        found = mean_interval(rates)
        if found.half_width <= limits.width * found.mean:
            break
        if len(rates) >= _MOST:
            raise SpecError(
                f"saturation of {profile.name!r}: {found.mean:g} +- {found.half_width:g} requests/s after {_MOST} "
                f"replications of {limits.requests} requests; more requests make it narrower"
            )
    alone = saturation_rate(profile.for_scheduler(), shares, spec.cluster().gpus)
    return SaturationPoint(found.mean, found.low, found.high, *best, found.mean / alone)


def _caps(largest: int) -> list[int]:
    """Return the powers of two below the largest batch, and that: full batches are not always the fastest."""
    return [*(2**k for k in range(largest.bit_length()) if 2**k < largest), largest]


def _throughput(
    profile: Profile, spec: RunSpec, shares: Mapping[str, float], slots: int, cap: int, requests: int, seed: int
) -> float:
    """Return the rate of answers with all requests waiting from the start."""
    workload = _backlog(profile, shares, requests, seed)
    cluster = replace(spec, max_concurrency=slots).cluster()
    policy = Fifo(max_batch=cap, drop="never")
    result = simulate(workload, profile, policy, cluster=cluster, max_batch=spec.max_batch, seed=seed)
    answered = np.sort(result.requests.finish_s)
    first, last = (int(edge * len(answered)) for edge in _EDGES)
    return float((last - first) / (answered[last] - answered[first]))


def _backlog(profile: Profile, shares: Mapping[str, float], requests: int, seed: int) -> Workload:
    """Return requests that all arrive at 0: the mix's exact shares, in a random order."""
    models = tuple(profile.observable.models)
    counts = np.diff(np.round(np.cumsum([0.0, *(shares.get(model, 0.0) for model in models)]) * requests).astype(int))
    model = np.repeat(np.arange(len(models), dtype=np.int32), counts)
    Streams(seed).get("saturation", "order").shuffle(model)
    known: list[Any] = list(profile.observable.models.values())
    return Workload(
        models=models,
        arrival_s=np.zeros(len(model)),
        model=model,
        priority=np.full(len(model), Priority.LOW, dtype=np.int8),
        deadline_s=np.full(len(model), np.inf),
        bytes_in=np.array([entry.bytes_in for entry in known], dtype=np.int64)[model],
        bytes_out=np.array([entry.bytes_out for entry in known], dtype=np.int64)[model],
        client=np.full(len(model), -1, dtype=np.int32),
    )
