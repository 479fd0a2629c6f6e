"""Runs a study: everything that has no row yet, by any executor, then what follows from the rows.

DIR/results.csv grows as runs end, so a study that was interrupted goes on where it was; at the end it is sorted, and is
the same bytes however many processes worked on it. DIR/timings.csv has what differs between identical runs.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim import __version__
from stratsim.errors import OutputError
from stratsim.experiment.backends import Futures, make_backend
from stratsim.experiment.code import code_sha256
from stratsim.experiment.folder import locked
from stratsim.experiment.grid import cells, sha256
from stratsim.experiment.kinds import Context, Kind, find_kind
from stratsim.experiment.runs import make_runs
from stratsim.experiment.store import KEY, Store
from stratsim.model.codec import dump_profile, load_profile, profile_sha256
from stratsim.model.write import write_text
from stratsim.run.manifest import origin_label, study_manifest
from stratsim.run.saturation import SaturationPoint, saturation
from stratsim.run.spec import make_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from stratsim.experiment.backends import Backend
    from stratsim.experiment.grid import Task
    from stratsim.experiment.store import Row
    from stratsim.experiment.study import Study

__all__ = ["Failure", "Outcome", "at_rate", "code_sha256", "context_of", "run_study", "saturations"]

_RESULT, _TIMINGS, _SATURATION, _MANIFEST = "results.csv", "timings.csv", "saturation.json", "manifest.json"
_NOT_MACHINE = ("policy", "load", "max_concurrency", "warmup_s", "drop", "seed", "profile")
"""Fields of a run that its saturation does not depend on (the profile does by its content)."""


class Failure(NamedTuple):
    """A run that ended with an error."""

    settings: Mapping[str, Any]
    message: str

    def __str__(self) -> str:
        cell = " ".join(f"{key}={value}" for key, value in self.settings["cell"].items())
        slots, seed = self.settings["base"]["max_concurrency"], self.settings["seed"]
        return f"{cell}, {self.settings['setting']}, C={slots}, seed {seed}: {self.message}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a study gave.

    Args:
        rows: Of all runs that have one, in the order of the grid.
        failures: Runs without.
        made: Runs that were made now; the others had their rows.
        saturations: Load 1.0 by what it depends on, with the profile's name.
    """

    rows: list[Row]
    failures: list[Failure]
    made: int
    saturations: dict[str, dict[str, Any]]


def run_study(
    study: Study,
    record: Mapping[str, Any],
    out: Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    fresh: bool = False,
    trust: bool = False,
) -> Outcome:
    """Run what has no row in `out` yet, and write the table of all.

    Args:
        study: From `load_study`.
        record: The plain data it was made from; kept beside the results.
        out: Folder; made if it is not there.
        jobs: Number of processes, if there is no executor.
        dask: Address of a Dask scheduler whose workers see `out`, or `local`.
        executor: Where to run instead: anything that takes `submit`, and whose workers see `out`.
        progress: Called with (stage, runs done, runs in all) as runs end.
        fresh: Forget the rows that are there.
        trust: Keep rows that other code made.

    Raises:
        OutputError: `out` cannot be written, holds something else than a study, or has rows that another version of
            the code made.
        StratsimError: the study names what cannot be used.
    """
    kind = find_kind(study.kind)
    with locked(out):
        _open_folder(out, record, code_sha256(kind.code), fresh=fresh, trust=trust)
        # Workers of a cluster have working directories of their own.
        seen = out if dask is None else out.resolve()
        context = context_of(study, seen) if kind.conditions else Context({})
        backend = make_backend(jobs, dask, code=kind.code) if executor is None else Futures(executor)
        try:
            points = saturations(study, context, out, backend) if kind.conditions else {}
            return _stages(study, kind, context, points, out, backend, progress)
        finally:
            backend.close()


def _stages(
    study: Study,
    kind: Kind,
    context: Context,
    points: dict[str, dict[str, Any]],
    out: Path,
    backend: Backend,
    progress: Callable[[str, int, int], None] | None,
) -> Outcome:
    store = Store(out / _RESULT, [KEY, *kind.columns(study)])
    timings = Store(out / _TIMINGS, [KEY, "wall_s"])
    failures: list[Failure] = []
    order: list[str] = []
    made = 0
    for stage in kind.stages:
        known = [row for key in dict.fromkeys(order) for row in store.rows.get(key, ())]
        tasks = {each.sha256: each for each in stage(study, context, known)}
        order += tasks
        ready = [each._replace(settings=at_rate(each, points)) if kind.conditions else each for each in tasks.values()]
        show = None if progress is None else partial(progress, stage.__name__)
        found = make_runs(ready, kind.run, backend, store, timings, progress=show)
        failures += [Failure(tasks[key].settings, message) for key, message in found.failures.items()]
        made += found.count
    unique = list(dict.fromkeys(order))
    timings.sort(unique)
    return Outcome(store.sort(unique), failures, made, points)


