"""From the settings of a cell to what its runs are made of: names become contents, defaults are filled in."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stratsim.engine.groups import check_cut
from stratsim.experiment.plain_sweep.one import NAMES
from stratsim.experiment.study import Arrivals
from stratsim.model.codec import decode, load_profile, profile_sha256
from stratsim.model.topology import load_topology, topology_sha256
from stratsim.run.spec import make_spec
from stratsim.trace.fields import parse_columns
from stratsim.trace.read import parse_trace
from stratsim.trace.source import DEFAULT, load
from stratsim.trace.spec import DEFAULT_LOAD, WorkloadRule, load_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.experiment.variants import Variant
    from stratsim.model.profile import Profile
    from stratsim.trace import Trace
    from stratsim.trace.source import Source

__all__ = ["Resolver", "files_sha256"]

_ELSEWHERE = (*NAMES, "trace_format", "policy", "seed")
_FILE = re.compile(r"[^\s(),='\"]+\.py(?=:)")


class Resolver:
    """Reads each profile, trace and topology once.

    Args:
        variants: Profiles of the sweep's own, by name.
    """

    def __init__(self, variants: Mapping[str, Variant]) -> None:
        self._variants = variants
        self.inputs: dict[str, Any] = {}
        """What runs read, by SHA-256: for `stratsim.experiment.plain_sweep.one.install`."""
        self.lengths: dict[str, int] = {}
        """Requests of each trace, by SHA-256."""
        self.profile = cache(self._profile)
        self._source = cache(load)
        self._trace = cache(self._parsed)

    def settings(
        self, base: Mapping[str, Any], arrivals: Mapping[str, Any] | None, workload: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the settings of a cell's runs but for the policy and the seed, with nothing left out.

        Raises:
            StratsimError: whatever cannot be used.
        """
        spec = make_spec({name: value for name, value in base.items() if name != "policy"}, "run")
        sha256, profile = self.profile(spec.profile)
        topology = None if spec.topology is None else self._topology(spec.topology)
        cluster = spec.cluster_on(None if topology is None else self.inputs[topology])
        cluster.solo_links(profile.observable.pcie)  # so that what is missing is said before the first run
        check_cut(spec.cut(), cluster, profile)
        rule = _rule(spec.workload, workload)
        named = (WorkloadRule() if rule is None else msgspec.convert(rule, WorkloadRule)).columns_with(spec.columns)
        read = (spec.trace, spec.trace_format, spec.strict, tuple(named.items()), spec.ticks)
        trace = None if arrivals is not None else self._trace(*read)
        made = None if arrivals is None else asdict(decode(dict(arrivals), Arrivals, "arrivals"))
        fields = spec.as_dict()
        rate_is_free = trace is None or trace.normalised
        filled = {
            "gpus": cluster.gpus,
            "device_model": spec.device_model or profile.default_device_model,
            "load": DEFAULT_LOAD if spec.load is None and rate_is_free else spec.load,
        }
        return {
            "run": {name: value for name, value in (fields | filled).items() if name not in _ELSEWHERE},
            "arrivals": made,
            "workload": rule,
            "trace_format": None if trace is None else trace.format,
            "trace_sha256": None if trace is None else trace.sha256,
            "profile_sha256": sha256,
            "topology_sha256": topology,
            "names": {name: fields[name] for name in NAMES}
            | ({} if trace is None else {"trace": spec.trace or DEFAULT}),
        }

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
        self,
        name: str | None,
        trace_format: str | None,
        strict: bool,
        named: tuple[tuple[str, str], ...],
        ticks: str | None,
    ) -> Trace:
        source: Source = self._source(name)
        self.inputs[source.sha256] = source
        content = replace(source, strict=strict, columns=parse_columns(dict(named)), ticks=ticks)
        trace = parse_trace(content, format=trace_format)
        self.lengths[source.sha256] = len(trace.arrival_s)
        return trace


def _rule(file: str | None, table: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the workload rule with its defaults; None where there is none."""
    if file is None and table is None:
        return None
    rule = load_rule(file) if file is not None else msgspec.convert(dict(table or {}), type=WorkloadRule)
    found: dict[str, Any] = msgspec.to_builtins(rule)
    return found


def files_sha256(policy: str) -> str | None:
    """Return the hash of the files that a policy's text names, such as `mine.py:Mine`; None where it names none."""
    files = [Path(name) for name in _FILE.findall(policy) if Path(name).is_file()]
    if not files:
        return None
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
