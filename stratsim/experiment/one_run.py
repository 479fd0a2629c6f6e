"""One run of a study: from plain settings to one row of figures. Pure: equal settings give equal rows."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from stratsim.errors import SpecError
from stratsim.experiment.grid import canonical
from stratsim.experiment.study import Arrivals
from stratsim.model.codec import decode, load_profile
from stratsim.model.request import Priority
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.results import summarize
from stratsim.rng import Streams
from stratsim.run.oracle import reveal
from stratsim.run.replay import Inputs, run_policy
from stratsim.run.saturation import equal_mix
from stratsim.run.spec import make_spec
from stratsim.trace.generate import generate
from stratsim.trace.rule import complete
from stratsim.trace.spec import WorkloadRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.engine import Result
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.trace import Trace

__all__ = ["FIGURES", "flat_figures", "run_one", "simulate_one"]

_OF_CLASS = (
    *("arrived", "late", "dropped", "dropped_voluntary", "unfinished", "violation", "violation_completed"),
    *("goodput_per_s", "jain_models", "min_model_satisfaction"),
)
_NESTED = {
    "p50_s": ("latency_s", "p50"),
    "p99_s": ("latency_s", "p99"),
    "mean_slowdown": ("slowdown", "mean"),
    "max_slowdown": ("slowdown", "max"),
    "progress": ("slowdown", "progress"),
    "starvation_s": ("starvation_s", "completion"),
}
"""Figures of a class that the summary of a run has one level down."""
_OF_GPU = ("utilization", "mean_batch_size", "mean_concurrency", "mean_slowdown", "max_slowdown")
FIGURES = (
    *(f"{label}_{name}" for label in (priority.label for priority in Priority) for name in (*_OF_CLASS, *_NESTED)),
    "jain_classes",
    *_OF_GPU,
    "h2d_utilization",
    "d2h_utilization",
)
"""The figures of a row, after its settings; docs/metrics.md defines each. Those of GPUs are means over them."""


def run_one(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Run the settings of a task (`stratsim.experiment.grid.task`) and return its figures.

    Raises:
        StratsimError: whatever cannot be used or breaks an invariant.
    """
    figures = simulate_one(settings)[2]
    return {**flat_figures(figures), "wall_s": figures["wall_s"]}


def simulate_one(settings: Mapping[str, Any]) -> tuple[Inputs, Result, dict[str, Any]]:
    """Run the settings of a task and return what it was made from, the whole result and its summary.

    Raises:
        StratsimError: whatever cannot be used or breaks an invariant.
    """
    profile = _profile(settings["profile_file"])
    spec = make_spec({**settings["base"], "seed": settings["seed"], "policy": settings["setting"]}, "run")
    arrivals, rule = canonical(settings["arrivals"]), canonical(settings["workload"])
    cluster = spec.cluster()
    trace, workload = _workload(
        settings["profile_file"], arrivals, rule, settings["rate_per_s"], settings["seed"], cluster.gpus
    )
    (call,) = parse_policies(settings["setting"])
    policy = make_policy(call)
    if settings["reveal"] and not reveal(policy, profile, spec.device_model, spec.max_concurrency):
        raise SpecError(f"policy {call.text!r} has the role of an oracle, and no belief `oracle` to tell the truth")
    inputs = Inputs(spec, cluster, profile, trace, workload, (call,), ())
    result = run_policy(inputs, call, policy)
    solo = profile.for_scheduler(cluster.solo_links(profile.observable.pcie))
    return inputs, result, summarize(result, warmup_s=spec.warmup_s, profile=solo)


@lru_cache(maxsize=8)
def _profile(file: str) -> Profile:
    return load_profile(file)


@lru_cache(maxsize=4)
def _workload(
    file: str, arrivals: str, workload: str, rate_per_s: float, seed: int, gpus: int
) -> tuple[Trace, Workload]:
    """Return the requests of a run; neighbours in the grid share them."""
    profile = _profile(file)
    shape = decode(msgspec.json.decode(arrivals), Arrivals, "arrivals")
    rule = msgspec.convert(msgspec.json.decode(workload), type=WorkloadRule)
    mix = equal_mix(profile, rule.models.mix)
    trace = generate(shape.at, shape.requests, Streams(seed), rate=rate_per_s, models=mix)
    found = complete(trace, profile.for_scheduler(), rule, resolve=profile.resolve, gpus=gpus, seed=seed)
    return trace, found


def flat_figures(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a run under the names of columns."""
    flat: dict[str, Any] = {"jain_classes": figures["equity"]["jain_classes"]}
    for label, found in figures["classes"].items():
        flat |= {f"{label}_{name}": found[name] for name in _OF_CLASS}
        flat |= {f"{label}_{name}": found[part][key] for name, (part, key) in _NESTED.items()}
    for part, names in (("gpu", _OF_GPU), ("pcie", ("h2d_utilization", "d2h_utilization"))):
        flat |= {name: _mean([entry[name] for entry in figures[part]]) for name in names}
    return flat


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
