"""The loop over runs: makes each run that has no row, writes its row, asks what follows from it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import StratsimError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stratsim.sweep.backends import Backend
    from stratsim.sweep.store import Row, Store

__all__ = ["Made", "Task", "make_runs"]


class Task(NamedTuple):
    """One run."""

    sha256: str
    settings: Any
    """What it is made from: can be shipped to another process."""


@dataclass(slots=True)
class Made:
    """What came of the runs.

    Args:
        count: Runs that were made now; the others had their rows.
        failures: Message by hash, of runs without a row.
    """

    count: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def make_runs(
    tasks: Iterable[Task],
    run: Callable[[Any], list[dict[str, Any]]],
    backend: Backend,
    store: Store,
    timings: Store,
    *,
    follow: Callable[[str, Sequence[Row] | None], Iterable[Task]] = lambda _key, _rows: (),
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Make the runs that have no row yet.

    Args:
        tasks: What to run; the same run may be in it more than once.
        run: Called in a worker with a task's settings; returns its rows, with `wall_s` if it is to be kept.
        backend: Where.
        store: Table of the rows; each run's are written when it ends.
        timings: Table of `wall_s`.
        follow: Called once for each run with its hash and rows, or None if it failed; returns further tasks. Also
            called for runs that had their rows already.
        progress: Called with (runs done, runs in all as far as is known) as runs end.
    """
    made = Made()
    queue, known = deque(tasks), set[str]()
    running: set[str] = set()
    done = 0
    while True:
        while queue:
            each = queue.popleft()
            if each.sha256 in known:
                continue
            known.add(each.sha256)
            if each.sha256 in store.rows:
                queue.extend(follow(each.sha256, store.rows[each.sha256]))
            else:
                running.add(each.sha256)
                backend.submit(each.sha256, attempt, run, each.settings)
        if not running:
            return made
        key, found, error = backend.next_completed()
        running.discard(key)
        if error is not None:
            found = f"{type(error).__name__}: {error}" if not isinstance(error, StratsimError) else str(error)
        if isinstance(found, str):
            made.failures[key] = found
        else:
            store.add(key, found)
            timings.add(key, [{"wall_s": row["wall_s"]} for row in found if "wall_s" in row])
            made.count += 1
        done += 1
        if progress is not None:
            progress(done, done + len(running))
        queue.extend(follow(key, store.rows.get(key)))


def attempt(run: Callable[[Any], list[dict[str, Any]]], settings: Any) -> Any:
    """Return the rows of a run, or what is wrong with it: one failure must not lose the others."""
    try:
        return run(settings)
    except StratsimError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (a defect of ours or a plug-in's; it is reported)
        return f"{type(error).__name__}: {error}"
