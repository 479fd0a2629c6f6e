"""A copy of a profile with what live runs show of the host and of the scatter of executions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError
from stratsim.fidelity.calibrate.overheads import Overhead, measure_overheads
from stratsim.fidelity.calibrate.scatter import Scatter, measure_scatter
from stratsim.model.parts import Provenance
from stratsim.model.truth import Host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["calibrated", "calibrated_by"]


def calibrated(profile: Profile, runs: Sequence[Recorded]) -> tuple[Profile, list[Overhead], Scatter | None]:
    """Return a copy of the profile with the overheads of the host and the scatter of executions, and both.

    An overhead that is not measured, or whose median is below 0 (the device's own variation), stays 0; the provenance
    says so. With too few executions `truth.noise_cv` stays as it is.

    Args:
        profile: The device.
        runs: Live runs that are not to be judged with it; all count together.

    Raises:
        SpecError: no overhead could be measured.
    """
    found = measure_overheads([run.result for run in runs])
    source = "; ".join(f"live run {run.directory.name} of {run.policy!r}, batches sha256 {run.digest}" for run in runs)
    if all(each.value_s is None for each in found):
        raise SpecError(f"{source}: too few batches to measure any overhead of the host")
    host = Host(**{each.name: max(each.value_s or 0.0, 0.0) for each in found})
    provenance = {key: entry for key, entry in profile.provenance.items() if key.split(".")[:2] != ["truth", "host"]}
    provenance["truth.host"] = Provenance("measured", source, note="; ".join(_described(each) for each in found))
    hosted = replace(profile, truth=replace(profile.truth, host=host), provenance=provenance)
    scatter = measure_scatter(runs, hosted)
    if scatter is None:
        return hosted, found, None
    note = (
        f"with it forced replays scatter as the live executions do: coefficient of variation {scatter.cv:.4f} of live "
        f"over forced replay without noise, mean {scatter.mean:.4f}, {scatter.n} executions"
    )
    provenance = provenance | {"truth.noise_cv": Provenance("measured", source, note=note)}
    truth = replace(hosted.truth, noise_cv=scatter.noise_cv)
    return replace(hosted, truth=truth, provenance=provenance), found, scatter


def calibrated_by(profile: Profile, run: Recorded) -> bool:
    """Return whether any figure of the profile, overhead, scatter or latency, was measured in this very run."""
    return any(f"sha256 {run.digest}" in entry.source for entry in profile.provenance.values())


def _described(overhead: Overhead) -> str:
    if overhead.value_s is None:
        return f"{overhead.name}: not measured ({overhead.n} batches), 0"
    figures: list[Any] = [f"{1e6 * (value or 0.0):.1f}" for value in overhead[1:4]]
    cut = ", taken as 0" if overhead.value_s < 0 else ""
    return f"{overhead.name}: median {figures[0]} us [{figures[1]}, {figures[2]}], {overhead.n} batches{cut}"
