"""Puts the levels together: one cell per load and policy, over its repeats."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError
from stratsim.fidelity.calibrate import (
    Calibration,
    calibrated_by,
    compare_latencies,
    drift_notes,
    measure_overheads,
)
from stratsim.fidelity.forced import forced_replay
from stratsim.fidelity.levels import (
    LATENCIES,
    Compared,
    all_durations,
    by_company,
    compare_policies,
    compare_stages,
    differences,
    figures,
    free_replay,
    judge_end_to_end,
    judge_stages,
    noise_floor,
    request_errors,
    service_bias,
    slowdowns,
    worst,
)
from stratsim.fidelity.one_step import one_step_ahead
from stratsim.fidelity.record import Recorded, counted, read_runs
from stratsim.model.codec import load_profile, profile_sha256

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.engine import Result
    from stratsim.model.profile import Profile

__all__ = ["ALONE", "CALIBRATED", "GRID", "UNCALIBRATED", "Cell", "Replayed"]
__all__ += ["assess", "profile_of", "read_calibration", "read_cells", "replay_cells"]

GRID = "fidelity.json"
"""In the folder of a grid: which runs belong to which cell."""
CALIBRATED = "calibrated.json"
"""There: the profile with the overheads of the host, and latencies as they are served."""
UNCALIBRATED = "profile.json"
"""There: the profile as it was given."""
ALONE = "alone"
"""There: the run that measured the latencies."""
_REPEATS = 5
"""From which on a noise floor is one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A load and a policy.

    Args:
        load: Share of the measured live saturation; for a run by itself the offered load of its manifest, if any.
        policy: With parameters.
        runs: Its repeats.
    """

    load: float | None
    policy: str
    runs: tuple[Recorded, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A cell with what the simulator made of each of its runs: stages one step ahead, forced, left to itself."""

    cell: Cell
    ahead: tuple[dict[str, NDArray[np.float64]], ...] = field(repr=False)
    forced: tuple[Result, ...]
    free: tuple[Result, ...]
    profile: Profile = field(repr=False)


def read_cells(directory: str | os.PathLike[str]) -> tuple[list[Cell], list[str]]:
    """Read the cells of a grid, or of one live run, and notes on what is missing.

    Raises:
        SpecError: the folder holds neither.
    """
    folder = _either(Path(directory)) or Path(directory)
    if not (folder / GRID).is_file():
        runs = read_runs(folder)
        notes = [f"{folder}: was interrupted; what it had not finished is left out"] if runs[0].interrupted else []
        return [Cell(run.manifest.get("offered_load"), run.policy, (run,)) for run in runs], notes
    cells, notes = [], []
    read: dict[Path, list[Recorded]] = {}
    for entry in _grid(folder / GRID):
        found = [_either(folder / name) for name in entry["runs"]]
        for path in found:
            if path is not None and path not in read:
                read[path] = read_runs(path)
        runs = [run for path in found if path for run in read[path] if run.policy == entry["policy"]]
        notes += [
            f"{run.directory}: was interrupted; what it had not finished is left out" for run in runs if run.interrupted
        ]
        missing = len(found) - len(runs)
        if missing:
            notes.append(f"load {entry['load']:g}, {entry['policy']}: {missing} of {len(found)} runs are missing")
        if runs:
            cells.append(Cell(float(entry["load"]), entry["policy"], tuple(runs)))
    if not cells:
        raise SpecError(f"{folder}: none of its runs has been made yet")
    return cells, notes


def profile_of(directory: str | os.PathLike[str]) -> Path | None:
    """Return the profile by which a grid is judged; None for a single run, which names one itself."""
    folder = Path(directory)
    if not (folder / GRID).is_file():
        return None
    return folder / CALIBRATED if (folder / CALIBRATED).is_file() else folder / UNCALIBRATED


def read_calibration(directory: str | os.PathLike[str]) -> Calibration | None:
    """Return the run that measured a grid's latencies as they are served; None where there is none."""
    folder = Path(directory)
    if not (folder / GRID).is_file() or not (folder / ALONE).is_dir():
        return None
    (run,) = read_runs(folder / ALONE)
    return Calibration(run, load_profile(folder / UNCALIBRATED))


def _grid(path: Path) -> list[dict[str, Any]]:
    try:
        cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpecError(f"{path}: cannot be read: {error}") from None
    return cells


