"""Replays what `prepare` made ready through each policy, checks the results and sums them up."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine.groups import of_group, simulate_groups
from stratsim.engine.options import Options
from stratsim.engine.simulation import check_fits
from stratsim.errors import SimulationError, SpecError
from stratsim.limits import give_back
from stratsim.model.request import Status
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.base import DropMode
from stratsim.policy.registry import PolicyCall, make_policy
from stratsim.results import invariants, summarize
from stratsim.run.engine import Engine
from stratsim.run.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.engine import Result
    from stratsim.policy.base import Policy
    from stratsim.run.inputs import Inputs
    from stratsim.run.spec import RunSpec

__all__ = ["check_jobs", "check_policy", "replay", "run_policy"]

_LONG = 1_000_000
"""Requests of a run from which its memory matters more than the tenth of a second that it takes to give some back."""


def check_jobs(jobs: int, spec: RunSpec) -> None:
    """Raise SpecError if there is nothing to share out among so many processes."""
    if jobs > 1 and spec.groups == 1:
        raise SpecError(
            f"{jobs} jobs for one group of GPUs: a policy that sees all GPUs has one state, which cannot be divided; "
            "cut the GPUs into groups (--groups N), or sweep over policies and seeds (stratsim sweep run)"
        )


def replay(
    inputs: Inputs,
    progress: Callable[[str, int, int], None] | None = None,
    *,
    keep_results: bool = True,
    jobs: int = 1,
    each: Callable[[Result, dict[str, Any]], None] | None = None,
) -> Outcome:
    """Replay the same requests through each policy.

    Args:
        inputs: From `prepare`.
        progress: Called now and then with (policy, requests arrived, requests in all; 0 when not known).
        keep_results: False keeps the summaries only: a result holds every request of its run.
        jobs: Processes for the groups of GPUs; with one group there is nothing to share out.
        each: Called with every result as it comes, and its summary.

    Raises:
        SpecError: several jobs for one group.
        PolicyError: a policy failed.
        SimulationError: time does not advance, or a result breaks an invariant: a defect of stratsim.
    """
    check_jobs(jobs, inputs.spec)
    if len(inputs.workload) >= _LONG:
        give_back()  # what the trace was read with
    give_back()  # what the trace was read with
    results: list[Result] = []
    summaries: list[dict[str, Any]] = []
    engines: dict[str, dict[str, str]] = {}
    notes = dict.fromkeys(inputs.notes)
    solo = inputs.profile.for_scheduler(inputs.cluster.solo_links(inputs.profile.observable.pcie))
    for call in inputs.policies:
        result = run_policy(inputs, call, progress=progress, jobs=jobs)
        summaries.append(summarize(result, warmup_s=inputs.spec.warmup_s, profile=solo))
        notes |= dict.fromkeys(result.notes)
        engines[call.text] = {"ran": result.engine}
        if result.not_fast is not None:
            engines[call.text]["not_fast"] = result.not_fast
        if each is not None:
            each(result, summaries[-1])
        if keep_results:
            results.append(result)
        del result  # the next one needs the room
    return Outcome(inputs, tuple(results), tuple(summaries), tuple(notes), engines)


def run_policy(
    inputs: Inputs,
    call: PolicyCall,
    policy: Policy | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    jobs: int = 1,
    behind: int = 0,
) -> Result:
    """Replay the requests through one policy and check the result.

    Args:
        inputs: What to replay, and on what.
        call: The policy; its text is the run's name.
        policy: The object, if something had to be done to it first; made from `call` by default, one per group.
        progress: As for `replay`.
        jobs: As for `replay`.
        behind: How many requests this process has simulated before.

    Raises:
        PolicyError: the policy failed.
        SimulationError: time does not advance, or the result breaks an invariant: a defect of stratsim.
    """
    spec, groups = inputs.spec, inputs.spec.cut()
    engine = Engine(spec.engine, behind + len(inputs.workload) * len(inputs.policies) // jobs)
    options = _options(inputs, call)
    report = None if progress is None else partial(progress, call.text)
    if groups.count > 1:
        if policy is not None or call.text in inputs.objects:
            raise SpecError(f"one policy object cannot serve {groups.count} groups of GPUs")
        make = partial(make_policy, call)
        options |= {"jobs": jobs, "progress": report, "run_on": engine}
        result = simulate_groups(inputs.workload, inputs.profile, make, groups, **options)
    else:
        chosen = inputs.policy(call) if policy is None else policy
        result = engine(inputs.workload, inputs.profile, chosen, Options(**options), report)
    if len(result.requests) >= _LONG:
        give_back()  # what the tables were made with
    broken = invariants(result, result.max_concurrency)
    if broken:
        raise SimulationError(f"policy {call.text!r}: {broken[0]} ({len(broken)} invariants broken; a defect of ours)")
    own = _own_drops(result, DropMode(spec.drop))
    if own:
        why = f"by its own rule: the run's, {spec.drop}, does not reach it"
        note = f"policy {call.text!r} dropped {own:,} requests {why}"
        result = replace(result, notes=(*result.notes, note))
    return result


def check_policy(inputs: Inputs, call: PolicyCall, policy: Policy | None = None) -> None:
    """See that a policy and its machine go together, without a run.

    Args:
        inputs: What would be replayed, and on what; of several groups the first is looked at.
        call: The policy.
        policy: The object, as for `run_policy`.

    Raises:
        StratsimError: as `run_policy`, as far as it can be seen before the first event.
    """
    options = _options(inputs, call)
    groups = inputs.spec.cut()
    if groups.count > 1:
        options["cluster"] = of_group(inputs.cluster, 0, groups.count)
    chosen = inputs.policy(call) if policy is None else policy
    check_fits(inputs.workload, inputs.profile, chosen, Options(**options))


def _options(inputs: Inputs, call: PolicyCall) -> dict[str, Any]:
    """Return the options of a run, by the names that they have in `simulate`."""
    spec = inputs.spec
    return {
        "cluster": inputs.cluster,
        "max_batch": spec.max_batch,
        "drop": DropMode(spec.drop),
        "seed": spec.seed,
        "rejection": spec.rejection(),
        "belief": inputs.belief(),
        "name": call.text,
    }


def _own_drops(result: Result, rule: DropMode) -> int:
    """Return how many requests were dropped although the run's rule keeps them: all, or those not due yet."""
    requests = result.requests
    dropped = requests.status == Status.DROPPED
    if rule is DropMode.EXPIRED:
        dropped &= latest_finish_s(np.asarray(requests.dropped_s)) < requests.deadline_s
    return 0 if rule is DropMode.INFEASIBLE else int(dropped.sum())
