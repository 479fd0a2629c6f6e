"""From a sweep to its runs, in order: cells, in each the seeds, for each seed the policies.

A *cell* is a combination of all axes but the policy and what goes into its text: the policies of a cell meet the same
requests. What a run needs is resolved first, so that its hash names content and not files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, StratsimError
from stratsim.experiment.grid import Task, sha256
from stratsim.experiment.plain_sweep.check import SETTINGS, filled
from stratsim.experiment.plain_sweep.one import UNHASHED
from stratsim.experiment.plain_sweep.resolve import Resolver, files_sha256
from stratsim.experiment.study import put
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.run.spec import RunSpec
from stratsim.stats.intervals import mean_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim.experiment.plain_sweep.spec import Sweep
    from stratsim.experiment.store import Row

__all__ = ["Cell", "Plan", "make_plan"]


@dataclass(slots=True)
class Cell:
    """One combination of conditions.

    Args:
        labels: What the axes are here.
        policies: Texts.
        settings: Of its runs, but for policy and seed.
        tasks: Of the runs so far, one list for each seed, in the order of the policies.
        waits: Hashes of runs that have not ended.
        failed: Whether a run failed: the interval that more seeds are for cannot be had.
    """

    labels: dict[str, Any]
    policies: list[str]
    settings: dict[str, Any]
    tasks: list[list[Task]] = field(default_factory=list)
    waits: set[str] = field(default_factory=set)
    failed: bool = False


class Plan:
    """The runs of a sweep: those that are certain, and those that follow from the rows of others.

    Which runs are made depends on rows only, never on the order in which they come in.

    Args:
        sweep: What is asked for.
        cells: Its cells, each once.
        resolver: What resolved them.
    """

    def __init__(self, sweep: Sweep, cells: list[Cell], resolver: Resolver) -> None:
        self.sweep = sweep
        self.cells = cells
        self.inputs = resolver.inputs
        self._lengths = resolver.lengths
        self._waiting: dict[str, list[Cell]] = {}
        self._rows: dict[str, Sequence[Row] | None] = {}

    def first(self) -> list[Task]:
        """Return the runs of the seeds that are asked for."""
        return [task for cell in self.cells for task in self._add(cell, len(self.sweep.sweep.seeds))]

    def follow(self, key: str, rows: Sequence[Row] | None) -> list[Task]:
        """Take the row of a run, or None if it failed, and return the runs that follow from it."""
        self._rows[key] = rows
        found = []
        for cell in self._waiting.pop(key, ()):
            cell.waits.discard(key)
            cell.failed |= rows is None
            found += self._more(cell)
        return found

    def order(self) -> list[Task]:
        """Return all runs so far, in the order of the table."""
        return [task for cell in self.cells for tasks in cell.tasks for task in tasks]

    def counts(self) -> tuple[int, int]:
        """Return how many runs there are at least and at most."""
        options = self.sweep.sweep
        pairs = [(cell.settings, policy) for cell in self.cells for policy in cell.policies]
        distinct = len({_task(settings, policy, 0).sha256 for settings, policy in pairs})
        return distinct * len(options.seeds), distinct * options.most()

    def requests(self, trace_sha256: str, limit: int | None) -> int:
        """Return the length of a run on a trace."""
        length = self._lengths[trace_sha256]
        return length if limit is None else min(limit, length)

    def _more(self, cell: Cell) -> list[Task]:
        until = self.sweep.sweep.until
        found: list[Task] = []
        while until is not None and not (cell.waits or cell.failed):
            if len(cell.tasks) >= until.most or all(
                self._is_narrow(cell, index) for index in range(len(cell.policies))
            ):
                break
            found += self._add(cell, min(until.step, until.most - len(cell.tasks)))
        return found

    def _is_narrow(self, cell: Cell, policy: int) -> bool:
        until = self.sweep.sweep.until
        assert until is not None  # noqa: S101 (asked before)
        values = [row[until.metric] for tasks in cell.tasks for row in self._rows[tasks[policy].sha256] or ()]
        if "" in values:
            return False  # a figure that does not exist: nobody completed, say
        return mean_interval([float(value) for value in values], until.level).half_width <= until.half_width

    def _add(self, cell: Cell, seeds: int) -> list[Task]:
        """Add the runs of so many more seeds to a cell."""
        first = len(cell.tasks)
        for index in range(first, first + seeds):
            seed = self.sweep.sweep.seed(index)
            cell.tasks.append([_task(cell.settings, policy, seed) for policy in cell.policies])
        added = [task for tasks in cell.tasks[first:] for task in tasks]
        for task in added:
            if task.sha256 not in self._rows:
                cell.waits.add(task.sha256)
                self._waiting.setdefault(task.sha256, []).append(cell)
            else:
                cell.failed |= self._rows[task.sha256] is None
        return added


def make_plan(sweep: Sweep, source: object = "sweep") -> Plan:
    """Return the plan of a sweep; reads what it names.

    Raises:
        StratsimError: the sweep names what cannot be used, or what does not go together; names the cell.
    """
    resolver = Resolver(sweep.profiles)
    cells: dict[str, Cell] = {}
    for where, grid in sweep.grids():
        policies = _policies(sweep, grid, f"{source}: %s - at {where}")
        for labels, parts in _combinations(sweep, grid):
            try:
                settings = resolver.settings(parts["base"], parts.get("arrivals"), parts.get("workload"))
            except StratsimError as error:
                place = " ".join(f"{axis}={value}" for axis, value in labels.items())
                raise SpecError(f"{source}: {error} - at {where if labels else '$.base'} {place}".rstrip()) from None
            cell = Cell(labels, policies, settings)
            cells.setdefault(_hash({**settings, "policy": policies}), cell)
    return Plan(sweep, list(cells.values()), resolver)


def _policies(sweep: Sweep, grid: Mapping[str, list[Any]], message: str) -> list[str]:
    """Return the policies of a table of axes, each once, with the values of its settings."""
    texts = grid.get("policy") or [sweep.base.get("policy", RunSpec().policy)]
    settings = {name.removeprefix(SETTINGS): values for name, values in grid.items() if name.startswith(SETTINGS)}
    found: dict[str, None] = {}
    for text in texts:
        own = {name: values for name, values in settings.items() if f"{{{name}}}" in text}
        for values in product(*own.values()):
            try:
                calls = parse_policies(filled(text, dict(zip(own, values, strict=True))))
                for call in calls:
                    make_policy(call)
            except StratsimError as error:
                raise SpecError(message % error) from None
            found |= dict.fromkeys(call.text for call in calls)
    return list(found)


def _combinations(sweep: Sweep, grid: Mapping[str, list[Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the labels and the parts of each combination of the axes that make cells."""
    start: dict[str, Any] = {"base": sweep.base}
    start |= {name: part for name in ("arrivals", "workload") if (part := getattr(sweep, name)) is not None}
    axes = {name: values for name, values in grid.items() if name != "policy" and not name.startswith(SETTINGS)}
    for values in product(*axes.values()):
        parts = start
        for name, value in zip(axes, values, strict=True):
            parts = put(parts, name if "." in name else f"base.{name}", value)
        yield dict(zip(axes, values, strict=True)), parts


def _task(settings: Mapping[str, Any], policy: str, seed: int) -> Task:
    made = {**settings, "policy": policy, "seed": seed, "policy_sha256": files_sha256(policy)}
    return Task(_hash(made), made)


def _hash(settings: Mapping[str, Any]) -> str:
    return sha256({name: value for name, value in settings.items() if name not in UNHASHED})
