"""Makes h200-fp16-served.json: h200-fp16 as it is where it serves, from live runs on an NVIDIA H200.

    python profiler/profiles/make_h200_served.py [--out FILE]

The four models that were served, up to the batch size that was. Latencies are those of batches that executed alone;
contention, the scatter of executions and the host's overheads are calibrated by three runs of `fifo`, at loads 0.5, 0.7
and 0.85 (docs/figures/fidelity-h200; `stratsim fidelity calibrate`). No run that docs/results/fidelity.md judges
went into it.

Not from the H200's host are the times that policies think, `truth.host.decide_s`: `python benchmarks/decide_times.py`
measured them, elsewhere, as nobody has served most of these policies yet. DECIDE has its figures.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.fidelity.calibrate.correct import calibrated
from stratsim.fidelity.calibrate.latency import with_served
from stratsim.fidelity.record import read_runs
from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.parts import Provenance
from stratsim.model.truth import Decide

if TYPE_CHECKING:
    from stratsim.model.profile import Profile

NAME = "h200-fp16-served"
RUNS = Path(__file__).resolve().parents[2] / "docs" / "figures" / "fidelity-h200"
LARGEST = 8
DECIDE = {
    "fifo": (21.7e-6, 0.53),
    "priority-fifo": (21.7e-6, 0.5),
    "edf": (23.6e-6, 0.484),
    "priority-edf": (29.5e-6, 0.44),
    "clockwork": (116e-6, 0.257),
    "triton": (45.5e-6, 0.258),
    "nexus": (9.71e-6, 0.326),
    "symphony": (47.8e-6, 0.31),
    "shepherd": (42.4e-6, 0.657),
    "least-slack": (77.7e-6, 0.431),
    "lax": (23.2e-6, 0.387),
    "preempt-lax": (73.8e-6, 0.714),
    "aware-edf": (87.4e-6, 0.745),
    "preempt-gated": (52.8e-6, 1.21),
    "preempt-kernel": (46.8e-6, 0.881),
    "preempt-reset": (53.7e-6, 0.892),
    "preempt-ideal": (58.3e-6, 0.919),
    "preempt-slack": (88.5e-6, 0.406),
    "orion": (77.6e-6, 0.538),
    "k-edf": (35.8e-6, 0.553),
    "aware-k-edf": (68e-6, 0.777),
    "strait": (123e-6, 0.792),
    "fewest-late": (125e-6, 0.666),
}
"""Median, seconds, and standard deviation of the logarithm, by policy."""
DECIDE_SOURCE = (
    "processor time of decisions in simulated runs at 1,400 requests/s: python benchmarks/decide_times.py --rate 1400, "
    "on an AMD EPYC with two cores, 2026-11-30; not the H200's host"
)


def make() -> Profile:
    """Return the profile."""
    profile = load_profile("h200-fp16")
    (alone,) = read_runs(RUNS / "alone")
    profile, _ = with_served(profile, alone)
    runs = [run for folder in sorted((RUNS / "calibration").iterdir()) for run in read_runs(folder)]
    profile = _only(calibrated(profile, runs).profile, list(alone.result.models))
    host = profile.truth.host
    assert host is not None  # noqa: S101 (it has just been measured)
    decide = {name: Decide(median_s, sigma) for name, (median_s, sigma) in DECIDE.items()}
    provenance = {**profile.provenance, "truth.host.decide_s": Provenance("measured", DECIDE_SOURCE)}
    return replace(
        profile,
        name=NAME,
        description=(
            "NVIDIA H200 as it serves, four models, fp16, CUDA graphs: latencies, contention, scatter and the host's "
            "overheads of live runs; how long policies think was measured on another machine."
        ),
        truth=replace(profile.truth, host=replace(host, decide_s=decide)),
        provenance=provenance,
    )


def _only(profile: Profile, models: list[str]) -> Profile:
    """Return the profile with these models alone, and batch sizes up to `LARGEST`."""
    gone = profile.observable.models.keys() - set(models)
    kept = {
        name: replace(
            model,
            latency_s={size: value for size, value in model.latency_s.items() if size <= LARGEST},
            features={size: value for size, value in model.features.items() if size <= LARGEST},
        )
        for name, model in profile.observable.models.items()
        if name in models
    }
    provenance = {
        path: entry
        for path, entry in profile.provenance.items()
        if gone.isdisjoint(path.split(".")) and path.rpartition(".")[2] not in ("16", "32")
    }
    pairs = tuple(pair for pair in profile.pairs if pair.target in kept and pair.other in kept)
    observable = replace(profile.observable, models=kept)
    return replace(
        profile, observable=observable, truth=_without(profile.truth, gone), pairs=pairs, provenance=provenance
    )


def _without(value: Any, gone: set[str]) -> Any:
    """Return a value without what it says of models, however deep."""
    if isinstance(value, dict):
        return {key: _without(each, gone) for key, each in value.items() if key not in gone}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _without(getattr(value, each.name), gone) for each in fields(value)})
    return value


def main() -> None:
    """Write the profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(f"{NAME}.json"))
    arguments = parser.parse_args()
    arguments.out.write_text(dump_profile(make()), encoding="utf-8")


if __name__ == "__main__":
    main()
