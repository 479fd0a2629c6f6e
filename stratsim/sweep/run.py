"""Runs a sweep: whatever has no row in its folder yet, on any backend; and reads the folder of one again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.model.codec import dump_profile
from stratsim.model.write import file_name, write_text
from stratsim.notebook import card, line
from stratsim.results.sweep_folder import (
    MANIFEST,
    SATURATION,
    TABLE,
    current_sweeps,
    read_manifest,
    read_saturations,
)
from stratsim.run.manifest import origin_label
from stratsim.run.saturation import SaturationPoint, saturation
from stratsim.sweep import worker
from stratsim.sweep.backends import Setup
from stratsim.sweep.figures import FIGURES
from stratsim.sweep.file import make_sweep
from stratsim.sweep.plan import axis_columns, label, make_plan
from stratsim.sweep.refusals import refusals
from stratsim.sweep.settings import sha256
from stratsim.sweep.store import Store
from stratsim.sweep.table import How, environment_in, open_table

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import pandas as pd

    from stratsim.model.profile import Profile
    from stratsim.run.saturation import Saturation
    from stratsim.run.spec import RunSpec
    from stratsim.sweep.backends import Backend
    from stratsim.sweep.plan import Plan
    from stratsim.sweep.settings import Settings
    from stratsim.sweep.spec import Sweep
    from stratsim.sweep.store import Row

__all__ = ["Failure", "Outcome", "labelled_rows", "measure", "read_sweeps", "run_sweep"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that ended with an error."""

    settings: Settings
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"

    @property
    def where(self) -> str:
        """Which run it was, in words."""
        spec = self.settings.spec
        cell = f"profile={spec.profile} load={spec.load} max_concurrency={spec.max_concurrency}"
        name = self.settings.policy
        policy = spec.policy if name == spec.policy else f"{name}: {spec.policy}"
        return f"{cell}, {policy}, seed {spec.seed}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sweep gave.

    Args:
        sha256: Of what it was made from, by which it is known in its folder.
        plan: Its runs.
        rows: By hash, of all that have one.
        failures: Runs without.
        made: Runs that were made now; the others had their rows.
        saturations: Load 1 in the unit `saturation`, with what it is of.
        kept: What else than this code and these versions made rows of the folder, in words (`--trust`).
    """

    sha256: str
    plan: Plan
    rows: dict[str, Row]
    failures: list[Failure] = field(default_factory=list)
    made: int = 0
    saturations: list[dict[str, Any]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return line("Sweep", self.plan.sweep.title, *self._about())

    def _repr_html_(self) -> str:
        axes = [*axis_columns(self.plan.sweep).values(), "policy", "seed"]
        shown = ("high_violation", "low_violation", "utilization")
        rows = [
            [*(row[name] for name in axes), *(float(row[name]) if row[name] else "-" for name in shown)]
            for row in labelled_rows(self)
        ]
        return card(f"{self.plan.sweep.title}: {', '.join(self._about())}", (*axes, *shown), rows)

    def _about(self) -> list[str]:
        failed = [f"{len(self.failures):,} failed"] if self.failures else []
        return [f"{len(self.plan.cells):,} cells", f"{len(self.rows):,} runs", *failed]

    def to_pandas(self) -> pd.DataFrame:
        """Return the runs as a pandas frame, one row each: axes, policy, seed and figures (docs/reference/metrics.md).

        Figures are numbers, infinite where a percentile falls among requests that were never answered; so are axes and
        seeds, where all are numbers. The rest is text.
        """
        import pandas as pd

        frame = pd.DataFrame(labelled_rows(self))
        for name in ("seed", *axis_columns(self.plan.sweep).values(), *FIGURES):
            if name in frame:
                found = pd.to_numeric(frame[name].mask(frame[name] == ""), errors="coerce")
                if name in FIGURES or not found.isna().any():
                    frame[name] = found
        return frame


def labelled_rows(outcome: Outcome) -> list[Row]:
    """Return the rows of a sweep in order, each with its cell's axes as text beside its own columns."""
    found = []
    for cell in outcome.plan.cells:
        labels = {axis: label(value) for axis, value in cell.labels.items()}
        found += [{**outcome.rows[task.sha256], **labels} for task in cell.tasks() if task.sha256 in outcome.rows]
    return found


def run_sweep(
    sweep: Sweep, record: Mapping[str, Any], out: Path, how: How | None = None, source: object = "sweep"
) -> Outcome:
    """Make the runs that have no row in `out` yet, and write the table of all.

    Args:
        sweep: From `load_sweep`.
        record: The plain data it was made from; kept beside the results.
        out: Folder; made if it is not there. May have rows of other sweeps.
        how: In how many processes, and more.
        source: What to call the sweep in messages: its file.

    Raises:
        OutputError: as for `stratsim.sweep.table.open_table`.
        StratsimError: the sweep names what cannot be used.
    """
    how = how or How()
    plan = make_plan(sweep, source, environment_in(out) if how.trust else None)
    described = worker.description(tuple(axis_columns(sweep)), sweep.choice_axes())
    setup = Setup(worker.install, (plan.inputs,))
    file = source.name if isinstance(source, Path) and source.name != MANIFEST else None
    with open_table(out, record, worker.COLUMNS, described, how, setup=setup, file=file) as table:
        _write_profiles(plan, out)
        points = _saturations(plan, out, table.backend, fresh=table.how.fresh)
        if table.how.executor is not None:
            worker.install(plan.inputs)
        first = plan.first()
        if how.warn is not None and any(task.sha256 not in table.store.rows for task in first):
            for refusal in refusals(plan):
                how.warn(str(refusal))
        made = table.make(first, worker.run, follow=plan.follow, order=plan.order)
        tasks = {task.sha256: task for task in plan.order()}
        failures = [Failure(tasks[key].settings, message) for key, message in made.failures.items()]
        return Outcome(sha256(record), plan, _rows(table.store, plan), failures, made.count, points, table.kept)


