"""One run of a sweep, in a worker: from resolved settings to its row. Pure: equal settings give equal rows.

Profiles, traces and topologies come once per worker (`install`) and are found by their hashes.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stratsim.experiment.grid import canonical
from stratsim.experiment.one_run import flat_figures
from stratsim.experiment.study import Arrivals
from stratsim.policy.registry import parse_policies
from stratsim.results import summarize
from stratsim.rng import Streams
from stratsim.run.replay import Inputs, assemble, run_policy
from stratsim.run.saturation import equal_mix
from stratsim.run.spec import make_spec
from stratsim.trace.fields import parse_columns
from stratsim.trace.generate import generate
from stratsim.trace.read import OWN_FORMATS, parse_trace
from stratsim.trace.rule import saturation_rate
from stratsim.trace.spec import WorkloadRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.engine import Result
    from stratsim.model.profile import Profile
    from stratsim.run.spec import RunSpec
    from stratsim.trace import Trace

__all__ = ["NAMES", "UNHASHED", "install", "run", "simulate_settings"]

NAMES = ("trace", "workload", "profile", "topology")
"""Settings that name a file: what is in it belongs to the run, what it is called does not."""
UNHASHED = ("names",)

_INPUTS: dict[str, Any] = {}


def install(inputs: Mapping[str, Any]) -> None:
    """Take what runs read: by SHA-256, profiles, topologies and trace files in memory (`stratsim.trace.source`)."""
    _INPUTS.update(inputs)


def run(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run resolved settings (`stratsim.experiment.plain_sweep.plan`) and return their row.

    Raises:
        StratsimError: whatever cannot be used or breaks an invariant.
    """
    began = time.perf_counter()
    figures = simulate_settings(settings)[2]
    texts = {name: canonical(settings[name]) if settings[name] else None for name in ("workload", "arrivals")}
    names = {name: None if path is None else Path(path).name for name, path in settings["names"].items()}
    hashes = {name: value for name, value in settings.items() if name.endswith("_sha256")}
    own = {name: settings[name] for name in ("policy", "seed", "trace_format")}
    row = {**settings["run"], **own, **names, **texts, **hashes, **flat_figures(figures)}
    return [{**row, "wall_s": time.perf_counter() - began}]


def simulate_settings(settings: Mapping[str, Any]) -> tuple[Inputs, Result, dict[str, Any]]:
    """Run resolved settings and return what they were made from, the whole result and its summary.

    Raises:
        StratsimError: whatever cannot be used or breaks an invariant.
    """
    others = {name: value for name, value in settings.items() if not name.startswith("policy")}
    inputs = _assembled(json.dumps(others))
    calls = tuple(parse_policies(settings["policy"]))
    inputs = replace(inputs, spec=replace(inputs.spec, policy=settings["policy"]), policies=calls)
    result = run_policy(inputs, calls[0])
    solo = inputs.profile.for_scheduler(inputs.cluster.solo_links(inputs.profile.observable.pcie))
    return inputs, result, summarize(result, warmup_s=inputs.spec.warmup_s, profile=solo)


@lru_cache(maxsize=4)
def _assembled(text: str) -> Inputs:
    """Return all but the policy; neighbours in the plan share it."""
    settings: dict[str, Any] = json.loads(text)
    seed, topology = settings["seed"], settings["topology_sha256"]
    profile: Profile = _INPUTS[settings["profile_sha256"]]
    own = {"seed": seed, "trace_format": settings["trace_format"]}
    spec = make_spec({**settings["run"], **settings["names"], **own}, "run")
    cluster = spec.cluster_on(None if topology is None else _INPUTS[topology])
    table = settings["workload"]
    rule = None if table is None else msgspec.convert(table, type=WorkloadRule)
    if settings["arrivals"] is not None:
        trace = _generated(settings["arrivals"], rule, spec, profile, cluster.gpus)
        return assemble(spec, cluster, profile, trace, rule, load=None)
    # Others than our own formats may place requests inside coarse time stamps.
    by_seed = 0 if spec.trace_format in OWN_FORMATS and spec.ticks != "spread" else seed
    named = tuple((rule or WorkloadRule()).columns_with(spec.columns).items())
    read = (spec.trace_format, spec.strict, spec.limit, by_seed, named, spec.ticks)
    trace = _read(settings["trace_sha256"], *read)
    return assemble(spec, cluster, profile, trace, rule, load=spec.load)


def _generated(
    arrivals: Mapping[str, Any], rule: WorkloadRule | None, spec: RunSpec, profile: Profile, gpus: int
) -> Trace:
    """Return open-loop arrivals at the run's load, as a share of the batch-1 exclusive saturation."""
    shape = Arrivals(**arrivals)
    mix = equal_mix(profile, None if rule is None else rule.models.mix)
    assert spec.load is not None  # noqa: S101 (resolved)
    rate_per_s = spec.load * saturation_rate(profile.for_scheduler(), mix, gpus)
    return generate(shape.at, shape.requests, Streams(spec.seed), rate=rate_per_s, models=mix)


@lru_cache(maxsize=4)
def _read(
    sha256: str,
    trace_format: str | None,
    strict: bool,
    limit: int | None,
    seed: int,
    named: tuple[tuple[str, str], ...],
    ticks: str | None,
) -> Trace:
    columns = parse_columns(dict(named))
    content = replace(_INPUTS[sha256], strict=strict, seed=seed, columns=columns, ticks=ticks)
    return parse_trace(content, format=trace_format, limit=limit)
