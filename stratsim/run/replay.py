"""Runs a spec: reads, completes, replays through each policy, checks and sums up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.device import execution_model, find_model
from stratsim.engine import Result
from stratsim.engine.groups import check_cut, check_deal, of_group, simulate_groups
from stratsim.engine.layout import models_of
from stratsim.engine.options import Options
from stratsim.engine.simulation import check_fits
from stratsim.errors import SimulationError, SpecError, suggest
from stratsim.limits import LONGEST_S, give_back
from stratsim.model.belief import check_belief, scaled_latencies
from stratsim.model.codec import load_profile
from stratsim.model.columns import TABLES, arrow_stream, as_pandas, joined
from stratsim.model.preemption import Preemption
from stratsim.model.request import Status
from stratsim.model.tolerance import latest_finish_s
from stratsim.notebook import card, line, percent
from stratsim.policy.base import DropMode
from stratsim.policy.registry import PolicyCall, make_policy, parse_policies
from stratsim.results import invariants, summarize
from stratsim.run.engine import Engine
from stratsim.run.load import BATCH_1, batch_1_load
from stratsim.run.manifest import make_manifest
from stratsim.run.saturation import equal_mix
from stratsim.stats.deadlines import measuring_window
from stratsim.trace import Trace, read_trace
from stratsim.trace.rule import complete
from stratsim.trace.spec import DEFAULT_LOAD, WorkloadRule, load_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from stratsim.model.cluster import Cluster
    from stratsim.model.columns import Column
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy
    from stratsim.run.saturation import Saturation
    from stratsim.run.spec import RunSpec

__all__ = ["Inputs", "Outcome", "assemble", "check_jobs", "check_policy", "prepare", "replay", "run_policy"]


_LONG = 1_000_000
"""Requests of a run from which its memory matters more than the tenth of a second that it takes to give some back."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a spec names, read and checked; nothing simulated yet."""

    spec: RunSpec
    cluster: Cluster
    profile: Profile
    trace: Trace
    workload: Workload
    policies: tuple[PolicyCall, ...]
    notes: tuple[str, ...]
    objects: Mapping[str, Policy] = field(default_factory=dict)
    """Policies that were given as objects, by the text of their call: no text could make them."""
    believed: Profile | None = None
    """What the spec names as the scheduler's belief; None: the profile."""

    def policy(self, call: PolicyCall) -> Policy:
        """Return the policy of a call: the object that was given, or a new one.

        Raises:
            SpecError: as `make_policy`.
        """
        return self.objects.get(call.text) or make_policy(call)

    def belief(self) -> Profile | None:
        """Return the profile that the scheduler holds true; None where that is the hardware's."""
        scale = self.spec.belief_latency_scale
        return self.believed if scale == 1.0 else scaled_latencies(self.believed or self.profile, scale)

    def lean(self) -> Inputs:
        """Return the same without the trace's columns: for a large trace that is not to be completed once more."""
        return replace(self, trace=self.trace.without_columns())