def read_sweeps(out: str | os.PathLike[str], rows: str = "current") -> list[Outcome]:
    """Return what the sweeps in a folder gave so far, without running anything.

    Args:
        out: The folder.
        rows: `current`: what is asked for now; `all`: also what a file asked for before it was edited.

    Raises:
        SpecError: the folder holds no sweep.
        StratsimError: a sweep names what cannot be used any more.
    """
    out = Path(out)
    manifest = read_manifest(out)
    store = Store(out / TABLE, worker.COLUMNS, FIGURES)
    known = read_saturations(out)
    found = []
    for entry in manifest["sweeps"] if rows == "all" else current_sweeps(manifest):
        plan = make_plan(make_sweep(entry["sweep"], out / MANIFEST), out / MANIFEST, environment_in(out))
        wanted = plan.saturations()
        if wanted.keys() <= known.keys():
            plan.measured({key: _point(known[key]) for key in wanted})
        queue = plan.first()
        while queue:
            key = queue.pop().sha256
            if key in store.rows:
                queue += plan.follow(key, store.rows[key])
        points = [known[key] for key in wanted if key in known]
        kept = manifest.get("kept", [])
        found.append(Outcome(sha256(entry["sweep"]), plan, _rows(store, plan), saturations=points, kept=kept))
    return found


def _rows(store: Store, plan: Plan) -> dict[str, Row]:
    return {task.sha256: store.rows[task.sha256][0] for task in plan.order() if task.sha256 in store.rows}


# Load 1 ---------------------------------------------------------------------------------------------------------------


def measure(plan: Plan, backend: Backend, known: Mapping[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """Measure load 1 of everything that needs it, and tell the plan; return the points as plain values, by key.

    Args:
        plan: Of the sweep.
        backend: Where.
        known: Points that were measured before.
    """
    found = dict(known or {})
    wanted = plan.saturations()
    asked = [key for key in wanted if key not in found]
    for key in asked:
        backend.submit(key, _saturate, *_arguments(plan, wanted[key]))
    ended = {each.key: each for each in (backend.next_completed() for _ in asked)}
    for key in asked:
        _, value, error = ended[key]
        if error is not None:
            raise error
        found[key] = {**_place(plan, wanted[key]), **SaturationPoint(*value)._asdict()}
    plan.measured({key: _point(found[key]) for key in wanted})
    return found


def _arguments(plan: Plan, wanted: Settings) -> tuple[Any, ...]:
    mix = None if wanted.workload is None else wanted.workload.models.mix
    return plan.inputs[wanted.profile_sha256], wanted.spec, mix, wanted.saturation


def _saturate(
    profile: Profile, spec: RunSpec, mix: Mapping[str, float] | None, limits: Saturation
) -> tuple[float | int, ...]:
    return tuple(saturation(profile, spec, mix, limits))


def _place(plan: Plan, wanted: Settings) -> dict[str, Any]:
    profile, spec, mix, _ = _arguments(plan, wanted)
    machine = {name: getattr(spec, name) for name in ("topology", "uplink_bytes_per_s", "memory")}
    return {"profile": spec.profile, "origin": origin_label(profile), **machine, "mix": mix}


def _point(found: Mapping[str, Any]) -> SaturationPoint:
    return SaturationPoint(*(found[name] for name in SaturationPoint._fields))


def _saturations(plan: Plan, out: Path, backend: Backend, *, fresh: bool) -> list[dict[str, Any]]:
    """Measure load 1 where it is needed; what the folder knows is not measured again."""
    wanted = plan.saturations()
    if not wanted:
        return []
    known = measure(plan, backend, {} if fresh else read_saturations(out))
    write_text(json.dumps(known, indent=1) + "\n", out / SATURATION, overwrite=True)
    return [known[key] for key in wanted]


def _write_profiles(plan: Plan, out: Path) -> None:
    """Write the profiles of the sweep's own: nobody else has them."""
    every = [each for cell in plan.cells for trials in cell.trials.values() for each in trials.values()]
    used = {each.spec.profile: each.profile_sha256 for each in every}
    used |= {each.spec.belief: each.belief_sha256 for each in every if each.spec.belief and each.belief_sha256}
    for name in plan.sweep.profiles:
        if name in used:
            (out / "profiles").mkdir(exist_ok=True)
            text = dump_profile(plan.inputs[used[name]])
            write_text(text, out / "profiles" / file_name(name, ".json"), overwrite=True)
