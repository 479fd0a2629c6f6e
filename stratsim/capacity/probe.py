"""Simulates one policy at one rate on one machine with one seed, with common random numbers.

A seed's requests are made once; another rate only scales their times, and another number of GPUs does not change them.
So two rates, two machines and two policies meet the same requests in the same order, and what differs between them is
not luck.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from stratsim.capacity.target import ALL, CLASSES
from stratsim.engine.groups import check_cut
from stratsim.errors import SpecError
from stratsim.model.request import Priority, Status
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.registry import parse_policies
from stratsim.rng import Streams
from stratsim.run.inputs import Inputs, prepare
from stratsim.run.replay import run_policy
from stratsim.stats.deadlines import measuring_window, violation
from stratsim.stats.latency import arrived_quantiles
from stratsim.stats.occupancy import busy_s
from stratsim.trace.generate import generate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.capacity.target import Goal
    from stratsim.engine import Result
    from stratsim.model.workload import Workload
    from stratsim.run.arrivals import Arrivals
    from stratsim.run.spec import RunSpec

    Mask = NDArray[np.bool_]

__all__ = [
    "Job",
    "base_inputs",
    "figures_of",
    "inputs_of",
    "missed",
    "own_rate",
    "percentile_of",
    "rate_at_load_1",
    "run_job",
    "simulated",
]


@dataclass(frozen=True, slots=True)
class Job:
    """One run: plain data for any process.

    Args:
        spec: Everything but rate, policy and GPUs; its seed is that of the run.
        arrivals: The process that arrivals are drawn from; None: the trace that `spec` names.
        policy: The policy, as for `--policy`.
        rate: Requests per second.
        goals: What is looked at.
        gpus: How many GPUs; None: as many as `spec` has.
        settings: Settings of the server that take the place of those of `spec`, by name.
    """

    spec: RunSpec
    arrivals: Arrivals | None
    policy: str
    rate: float
    goals: tuple[Goal, ...] = ()
    gpus: int | None = None
    settings: tuple[tuple[str, object], ...] = ()


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


def inputs_of(job: Job) -> Inputs:
    """Return the requests of a job at its rate, and its machine.

    Raises:
        StratsimError: whatever cannot be used.
    """
    (call,) = parse_policies(job.policy)
    inputs = base_inputs(replace(job.spec, policy="fifo"), job.arrivals)
    workload = _rescaled(inputs.workload, own_rate(inputs, job.arrivals) / job.rate)
    spec = replace(inputs.spec, policy=job.policy, **dict(job.settings))  # type: ignore[arg-type]
    if job.gpus is not None:
        spec = replace(spec, gpus=job.gpus)
    cluster = spec.cluster()
    check_cut(spec.cut(), cluster, inputs.profile)
    return replace(inputs, spec=spec, cluster=cluster, workload=workload, policies=(call,))


def simulated(job: Job) -> Result:
    """Return the run of a job.

    Raises:
        StratsimError: whatever goes wrong.
    """
    inputs = inputs_of(job)
    return run_policy(inputs, inputs.policies[0])


def run_job(job: Job) -> dict[str, float]:
    """Return the figures of a run by name; a figure that does not exist is left out.

    By goal: the share of its requests that missed it, under its name, and for a latency the percentile that it bounds,
    as `NAME_s`, infinite where that falls among requests without an answer. By class (`high`, `low`, `all`): the
    violation, which a class without deadlines does not have, and `goodput_CLASS`, 1/s. `utilization` is the mean share
    of time during which a GPU executes.

    Raises:
        SpecError: the warm-up leaves nothing to measure at this rate.
        StratsimError: whatever else goes wrong.
    """
    return figures_of(simulated(job), job)


def figures_of(result: Result, job: Job) -> dict[str, float]:
    """Return the figures of a run, as `run_job` does."""
    requests = result.requests
    span = (result.start_s, result.end_s)
    if job.spec.warmup_s is not None:
        try:
            span = measuring_window(requests.arrival_s, requests.deadline_s, job.spec.warmup_s)
        except SpecError as error:
            raise SpecError(
                f"at {job.rate:.4g} requests/s: {error}; more requests or a shorter warm-up leave more"
            ) from None
    counted = (requests.arrival_s >= span[0]) & (requests.arrival_s <= span[1])
    figures = {"utilization": _utilization(result, span)}
    for name in CLASSES:
        figures |= _of_class(result, counted & _of_group(result, name), name, span[1] - span[0])
    for goal in job.goals:
        figures |= _of_goal(result, counted, goal)
    return figures


def percentile_of(goal: Goal) -> str:
    """Return the name of the figure of a percentile in `run_job`."""
    return f"{goal.name}_s"


def missed(result: Result, goal: Goal) -> tuple[Mask, Mask]:
    """Return which requests a goal is about, and which of those missed it: two masks, shape (n,) each."""
    requests = result.requests
    chosen = _of_group(result, goal.group)
    if goal.model is not None:
        chosen &= requests.model == result.models.index(goal.model)
    if goal.limit_s is None:
        return chosen, chosen & (requests.status != Status.MET)
    in_time = requests.finish_s <= latest_finish_s(requests.arrival_s + goal.limit_s)  # False for one without a finish
    return chosen, chosen & ~in_time


def _of_goal(result: Result, counted: Mask, goal: Goal) -> dict[str, float]:
    chosen, late = missed(result, goal)
    chosen, late = chosen & counted, late & counted
    count = int(np.count_nonzero(chosen))
    if not count or (goal.limit_s is None and not np.isfinite(result.requests.deadline_s[chosen]).any()):
        return {}
    figures = {goal.name: int(np.count_nonzero(late)) / count}
    if goal.quantile is not None:
        (value,) = arrived_quantiles(result.requests.latency_s(chosen), [goal.quantile], overwrite=True)
        figures[percentile_of(goal)] = math.inf if value is None else value
    return figures


def _of_class(result: Result, chosen: Mask, name: str, span_s: float) -> dict[str, float]:
    arrived, met = (int(np.count_nonzero(each)) for each in (chosen, chosen & (result.requests.status == Status.MET)))
    figures = {f"goodput_{name}": met / span_s} if span_s > 0 else {}
    share = violation(met, arrived)
    if share is not None and np.isfinite(result.requests.deadline_s[chosen]).any():
        figures[name] = share
    return figures


def _of_group(result: Result, name: str) -> Mask:
    priority = result.requests.priority
    if name == ALL:
        return np.ones(len(priority), dtype=bool)
    return np.asarray(priority == next(each for each in Priority if each.label == name))


def _utilization(result: Result, span: tuple[float, float]) -> float:
    """Return the share of a span during which a GPU executes something, mean over the GPUs."""
    length_s = span[1] - span[0]
    if not length_s > 0:
        return 0.0
    busy = [busy_s(*stretches, *span) for stretches in result.stretches_by_gpu()]
    return min(sum(busy) / length_s / result.gpus, 1.0)


def _rescaled(workload: Workload, factor: float) -> Workload:
    """Return the same requests with their arrivals rescaled; each keeps its SLO."""
    arrival_s = workload.arrival_s * factor
    return replace(workload, arrival_s=arrival_s, deadline_s=arrival_s + (workload.deadline_s - workload.arrival_s))
