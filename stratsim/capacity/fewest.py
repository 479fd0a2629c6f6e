"""`find_fewest`: for each policy the fewest GPUs that meet the target at a rate, as plain data."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.capacity.choose import Choose, choose, trials
from stratsim.capacity.document import few_requests, footer, goals_at, header, headroom, no_width, of_classes
from stratsim.capacity.edge import Edge, binding, look
from stratsim.capacity.measure import CODE, Question, made, measure
from stratsim.capacity.probe import Job, base_inputs, own_rate, rate_at_load_1
from stratsim.capacity.target import own_models
from stratsim.errors import SpecError
from stratsim.limits import LONGEST_S, MOST_GPUS
from stratsim.stats.intervals import mean_interval, paired_interval
from stratsim.sweep.backends import make_backend
from stratsim.trace.spec import load_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stratsim.capacity.choose import Trial
    from stratsim.capacity.measure import Probe
    from stratsim.capacity.target import Goal
    from stratsim.run.inputs import Inputs
    from stratsim.run.spec import RunSpec
    from stratsim.sweep.backends import Backend

__all__ = ["GPUS", "OF_MIX", "OF_TRACE", "Fewest", "FewestSpec", "fewest", "find_fewest", "parse_gpus"]

OF_TRACE, OF_MIX = "trace", "mix"
"""Rates that are said elsewhere: by the trace, or by a workload's `[models] mix`, read as requests per second."""
GPUS = tuple(range(1, 9))
"""Numbers of GPUs that are tried where none are named."""
_RATES = (1e-6, 1e9)
"""Requests per second: smallest and largest. Our choice."""
_MOST_COUNTS = 256
_MONOTONE_LEVEL = 0.99
"""Confidence with which more must miss on more GPUs to be called not monotone."""


@dataclass(frozen=True, slots=True)
class FewestSpec(Question):
    """At which rate, and how many GPUs to try. Every default is our choice.

    Args:
        run: As for `Question`, like all up to `level`; its rate scale multiplies the rate.
        target: What is to be met.
        arrivals: The process, instead of a trace.
        seeds: How many.
        level: Of all intervals.
        rate: Requests per second, or `trace` or `mix`.
        gpus: Numbers of GPUs, increasing; every one is tried.
        price: Of a GPU for an hour, in any currency; None: costs are not looked at.
        choose: Settings of which each policy has the best, chosen on seeds of their own.
    """

    rate: float | str = OF_TRACE
    gpus: tuple[int, ...] = GPUS
    price: float | None = None
    choose: Choose = field(default_factory=Choose)

    def __post_init__(self) -> None:
        Question.__post_init__(self)
        if isinstance(self.rate, str):
            if self.rate not in (OF_TRACE, OF_MIX):
                raise SpecError(f"rate must be requests per second, {OF_TRACE!r} or {OF_MIX!r}, got {self.rate!r}")
        elif not 0 < self.rate < math.inf:
            raise SpecError(f"rate must be above 0 and finite, got {self.rate}")
        if not self.gpus or list(self.gpus) != sorted(set(self.gpus)) or not 1 <= self.gpus[0] <= MOST_GPUS:
            raise SpecError(f"gpus must be different numbers from 1 on, increasing, got {list(self.gpus)}")
        if self.gpus[-1] > MOST_GPUS or len(self.gpus) > _MOST_COUNTS:
            raise SpecError(f"gpus must be at most {_MOST_COUNTS} numbers, each at most {MOST_GPUS}")
        if self.price is not None and not 0 <= self.price < math.inf:
            raise SpecError(f"price must be at least 0 and finite, got {self.price}")
        if self.run.load is not None:
            raise SpecError("load must be left out: --rate says how many requests come")


