"""`find_capacities`: for each policy the highest rate that meets the target, as plain data."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stratsim.capacity.document import few_requests, footer, goals_at, header, no_width, of_classes
from stratsim.capacity.measure import CODE, Question, measure
from stratsim.capacity.probe import Job, base_inputs, own_rate, rate_at_load_1
from stratsim.capacity.search import find_rate, reversals
from stratsim.capacity.target import own_models
from stratsim.errors import SpecError
from stratsim.limits import LOADS
from stratsim.policy.registry import parse_policies
from stratsim.sweep.backends import make_backend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stratsim.capacity.measure import Probe
    from stratsim.capacity.search import Found
    from stratsim.capacity.target import Goal

__all__ = ["CapacitySpec", "find_capacities"]

_FINEST = 1e-6
"""Below this, rates differ by less than what one request changes."""


@dataclass(frozen=True, slots=True)
class CapacitySpec(Question):
    """What rates to look for, and how closely. Every default is our choice.

    Args:
        run: As for `Question`, like all up to `level`.
        target: What is to be met.
        arrivals: The process, instead of a trace.
        seeds: How many.
        level: Of all intervals.
        precision: Relative distance at which the search stops.
        start: The first rate as a load, in the run's `load_unit`.
    """

    precision: float = 0.01
    start: float = 0.5

    def __post_init__(self) -> None:
        Question.__post_init__(self)
        if not LOADS[0] <= self.start <= LOADS[1]:
            raise SpecError(f"start must lie within {LOADS[0]:g} and {LOADS[1]:g}, got {self.start}")
        if not _FINEST <= self.precision < 1:
            raise SpecError(f"precision must be at least {_FINEST:g} and below 1, got {self.precision}")


def find_capacities(
    spec: CapacitySpec,
    *,
    jobs: int = 1,
    dask: str | None = None,
    progress: Callable[[str, Probe], None] | None = None,
) -> dict[str, Any]:
    """Return the capacity of each policy, as plain data: what `stratsim capacity --json` prints.

    Equal specs give equal data, however many processes worked on it.

    Args:
        spec: What to look for.
        jobs: Number of processes.
        dask: Address of a Dask scheduler, or `local` for a cluster of `jobs` processes.
        progress: Called with the policy and what a rate gave, as rates are tried.

    Raises:
        SpecError: the target names a class without deadlines or a model that the profile lacks, or the requests have
            no rate.
        StratsimError: whatever else cannot be used.
    """
    run = replace(spec.run, load=None, rate_scale=None)
    inputs = base_inputs(run, spec.arrivals)
    goals = own_models(spec.target, inputs.profile.resolve)
    own_rate(inputs, spec.arrivals)
    full = rate_at_load_1(run, spec.arrivals)
    with closing(make_backend(jobs, dask, code=CODE)) as backend:
        capacities = []
        for call in parse_policies(run.policy):

            def probe(rate: float, policy: str = call.text) -> Probe:
                job = Job(run, spec.arrivals, policy, rate, goals)
                found = measure(spec, job, spec.seed_numbers, backend)
                if progress is not None:
                    progress(policy, found)
                return found

            found = find_rate(probe, spec.shares, start=spec.start * full, precision=spec.precision)
            capacities.append(_described(call.text, found, spec, goals, full))
    notes = [*few_requests(spec, goals, inputs), *_warnings(spec, capacities)]
    answer = {"precision": spec.precision, "capacities": capacities}
    return header(spec, goals, inputs, full) | answer | footer(inputs, notes)


def _described(policy: str, found: Found, spec: CapacitySpec, goals: tuple[Goal, ...], full: float) -> dict[str, Any]:
    """Return the capacity of a policy as plain data."""
    at = found.at
    low, high = found.expected
    return {
        "policy": policy,
        "rate_per_s": None if at is None else at.rate,
        "load": None if at is None else at.rate / full,
        "expected_per_s": None if low is None or high is None else (low + high) / 2,
        "above_per_s": found.above,
        "goals": None if at is None else goals_at(at, goals, spec.level),
        "violation": of_classes(at, "", spec.level),
        "goodput_per_s": of_classes(at, "goodput_", spec.level),
        "not_monotone": [{"goal": name, "from_per_s": a, "to_per_s": b} for name, a, b in reversals(found)],
        "probes": [
            {
                "rate_per_s": probe.rate,
                "goals": goals_at(probe, goals, spec.level),
                "meets": probe.certain(spec.shares),
            }
            for probe in found.probes
        ],
    }


def _warnings(spec: CapacitySpec, capacities: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what a reader should know before relying on the figures."""
    for each in capacities:
        for where in each["not_monotone"]:
            yield (
                f"{each['policy']}: fewer requests miss {where['goal']} at {where['to_per_s']:.4g}/s than at "
                f"{where['from_per_s']:.4g}/s: not monotone in the rate; the first crossing is reported"
            )
        if spec.arrivals is None:
            yield from no_width(each["policy"], each["probes"])