# What all runs need --------------------------------------------------------------------------------------------------


def context_of(study: Study, out: Path) -> Context:
    """Make the profiles, and write them to `out`/profiles: workers read them there.

    Raises:
        StratsimError: a profile that cannot be read or made.
    """
    folder = out / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in dict.fromkeys(cell.base["profile"] for cell in cells(study)):
        made = study.profiles[name].make(name) if name in study.profiles else load_profile(name)
        file = folder / f"{Path(name).name.removesuffix('.json')}.json"
        write_text(dump_profile(made), file, overwrite=True)
        found[name] = {"sha256": profile_sha256(made), "file": str(file)}
    return Context(found)


def saturations(study: Study, context: Context, out: Path, backend: Backend) -> dict[str, dict[str, Any]]:
    """Return load 1.0 for everything it depends on: profile, mix and machine. What DIR knows is not computed again."""
    wanted: dict[str, tuple[Any, ...]] = {}
    for cell in cells(study):
        profile = context.profiles[cell.base["profile"]]
        mix = cell.workload.get("models", {}).get("mix")
        wanted[_saturation_key(cell.base, mix, profile["sha256"])] = (profile["file"], cell.base, mix)
    limits = asdict(study.saturation)
    path = out / _SATURATION
    known: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    asked = sha256(limits)
    todo = {key: args for key, args in wanted.items() if known.get(key, {}).get("asked") != asked}
    for key, args in todo.items():
        backend.submit(key, _saturate, args, limits)
    ended = [backend.next_completed() for _ in todo]
    found = {key: value for key, value, _ in ended}
    error = next((each.error for each in ended if each.error is not None), None)
    if error is not None:
        raise error
    for key in todo:
        point = SaturationPoint(*found[key])
        _, base, mix = wanted[key]
        label = origin_label(load_profile(wanted[key][0]))
        machine = {name: base[name] for name in ("topology", "uplink_bytes_per_s", "memory")}
        where = {"profile": base["profile"], "origin": label, **machine, "mix": mix}
        known[key] = {**where, "asked": asked, **point._asdict()}
    write_text(json.dumps(known, indent=1) + "\n", path, overwrite=True)
    return {key: known[key] for key in wanted}


def _saturate(where: tuple[Any, ...], limits: Mapping[str, Any]) -> tuple[Any, ...]:
    file, base, mix = where
    return tuple(saturation(load_profile(file), make_spec(base, "run"), mix, **limits))


def _saturation_key(base: Mapping[str, Any], mix: Any, profile_sha256: str) -> str:
    machine = {key: value for key, value in base.items() if key not in _NOT_MACHINE}
    return sha256({"machine": machine, "mix": mix, "profile": profile_sha256})


def at_rate(each: Task, points: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a task's settings with the rate that its load means."""
    settings = each.settings
    mix = settings["workload"].get("models", {}).get("mix")
    point = points[_saturation_key(settings["base"], mix, settings["profile_sha256"])]
    return {**settings, "saturation": dict(point), "rate_per_s": settings["base"]["load"] * point["rate_per_s"]}


def _open_folder(out: Path, record: Mapping[str, Any], code: str, *, fresh: bool, trust: bool) -> None:
    """See that what is in the folder can be continued."""
    manifest = out / _MANIFEST
    earlier = _study_manifest(out) if manifest.exists() else {}
    if earlier and not (fresh or trust) and earlier.get("code_sha256") != code and (out / _RESULT).exists():
        raise OutputError(f"{out}: made by other code than this; --fresh starts anew, --trust keeps its rows")
    if fresh:
        for name in (_RESULT, _TIMINGS, _SATURATION):
            (out / name).unlink(missing_ok=True)
    made = {"stratsim_version": __version__, "code_sha256": code, "study_sha256": sha256(record)}
    write_text(json.dumps({**made, "study": record}, indent=1) + "\n", manifest, overwrite=True)


def _study_manifest(out: Path) -> dict[str, Any]:
    """Return what manifest.json of a folder says; one that is not a study's is somebody's result, and stays."""
    found = study_manifest(out / _MANIFEST)
    if found is None:
        raise OutputError(f"{out}: exists already and is not a study's folder (see manifest.json); choose another")
    return found
