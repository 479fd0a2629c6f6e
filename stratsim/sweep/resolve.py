"""From the parts of a cell to the settings of its runs: names become contents, defaults are filled in."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.engine.groups import check_cut
from stratsim.model.codec import decode, load_profile, profile_sha256
from stratsim.model.topology import load_topology, topology_sha256
from stratsim.policy.triton.config import FILE_NAME
from stratsim.run.arrivals import Arrivals
from stratsim.run.load import BATCH_1, offered
from stratsim.run.spec import make_spec
from stratsim.sweep.check import part_rule
from stratsim.sweep.environment import versions
from stratsim.sweep.settings import Settings
from stratsim.sweep.spec import PILOT
from stratsim.trace.fields import parse_columns
from stratsim.trace.read import parse_trace
from stratsim.trace.source import DEFAULT, load
from stratsim.trace.spec import DEFAULT_LOAD, WorkloadRule, load_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.model.profile import Profile
    from stratsim.run.spec import RunSpec
    from stratsim.sweep.spec import Sweep
    from stratsim.trace import Trace
    from stratsim.trace.source import Source

__all__ = ["Named", "Resolver", "files_sha256", "named_columns"]

Named = tuple[tuple[str, str], ...]
"""Columns of a trace by field, as `FIELD`, `COLUMN[:UNIT]`: hashable, so that a trace is read once."""

_FILE = re.compile(r"[^\s(),='\"]+\.py(?=:)")
_REPOSITORY = re.compile(r"\brepository\s*=\s*['\"]?([^(),'\"]+)")


class Resolver:
    """Reads each profile, trace and topology once.

    Args:
        sweep: What is resolved.
        environment: The versions that the runs' keys are of; those of this process by default.
    """

    def __init__(self, sweep: Sweep, environment: dict[str, str] | None = None) -> None:
        self._environment = versions() if environment is None else environment
        self._variants = sweep.profiles
        self._saturation = sweep.saturation
        self.inputs: dict[str, Any] = {}
        """What runs read, by SHA-256: for `stratsim.sweep.worker.install`."""
        self.lengths: dict[str, int] = {}
        """Requests of each trace, by SHA-256."""
        self.profile = cache(self._profile)
        self._source = cache(load)
        self._trace = cache(self._parsed)

    def settings(
        self, base: Mapping[str, Any], arrivals: Mapping[str, Any] | None, workload: Mapping[str, Any] | None
    ) -> Settings:
        """Return the settings of a cell's runs, with nothing left out but the policy, the seed and the phase.

        Raises:
            StratsimError: whatever cannot be used.
        """
        spec = make_spec({name: value for name, value in base.items() if name != "policy"}, "run")
        sha256, profile = self.profile(spec.profile)
        belief = None if spec.belief is None else self.profile(spec.belief)[0]
        topology = None if spec.topology is None else self._topology(spec.topology)
        cluster = spec.cluster_on(None if topology is None else self.inputs[topology])
        cluster.solo_links(profile.observable.pcie)  # so that what is missing is said before the first run
        check_cut(spec.cut(), cluster, profile)
        made = None if arrivals is None else decode(dict(arrivals), Arrivals, "arrivals")
        rule = load_rule(spec.workload) if spec.workload is not None else part_rule(workload)
        named = named_columns(spec, rule)
        read = (spec.trace, spec.trace_format, spec.strict, named, spec.ticks)
        trace = None if made is not None else self._trace(*read)
        rate_is_free = trace is None or trace.normalised
        spec = replace(
            spec,
            policy="",
            gpus=cluster.gpus,
            device_model=spec.device_model or profile.default_device_model,
            load=DEFAULT_LOAD if spec.load is None and rate_is_free else spec.load,
            trace=None if trace is None else spec.trace or DEFAULT,
            trace_format=None if trace is None else trace.format,
        )
        rate = None
        if made is not None and spec.load_unit == BATCH_1:
            rate = offered(spec, profile, cluster.gpus, None if rule is None else rule.models.mix, None)
        return Settings(
            policy="",
            spec=spec,
            phase=PILOT,
            arrivals=made,
            workload=rule,
            saturation=None if spec.load_unit == BATCH_1 else self._saturation,
            reveal=False,
            offered=rate,
            profile_sha256=sha256,
            trace_sha256=None if trace is None else trace.sha256,
            topology_sha256=topology,
            belief_sha256=belief,
            environment=self._environment,
        )

    def _profile(self, name: str) -> tuple[str, Profile]:
        made = self._variants[name].make(name) if name in self._variants else load_profile(name)
        sha256 = profile_sha256(made)
        self.inputs[sha256] = made
        return sha256, made

    def _topology(self, name: str) -> str:
        sha256 = topology_sha256(name)
        if sha256 not in self.inputs:
            self.inputs[sha256] = load_topology(name)
        return sha256

    def _parsed(
        self, name: str | None, trace_format: str | None, strict: bool, named: Named, ticks: str | None
    ) -> Trace:
        source: Source = self._source(name)
        self.inputs[source.sha256] = source
        content = replace(source, strict=strict, columns=parse_columns(dict(named)), ticks=ticks)
        trace = parse_trace(content, format=trace_format)
        self.lengths[source.sha256] = len(trace.arrival_s)
        return trace


def named_columns(spec: RunSpec, rule: WorkloadRule | None) -> Named:
    """Return the columns of a trace that the workload rule and the run name."""
    return tuple((rule or WorkloadRule()).columns_with(spec.columns).items())


def files_sha256(policy: str) -> str | None:
    """Return the hash of the files that a policy's text names; None where it names none.

    Those are classes in files, such as `mine.py:Mine`, and the configurations in a model repository, such as
    `triton(repository=models)`.
    """
    parts = [Path(name).read_bytes() for name in _FILE.findall(policy) if Path(name).is_file()]
    for folder in _REPOSITORY.findall(policy):
        for file in sorted(Path(folder.strip()).glob(f"*/{FILE_NAME}")):
            parts += [file.parent.name.encode(), file.read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest() if parts else None
