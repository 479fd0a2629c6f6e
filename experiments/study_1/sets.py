"""The model sets of study 1: the simulated devices on which predictors are judged.

The synthetic ones are drawn anew for every seed, so that a result is one about a kind of device, not about one
device. Their ranges were fixed before the first run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import SpecError, suggest
from stratsim.model.codec import load_profile
from stratsim.model.contention import ResourcePhase
from stratsim.model.parts import Device, Features, Link, Pcie, Provenance
from stratsim.model.profile import SCHEMA_VERSION, Observable, ObservableModel, Profile, Sharing, Truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.rng import Streams

__all__ = ["SETS", "ModelSet", "model_set", "slowed"]

_NOISE_CV = 0.02
_H200_NOISE_CV = 0.04
_SIZES = (1, 2, 4)
_GROWTH = 0.5
"""By how much of its latency at batch size 1 a synthetic batch's grows per further request."""


@dataclass(frozen=True, slots=True)
class ModelSet:
    """A device and how it is asked for.

    Args:
        profile: Of the device; pairs that it has are its truth.
        max_batch: Largest batch size.
        requests: Requests of each half of a run: enough for some 500 batches that overlap at load 1.
        before: Models that dominate before the mix shifts.
        after: Models that dominate afterwards: all others.
    """

    profile: Profile
    max_batch: int
    requests: int
    before: tuple[str, ...]
    after: tuple[str, ...]


def model_set(name: str, streams: Streams) -> ModelSet:
    """Return a set, drawn from the streams where it is drawn.

    Raises:
        SpecError: there is no such set; the message names the nearest.
    """
    if name not in SETS:
        raise SpecError(f"unknown model set {name!r}; {suggest(name, SETS)}")
    return SETS[name](streams)


def asymmetric(streams: Streams) -> ModelSet:
    """Two models of wide kernels that win against four of narrow ones: who hurts whom is no solo figure.

    Truth `streams`: wide with demand 0.7 to 1 and weight 6 to 9, narrow with demand 0.3 to 0.9 and weight 1 to 1.5.
    Wide models come in when the mix shifts.
    """
    draws = streams.get("set", "asymmetric")
    names = ("wide-1", "wide-2", "narrow-1", "narrow-2", "narrow-3", "narrow-4")
    wide = {name: name.startswith("wide") for name in names}
    demand = {name: float(draws.uniform(*((0.7, 1.0) if wide[name] else (0.3, 0.9)))) for name in names}
    weight = {name: float(draws.uniform(*((6.0, 9.0) if wide[name] else (1.0, 1.5)))) for name in names}
    told = {name: Features(demand[name] * float(draws.uniform(0.5, 1.0)), demand[name] / 2) for name in names}
    truth = Truth({name: {1: Sharing(demand[name], weight[name])} for name in names}, noise_cv=_NOISE_CV)
    profile = _synthetic("asymmetric", _models(draws, told, _SIZES), truth, "streams")
    return ModelSet(profile, max(_SIZES), 1100, names[3:], names[:3])


def phased(streams: Streams) -> ModelSet:
    """Models whose kernels are bound now by arithmetic, now by memory: averages hide whose phases meet.

    Batch size 1. Truth `roofline`, four phases by turns: bound by arithmetic (SMs 0.8 to 1, memory 0.05 to 0.3) or by
    memory (the reverse). Three models spend 0.6 to 0.8 of their time in the former, three in the latter; those come in
    when the mix shifts. The scheduler knows the averages.
    """
    draws = streams.get("set", "phased")
    names = ("compute-1", "compute-2", "compute-3", "memory-1", "memory-2", "memory-3")
    phases = {name: _phases(draws, name.startswith("memory")) for name in names}
    told = {name: Features(_mean(parts, "sm"), _mean(parts, "dram")) for name, parts in phases.items()}
    truth = Truth({}, noise_cv=_NOISE_CV, roofline={name: {1: parts} for name, parts in phases.items()})
    profile = _synthetic("phased", _models(draws, told, (1,)), truth, "roofline")
    return ModelSet(profile, 1, 550, names[:3], names[3:])


def _phases(draws: np.random.Generator, mostly_memory: bool) -> tuple[ResourcePhase, ...]:
    major = float(draws.uniform(0.6, 0.8))
    parts = []
    for number in range(4):
        by_memory = mostly_memory == (number % 2 == 0)
        high, low = float(draws.uniform(0.8, 1.0)), float(draws.uniform(0.05, 0.3))
        share = (major if number % 2 == 0 else 1.0 - major) / 2
        parts.append(ResourcePhase(share, low, high) if by_memory else ResourcePhase(share, high, low))
    return tuple(parts)


def _mean(parts: tuple[ResourcePhase, ...], name: str) -> float:
    return sum([part.share * float(getattr(part, name)) for part in parts])