def _either(path: Path) -> Path | None:
    """Return a run's folder, or that of what was kept when it was interrupted."""
    return next((each for each in (path, path.with_name(path.name + ".partial")) if each.is_dir()), None)


def replay_cells(cells: Sequence[Cell], profile: str | Path | None = None) -> list[Replayed]:
    """Replay every run of the cells: one step ahead, forced and free.

    Args:
        cells: From `read_cells`.
        profile: The device; the one that each run names by default, or that the grid calibrated.

    Raises:
        SpecError: overheads or latencies of the profile were measured in a run that is to be judged.
    """
    replayed = []
    for cell in cells:
        ahead, forced, free, known = [], [], [], None
        for run in cell.runs:
            known = load_profile(profile if profile is not None else run.spec.profile)
            if calibrated_by(known, run):
                raise SpecError(
                    f"{run.directory}: overheads or latencies of profile {known.name!r} were measured in this very "
                    "run, which can say nothing of how good they are; judge another run"
                )
            ahead.append(one_step_ahead(run, known))
            forced.append(forced_replay(run, known))
            free.append(free_replay(run, known))
        assert known is not None  # noqa: S101 (a cell has runs)
        replayed.append(Replayed(cell, tuple(ahead), tuple(forced), tuple(free), known))
    return replayed


def assess(
    replayed: Sequence[Replayed], notes: Sequence[str] = (), calibration: Calibration | None = None
) -> dict[str, Any]:
    """Return the report: plain JSON values, docs/reference/fidelity-report.md has every field.

    Args:
        replayed: From `replay_cells`.
        notes: What a reader should know.
        calibration: From `read_calibration`.
    """
    cells = [_assess(each) for each in replayed]
    served = compare_latencies(
        [run.result for each in replayed for run in each.cell.runs], replayed[0].profile, calibration
    )
    names = (*(f"{name}_err" for name in LATENCIES), "violation_diff_pp", "request_err_median", "execution_err")
    return {
        "cells": cells,
        "median": {name: _median([cell[name] for cell in cells]) for name in names},
        "rankings": [{"load": load, "metrics": compare_policies(rows)} for load, rows in _by_load(replayed).items()],
        "served": served,
        "notes": [*notes, *_strangers(replayed), *_few(replayed), *drift_notes(served)],
    }


def _assess(replayed: Replayed) -> dict[str, Any]:
    cell = replayed.cell
    chosen = [counted(run) for run in cell.runs]
    live_runs = [run.result for run in cell.runs]
    durations_s = [all_durations(result) for result in live_runs]
    accumulated = compare_stages(list(zip(durations_s, map(all_durations, replayed.forced), strict=True)))
    executions = list(zip(live_runs, [ahead["execution"] for ahead in replayed.ahead], strict=True))
    live = [figures(result, own) for result, own in zip(live_runs, chosen, strict=True)]
    simulated = [figures(result, own) for result, own in zip(replayed.free, chosen, strict=True)]
    requests = [request_errors(run, free, own) for run, free, own in zip(live_runs, replayed.free, chosen, strict=True)]
    floor, difference, stages = (
        noise_floor(live),
        differences(live, simulated),
        compare_stages(list(zip(durations_s, replayed.ahead, strict=True))),
    )
    by_stage, by_class = judge_stages(stages), judge_end_to_end(difference, floor)
    gaps = [abs(own["violation_pp"]) for own in difference.values() if own["violation_pp"] is not None]
    means = [_median([each["all"]["mean"] for each in runs]) for runs in (live, simulated)]
    return {
        "load": cell.load,
        "policy": cell.policy,
        "repeats": len(cell.runs),
        **{f"{name}_err": _size(difference["all"][name]) for name in LATENCIES},
        "violation_diff_pp": max(gaps) if gaps else None,
        "request_err_median": _median([each["median"] for each in requests]),
        "request_err_p90": _median([each["p90"] for each in requests]),
        "one_sided": sum(each["one_sided"] for each in requests),
        "execution_err": stages["execution"]["error"],
        "differences": difference,
        "floor": floor,
        "live": _over_repeats(live),
        "simulated": _over_repeats(simulated),
        "stages": stages,
        "accumulated": accumulated,
        "companies": by_company(executions),
        "slowdowns": _slowdowns(executions, replayed.profile),
        "service": service_bias(
            [(own["execution"], ahead["execution"]) for own, ahead in zip(durations_s, replayed.ahead, strict=True)],
            cell.load,
            *means,
        ),
        "executor": _executor(cell.runs),
        "overheads": [each._asdict() for each in measure_overheads(live_runs)],
        "verdicts": {"stages": by_stage, "end_to_end": by_class},
        "verdict": worst([*by_stage.values(), *(verdict for own in by_class.values() for verdict in own.values())]),
    }


