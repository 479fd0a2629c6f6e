"""The machine that a result folder's runs ran on, found again by its manifest."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from stratsim.device import execution_model
from stratsim.errors import StratsimError
from stratsim.model.cluster import Cluster
from stratsim.model.codec import decode, load_profile, profile_sha256
from stratsim.model.topology import load_topology, topology_sha256
from stratsim.plugins import code_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratsim.device import ExecutionModel
    from stratsim.model.parts import Link
    from stratsim.model.profile import Profile, SchedulerProfile
    from stratsim.results.read import StoredResults

__all__ = ["Machine", "find_machine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of the hardware of some runs."""

    cluster: Cluster | None = None
    """None: its description cannot be found, or has changed."""
    profile: Profile | None = None
    """None: it cannot be found, or has changed."""
    notes: tuple[str, ...] = ()
    """What is not known, and why: one line each."""

    def links(self) -> tuple[tuple[Link, Link], ...] | None:
        """Return what a copy that is alone costs, towards the device and back, by GPU; None if that is not known."""
        if self.cluster is None or self.profile is None:
            return None
        return self.cluster.lone_links(self.profile.observable.pcie)

    def solo(self) -> SchedulerProfile | None:
        """Return solo times on this machine; None if they are not known."""
        if self.cluster is None or self.profile is None:
            return None
        return self.profile.for_scheduler(self.cluster.solo_links(self.profile.observable.pcie))

    def execution_model(self, models: Iterable[str], slots: int) -> ExecutionModel | None:
        """Return how its GPUs execute these models, up to so many batches at once; None if that is not known.

        A model that is code in a file is not: who reads a folder does not run what it names.
        """
        if self.cluster is None or self.profile is None:
            return None
        name = self.cluster.device_model or self.profile.default_device_model
        if any(code_files(name)):
            return None
        return execution_model(name, self.profile.for_hardware(models), max(slots, self.cluster.max_concurrency))


def find_machine(stored: StoredResults) -> Machine:
    """Return the machine of a result folder, as far as it can be found unchanged; `notes` says what cannot."""
    spec = stored.manifest.get("spec") or {}
    notes: list[str] = []
    profile = _profile(spec, stored.manifest.get("profile") or {}, notes)
    cluster = _cluster(spec, stored.manifest.get("topology"), notes)
    name = cluster.device_model if cluster is not None else None
    if name is not None and any(code_files(name)):
        notes.append(f"the device model of this run is code in a file ({name}), which is not run to read its results")
    return Machine(cluster, profile, tuple(notes))


def _profile(spec: Mapping[str, Any], expected: Mapping[str, Any], notes: list[str]) -> Profile | None:
    source = spec.get("profile")
    if source is None:
        notes.append("the manifest names no profile")
        return None
    try:
        found = load_profile(source)
    except StratsimError as error:
        notes.append(f"the profile of this run cannot be used: {error}")
        return None
    if profile_sha256(found) != expected.get("sha256"):
        notes.append(f"profile {source!r} has changed since this run")
        return None
    return found


def _cluster(spec: Mapping[str, Any], topology: Mapping[str, Any] | None, notes: list[str]) -> Cluster | None:
    known = {field.name for field in fields(Cluster)} - {"topology"}
    settings = {name: value for name, value in spec.items() if name in known}
    if settings.get("gpus") is None:
        settings["gpus"] = 1
    source = spec.get("topology")
    try:
        tree = None if source is None else load_topology(source)
        if source is not None and topology_sha256(source) != (topology or {}).get("sha256"):
            notes.append(f"topology {source!r} has changed since this run")
            return None
        return replace(decode(settings, Cluster, "manifest"), topology=tree)
    except StratsimError as error:
        notes.append(f"the machine of this run cannot be rebuilt: {error}")
        return None
