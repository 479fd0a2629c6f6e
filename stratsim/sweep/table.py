"""A folder with a table of runs: made, gone on with, and described. Knows nothing of policies.

DIR/results.csv has a row per run (or several), whichever sweep asked for it, so that sweeps can share a folder; at the
end it is sorted, and is the same bytes however many workers there were. DIR/timings.csv has what differs between
identical runs. DIR/manifest.json says what was asked for, and what the columns are.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 (a field's type)
from typing import TYPE_CHECKING, Any

from stratsim.errors import OutputError
from stratsim.model.write import clear_unfinished, write_text
from stratsim.results.sweep_folder import FORMAT, MANIFEST, TABLE, Description, describe, find_manifest
from stratsim.sweep.backends import Futures, Setup, make_backend
from stratsim.sweep.code import code_sha256
from stratsim.sweep.environment import versions
from stratsim.sweep.folder import locked
from stratsim.sweep.runs import make_runs
from stratsim.sweep.settings import sha256
from stratsim.sweep.store import KEY, Store
from stratsim.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from stratsim.sweep.backends import Backend
    from stratsim.sweep.runs import Made, Task
    from stratsim.sweep.store import Row

__all__ = ["SUMMARY", "How", "Table", "environment_in", "open_table"]

SUMMARY = "summary.json"
_TIMINGS = "timings.csv"


@dataclass(frozen=True, slots=True)
class How:
    """How runs are made.

    Args:
        jobs: Number of processes.
        dask: Address of a Dask scheduler, or `local` for a cluster of `jobs` processes.
        executor: Where to run instead: anything that takes `submit`.
        progress: Called with (runs done, runs in all as far as is known) as runs end.
        fresh: Forget the rows that are there.
        trust: Keep rows that other code made.
        warn: Called before the first run, with a line for each reason why runs cannot be made
            (`stratsim.sweep.refusals`).
    """

    jobs: int = 1
    dask: str | None = None
    executor: Executor | None = None
    progress: Callable[[int, int], None] | None = None
    fresh: bool = False
    trust: bool = False
    warn: Callable[[str], None] | None = None


@dataclass(slots=True)
class Table:
    """The table in a folder, while nobody else writes there: `open_table`.

    Args:
        out: The folder.
        backend: Where runs are made.
        how: How.
        code: Hash of the code that makes them.
        environment: Versions that the runs' keys are of.
        description: What the columns are, of all sweeps in the folder.
        store: The rows.
        timings: How long each run took.
        entries: What was asked for so far: records, with the hashes of their runs in order.
        entry: The one of `entries` that is being made.
        kept: What else made rows that were kept, in words: other code, other versions.
    """

    out: Path
    backend: Backend
    how: How
    code: str
    environment: dict[str, str]
    description: Description
    store: Store
    timings: Store
    entries: list[dict[str, Any]] = field(default_factory=list)
    entry: dict[str, Any] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)

    def make(
        self,
        tasks: Iterable[Task],
        run: Callable[[Any], list[dict[str, Any]]],
        *,
        follow: Callable[[str, Sequence[Row] | None], Iterable[Task]] = lambda _key, _rows: (),
        order: Callable[[], Iterable[Task]] | None = None,
    ) -> Made:
        """Make the runs that have no row yet, and sort the table.

        Args:
            tasks: What to run.
            run: Called in a worker with a task's settings; returns its rows.
            follow: As for `stratsim.sweep.runs.make_runs`.
            order: All runs in the order of the table, once they are known; that of `tasks` by default.
        """
        tasks = list(tasks)
        self.entry["rows"] = self.entry.get("rows") or [task.sha256 for task in tasks]
        self._describe()
        made = make_runs(tasks, run, self.backend, self.store, self.timings, follow=follow, progress=self.how.progress)
        self.entry["rows"] = list(dict.fromkeys(task.sha256 for task in (tasks if order is None else order())))
        self._describe()
        keys = dict.fromkeys([*(key for each in self.entries for key in each["rows"]), *self.store.rows])
        self.store.sort(keys)
        self.timings.sort(keys)
        return made

    def _describe(self) -> None:
        made = {
            "sweep_format": FORMAT,
            "stratsim_version": __version__,
            "code_sha256": self.code,
            "environment": self.environment,
            "sweeps_sha256": sha256(self.entries),
            "table": self.description.as_dict(),
            "sweeps": self.entries,
            **({"kept": self.kept} if self.kept else {}),
        }
        write_text(json.dumps(made, indent=1) + "\n", self.out / MANIFEST, overwrite=True)


@contextmanager
def open_table(
    out: Path,
    record: Mapping[str, Any],
    columns: Sequence[str],
    description: Description,
    how: How,
    *,
    setup: Setup | None = None,
    code: Sequence[str] = (),
    file: str | None = None,
) -> Iterator[Table]:
    """Open the table in a folder, and close the backend at the end.

    Args:
        out: Folder; made if it is not there. May have rows of other sweeps.
        record: Plain data that says what is asked for; kept in the manifest.
        columns: Of results.csv, `KEY` first.
        description: What they are.
        how: How runs are made.
        setup: What each worker does once.
        code: What else than the simulator runs depend on (`code_sha256`).
        file: Name of the file that `record` is from: what it said before is not asked for any more.

    Raises:
        OutputError: `out` cannot be written, is in use, holds something else than sweeps, is of another format, or has
            rows that another version of the code made.
    """
    with locked(out):
        digest = code_sha256(code)
        entries, kept = _opened(out, digest, description, fresh=how.fresh, trust=how.trust)
        known = next((entry for entry in entries if entry["sweep"] == record), None)
        if known is None:
            known = {"sweep": dict(record)}
            entries.append(known)
        _supersede(entries, known, file)
        manifest = find_manifest(out)
        environment = (environment_in(out) if how.trust else None) or versions()
        joined = describe(manifest).joined(description) if manifest and not how.fresh else description
        rows, timings = Store(out / TABLE, columns, description.figures), Store(out / _TIMINGS, [KEY, "wall_s"])
        backend = Futures(how.executor) if how.executor is not None else make_backend(how.jobs, how.dask, setup, code)
        try:
            yield Table(out, backend, how, digest, environment, joined, rows, timings, entries, known, kept)
        finally:
            backend.close()


def _supersede(entries: Sequence[dict[str, Any]], known: dict[str, Any], file: str | None) -> None:
    """Mark what a file asked for before it was edited; its rows stay, and are not among those asked for now."""
    if file is None:
        return
    for entry in entries:
        if entry is not known and entry.get("file") == file:
            entry["superseded"] = True
    known["file"] = file
    known.pop("superseded", None)


def environment_in(out: Path) -> dict[str, str] | None:
    """Return the versions that the keys of the rows in a folder are of; None where it does not say."""
    found = (find_manifest(out) or {}).get("environment")
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else None


def _kept(out: Path, manifest: dict[str, Any] | None, code: str, *, trust: bool) -> list[str]:
    """Return what made the rows of a folder besides this code and these versions, in words, earlier ones first.

    Raises:
        OutputError: there are such rows and they are not trusted: figures, or their last digits, may differ.
    """
    if manifest is None or not (out / TABLE).exists():
        return []
    others = {}
    made, by = manifest.get("code_sha256"), environment_in(out)
    if made != code:
        others[f"code {str(made)[:12]}"] = "made by other code than this"
    for name, now in versions().items():
        if by is not None and (then := by.get(name)) != now:
            others[f"{name} {then}"] = f"made with {name} {then}, and this is {now}: last digits may differ"
    if others and not trust:
        raise OutputError(f"{out}: {next(iter(others.values()))}; --fresh starts anew, --trust keeps its rows")
    return list(dict.fromkeys([*manifest.get("kept", []), *others]))


def _opened(
    out: Path, code: str, description: Description, *, fresh: bool, trust: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """See that what is in the folder can be continued; return what was asked for so far, and `_kept`."""
    manifest = find_manifest(out)
    if manifest is None and ((out / MANIFEST).exists() or (out / TABLE).exists()):
        raise OutputError(f"{out}: exists already and is not a sweep's folder (see manifest.json); choose another")
    if manifest is not None and describe(manifest).figures != description.figures:
        raise OutputError(f"{out}: holds a table with other figures; choose another folder")
    if fresh:
        for name in (TABLE, _TIMINGS, SUMMARY):
            (out / name).unlink(missing_ok=True)
        return [], []
    kept = _kept(out, manifest, code, trust=trust)
    for name in (TABLE, _TIMINGS, MANIFEST, SUMMARY):
        clear_unfinished(out / name)
    return list(manifest["sweeps"]) if manifest else [], kept
