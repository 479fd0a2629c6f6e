"""What a run needs: everything that its spec names, read, completed and checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.device import execution_model, find_model
from stratsim.engine.groups import check_cut, check_deal
from stratsim.engine.layout import models_of
from stratsim.errors import SpecError
from stratsim.limits import LONGEST_S
from stratsim.model.belief import check_belief, scaled_latencies
from stratsim.model.codec import load_profile
from stratsim.policy.registry import PolicyCall, make_policy, parse_policies
from stratsim.run.load import BATCH_1, batch_1_load
from stratsim.run.saturation import equal_mix
from stratsim.stats.deadlines import measuring_window
from stratsim.trace import Trace, read_trace
from stratsim.trace.rule import complete
from stratsim.trace.spec import DEFAULT_LOAD, WorkloadRule, load_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.model.cluster import Cluster
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy
    from stratsim.run.saturation import Saturation
    from stratsim.run.spec import RunSpec

__all__ = ["Inputs", "assemble", "prepare"]


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


def _clamped(spec: RunSpec, profile: Profile, workload: Workload) -> tuple[str, ...]:
    """Return a note on the models whose profile does not reach the largest batch."""
    largest = {name: max(profile.observable.models[name].latency_s) for name in models_of(workload)}
    below = {name: size for name, size in largest.items() if size < spec.max_batch}
    if not below:
        return ()
    sizes = ", ".join(f"{name} {size}" for name, size in sorted(below.items()))
    return (f"max batch {spec.max_batch} is clamped to the profile's largest: {sizes}",)
