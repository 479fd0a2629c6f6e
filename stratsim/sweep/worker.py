"""One run of a sweep, in a worker: from its settings to its row. Pure: equal settings give equal rows.

Profiles, traces and topologies come once per worker (`install`) and are found by their hashes.
"""

from __future__ import annotations

import time
from dataclasses import asdict, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stratsim.errors import SpecError
from stratsim.policy.registry import PolicyCall, make_policy, parse_policies
from stratsim.results import summarize
from stratsim.results.sweep_folder import Description
from stratsim.rng import Streams
from stratsim.run.inputs import Inputs, assemble
from stratsim.run.oracle import reveal
from stratsim.run.replay import check_policy, run_policy
from stratsim.run.saturation import equal_mix
from stratsim.run.spec import RunSpec
from stratsim.sweep.environment import PACKAGES, processor, versions
from stratsim.sweep.figures import FIGURES, flat_figures
from stratsim.sweep.resolve import Named, named_columns
from stratsim.sweep.settings import MEANS, NAMES, canonical, sha256
from stratsim.sweep.store import KEY
from stratsim.trace.fields import parse_columns
from stratsim.trace.generate import generate
from stratsim.trace.read import OWN_FORMATS, parse_trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.engine import Result
    from stratsim.policy.base import Policy
    from stratsim.sweep.settings import Settings
    from stratsim.trace import Trace

__all__ = ["COLUMNS", "check", "description", "install", "run", "simulate"]

_FIRST = ("policy", "setting", "phase", "seed", "profile", "trace", "load", "load_unit", "rate_per_s", "solo_load")
_SPEC = tuple(entry.name for entry in fields(RunSpec) if entry.name not in _FIRST + MEANS)
_HASHES = ("profile_sha256", "trace_sha256", "topology_sha256", "policy_sha256", "belief_sha256")
COLUMNS = (KEY, *_FIRST, *_SPEC, "arrivals", *_HASHES, *PACKAGES, "cpu", *FIGURES, "values_sha256")
"""Of results.csv: the same for all sweeps. `values_sha256` is of the figures alone: equal where machines agree."""

_INPUTS: dict[str, Any] = {}
_SIMULATED = {"requests": 0}
"""How much this process has simulated: workers live on, and the more they have done, the more there is to come."""


def description(axes: tuple[str, ...], choices: tuple[str, ...]) -> Description:
    """Return what the columns of the table are, for a sweep with these axes and choices."""
    conditions = ("profile", "trace", "load", "load_unit", *_SPEC, "arrivals", *PACKAGES)
    return Description(
        axes=axes,
        conditions=tuple(name for name in conditions if name not in choices),
        choices=(*choices, "setting"),
        figures=FIGURES,
    )


def install(inputs: Mapping[str, Any]) -> None:
    """Take what runs read: by SHA-256, profiles, topologies and trace files in memory (`stratsim.trace.source`)."""
    _INPUTS.update(inputs)


def run(settings: Settings) -> list[dict[str, Any]]:
    """Make a run and return its row.

    Raises:
        StratsimError: whatever cannot be used or breaks an invariant.
    """
    began = time.perf_counter()
    figures = simulate(settings)[2]
    spec, offered = settings.spec, settings.offered
    names = {name: None if path is None else Path(path).name for name in NAMES for path in [getattr(spec, name)]}
    row = {
        **{name: value for name, value in asdict(spec).items() if name not in MEANS},
        **names,
        "policy": settings.policy,
        "setting": spec.policy,
        "phase": settings.phase,
        "rate_per_s": None if offered is None else offered.rate_per_s,
        "solo_load": None if offered is None else offered.solo_load,
        "arrivals": _json(settings.arrivals),
        "workload": _json(settings.workload),
        **{name: getattr(settings, name) for name in _HASHES},
        **versions(),
        "cpu": processor(),
        **(flat := flat_figures(figures)),
        "values_sha256": sha256({name: None if flat[name] is None else repr(flat[name]) for name in FIGURES}),
    }
    return [{**row, "wall_s": time.perf_counter() - began}]


def _json(part: Any) -> str | None:
    return None if part is None else canonical(msgspec.to_builtins(part))


def simulate(settings: Settings) -> tuple[Inputs, Result, dict[str, Any]]:
    """Make a run and return what it was made from, the whole result and its summary.

    Raises:
        StratsimError: whatever cannot be used or breaks an invariant.
    """
    inputs, call, policy = _inputs(settings)
    result = run_policy(inputs, call, policy, behind=_SIMULATED["requests"])
    _SIMULATED["requests"] += len(result.requests)
    solo = inputs.profile.for_scheduler(inputs.cluster.solo_links(inputs.profile.observable.pcie))
    return inputs, result, summarize(result, warmup_s=settings.spec.warmup_s, profile=solo)


def check(settings: Settings) -> None:
    """See that a run can be made, as far as that can be seen before its first event.

    Raises:
        StratsimError: whatever cannot be used.
    """
    check_policy(*_inputs(settings))


def _inputs(settings: Settings) -> tuple[Inputs, PolicyCall, Policy | None]:
    """Return what a run is made from, its policy, and the object where something had to be done to it first."""
    inputs = _assembled(_Requests(settings))
    (call,) = parse_policies(settings.spec.policy)
    inputs = replace(inputs, spec=settings.spec, policies=(call,))
    if not settings.reveal:
        return inputs, call, None
    policy, spec = make_policy(call), settings.spec
    if not reveal(policy, inputs.profile, spec.device_model, spec.max_concurrency):
        raise SpecError(f"policy {call.text!r} has no belief `oracle` to reveal the truth to")
    return inputs, call, policy


class _Requests:
    """Settings as a key: equal where requests and machine are, whatever the policy."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._key = settings.requests_key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Requests) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=4)
def _assembled(requests: _Requests) -> Inputs:
    """Return all but the policy; neighbours in the plan share it."""
    settings = requests.settings
    spec, rule = settings.spec, settings.workload
    profile = _INPUTS[settings.profile_sha256]
    believed = None if settings.belief_sha256 is None else _INPUTS[settings.belief_sha256]
    topology = settings.topology_sha256
    cluster = spec.cluster_on(None if topology is None else _INPUTS[topology])
    if settings.arrivals is not None:
        assert settings.offered is not None  # noqa: S101 (resolved in the plan)
        mix = equal_mix(profile, None if rule is None else rule.models.mix)
        shape, rate_per_s = settings.arrivals, settings.offered.rate_per_s
        trace = generate(shape.at, shape.requests, Streams(spec.seed), rate=rate_per_s, models=mix)
        return assemble(spec, cluster, profile, trace, rule, has_rate=True, believed=believed)
    assert settings.trace_sha256 is not None  # noqa: S101 (resolved in the plan)
    # Others than our own formats may place requests inside coarse time stamps.
    by_seed = 0 if spec.trace_format in OWN_FORMATS and spec.ticks != "spread" else spec.seed
    read = (spec.trace_format, spec.strict, spec.limit, by_seed, named_columns(spec, rule), spec.ticks)
    trace = _read(settings.trace_sha256, *read)
    return assemble(spec, cluster, profile, trace, rule, limits=settings.saturation, believed=believed)


@lru_cache(maxsize=4)
def _read(
    sha256: str,
    trace_format: str | None,
    strict: bool,
    limit: int | None,
    seed: int,
    named: Named,
    ticks: str | None,
) -> Trace:
    content = replace(_INPUTS[sha256], strict=strict, seed=seed, columns=parse_columns(dict(named)), ticks=ticks)
    return parse_trace(content, format=trace_format, limit=limit)
