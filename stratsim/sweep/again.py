"""One run of a sweep once more, with all of its requests: for those who want to see why its row says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.model.write import file_name
from stratsim.results import write_results
from stratsim.results.sweep_folder import TABLE, read_manifest
from stratsim.run.manifest import make_manifest
from stratsim.sweep import worker
from stratsim.sweep.figures import FIGURES
from stratsim.sweep.run import read_sweeps
from stratsim.sweep.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim.results.claim import Claim
    from stratsim.sweep.run import Outcome
    from stratsim.sweep.settings import Settings

__all__ = ["replay_row"]


def replay_row(folder: Path, key: str, out: Path | Claim, *, overwrite: bool = False) -> Settings:
    """Repeat the run of one row of `results.csv` and write it as `stratsim replay --out` does.

    Args:
        folder: Of the sweep.
        key: The row's `spec_sha256`, or a beginning of it that no other has.
        out: Where to write, or the claim to it.
        overwrite: Replace an earlier result there.

    Returns:
        The settings of the run.

    Raises:
        SpecError: no such row, or several.
        OutputError: `out` cannot be written.
    """
    read_manifest(folder)  # raises where there is no sweep
    row = _row(folder, Store(folder / TABLE, worker.COLUMNS, FIGURES), key)
    for asked in ("current", "all"):  # what a file asked for before it was changed, only where its rows are asked for
        for outcome in read_sweeps(folder, asked):
            settings: Settings | None = next(
                (task.settings for task in outcome.plan.order() if task.sha256 == row), None
            )
            if settings is not None:
                _write(folder, key, outcome, settings, out, overwrite=overwrite)
                return settings
    raise SpecError(f"{folder}: row {row} is not of the sweeps that manifest.json holds")


def _write(folder: Path, key: str, outcome: Outcome, settings: Settings, out: Path | Claim, *, overwrite: bool) -> None:
    worker.install(outcome.plan.inputs)
    inputs, result, summary = worker.simulate(settings)
    own = {
        part: str(folder / "profiles" / file_name(name, ".json"))
        for part in ("profile", "belief")
        if (name := getattr(inputs.spec, part)) in outcome.plan.sweep.profiles
    }
    spec = replace(inputs.spec, **own)  # type: ignore[arg-type]
    notes = [f"row {key} of the sweep in {folder.name}"]
    manifest = make_manifest(spec, inputs.profile, inputs.trace, inputs.workload, notes, inputs.believed)
    write_results([result], out, manifest=manifest, summaries=[summary], overwrite=overwrite)


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
