"""`find_capacities`: for each policy the highest rate that meets the target, as plain data."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stratsim.capacity.probe import CLASSES, Job, base_inputs, own_rate, rate_at_load_1, run_job
from stratsim.capacity.search import Found, Probe, find_rate, reversals
from stratsim.capacity.target import ALL
from stratsim.errors import SpecError
from stratsim.limits import LOADS
from stratsim.model.request import Priority
from stratsim.policy.registry import parse_policies
from stratsim.run.manifest import make_manifest
from stratsim.stats.intervals import mean_interval
from stratsim.sweep.backends import make_backend
from stratsim.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from stratsim.run.arrivals import Arrivals
    from stratsim.run.replay import Inputs
    from stratsim.run.spec import RunSpec
    from stratsim.stats.intervals import Interval
    from stratsim.sweep.backends import Backend

__all__ = ["CapacitySpec", "find_capacities"]

_CODE = ("capacity/probe.py",)
"""What figures depend on besides the simulator."""
_FEW = 10
"""Requests that the target allows to miss, over all seeds, below which it is too fine for so few."""


_MOST_SEEDS = 10_000
_FINEST = 1e-6
"""Below this, rates differ by less than what one request changes."""


@dataclass(frozen=True, slots=True)
class CapacitySpec:
    """What to look for, and how closely. Every default is our choice.

    Args:
        run: The run at any rate; its load and rate scale are not looked at, its seed is the first.
        target: Largest violation by class: `parse_target`.
        arrivals: Draw the requests anew for each seed, instead of the trace that `run` names.
        seeds: How many seeds.
        precision: Relative distance at which the search stops.
        level: Confidence level of all intervals.
        start: The first rate as a load, in the run's `load_unit`.
    """

    run: RunSpec
    target: dict[str, float]
    arrivals: Arrivals | None = None
    seeds: int = 8
    precision: float = 0.01
    level: float = 0.95
    start: float = 0.5

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise SpecError(f"seeds must be at least 2, as one sample has no interval, got {self.seeds}")
        if self.seeds > _MOST_SEEDS:
            raise SpecError(f"seeds must be at most {_MOST_SEEDS}, got {self.seeds}")
        if not LOADS[0] <= self.start <= LOADS[1]:
            raise SpecError(f"start must lie within {LOADS[0]:g} and {LOADS[1]:g}, got {self.start}")
        if not _FINEST <= self.precision < 1:
            raise SpecError(f"precision must be at least {_FINEST:g} and below 1, got {self.precision}")
        if not 0 < self.level < 1:
            raise SpecError(f"level must be within (0, 1), got {self.level}")
        if self.arrivals is not None and self.run.trace is not None:
            raise SpecError("requests come from a trace or from an arrival process, not from both")


def find_capacities(
    spec: CapacitySpec,
    *,
    jobs: int = 1,
    dask: str | None = None,
    progress: Callable[[str, Probe, bool], None] | None = None,
) -> dict[str, Any]:
    """Return the capacity of each policy, as plain data: what `stratsim capacity --json` prints.

    Equal specs give equal data, however many processes worked on it.

    Args:
        spec: What to look for.
        jobs: Number of processes.
        dask: Address of a Dask scheduler, or `local` for a cluster of `jobs` processes.
        progress: Called with (policy, what a rate gave, whether it certainly meets the target) as rates are tried.

    Raises:
        SpecError: the target names a class without deadlines, or the requests have no rate.
        StratsimError: whatever else cannot be used.
    """
    run = replace(spec.run, load=None, rate_scale=None)
    inputs = base_inputs(run, spec.arrivals)
    own_rate(inputs, spec.arrivals)
    full = rate_at_load_1(run, spec.arrivals)
    seeds = [run.seed + number for number in range(spec.seeds)]
    with closing(make_backend(jobs, dask, code=_CODE)) as backend:
        capacities = []
        for call in parse_policies(run.policy):
            probe = _prober(spec, run, call.text, seeds, backend, progress)
            found = find_rate(probe, spec.target, start=spec.start * full, precision=spec.precision)
            capacities.append(_described(call.text, found, spec, full))
    notes = [*_without_rate(inputs.notes), *_warnings(spec, inputs, capacities)]
    manifest = make_manifest(inputs.spec, inputs.profile, inputs.trace, inputs.workload, notes)
    del manifest["offered_load"]
    return {
        "capacity": 1,
        "stratsim_version": __version__,
        "target": spec.target,
        "level": spec.level,
        "precision": spec.precision,
        "seeds": seeds,
        "rate_at_load_1": full,
        "load_unit": run.load_unit,
        "capacities": capacities,
        "notes": notes,
        "manifest": manifest,
    }


_RATE = re.compile(r"rate \([^)]*\)(; )?")


def _without_rate(notes: Iterable[str]) -> Iterator[str]:
    """Yield what was filled, but for the rate: that is what is looked for."""
    return (_RATE.sub("", note) for note in notes)


def _made(todo: list[Job], backend: Backend) -> list[dict[str, float]]:
    """Return the figures of jobs, in their order."""
    for job in todo:
        backend.submit(repr(job), run_job, job)  # named by its content: no other call of the search has that
    ended = {each.key: each for each in (backend.next_completed() for _ in todo)}
    rows: list[dict[str, float]] = []
    for job in todo:
        each = ended[repr(job)]
        if each.error is not None:
            raise each.error
        rows.append(each.value)
    return rows


def _prober(
    spec: CapacitySpec,
    run: RunSpec,
    policy: str,
    seeds: list[int],
    backend: Backend,
    progress: Callable[[str, Probe, bool], None] | None,
) -> Callable[[float], Probe]:
    def probe(rate: float) -> Probe:
        rows = _made([Job(replace(run, seed=seed), spec.arrivals, policy, rate) for seed in seeds], backend)
        figures = {name: [row[name] for row in rows] for name in rows[0] if all(name in row for row in rows)}
        for name in spec.target:
            if name not in figures:
                raise SpecError(f"target: class {name!r} has no requests with a deadline at some seed")
        samples = {name: figures[name] for name in spec.target}
        intervals = {name: mean_interval(sample, spec.level) for name, sample in samples.items()}
        found = Probe(rate, samples, intervals, figures)
        if progress is not None:
            progress(policy, found, found.certain(spec.target))
        return found

    return probe


def _described(policy: str, found: Found, spec: CapacitySpec, full: float) -> dict[str, Any]:
    """Return the capacity of a policy as plain data."""
    at = found.at
    low, high = found.expected
    return {
        "policy": policy,
        "rate_per_s": None if at is None else at.rate,
        "load": None if at is None else at.rate / full,
        "expected_per_s": None if low is None or high is None else (low + high) / 2,
        "above_per_s": found.above,
        "violation": _measured(at, "", spec.level),
        "goodput_per_s": _measured(at, "goodput_", spec.level),
        "not_monotone": [{"class": name, "from_per_s": a, "to_per_s": b} for name, a, b in reversals(found)],
        "probes": [
            {
                "rate_per_s": probe.rate,
                "violation": {name: _interval(each) for name, each in probe.intervals.items()},
                "samples": {name: list(sample) for name, sample in probe.samples.items()},
                "meets": probe.certain(spec.target),
            }
            for probe in found.probes
        ],
    }


def _measured(at: Probe | None, prefix: str, level: float) -> dict[str, Any]:
    """Return figures at the capacity by class, with their intervals; those that do not exist are None."""
    names = {name: f"{prefix}{name}" for name in CLASSES}
    return {
        name: _interval(mean_interval(at.figures[key], level)) if at is not None and key in at.figures else None
        for name, key in names.items()
    }


def _interval(found: Interval) -> dict[str, float]:
    return {"mean": found.mean, "low": found.low, "high": found.high}


def _warnings(spec: CapacitySpec, inputs: Inputs, capacities: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what a reader should know before relying on the figures."""
    priority = inputs.workload.priority
    for name, share in spec.target.items():
        count = sum(name in (ALL, each.label) and int((priority == each).sum()) for each in Priority)
        if share * count * spec.seeds < _FEW:
            yield (
                f"target {name}={100 * share:g}%: {count} requests and {spec.seeds} seeds are few for this share "
                f"(it allows {share * count * spec.seeds:.2g} to miss); take more requests"
            )
    for each in capacities:
        for where in each["not_monotone"]:
            yield (
                f"{each['policy']}: violations of {where['class']} fall from {where['from_per_s']:.4g}/s to "
                f"{where['to_per_s']:.4g}/s: not monotone in the rate; the first crossing is reported"
            )
        if any(_equal(probe["samples"]) for probe in each["probes"]) and spec.arrivals is None:
            yield (
                f"{each['policy']}: all seeds give the same figures, so the intervals have no width; with --arrivals, "
                "each seed has requests of its own"
            )


def _equal(samples: Mapping[str, list[float]]) -> bool:
    """Whether all seeds gave the same, and not only that nothing or everything was missed."""
    return all(len(set(sample)) == 1 and 0 < sample[0] < 1 for sample in samples.values())
