"""Simulates one policy at one rate over all seeds, with common random numbers.

A seed's requests are made once; another rate only stretches their time. So two rates, and two policies, meet the same
requests in the same order, and what differs between them is not luck.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from stratsim.capacity.target import ALL
from stratsim.errors import SpecError
from stratsim.policy.registry import parse_policies
from stratsim.results import summarize
from stratsim.rng import Streams
from stratsim.run.replay import Inputs, prepare, run_policy
from stratsim.stats.deadlines import violation
from stratsim.trace.generate import generate

if TYPE_CHECKING:
    from stratsim.model.workload import Workload
    from stratsim.run.arrivals import Arrivals
    from stratsim.run.spec import RunSpec

__all__ = ["CLASSES", "Job", "base_inputs", "own_rate", "rate_at_load_1", "run_job"]

CLASSES = ("high", "low", ALL)


@dataclass(frozen=True, slots=True)
class Job:
    """One run: plain data for any process.

    Args:
        spec: Everything but rate and policy; its seed is that of the run.
        arrivals: The process that arrivals are drawn from; None: the trace that `spec` names.
        policy: The policy, as for `--policy`.
        rate: Requests per second.
    """

    spec: RunSpec
    arrivals: Arrivals | None
    policy: str
    rate: float


@lru_cache(maxsize=64)
def base_inputs(spec: RunSpec, arrivals: Arrivals | None) -> Inputs:
    """Return the requests of a seed at the rate they have by themselves.

    Raises:
        SpecError: clients that wait for replies: they have no rate of their own.
        StratsimError: whatever else cannot be used.
    """
    made = None if arrivals is None else generate(arrivals.at, arrivals.requests, Streams(spec.seed), rate=1.0)
    inputs = prepare(replace(spec, warmup_s=None), made)
    if inputs.workload.waits_for_replies:
        raise SpecError("a capacity needs requests that come at a rate; here are clients that wait for replies")
    return inputs


def own_rate(inputs: Inputs, arrivals: Arrivals | None) -> float:
    """Return the rate of `base_inputs`, requests per second: of the process, or the mean over a trace.

    Raises:
        SpecError: a trace without a rate: a single request, or all at one instant.
    """
    if arrivals is not None:
        return 1.0
    arrival_s = inputs.workload.arrival_s
    span_s = float(arrival_s[-1] - arrival_s[0]) if len(arrival_s) else 0.0
    if not span_s > 0:
        raise SpecError("a capacity needs requests that come at a rate; all of these arrive at one instant")
    return (len(arrival_s) - 1) / span_s


def rate_at_load_1(spec: RunSpec, arrivals: Arrivals | None) -> float:
    """Return what `--load 1` means for these requests, requests per second."""
    inputs = base_inputs(replace(spec, load=1.0), arrivals)
    return own_rate(inputs, None)


def run_job(job: Job) -> dict[str, float]:
    """Return violation and goodput by class: `high`, `low`, `all`, then `goodput_high` and so on, 1/s.

    A class that nobody is in, or that has no deadline, has no violation: its name is left out.

    Raises:
        SpecError: the warm-up leaves nothing to measure at this rate.
        StratsimError: whatever else goes wrong.
    """
    inputs = base_inputs(replace(job.spec, policy="fifo"), job.arrivals)
    workload = _stretched(inputs.workload, own_rate(inputs, job.arrivals) / job.rate)
    (call,) = parse_policies(job.policy)
    result = run_policy(replace(inputs, workload=workload, policies=(call,)), call)
    try:
        classes = summarize(result, warmup_s=job.spec.warmup_s)["classes"]
    except SpecError as error:
        raise SpecError(
            f"at {job.rate:.4g} requests/s: {error}; more requests or a shorter warm-up leave more"
        ) from None
    figures = {f"goodput_{name}": classes[name]["goodput_per_s"] for name in ("high", "low")}
    figures[f"goodput_{ALL}"] = sum(figures.values())
    figures |= {name: each["violation"] for name, each in classes.items() if each["violation"] is not None}
    if any(name in figures for name in classes):
        met, arrived = (sum(each[key] for each in classes.values()) for key in ("met", "arrived"))
        figures[ALL] = violation(met, arrived)
    return figures


def _stretched(workload: Workload, factor: float) -> Workload:
    """Return the same requests with their arrivals stretched; each keeps the time that it has."""
    arrival_s = workload.arrival_s * factor
    return replace(workload, arrival_s=arrival_s, deadline_s=arrival_s + (workload.deadline_s - workload.arrival_s))
