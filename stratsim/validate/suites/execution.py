"""How co-located batches slow each other: each execution model against figures worked out by hand or published."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from stratsim.device import execution_model
from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.contention import Igniter, ResourcePhase, Sharing
from stratsim.model.kernel_queue import KernelQueue
from stratsim.model.parts import Features
from stratsim.model.profile import Pair
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload
from stratsim.validate.case import Check, Claim, Findings, Setting
from stratsim.validate.known import gpulet, igniter, rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import Profile

__all__ = ["CHECKS", "ends_ms", "side_by_side", "with_features", "with_truth"]


def with_truth(profile: Profile, **sections: Any) -> Profile:
    """Return the profile with these sections of its truth."""
    return replace(profile, truth=replace(profile.truth, **sections))


def with_features(profile: Profile, features: dict[str, Features]) -> Profile:
    """Return the profile with the features of its models at batch size 1."""
    models = {name: replace(model, features={1: features[name]}) for name, model in profile.observable.models.items()}
    return replace(profile, observable=replace(profile.observable, models=models))


def side_by_side(device_model: str, profile: Profile, batches: Sequence[tuple[str, int]]) -> list[float]:
    """Return the rate of each of these (model, batch size) while all of them execute in their first phase."""
    model: Any = execution_model(device_model, profile.for_hardware(), slots=len(batches))
    return list(model.rates([model.work(*batch)[0].load for batch in batches]))


def ends_ms(device_model: str, profile: Profile, starts: Sequence[tuple[float, str]]) -> list[float]:
    """Return when batches of these models end that start at these times, ms, without transfers."""
    workload = make_workload([(at / 1e3, model) for at, model in starts], profile=profile)
    cluster = Cluster(device_model=device_model, max_concurrency=len(starts), prefetch=0, transfers=False)
    result = simulate(workload, profile, Fifo(max_batch=1, drop="never"), cluster=cluster)
    return [finish_s * 1e3 for finish_s in result.requests.finish_s.tolist()]


def _streams(case: rates.Streams) -> Check:
    return _rates("streams", case.name, case.rate, case.why, partial(_measure_streams, case))


def _measure_streams(case: rates.Streams, _: Setting) -> Findings:
    sharing = {f"m{i}": Sharing(s, w) for i, (s, w) in enumerate(zip(case.demand, case.weight, strict=True))}
    profile = make_profile(dict.fromkeys(sharing, 0.01), sharing=sharing)
    return Findings(side_by_side("streams", profile, [(name, 1) for name in sharing]))


def _roofline(case: rates.Roofline) -> Check:
    return _rates("roofline", f"(SM, DRAM) {case.name}", case.rate, case.why, partial(_measure_roofline, case))


def _measure_roofline(case: rates.Roofline, _: Setting) -> Findings:
    phases = {f"m{i}": {1: (ResourcePhase(1.0, sm, dram),)} for i, (sm, dram) in enumerate(case.demand)}
    profile = with_truth(make_profile(dict.fromkeys(phases, 0.01)), roofline=phases)
    return Findings(side_by_side("roofline", profile, [(name, 1) for name in phases]))


def _rates(model: str, name: str, expected: Sequence[float], why: str, measure: Any) -> Check:
    claims = tuple(
        Claim(f"{model}, {name}: rate of batch {i}", rate, 1e-9, why) for i, rate in enumerate(expected, start=1)
    )
    return Check(claims, measure)


def _kernel_queue(case: rates.KernelQueue) -> Check:
    return _rates("kernel-queue", case.name, case.rate, case.why, partial(_measure_kernel_queue, case))


def _measure_kernel_queue(case: rates.KernelQueue, _: Setting) -> Findings:
    length_s = {f"m{i}": {1: length * 1e-5} for i, length in enumerate(case.length)}
    profile = with_truth(make_profile(dict.fromkeys(length_s, 0.01)), kernel_queue=KernelQueue(case.hold, length_s))
    return Findings(side_by_side("kernel-queue", profile, [(name, 1) for name in length_s]))


def _pairwise(case: rates.Pairwise) -> Check:
    others = " and ".join(f"{slowdown:g}" for slowdown in case.slowdown)
    claim = Claim(f"pairwise ({case.combine}), slowdowns {others}: rate", case.rate, 1e-9, case.why)
    return Check((claim,), partial(_measure_pairwise, case))


def _measure_pairwise(case: rates.Pairwise, _: Setting) -> Findings:
    factors = {"own": 1.0} | {f"other{i}": slowdown for i, slowdown in enumerate(case.slowdown)}
    pairs = [Pair(target, 1, other, 1, factor) for target in factors for other, factor in factors.items()]
    profile = replace(make_profile(dict.fromkeys(factors, 0.01)), pairs=tuple(pairs))
    own, *_others = side_by_side(f"pairwise(combine={case.combine})", profile, [(name, 1) for name in factors])
    return Findings([own])


_TWO_PHASES = (ResourcePhase(0.5, 0.0, 1.0), ResourcePhase(0.5, 1.0, 0.0))
"""Half of the time all of the DRAM, then all of the SMs."""
_AVERAGE = (ResourcePhase(1.0, 0.5, 0.5),)
"""The same on average."""


def _phases(name: str, phases: tuple[ResourcePhase, ...], apart: float, ends: Sequence[float], why: str) -> Check:
    claims = tuple(
        Claim(f"roofline, {name}, started {apart:g} ms apart: end of batch {i}", end, 1e-9, why, "ms")
        for i, end in enumerate(ends, start=1)
    )
    return Check(claims, partial(_measure_phases, phases, apart))


def _measure_phases(phases: tuple[ResourcePhase, ...], apart: float, _: Setting) -> Findings:
    profile = with_truth(make_profile({"a": 0.020}), roofline={"a": {1: phases}})
    return Findings(ends_ms("roofline", profile, [(0.0, "a"), (apart, "a")]))


def _gpulet(pair: gpulet.Pair) -> Check:
    claim = Claim(f"gpulet, {pair.name}: slowdown", pair.slowdown, 1e-6, gpulet.SOURCE)
    return Check((claim,), partial(_measure_gpulet, pair))


def _measure_gpulet(pair: gpulet.Pair, _: Setting) -> Findings:
    solo = {"own": pair.own, "other": pair.other}
    features = {name: Features(0.5, use.dram, use.l2) for name, use in solo.items()}
    profile = with_features(make_profile(dict.fromkeys(solo, 0.01)), features)
    profile = with_truth(profile, partitions={"own": pair.own_share, "other": pair.other_share})
    own, _other = side_by_side(f"gpulet(fit={pair.fit})", profile, [(name, 1) for name in solo])
    return Findings([1 / own])


def _igniter(answer: igniter.Answer) -> Check:
    where = ", ".join(f"{model} b{batch} at {percent:g} %" for model, batch, percent in answer.placed)
    claims = tuple(
        Claim(f"igniter, {where}: latency of {placed.model}", ms, 1e-3, igniter.SOURCE, "ms")
        for placed, ms in zip(answer.placed, answer.latency_ms, strict=True)
    )
    return Check(claims, partial(_measure_igniter, answer))


def _measure_igniter(answer: igniter.Answer, _: Setting) -> Findings:
    parameters = Igniter(igniter.V100, igniter.MODELS)
    partitions = {placed.model: placed.percent / 100 for placed in answer.placed}
    profile = with_truth(make_profile(dict.fromkeys(igniter.MODELS, 0.01)), igniter=parameters, partitions=partitions)
    model: Any = execution_model("igniter", profile.for_hardware(), slots=len(answer.placed))
    loads = [model.work(placed.model, placed.batch)[0].load for placed in answer.placed]
    return Findings(
        [
            load.alone_ms / rate + igniter.copies_ms(placed)
            for load, rate, placed in zip(loads, model.rates(loads), answer.placed, strict=True)
        ]
    )


CHECKS = (
    *(_streams(case) for case in rates.STREAMS),
    *(_roofline(case) for case in rates.ROOFLINE),
    *(_kernel_queue(case) for case in rates.KERNEL_QUEUE),
    *(_pairwise(case) for case in rates.PAIRWISE),
    _phases("two phases", _TWO_PHASES, 0, (40, 40), "both want the DRAM until 20, the SMs until 40"),
    _phases("two phases", _TWO_PHASES, 10, (20, 30), "one computes while the other loads"),
    _phases("their average", _AVERAGE, 0, (20, 20), "1 of each resource is wanted: an average sees no conflict"),
    _phases("their average", _AVERAGE, 10, (20, 30), "as above: the offset makes no difference"),
    *(_gpulet(pair) for pair in gpulet.ANSWERS),
    *(_igniter(answer) for answer in igniter.ANSWERS),
)
"""Rates, phases, and the published models of partitions."""