@dataclass(frozen=True, slots=True, eq=False)
class Outcome(Mapping[str, Result]):
    """What a spec's runs gave, in the order of its policies; `results` is empty if they were not to be kept.

    A mapping from each policy, as it was asked for, to its result: `outcome["edf"]`.
    """

    inputs: Inputs
    results: tuple[Result, ...]
    summaries: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    engines: dict[str, dict[str, str]] = field(default_factory=dict)
    """By policy: which engine `ran`, and why it was `not_fast` if it was not."""

    def __getitem__(self, policy: str) -> Result:
        for result in self.results:
            if result.policy == policy:
                return result
        raise KeyError(f"no result of {policy!r}; {suggest(policy, list(self))}")

    def __iter__(self) -> Iterator[str]:
        return iter([result.policy for result in self.results])

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        policies = ", ".join(summary["policy"] for summary in self.summaries)
        return line("Outcome", policies, f"{len(self.inputs.workload):,} requests", self.inputs.profile.name)

    def _repr_html_(self) -> str:
        rows = [
            (summary["policy"], label, *_shown(figures))
            for summary in self.summaries
            for label, figures in summary["classes"].items()
        ]
        columns = ("policy", "class", "arrived", "late", "dropped", "violations", "p50 ms", "p99 ms", "completed p99")
        title = f"{len(self.inputs.workload):,} requests on {self.inputs.profile.name}"
        return card(title, columns, rows, self.notes)

    def columns(self, table: str = "requests") -> dict[str, Column]:
        """Return one of the tables of all policies together, as `Result.columns` does.

        Raises:
            SpecError: there is no such table, or the results were not kept.
        """
        if not self.results:
            raise SpecError("the results of these runs were not kept: run them with keep_results=True")
        return joined([result.columns(table) for result in self.results])

    def to_pandas(self, table: str = "requests") -> pd.DataFrame:
        """Return one of the tables of all policies together as a pandas frame, with words for codes.

        Args:
            table: `requests`, `batches` or `pauses` (docs/reference/result-files.md).
        """
        return as_pandas(self.columns(table), TABLES[table])

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the requests of all policies to whatever reads Arrow: `polars.DataFrame(outcome)`.

        Raises:
            MissingExtraError: there is no pyarrow.
        """
        return arrow_stream(self.columns(), TABLES["requests"], requested_schema)

    def manifest(self) -> dict[str, Any]:
        """Return what is needed to repeat the runs."""
        inputs = self.inputs
        requests = inputs.trace, inputs.workload
        found = make_manifest(inputs.spec, inputs.profile, *requests, list(self.notes), inputs.believed)
        stopping = {call.text: _stopping(inputs.policy(call)) for call in inputs.policies}
        stopping = {policy: how for policy, how in stopping.items() if how is not None}
        return (
            found | ({"engines": self.engines} if self.engines else {}) | ({"preemption": stopping} if stopping else {})
        )


def _shown(figures: Mapping[str, Any]) -> list[object]:
    """Return what a table in a notebook says of a class."""
    arrived = figures["latency_arrived_s"]
    times = [(arrived["beyond"] or "-") if arrived[key] is None else arrived[key] * 1e3 for key in ("p50", "p99")]
    completed = figures["latency_s"]["p99"]
    counts = [figures[key] for key in ("arrived", "late", "dropped")]
    return [*counts, percent(figures["violation"]), *times, "-" if completed is None else completed * 1e3]


def _stopping(policy: Policy) -> dict[str, Any] | None:
    """Return what a reader of the results must know of how a policy stops batches; None if it does not."""
    found = getattr(policy, "preemption", None)
    return {"halts": found.halts, "overhead": found.overhead} if isinstance(found, Preemption) else None


def prepare(
    spec: RunSpec,
    made: Trace | Any | None = None,
    profile: Profile | None = None,
    policies: tuple[PolicyCall, ...] | None = None,
) -> Inputs:
    """Read and check everything that `spec` names.

    Args:
        spec: What to run.
        made: The requests, or a table in memory to read them from, instead of the trace that `spec` names.
        profile: The GPU, instead of what `spec` names.
        policies: What to replay through, instead of what `spec` names.

    Raises:
        StratsimError: whatever cannot be used.
    """
    if policies is None:
        policies = tuple(parse_policies(spec.policy))
        for call in policies:
            make_policy(call)  # no mistake that can be seen at once may wait for the end of a long read or run
    profile = profile or load_profile(spec.profile)
    believed = None if spec.belief is None else load_profile(spec.belief)
    device_model = spec.device_model or profile.default_device_model
    find_model(device_model)
    spec = replace(spec, device_model=device_model)
    cluster = spec.cluster()
    cluster.solo_links(profile.observable.pcie)  # so that what is missing is said before a long read
    check_cut(spec.cut(), cluster, profile)
    spec = replace(spec, gpus=cluster.gpus)
    rule = load_rule(spec.workload) if spec.workload is not None else None
    trace = spec.trace if made is None else made
    if not isinstance(trace, Trace):
        trace = read_trace(
            trace,
            format=spec.trace_format,
            strict=spec.strict,
            limit=spec.limit,
            seed=spec.seed,
            columns=(rule or WorkloadRule()).columns_with(spec.columns),
            ticks=spec.ticks,
        )
    if trace.normalised and spec.load is None:
        spec = replace(spec, load=DEFAULT_LOAD)  # the manifest holds what was run, not what was left out
    return assemble(spec, cluster, profile, trace, rule, policies, believed=believed)


def assemble(
    spec: RunSpec,
    cluster: Cluster,
    profile: Profile,
    trace: Trace,
    rule: WorkloadRule | None,
    policies: tuple[PolicyCall, ...] = (),
    *,
    has_rate: bool = False,
    limits: Saturation | None = None,
    believed: Profile | None = None,
) -> Inputs:
    """Complete the workload and see that it can be replayed.

    Args:
        spec: The resolved spec.
        cluster: Its machine.
        profile: What it names.
        trace: What it names, or what was made instead.
        rule: What fills the gaps of the trace.
        policies: What to replay it through.
        has_rate: Whether the trace was made at the rate of the load: then it is left as it is.
        limits: How closely load 1 is measured, in the unit `saturation`.
        believed: What the spec names as the scheduler's belief.

    Raises:
        StratsimError: whatever does not go together.
    """
    device_model = spec.device_model or profile.default_device_model
    load = None if has_rate else spec.load
    if load is not None and spec.load_unit != BATCH_1:
        load = batch_1_load(spec, profile, _expected_mix(trace, rule, profile), limits)
    workload = complete(
        trace,
        profile.for_scheduler(),  # deadlines count copies even where none are simulated
        rule,
        resolve=profile.resolve,
        gpus=cluster.gpus,
        seed=spec.seed,
        load=load,
        rate_scale=spec.rate_scale,
    )
    _check_times(workload)
    execution_model(device_model, profile.for_hardware(models_of(workload)), spec.max_concurrency)
    check_cut(spec.cut(), cluster, profile)
    check_deal(spec.cut(), workload)
    if believed is not None:
        check_belief(believed, profile, workload.models)
    if spec.warmup_s is not None and not workload.waits_for_replies:
        measuring_window(workload.arrival_s, workload.deadline_s, spec.warmup_s)
    notes = (*workload.notes, *_clamped(spec, profile, workload))
    return Inputs(spec, cluster, profile, trace, workload, policies, notes, believed=believed)


def _check_times(workload: Workload) -> None:
    """Refuse requests so far apart, or so late, that times are no longer exact to a microsecond."""
    if not len(workload):
        return
    first_s, last_s = float(workload.arrival_s[0]), float(workload.arrival_s[-1])
    if not -LONGEST_S <= first_s <= last_s <= LONGEST_S:
        raise SpecError(
            f"requests arrive from {first_s:g} to {last_s:g} s: times beyond {LONGEST_S:g} s are not exact enough to "
            "simulate; a larger load or rate scale brings requests nearer, a limit leaves the last ones out"
        )


def _expected_mix(trace: Trace, rule: WorkloadRule | None, profile: Profile) -> dict[str, float]:
    """Return the shares that a load is meant for: the rule's where models are drawn, else those of the trace."""
    if trace.model is None and (rule is None or rule.models.column is None):
        return equal_mix(profile, None if rule is None else rule.models.mix)
    drawn = complete(trace, profile.for_scheduler(), rule, resolve=profile.resolve, load=1.0)
    counts = np.bincount(drawn.model, minlength=len(drawn.models)).tolist()
    return {name: float(count) for name, count in zip(drawn.models, counts, strict=True) if count}


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


def _clamped(spec: RunSpec, profile: Profile, workload: Workload) -> tuple[str, ...]:
    """Return a note on the models whose profile does not reach the largest batch."""
    largest = {name: max(profile.observable.models[name].latency_s) for name in models_of(workload)}
    below = {name: size for name, size in largest.items() if size < spec.max_batch}
    if not below:
        return ()
    sizes = ", ".join(f"{name} {size}" for name, size in sorted(below.items()))
    return (f"max batch {spec.max_batch} is clamped to the profile's largest: {sizes}",)