_EXECUTOR = {
    "lag_s": ("lag_s",),
    "decide_s": ("host", "decide_s"),
    "submit_s": ("host", "submit_s"),
    "seen_after_s": ("host", "seen_after_s"),
}
"""What a live run's manifest says of the executor itself, by policy."""


def _executor(runs: Sequence[Recorded]) -> dict[str, dict[str, float | None]]:
    """Return median and p99 of what the executor took: medians over repeats; None where a manifest does not say."""
    found: dict[str, dict[str, float | None]] = {}
    for name, path in _EXECUTOR.items():
        spreads = [_inside(run, path) for run in runs]
        found[name] = {key: _median([spread.get(key) for spread in spreads]) for key in ("median", "p99")}
    return found


def _inside(run: Recorded, path: tuple[str, ...]) -> dict[str, Any]:
    own = [each for each in run.manifest.get("live", {}).get("runs", ()) if each.get("policy") == run.policy]
    part: dict[str, Any] = own[0] if own else {}
    for name in path:
        part = part.get(name) or {}
    return part


def _over_repeats(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians over repeats of nested figures."""
    first = runs[0]
    return {
        name: _over_repeats([run[name] for run in runs])
        if isinstance(value, dict)
        else _median([run[name] for run in runs])
        for name, value in first.items()
    }


def _slowdowns(pairs: Sequence[tuple[Result, NDArray[np.float64]]], profile: Profile) -> list[dict[str, Any]]:
    """Return measured and predicted slowdowns of all repeats together, weighted by batches."""
    known = profile.for_scheduler()
    merged: dict[tuple[str, int, str], list[tuple[int, float, float, str]]] = {}
    for live, simulated_s in pairs:
        for each in slowdowns(live, simulated_s, known):
            key = (each.model, each.size, each.company)
            merged.setdefault(key, []).append((each.n, each.measured, each.predicted, each.solo_from))
    rows = []
    for (model, size, company), found in merged.items():
        weights = [n for n, *_ in found]
        measured, predicted = (float(np.average([row[at] for row in found], weights=weights)) for at in (1, 2))
        source = "live" if all(row[3] == "live" for row in found) else "profile"
        rows.append(
            {
                "model": model,
                "size": size,
                "company": company,
                "n": sum(weights),
                "measured": measured,
                "predicted": predicted,
                "error": predicted / measured - 1,
                "solo_from": source,
            }
        )
    return sorted(rows, key=lambda row: (-row["n"], row["model"], row["size"], row["company"]))


def _by_load(replayed: Sequence[Replayed]) -> dict[float | None, dict[str, list[Compared]]]:
    """Return the runs of each policy at each load, live and simulated, with what counts."""
    found: dict[float | None, dict[str, list[Compared]]] = {}
    for each in replayed:
        rows = [Compared(run.result, free, counted(run)) for run, free in zip(each.cell.runs, each.free, strict=True)]
        found.setdefault(each.cell.load, {})[each.cell.policy] = rows
    return {load: rows for load, rows in found.items() if len(rows) > 1}


def _strangers(replayed: Sequence[Replayed]) -> list[str]:
    """Return a note for each profile that is not the one that its runs were made with, overheads of the host aside."""
    notes: dict[str, None] = {}
    for each in replayed:
        for run in each.cell.runs:
            named = run.manifest.get("profile", {}).get("sha256")
            if named not in (None, profile_sha256(each.profile), profile_sha256(_without_host(each.profile))):
                notes[f"profile {each.profile.name!r} is not the file that the live runs were made with"] = None
    return list(notes)


def _few(replayed: Sequence[Replayed]) -> list[str]:
    """Return a note if a noise floor is of too few repeats."""
    least = min(len(each.cell.runs) for each in replayed)
    if least >= _REPEATS:
        return []
    of = "one run has no noise floor" if least == 1 else f"noise floors of {least} repeats say little"
    return [f"{of}: at least {_REPEATS} are needed"]


def _without_host(profile: Profile) -> Profile:
    provenance = {key: entry for key, entry in profile.provenance.items() if key != "truth.host"}
    return replace(profile, truth=replace(profile.truth, host=None), provenance=provenance)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)
