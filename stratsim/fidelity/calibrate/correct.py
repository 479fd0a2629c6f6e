"""A copy of a profile with what live runs show of the host, of contention and of the scatter of executions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import SpecError
from stratsim.fidelity.calibrate.contention import Contention, learn_contention, with_contention
from stratsim.fidelity.calibrate.overheads import Overhead, measure_overheads
from stratsim.fidelity.calibrate.scatter import Scatter, measure_scatter
from stratsim.fidelity.calibrate.speeds import measure_speeds
from stratsim.model.parts import Provenance
from stratsim.model.profile import SCHEMA_VERSION
from stratsim.model.truth import Host, Speeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["Calibrated", "calibrated", "calibrated_by"]


class Calibrated(NamedTuple):
    """A copy of a profile, and what was measured for it; None: there was too little to measure it by."""

    profile: Profile
    overheads: list[Overhead]
    contention: Contention | None
    scatter: Scatter | None


def calibrated(profile: Profile, runs: Sequence[Recorded], overheads: Sequence[Overhead] | None = None) -> Calibrated:
    """Return a copy of the profile as runs show it: the overheads of the host, contention, the scatter that is left.

    An overhead that is not measured, or whose median is below 0 (the device's own variation), stays 0; the provenance
    says so. With too few executions contention and `truth.noise_cv` stay as they are; contention is corrected for the
    device model `kernel-queue` alone.

    Args:
        profile: The device.
        runs: Live runs that are not to be judged with it; all count together.
        overheads: Of the host, where they are not to be measured by the columns of the batches.

    Raises:
        SpecError: no overhead could be measured.
    """
    found = measure_overheads([run.result for run in runs]) if overheads is None else list(overheads)
    source = "; ".join(run.source for run in runs)
    if all(each.value_s is None for each in found):
        raise SpecError(f"{source}: too few batches to measure any overhead of the host")
    figures = dict.fromkeys(("dispatch_s", "launch_s", "notice_s", "collect_s"), 0.0)
    figures |= {each.name: max(each.value_s or 0.0, 0.0) for each in found}
    before = profile.truth.host
    host = Host(
        dispatch_s=figures["dispatch_s"],
        launch_s=figures["launch_s"],
        notice_s=figures["notice_s"],
        collect_s=figures["collect_s"],
        decide_s={} if before is None else before.decide_s,
        speeds=measure_speeds([run.result for run in runs]),
    )
    provenance = {key: entry for key, entry in profile.provenance.items() if not _of_overheads(key)}
    note = "; ".join(_described(each) for each in found)
    provenance["truth.host"] = Provenance("measured", source, note=note + _speeds_note(host.speeds))
    made = replace(profile, truth=replace(profile.truth, host=host))
    contention = learn_contention(runs, profile)
    if contention is not None:
        made = with_contention(made, contention.served)
        provenance["truth.kernel_queue.served"] = Provenance("measured", source, note=_learned(contention))
    scatter = measure_scatter(runs, made)
    if scatter is not None:
        own = scatter.by_model if contention is not None else {}
        made = replace(made, truth=replace(made.truth, noise_cv=scatter.cv, noise_cvs=own))
        note = f"live over expected beside those that each met: mean {scatter.mean:.4f}, {scatter.n} executions"
        provenance |= {f"truth.{name}": Provenance("measured", source, note=note) for name in _noise_fields(made)}
    return Calibrated(replace(made, schema_version=SCHEMA_VERSION, provenance=provenance), found, contention, scatter)


def _of_overheads(key: str) -> bool:
    """Whether a key of the provenance is of the host's overheads; what policies think is not measured here."""
    return key.split(".")[:2] == ["truth", "host"] and key != "truth.host.decide_s"


def _speeds_note(speeds: Speeds | None) -> str:
    if speeds is None:
        return "; one speed"
    return (
        f"; two speeds, by the gaps between batches on a slot: {speeds.fast:.2f} of the median for {speeds.fast_s:.2g} "
        f"s, {speeds.slow:.2f} for {speeds.slow_s:.2g} s on average"
    )


def _noise_fields(profile: Profile) -> list[str]:
    return ["noise_cv", "noise_cvs"] if profile.truth.noise_cvs else ["noise_cv"]


def _learned(contention: Contention) -> str:
    before, after = contention.error
    shrunk = contention.shrunk
    return (
        f"{contention.n} executions beside others, median error {before:.2%} without and {after:.2%} with it; variance "
        f"of the logarithm within model and size {shrunk.within:.3g}, between sizes {shrunk.between_groups:.3g}, "
        f"between models {shrunk.between_families:.3g}; start {1e6 * contention.served.start_s:.1f} us, standard "
        f"deviation {1e6 * contention.served.start_spread_s:.1f} us; models that were not served have the device's mean"
    )


def calibrated_by(profile: Profile, run: Recorded) -> bool:
    """Return whether any figure of the profile, overhead, scatter or latency, was measured in this very run."""
    return any(f"sha256 {run.digest}" in entry.source for entry in profile.provenance.values())


def _described(overhead: Overhead) -> str:
    if overhead.value_s is None:
        return f"{overhead.name}: not measured ({overhead.n} batches), 0"
    figures: list[Any] = [f"{1e6 * (value or 0.0):.1f}" for value in overhead[1:4]]
    cut = ", taken as 0" if overhead.value_s < 0 else ""
    return f"{overhead.name}: median {figures[0]} us [{figures[1]}, {figures[2]}], {overhead.n} batches{cut}"