def parse_gpus(text: str) -> tuple[int, ...]:
    """Return the numbers that a text lists: `1..8`, `1,2,4,8`, or both: `1..4,6,8`.

    Raises:
        SpecError: something else than whole numbers, or a range that runs backwards or is too long.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dots, last = (piece.strip() for piece in part.partition(".."))
        ends = [first, last] if dots else [first]
        if not all(end.isascii() and end.isdigit() and len(end) <= len(str(MOST_GPUS)) for end in ends):
            raise SpecError(f"gpus must be numbers such as 4, 1..8 or 1,2,4,8, got {text!r}")
        low, high = int(first), int(ends[-1])
        if high < low or high - low >= _MOST_COUNTS:
            raise SpecError(f"gpus must go from the fewest to the most, {_MOST_COUNTS} at most, got {part.strip()!r}")
        found += range(low, high + 1)
    return tuple(found)


class Fewest(NamedTuple):
    """What the seeds say of numbers of GPUs, each an index into what was tried."""

    meets: tuple[int, ...]
    """Where the upper confidence limits meet the target."""
    undecided: tuple[int, ...]
    misses: tuple[int, ...]
    """Where a lower limit does not."""
    fewest: int | None
    """The first that meets the target and above which none surely misses it."""
    edge: int
    """Where to look for what binds: the last before `fewest` that does not meet it; else the first, or the last."""
    not_monotone: tuple[tuple[str, int, int], ...]
    """Goal, place and next place where more misses it than before."""


def fewest(probes: Sequence[Probe], target: Mapping[str, float]) -> Fewest:
    """Return which of some machines, from the smallest on, meet a target.

    Args:
        probes: What each gave, over the same seeds.
        target: Largest share that may miss, by goal.
    """
    places = range(len(probes))
    meets = tuple(at for at in places if probes[at].certain(target))
    misses = tuple(at for at in places if not probes[at].possible(target))
    undecided = tuple(at for at in places if at not in (*meets, *misses))
    first = next((at for at in meets if at > max(misses, default=-1)), None)
    below = [at for at in places if at not in meets and (first is None or at < first)]
    reversals = tuple(
        (name, at, at + 1)
        for at in places[:-1]
        for name, sample in probes[at].samples.items()
        if paired_interval(probes[at + 1].samples[name], sample, _MONOTONE_LEVEL).low > 0
    )
    return Fewest(meets, undecided, misses, first, below[-1] if below else 0, reversals)


def find_fewest(
    spec: FewestSpec,
    *,
    jobs: int = 1,
    dask: str | None = None,
    progress: Callable[[str, Probe], None] | None = None,
) -> dict[str, Any]:
    """Return the fewest GPUs of each policy, as plain data: what `stratsim capacity --rate R --json` prints.

    Equal specs give equal data, however many processes worked on it.

    Args:
        spec: What to look for.
        jobs: Number of processes.
        dask: Address of a Dask scheduler, or `local` for a cluster of `jobs` processes.
        progress: Called with the policy and what a number of GPUs gave, as they are tried.

    Raises:
        SpecError: no such rate, the target names a class without deadlines or a model that the profile lacks.
        StratsimError: whatever else cannot be used.
    """
    tried = trials(spec.run.policy, spec.choose.values)
    named = ",".join(each[0].policy for each in tried)
    run = replace(spec.run, policy=named, gpus=spec.gpus[0], rate_scale=None)
    inputs = base_inputs(run, spec.arrivals)
    goals = own_models(spec.target, inputs.profile.resolve)
    rate = _rate(spec, inputs)
    full = rate_at_load_1(run, spec.arrivals) / spec.gpus[0]
    with closing(make_backend(jobs, dask, code=CODE)) as backend:
        fleets = [_fleet(spec, run, each, rate, goals, backend, progress) for each in tried]
    notes = [*few_requests(spec, goals, inputs), *_warnings(spec, inputs, rate, goals, fleets)]
    answer = {
        "rate_per_s": rate,
        "rate_of": spec.rate if isinstance(spec.rate, str) else "given",
        "gpus": list(spec.gpus),
        "price_per_gpu_hour": spec.price,
        "fleets": fleets,
    }
    return header(spec, goals, inputs, full) | answer | footer(inputs, notes)


def _rate(spec: FewestSpec, inputs: Inputs) -> float:
    """Return the rate, requests per second, within bounds at which times are exact."""
    rate = _said_rate(spec, inputs)
    last_s = len(inputs.workload) / rate
    if not _RATES[0] <= rate <= _RATES[1] or last_s > LONGEST_S:
        raise SpecError(
            f"rate must lie within {_RATES[0]:g} and {_RATES[1]:g} requests/s and all requests come within "
            f"{LONGEST_S:g} s, got {rate:g}: {len(inputs.workload)} requests last {last_s:.3g} s"
        )
    return rate


def _said_rate(spec: FewestSpec, inputs: Inputs) -> float:
    scale = spec.run.rate_scale or 1.0
    if not isinstance(spec.rate, str):
        return spec.rate * scale
    if spec.rate == OF_MIX:
        mix = None if spec.run.workload is None else load_rule(spec.run.workload).models.mix
        if mix is None:
            raise SpecError(
                "rate mix: there is no [models] mix; give --workload FILE with requests per second by model, or a rate"
            )
        return sum(mix.values()) * scale
    if spec.arrivals is not None or inputs.trace.normalised:
        what = "an arrival process" if spec.arrivals is not None else "a trace without real times"
        raise SpecError(f"rate trace: {what} has no rate of its own; give --rate R, in requests per second")
    return own_rate(inputs, None) * scale


def _fleet(
    spec: FewestSpec,
    run: RunSpec,
    tried: Sequence[Trial],
    rate: float,
    goals: tuple[Goal, ...],
    backend: Backend,
    progress: Callable[[str, Probe], None] | None,
) -> dict[str, Any]:
    """Choose a policy's settings, try all numbers of GPUs and return what it needs, as plain data."""
    jobs = [Job(run, spec.arrivals, tried[0].policy, rate, goals, gpus) for gpus in spec.gpus]

    def pilot(trial: Trial, probe: Probe) -> None:
        if progress is not None:
            progress(" ".join(["pilot", trial.policy, *(f"{name}={value}" for name, value in trial.settings)]), probe)

    (policy, settings), record = choose(spec, jobs, tried, spec.choose.pilots, backend, pilot)
    jobs = [replace(job, policy=policy, settings=settings) for job in jobs]
    probes: list[Probe] = []
    for job in jobs:
        probes.append(measure(spec, job, spec.seed_numbers, backend))
        if progress is not None:
            progress(policy, probes[-1])
    found = fewest(probes, spec.shares)
    goal = binding(probes[found.edge], goals)
    (edge,) = made([Edge(jobs[found.edge], goal)], backend, look)
    count = None if found.fewest is None else spec.gpus[found.fewest]
    return {
        "policy": policy,
        "settings": dict(settings),
        "chosen": record,
        "gpus": count,
        **{name: [spec.gpus[at] for at in getattr(found, name)] for name in ("meets", "undecided", "misses")},
        "headroom": None if found.fewest is None else headroom(probes[found.fewest], goals),
        **_cost(spec.price, count, rate),
        "edge": {"gpus": spec.gpus[found.edge], **edge},
        "not_monotone": [
            {"goal": name, "from_gpus": spec.gpus[a], "to_gpus": spec.gpus[b]} for name, a, b in found.not_monotone
        ],
        "points": [_point(probe, spec, goals, found, at) for at, probe in enumerate(probes)],
    }