def a100(streams: Streams) -> ModelSet:
    """Six models of the A100 profile, batches of up to 16, with weights drawn log-uniformly from 1 to 10.

    Latencies and utilisations are published, demands are estimates, the weights are assumed: nobody has measured them.
    Networks with large kernels (VGG and ResNets) come in when the mix shifts.
    """
    draws = streams.get("set", "a100")
    names = ("bert", "densenet121", "mobilenetv2", "resnet50", "resnet152", "vgg16")
    profile = load_profile("a100-80gb-parvagpu")
    weights = {name: float(np.exp(draws.uniform(0.0, np.log(10.0)))) for name in names}
    sharing = {
        name: {size: replace(entry, weight=weights[name]) for size, entry in profile.truth.sharing[name].items()}
        for name in names
    }
    models = {name: profile.observable.models[name] for name in names}
    profile = replace(
        profile,
        observable=replace(profile.observable, models=models),
        truth=replace(profile.truth, sharing=sharing),
        provenance={**profile.provenance, "truth.sharing.*.*.weight": _drawn("weights log-uniform from 1 to 10")},
    )
    return ModelSet(profile, 16, 2800, names[:3], names[3:])


def disb(streams: Streams) -> ModelSet:  # noqa: ARG001 (nothing is drawn)
    """The five models of DISB's RTX 3080 under `kernel-queue`, batch size 1; long kernels come in with the shift."""
    names = ("densenet201", "inceptionv3", "resnet152")
    return ModelSet(load_profile("rtx3080-disb"), 1, 550, names, ("vgg19", "distilbert"))


def h200_pairs(streams: Streams) -> ModelSet:  # noqa: ARG001 (nothing is drawn)
    """Five models of the profile `h200-fp16`, slowed as pairs were measured to be (`pairwise`); batches to 8.

    Five, as all pairs of these were measured, at batch sizes 1 and 8, two at a time: that several multiply is an
    assumption. Executions scatter by 4 %, as on the H200 about a corrected model. Long kernels come in with the shift.
    """
    return _h200("pairwise", ("densenet201", "inceptionv3", "resnet152"), ("bert-base", "vgg19"), 2500)


def h200_queue(streams: Streams) -> ModelSet:  # noqa: ARG001 (nothing is drawn)
    """All eight models of that profile under `kernel-queue`, which was fitted to the pairs; the same scatter."""
    before = ("densenet201", "inceptionv3", "mobilenetv2", "resnet50")
    return _h200("kernel-queue", before, ("bert-base", "resnet152", "vgg19", "vit-b-16"), 3000)


def _h200(device_model: str, before: tuple[str, ...], after: tuple[str, ...], requests: int) -> ModelSet:
    profile, names, queue = load_profile("h200-fp16"), {*before, *after}, device_model == "kernel-queue"
    noise = Provenance("measured", "live runs on two H200s (docs/fidelity.md): scatter about a corrected model")
    profile = replace(
        profile,
        observable=replace(
            profile.observable, models={name: profile.observable.models[name] for name in (*before, *after)}
        ),
        truth=Truth({}, noise_cv=_H200_NOISE_CV, kernel_queue=profile.truth.kernel_queue if queue else None),
        pairs=tuple([pair for pair in profile.pairs if {pair.target, pair.other} <= names]),
        device_model=device_model,
        provenance={**profile.provenance, "truth.noise_cv": noise},
    )
    return ModelSet(profile, 8, requests, before, after)


def slowed(profile: Profile, factor: float) -> Profile:
    """Return the device with every execution that much longer, as with a lower clock."""
    models = {
        name: replace(model, latency_s={size: factor * time_s for size, time_s in model.latency_s.items()})
        for name, model in profile.observable.models.items()
    }
    return replace(profile, observable=replace(profile.observable, models=models))


def _models(
    draws: np.random.Generator, told: dict[str, Features], sizes: tuple[int, ...]
) -> dict[str, ObservableModel]:
    """Return models of 3 to 20 ms."""
    latency_s = {name: float(draws.uniform(0.003, 0.020)) for name in told}
    return {
        name: ObservableModel(
            {size: latency_s[name] * (1 + _GROWTH * (size - 1)) for size in sizes}, 0, 0, features={1: features}
        )
        for name, features in told.items()
    }


def _synthetic(name: str, models: dict[str, ObservableModel], truth: Truth, device_model: str) -> Profile:
    link = Link(0.0, inf)
    return Profile(
        schema_version=SCHEMA_VERSION,
        name=name,
        device=Device("synthetic GPU"),
        provenance=dict.fromkeys(("device", "observable", "truth"), _drawn("study 1, drawn from its ranges by seed")),
        observable=Observable(Pcie(link, link), models),
        truth=truth,
        device_model=device_model,
    )


def _drawn(source: str) -> Provenance:
    return Provenance("synthetic", source)


SETS: dict[str, Callable[[Streams], ModelSet]] = {
    "asymmetric": asymmetric,
    "phased": phased,
    "a100": a100,
    "disb": disb,
    "h200-pairs": h200_pairs,
    "h200-queue": h200_queue,
}
"""By name."""
