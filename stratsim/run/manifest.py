"""The manifest: what is needed to repeat a run.

Identical runs have identical manifests: it holds no time and no place.
"""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.limits import read_file
from stratsim.model.codec import profile_sha256
from stratsim.model.topology import topology_sha256
from stratsim.plugins import code_sha256
from stratsim.run.code import code_version
from stratsim.version import __version__

if TYPE_CHECKING:
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.run.spec import RunSpec
    from stratsim.trace import Trace

__all__ = ["make_manifest", "origin_label"]

_PACKAGES = ("numpy", "pandas", "scipy", "simpy")


def make_manifest(
    spec: RunSpec,
    profile: Profile,
    trace: Trace,
    workload: Workload,
    notes: list[str],
    belief: Profile | None = None,
) -> dict[str, Any]:
    """Return the manifest of a run.

    Args:
        spec: The resolved spec.
        profile: What it named.
        trace: What was read.
        workload: What was replayed.
        notes: What was filled, clamped or sorted on the way.
        belief: What it named as the scheduler's belief.
    """
    found: dict[str, Any] = {
        "stratsim_version": __version__,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "code": code_version(),
        "seed": spec.seed,
        "trace": {
            "name": Path(trace.source).name,
            "sha256": trace.sha256,
            "format": trace.format,
            "requests": len(workload),
        },
        "profile": {"name": profile.name, "sha256": profile_sha256(profile), "label": origin_label(profile)},
        "topology": None if spec.topology is None else _topology(spec.topology),
        "offered_load": _offered_load(workload, profile, spec.gpus or 1),
        "spec": spec.as_dict(),
        "notes": notes,
    }
    if belief is not None:
        found["belief"] = {"name": belief.name, "sha256": profile_sha256(belief)}
    files = _files(spec)
    return found | ({"files": files} if files else {})


def _files(spec: RunSpec) -> dict[str, str]:
    """Return the SHA-256 of what else the run was made from: the workload rule, and files of code that were typed."""
    found = code_sha256(spec.policy, spec.device_model, spec.trace_format)
    if spec.workload is not None and Path(spec.workload).is_file():  # a pipe can be read once only
        found[spec.workload] = hashlib.sha256(read_file(Path(spec.workload))).hexdigest()
    return dict(sorted(found.items()))


def _topology(source: str) -> dict[str, str]:
    return {"name": Path(source).name.removesuffix(".toml"), "sha256": topology_sha256(source)}


def _offered_load(workload: Workload, profile: Profile, gpus: int) -> float | None:
    """Return the mean arrival rate as a share of the batch-1 exclusive saturation; None where a rate makes no sense."""
    span_s = float(workload.arrival_s[-1] - workload.arrival_s[0]) if len(workload) else 0.0
    if span_s <= 0 or workload.closed_loop:
        return None
    solo_s = np.array([profile.observable.models[name].latency_s[1] for name in workload.models])
    return float((len(workload) - 1) / span_s * solo_s[workload.model].mean() / gpus)


def origin_label(profile: Profile) -> str:
    """Return what to write under a figure: the origins of a profile's fields, the most trusted first."""
    kinds = {entry.kind for entry in profile.provenance.values()}
    order = ("measured", "imported", "published", "synthetic")
    return " + ".join(kind for kind in order if kind in kinds) or "unlabelled"
