"""Runs a sweep: what has no row in DIR yet, on any backend.

DIR/results.csv has a row per run, whichever sweep asked for it, so that sweeps can share a folder; at the end it is
sorted, and is the same bytes however many workers there were. DIR/timings.csv has what differs between identical runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from stratsim import __version__
from stratsim.errors import OutputError, SpecError
from stratsim.experiment.backends import Setup, make_backend
from stratsim.experiment.code import code_sha256
from stratsim.experiment.folder import locked
from stratsim.experiment.grid import sha256
from stratsim.experiment.one_run import FIGURES
from stratsim.experiment.plain_sweep import one
from stratsim.experiment.plain_sweep.plan import make_plan
from stratsim.experiment.plain_sweep.spec import make_sweep
from stratsim.experiment.runs import make_runs
from stratsim.experiment.store import KEY, Store
from stratsim.model.codec import dump_profile
from stratsim.model.write import clear_unfinished, write_text
from stratsim.run.spec import RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from stratsim.experiment.plain_sweep.plan import Plan
    from stratsim.experiment.plain_sweep.spec import Sweep
    from stratsim.experiment.store import Row

__all__ = ["CODE", "COLUMNS", "RESULT", "SweepFailure", "SweepOutcome", "read_sweeps", "run_sweep", "sweeps_of"]

RESULT, _TIMINGS, _MANIFEST, _SUMMARY = "results.csv", "timings.csv", "manifest.json", "summary.json"
CODE = ("experiment/plain_sweep/one.py",)
"""What rows of sweeps depend on besides the simulator."""
_FIRST = ("policy", "seed", "profile", "trace", "load")
COLUMNS = (
    KEY,
    *_FIRST,
    *(entry.name for entry in fields(RunSpec) if entry.name not in _FIRST),
    *("arrivals", "profile_sha256", "trace_sha256", "topology_sha256", "policy_sha256"),
    *FIGURES,
)
"""Of results.csv: the same for all sweeps."""


@dataclass(frozen=True, slots=True)
class SweepFailure:
    """A run that ended with an error."""

    settings: Mapping[str, Any]
    message: str

    def __str__(self) -> str:
        run, name = self.settings["run"], self.settings["names"]["profile"]
        cell = f"profile={name} load={run['load']} max_concurrency={run['max_concurrency']}"
        return f"{cell}, {self.settings['policy']}, seed {self.settings['seed']}: {self.message}"


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """What a sweep gave.

    Args:
        sha256: Of what it was made from, by which it is known in its folder.
        plan: Its runs.
        rows: By hash, of all that have one.
        failures: Runs without.
        made: Runs that were made now; the others had their rows.
    """

    sha256: str
    plan: Plan
    rows: dict[str, Row]
    failures: list[SweepFailure]
    made: int


def run_sweep(
    sweep: Sweep,
    record: Mapping[str, Any],
    out: Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    fresh: bool = False,
    trust: bool = False,
) -> SweepOutcome:
    """Make the runs that have no row in `out` yet, and write the table of all.

    Args:
        sweep: From `load_sweep`.
        record: The plain data it was made from; kept beside the results.
        out: Folder; made if it is not there. May have rows of other sweeps.
        jobs: Number of processes.
        dask: Address of a Dask scheduler, or `local` for a cluster of `jobs` processes.
        progress: Called with (stage, runs done, runs in all as far as is known) as runs end.
        fresh: Forget all rows that are there.
        trust: Keep rows that other code made.

    Raises:
        OutputError: `out` cannot be written, is in use, holds something else than sweeps, or has rows that another
            version of the code made.
        StratsimError: the sweep names what cannot be used.
    """
    plan = make_plan(sweep, sweep.title)
    first = plan.first()
    code = code_sha256(CODE)
    with locked(out):
        others = _opened(out, code, fresh=fresh, trust=trust)
        known = next((entry for entry in others if entry["sweep"] == record), None)
        entry: dict[str, Any] = known or {"sweep": dict(record), "rows": [task.sha256 for task in first]}
        entries = others if known else [*others, entry]
        _write_manifest(out, code, entries)
        _write_profiles(plan, out)
        store, timings = Store(out / RESULT, COLUMNS), Store(out / _TIMINGS, [KEY, "wall_s"])
        backend = make_backend(jobs, dask, Setup(one.install, (plan.inputs,)), CODE)
        try:
            show = None if progress is None else lambda done, total: progress("runs", done, total)
            made = make_runs(first, one.run, backend, store, timings, follow=plan.follow, progress=show)
        finally:
            backend.close()
        tasks = {task.sha256: task for task in plan.order()}
        entry["rows"] = list(tasks)
        _write_manifest(out, code, entries)
        order = dict.fromkeys([*(key for each in entries for key in each["rows"]), *store.rows])
        store.sort(order)
        timings.sort(order)
    failures = [SweepFailure(tasks[key].settings, message) for key, message in made.failures.items()]
    return SweepOutcome(sha256(record), plan, _rows(store, plan), failures, made.count)


def read_sweeps(out: Path) -> list[SweepOutcome]:
    """Return what the sweeps in a folder gave so far, without running anything.

    Raises:
        SpecError: the folder holds no sweep.
        StratsimError: a sweep names what cannot be used any more.
    """
    manifest = sweeps_of(out)
    if manifest is None:
        raise SpecError(f"{out}: there is no sweep (`stratsim experiment run` makes one)")
    store = Store(out / RESULT, COLUMNS)
    found = []
    for entry in manifest["sweeps"]:
        plan = make_plan(make_sweep(entry["sweep"], out / _MANIFEST), out / _MANIFEST)
        queue = plan.first()
        while queue:
            key = queue.pop().sha256
            if key in store.rows:
                queue += plan.follow(key, store.rows[key])
        found.append(SweepOutcome(sha256(entry["sweep"]), plan, _rows(store, plan), [], 0))
    return found


def sweeps_of(out: Path) -> dict[str, Any] | None:
    """Return what manifest.json of a folder of sweeps says; None for one that is not such a folder's."""
    try:
        found = json.loads((out / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("sweeps"), list) else None


def _rows(store: Store, plan: Plan) -> dict[str, Row]:
    return {task.sha256: store.rows[task.sha256][0] for task in plan.order() if task.sha256 in store.rows}


def _opened(out: Path, code: str, *, fresh: bool, trust: bool) -> list[dict[str, Any]]:
    """See that what is in the folder can be continued, and return its sweeps."""
    manifest = sweeps_of(out) or {}
    if not manifest and ((out / _MANIFEST).exists() or (out / RESULT).exists()):
        raise OutputError(f"{out}: exists already and is not a sweep's folder (see manifest.json); choose another")
    if fresh:
        for name in (RESULT, _TIMINGS, _SUMMARY):
            (out / name).unlink(missing_ok=True)
        return []
    if manifest and not trust and manifest.get("code_sha256") != code and (out / RESULT).exists():
        raise OutputError(f"{out}: made by other code than this; --fresh starts anew, --trust keeps its rows")
    for name in (RESULT, _TIMINGS, _MANIFEST, _SUMMARY):
        clear_unfinished(out / name)
    return list(manifest.get("sweeps", []))


def _write_manifest(out: Path, code: str, sweeps: list[dict[str, Any]]) -> None:
    made = {"stratsim_version": __version__, "code_sha256": code, "sweeps_sha256": sha256(sweeps), "sweeps": sweeps}
    write_text(json.dumps(made, indent=1) + "\n", out / _MANIFEST, overwrite=True)


def _write_profiles(plan: Plan, out: Path) -> None:
    """Write the profiles of the sweep's own: nobody else has them."""
    for name in plan.sweep.profiles:
        for cell in plan.cells:
            if cell.settings["names"]["profile"] == name:
                (out / "profiles").mkdir(exist_ok=True)
                made = plan.inputs[cell.settings["profile_sha256"]]
                write_text(dump_profile(made), out / "profiles" / f"{name}.json", overwrite=True)
                break
