"""The settings of one run, made once (in the plan) and passed on unchanged: to the worker, and into the row."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from stratsim.run.arrivals import Arrivals  # noqa: TC001 (msgspec resolves it)
from stratsim.run.saturation import Saturation  # noqa: TC001
from stratsim.run.spec import RunSpec  # noqa: TC001
from stratsim.sweep.environment import versions
from stratsim.trace.spec import WorkloadRule  # noqa: TC001

if TYPE_CHECKING:
    from stratsim.run.load import Offered

__all__ = ["MEANS", "NAMES", "Settings", "canonical", "sha256"]

NAMES = ("trace", "workload", "profile", "topology", "belief")
"""Settings that name a file: what is in it belongs to the run, what it is called does not."""
MEANS = ("engine",)
"""Settings of how a run is made: its row does not depend on them."""


@dataclass(frozen=True)
class Settings:
    """Everything that one run is made from; equal content gives equal rows.

    Args:
        policy: The policy's name in the sweep.
        spec: The resolved run: defaults are filled in, its policy is one policy's text, its seed the run's.
        phase: `pilot` or `results`.
        arrivals: Open-loop arrivals; None: the trace.
        workload: What fills the gaps of the requests; None: the default rule.
        saturation: How load 1 is measured; None in the unit `batch-1`.
        reveal: Whether the policy's oracle is told the truth.
        offered: What the load of open-loop arrivals means; None: it is not known yet, or a trace is replayed.
        profile_sha256: Of the profile's content; the others likewise, None where there is no such thing.
        trace_sha256: Of the trace's.
        topology_sha256: Of the topology's.
        policy_sha256: Of the files that the policy's text names.
        belief_sha256: Of the profile that the scheduler holds true.
        environment: Versions of what last digits depend on (`stratsim.sweep.environment`).
    """

    policy: str
    spec: RunSpec
    phase: str
    arrivals: Arrivals | None
    workload: WorkloadRule | None
    saturation: Saturation | None
    reveal: bool
    offered: Offered | None
    profile_sha256: str
    trace_sha256: str | None
    topology_sha256: str | None
    policy_sha256: str | None = None
    belief_sha256: str | None = None
    environment: dict[str, str] = field(default_factory=versions)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is computed from the rest: hashes are of the fields alone."""
        return {name: value for name, value in self.__dict__.items() if name in self.__dataclass_fields__}

    @cached_property
    def sha256(self) -> str:
        """The hash that names the run: of its content, without names of files and derived rates."""
        return sha256(self._content())

    @cached_property
    def requests_key(self) -> str:
        """The same for its requests and machine, whatever the policy."""
        spec = replace(self.spec, policy="")
        return canonical(replace(self, spec=spec, policy="", phase="", reveal=False, policy_sha256=None)._content())

    def condition_key(self, without: tuple[str, ...]) -> str:
        """The same for its cell: whatever the policy, the seed and the settings that a policy may choose."""
        content = replace(self, policy="", phase="", reveal=False, policy_sha256=None)._content()
        left_out = ("policy", "seed", *without)
        return canonical({**content, "spec": {k: v for k, v in content["spec"].items() if k not in left_out}})

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = msgspec.to_builtins(
            {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "offered"}
        )
        if self.belief_sha256 is None:
            del content["belief_sha256"]  # runs without a belief of their own have the rows that they have always had
        return {
            **content,
            "spec": {name: value for name, value in content["spec"].items() if name not in NAMES + MEANS},
        }


def canonical(value: Any) -> str:
    """Return plain data as JSON text that does not depend on the order of keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of plain data."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
