"""One run of an experiment once more, with all of its requests: for those who want to see why its row says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError
from stratsim.experiment.kinds import find_kind
from stratsim.experiment.one_run import simulate_one
from stratsim.experiment.plain_sweep import one
from stratsim.experiment.plain_sweep.run import COLUMNS, read_sweeps, sweeps_of
from stratsim.experiment.results import read_results
from stratsim.experiment.store import KEY, Store
from stratsim.experiment.sweep import at_rate, context_of
from stratsim.results import write_results
from stratsim.run.manifest import make_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


__all__ = ["replay_row"]


def replay_row(folder: Path, key: str, out: Path, *, overwrite: bool = False) -> Mapping[str, Any]:
    """Repeat the run of one row of `results.csv` and write it as `stratsim replay --out` does.

    Args:
        folder: Of the study or the sweeps.
        key: The row's `spec_sha256`, or a beginning of it that no other has.
        out: Where to write.
        overwrite: Replace an earlier result there.

    Returns:
        The settings of the run.

    Raises:
        SpecError: no such row, several, or a study whose runs are no replays.
        OutputError: `out` cannot be written.
    """
    if sweeps_of(folder) is not None:
        return _replay_sweep_row(folder, key, out, overwrite=overwrite)
    settings = _settings(folder, key)
    inputs, result, summary = simulate_one(settings)
    # The study's own profiles have no name that others know: the file that the study wrote is one.
    spec = replace(inputs.spec, profile=settings["profile_file"])
    notes = [f"row {key} of the study in {folder.name}"]
    manifest = make_manifest(spec, inputs.profile, inputs.trace, inputs.workload, notes)
    write_results([result], out, manifest=manifest, summaries=[summary], overwrite=overwrite)
    return settings


def _replay_sweep_row(folder: Path, key: str, out: Path, *, overwrite: bool) -> Mapping[str, Any]:
    row = _row(folder, Store(folder / "results.csv", COLUMNS), key)
    for outcome in read_sweeps(folder):
        for task in outcome.plan.order():
            if task.sha256 == row:
                one.install(outcome.plan.inputs)
                inputs, result, summary = one.simulate_settings(task.settings)
                name = inputs.spec.profile
                own = folder / "profiles" / f"{name}.json"
                spec = replace(inputs.spec, profile=str(own)) if name in outcome.plan.sweep.profiles else inputs.spec
                notes = [f"row {key} of the sweep in {folder.name}"]
                manifest = make_manifest(spec, inputs.profile, inputs.trace, inputs.workload, notes)
                write_results([result], out, manifest=manifest, summaries=[summary], overwrite=overwrite)
                run, seed = task.settings["run"], task.settings["seed"]
                cell = {"profile": name, "load": run["load"]}
                return {"setting": task.settings["policy"], "base": run, "seed": seed, "cell": cell}
    raise SpecError(f"{folder}: row {row} is not of the sweeps that manifest.json holds")


def _settings(folder: Path, key: str) -> dict[str, Any]:
    """Return the settings of the run behind a row."""
    study, _, points, _ = read_results(folder)
    kind = find_kind(study.kind)
    if not kind.conditions:
        raise SpecError(f"{folder}: the runs of a study of {study.kind} are no replays of one policy")
    store = Store(folder / "results.csv", [KEY, *kind.columns(study)])
    row = _row(folder, store, key)
    rows = [each for made in store.rows.values() for each in made]
    context = context_of(study, folder)
    for stage in kind.stages:
        for task in stage(study, context, rows):
            if task.sha256 == row:
                return at_rate(task, points)
    raise SpecError(f"{folder}: row {row} is not of the study that manifest.json holds")


def _row(folder: Path, store: Store, key: str) -> str:
    """Return the whole hash of the row that a beginning of it names."""
    if not key:
        raise SpecError(f"{folder}: a row is named by its spec_sha256 in results.csv, or by the beginning of it")
    found = [each for each in store.rows if each.startswith(key)]
    if not found:
        raise SpecError(f"{folder}: no rows whose spec_sha256 begins with {key!r}")
    if len(found) > 1:
        raise SpecError(f"{folder}: {len(found)} rows whose spec_sha256 begins with {key!r}: give more of it")
    return found[0]