def _cost(price: float | None, gpus: int | None, rate: float) -> dict[str, float | None]:
    if price is None or gpus is None:
        return {"cost_per_hour": None, "cost_per_million": None}
    return {"cost_per_hour": price * gpus, "cost_per_million": price * gpus / (rate * 3600) * 1e6}


def _point(probe: Probe, spec: FewestSpec, goals: tuple[Goal, ...], found: Fewest, at: int) -> dict[str, Any]:
    verdict = "meets" if at in found.meets else "misses" if at in found.misses else "undecided"
    return {
        "gpus": spec.gpus[at],
        "verdict": verdict,
        "goals": goals_at(probe, goals, spec.level),
        "violation": of_classes(probe, "", spec.level),
        "goodput_per_s": of_classes(probe, "goodput_", spec.level),
        "utilization": mean_interval(probe.figures["utilization"], spec.level).mean,
    }


def _warnings(
    spec: FewestSpec, inputs: Inputs, rate: float, goals: tuple[Goal, ...], fleets: list[dict[str, Any]]
) -> Iterator[str]:
    """Yield what a reader should know before relying on the figures."""
    span_s = (len(inputs.workload) - 1) / rate
    longest_s = max((goal.limit_s for goal in goals if goal.limit_s is not None), default=0.0)
    if span_s < _SHORT * longest_s:
        yield (
            f"{len(inputs.workload)} requests last {span_s:.3g} s at {rate:.4g}/s, not much longer than a limit of "
            f"{longest_s:g} s: too few GPUs may not show; take more requests"
        )
    for each in fleets:
        for where in each["not_monotone"]:
            yield (
                f"{each['policy']}: more requests miss {where['goal']} on {where['to_gpus']} GPUs than on "
                f"{where['from_gpus']}: not monotone"
            )
        if spec.arrivals is None:
            yield from no_width(each["policy"], each["points"])


_SHORT = 20.0
"""A run should last so many times the longest limit: then a backlog has time to grow. Our choice."""
