"""The manifest: what is needed to repeat a run.

Identical runs have identical manifests: it holds no time and no place.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim import __version__
from stratsim.model.codec import profile_sha256

if TYPE_CHECKING:
    from stratsim.experiment.spec import RunSpec
    from stratsim.model.profile import Profile
    from stratsim.trace import Trace

__all__ = ["make_manifest"]

_PACKAGES = ("numpy", "pandas", "scipy", "simpy")


def make_manifest(spec: RunSpec, profile: Profile, trace: Trace, requests: int, notes: list[str]) -> dict[str, Any]:
    """Return the manifest of a run.

    Args:
        spec: The resolved spec.
        profile: What it named.
        trace: What was read.
        requests: Requests replayed, closed-loop ones aside.
        notes: What was filled, clamped or sorted on the way.
    """
    kinds: set[str] = {entry.kind for entry in profile.provenance.values()}
    return {
        "stratsim_version": __version__,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "seed": spec.seed,
        "trace": {
            "name": Path(trace.source).name,
            "sha256": trace.sha256,
            "format": trace.format,
            "requests": requests,
        },
        "profile": {"name": profile.name, "sha256": profile_sha256(profile), "label": _label(kinds)},
        "spec": spec.as_dict(),
        "notes": notes,
    }


def _label(kinds: set[str]) -> str:
    """Return what to write under a figure: the origins of a profile's fields, the most trusted first."""
    order = ("measured", "published", "synthetic")
    return " + ".join(kind for kind in order if kind in kinds) or "unlabelled"
