"""From a sweep to its runs: cells, in each the policies with what they may run with, and the settings of every run.

A *cell* is a combination of all axes but the policy, what goes into its text, and the axes of `select`: the policies of
a cell meet the same requests. What a run needs is resolved first, so that its hash names content and not files.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, StratsimError, suggest
from stratsim.policy.registry import check_policy_call, parse_policies
from stratsim.run.arrivals import Arrivals
from stratsim.run.load import offered
from stratsim.run.spec import RunSpec
from stratsim.stats.intervals import mean_interval
from stratsim.sweep.check import PARTS, SETTINGS, check_count, put
from stratsim.sweep.resolve import Resolver, files_sha256
from stratsim.sweep.runs import Task
from stratsim.sweep.select import Choice, choose, is_fixed
from stratsim.sweep.settings import sha256
from stratsim.sweep.spec import BEST, PILOT, RESULTS, Entry, filled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from stratsim.run.saturation import SaturationPoint
    from stratsim.sweep.settings import Settings
    from stratsim.sweep.spec import Sweep
    from stratsim.sweep.store import Row

__all__ = ["Cell", "Plan", "axis_columns", "label", "make_plan"]


@dataclass(slots=True)
class Cell:
    """One combination of conditions.

    Args:
        labels: What the axes are here, by their columns; None is a setting that is not given.
        trials: Settings of each policy under all that it may run with, but for the seed; in order.
        pilot: Runs of the pilot, by policy and choice.
        chosen: What each policy runs with, by `best` and `fixed`.
        runs: Runs of the results so far, one list for each seed.
        waits: Hashes of runs that have not ended.
        failed: Whether a run of the results failed: the interval that more seeds are for cannot be had.
    """

    labels: dict[str, Any]
    trials: dict[str, dict[Choice, Settings]]
    pilot: dict[tuple[str, Choice], list[Task]] = field(default_factory=dict)
    chosen: dict[str, dict[str, Choice]] = field(default_factory=dict)
    runs: list[dict[tuple[str, Choice], Task]] = field(default_factory=list)
    waits: set[str] = field(default_factory=set)
    failed: bool = False

    def tasks(self) -> list[Task]:
        """Return all runs so far, in the order of the table: by seed, policy, choice."""
        by_seed = zip(*self.pilot.values(), strict=True)
        return [*(task for tasks in by_seed for task in tasks), *(task for each in self.runs for task in each.values())]


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

    def saturations(self) -> dict[str, Settings]:
        """Return what to measure the saturation of, in whose unit loads are, by what it depends on."""
        every = [each for cell in self.cells for trials in cell.trials.values() for each in trials.values()]
        return {_saturation_key(each): each for each in every if each.saturation and each.arrivals}

    def measured(self, points: Mapping[str, SaturationPoint]) -> None:
        """Take what load 1 is, before the first run."""
        for cell in self.cells:
            for trials in cell.trials.values():
                for choice, each in trials.items():
                    if each.saturation and each.arrivals:
                        point = points[_saturation_key(each)]
                        spec, profile = each.spec, self.inputs[each.profile_sha256]
                        trials[choice] = replace(each, offered=offered(spec, profile, spec.gpus or 1, None, point))
            if len({each.offered for trials in cell.trials.values() for each in trials.values()}) > 1:
                axes = ", ".join(self.sweep.choice_axes())
                raise SpecError(f"select cannot choose {axes}: load 1 in the unit `saturation` depends on it")

    def first(self) -> list[Task]:
        """Return the runs that are certain: of the pilot, or of the seeds that are asked for."""
        select = self.sweep.sweep.select
        found: list[Task] = []
        for cell in self.cells:
            if select is None:
                cell.chosen = {name: {BEST: next(iter(trials))} for name, trials in cell.trials.items()}
                found += self._add(cell, len(self.sweep.sweep.seeds))
                continue
            cell.pilot = {
                (name, choice): [_task(each, seed, PILOT) for seed in select.seeds]
                for name, trials in cell.trials.items()
                for choice, each in trials.items()
            }
            found += self._awaited(cell, cell.tasks())
        return found

    def follow(self, key: str, rows: Sequence[Row] | None) -> list[Task]:
        """Take the row of a run, or None if it failed, and return the runs that follow from it."""
        self._rows[key] = rows
        found = []
        for cell in self._waiting.pop(key, ()):
            cell.waits.discard(key)
            cell.failed |= rows is None and bool(cell.runs)
            found += self._more(cell)
        return found

    def order(self) -> list[Task]:
        """Return all runs so far, in the order of the table."""
        return [task for cell in self.cells for task in cell.tasks()]

    def counts(self) -> tuple[int, int]:
        """Return how many runs there are at least and at most."""
        options, select = self.sweep.sweep, self.sweep.sweep.select
        every = [trials for cell in self.cells for trials in cell.trials.values()]
        if select is None:
            distinct = len({each.sha256 for trials in every for each in trials.values()})
            return distinct * len(options.seeds), distinct * options.most()
        pilot = sum(len(trials) for trials in every) * len(select.seeds)
        fixed = [{is_fixed(choice, select) for choice in trials} for trials in every]
        most = len(every) + sum(found == {True, False} for found in fixed)
        return pilot + len(every) * len(options.seeds), pilot + most * options.most()

    def requests(self, settings: Settings) -> int:
        """Return the length of a run, requests."""
        if settings.arrivals is not None:
            return settings.arrivals.requests
        length, limit = self._lengths[settings.trace_sha256 or ""], settings.spec.limit
        return length if limit is None else min(limit, length)

    def _more(self, cell: Cell) -> list[Task]:
        """Return the runs that follow once a cell waits for none: of what was chosen, or of more seeds."""
        options = self.sweep.sweep
        found: list[Task] = []
        if cell.waits:
            return found
        if not cell.runs and options.select is not None:
            for name in cell.trials:
                rows = {choice: self._found(tasks) for (own, choice), tasks in cell.pilot.items() if own == name}
                cell.chosen[name] = choose(rows, options.select)
            found += self._add(cell, len(options.seeds))
        until = options.until
        while until is not None and not (cell.waits or cell.failed):
            if len(cell.runs) >= until.most or all(self._is_narrow(cell, key) for key in cell.runs[0]):
                break
            found += self._add(cell, min(until.step, until.most - len(cell.runs)))
        return found

    def _is_narrow(self, cell: Cell, key: tuple[str, Choice]) -> bool:
        until = self.sweep.sweep.until
        assert until is not None  # noqa: S101 (asked before)
        values = [row[until.metric] for row in self._found([tasks[key] for tasks in cell.runs])]
        if "" in values:
            return False  # a figure that does not exist: nobody completed, say
        return mean_interval([float(value) for value in values], until.level).half_width <= until.half_width

    def _found(self, tasks: Iterable[Task]) -> list[Row]:
        return [row for task in tasks for row in self._rows[task.sha256] or ()]

    def _add(self, cell: Cell, seeds: int) -> list[Task]:
        """Add the runs of so many more seeds to a cell."""
        first = len(cell.runs)
        for index in range(first, first + seeds):
            seed = self.sweep.sweep.seed(index)
            cell.runs.append(
                {
                    (name, choice): _task(cell.trials[name][choice], seed, RESULTS)
                    for name, choices in cell.chosen.items()
                    for choice in choices.values()
                }
            )
        added = self._awaited(cell, [task for tasks in cell.runs[first:] for task in tasks.values()])
        cell.failed |= any(self._rows.get(task.sha256, ()) is None for task in added)
        return added

    def _awaited(self, cell: Cell, tasks: list[Task]) -> list[Task]:
        for task in tasks:
            if task.sha256 not in self._rows:
                cell.waits.add(task.sha256)
                self._waiting.setdefault(task.sha256, []).append(cell)
        return tasks


def make_plan(sweep: Sweep, source: object = "sweep", environment: dict[str, str] | None = None) -> Plan:
    """Return the plan of a sweep; reads what it names.

    Args:
        sweep: What is asked for.
        source: What to call the sweep in messages: its file.
        environment: The versions that the runs' keys are of, when rows of other versions are read or kept; those of
            this process by default.

    Raises:
        StratsimError: the sweep names what cannot be used, or what does not go together; names the cell.
    """
    check_count(sweep, source)
    resolver = Resolver(sweep, environment)
    choice_axes = sweep.choice_axes()
    cells: dict[str, Cell] = {}
    for where, grid in sweep.grids():
        entries = sweep.entries() or _policies(sweep, grid, f"{source}: %s - at {where}")
        for axes, parts in _combinations(sweep, grid):
            try:
                settings = resolver.settings(parts["base"], parts.get("arrivals"), parts.get("workload"))
            except StratsimError as error:
                place = " ".join(f"{axis}={value}" for axis, value in axes.items())
                raise SpecError(f"{source}: {error} - at {where if axes else '$.base'} {place}".rstrip()) from None
            labels = {column: _lookup(parts, axis) for axis, column in axis_columns(sweep).items()}
            cell = cells.setdefault(settings.condition_key(choice_axes), Cell(labels, {}))
            values = tuple((name, getattr(settings.spec, name)) for name in choice_axes)
            for name, entry in entries.items():
                if _applies(entry, parts):
                    cell.trials.setdefault(name, {}).update(_trials(name, entry, settings, values))
    every = dict.fromkeys(name for cell in cells.values() for name in cell.trials)
    if not every:
        raise SpecError(f"{source}: `only` leaves no policy in any cell - at $.policies")
    subject = sweep.sweep.subject
    if subject is not None and subject not in every:
        raise SpecError(f"{source}: no policy {subject!r}; {suggest(subject, every)} - at $.sweep.subject")
    return Plan(sweep, [cell for cell in cells.values() if cell.trials], resolver)


def axis_columns(sweep: Sweep) -> dict[str, str]:
    """Return what each axis that makes cells is called: the last part of its path, or all of it if two have the same.

    Those of `select`, the policies and what goes into their texts make no cells.
    """
    names = [
        name
        for name in sweep.axis_names()
        if name not in (*sweep.choice_axes(), "policy") and not name.startswith(SETTINGS)
    ]
    last = [name.rpartition(".")[2] for name in names]
    return {name: short if last.count(short) == 1 else name for name, short in zip(names, last, strict=True)}


def label(value: Any) -> str:
    """Return the value of an axis as a cell of a table."""
    if isinstance(value, dict):
        return " ".join(f"{key}={label(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value is None else str(value)


def _policies(sweep: Sweep, grid: Mapping[str, list[Any]], message: str) -> dict[str, Entry]:
    """Return the policies of a table of axes by their texts, each once, with the values of its settings."""
    texts = grid.get("policy") or [sweep.base.get("policy", RunSpec().policy)]
    settings = {name.removeprefix(SETTINGS): values for name, values in grid.items() if name.startswith(SETTINGS)}
    found: dict[str, Entry] = {}
    for text in texts:
        own = {name: values for name, values in settings.items() if f"{{{name}}}" in text}
        for values in product(*own.values()):
            try:
                calls = parse_policies(filled(text, dict(zip(own, values, strict=True))))
                for call in calls:
                    check_policy_call(call)
            except StratsimError as error:
                raise SpecError(message % error) from None
            found |= {call.text: Entry(call.text) for call in calls}
    return found


def _combinations(sweep: Sweep, grid: Mapping[str, list[Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the values and the parts of each combination of the axes; those of `select` vary fastest."""
    start: dict[str, Any] = {"base": sweep.base}
    start |= {name: part for name in PARTS if (part := getattr(sweep, name)) is not None}
    axes = {name: values for name, values in grid.items() if name != "policy" and not name.startswith(SETTINGS)}
    axes = dict(sorted(axes.items(), key=lambda item: item[0] in sweep.choice_axes()))
    for values in product(*axes.values()):
        parts = start
        for name, value in zip(axes, values, strict=True):
            parts = put(parts, _path(name), value)
        yield dict(zip(axes, values, strict=True)), parts


def _path(axis: str) -> str:
    return axis if axis.partition(".")[0] in PARTS and "." in axis else f"base.{axis}"


def _lookup(parts: Mapping[str, Any], axis: str) -> Any:
    """Return the value of an axis in the parts of a cell: as it is given, or the default of a run's setting."""
    found: Any = {**parts, "base": {**RunSpec().as_dict(), **parts["base"]}}
    if "arrivals" in parts:
        found["arrivals"] = {**asdict(Arrivals()), **parts["arrivals"]}
    for part in _path(axis).split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _applies(entry: Entry, parts: Mapping[str, Any]) -> bool:
    """Whether a policy runs under these conditions: `only` may restrict it."""
    return all(label(_lookup(parts, axis)) in {label(value) for value in values} for axis, values in entry.only.items())


def _trials(
    name: str, entry: Entry, settings: Settings, values: tuple[tuple[str, object], ...]
) -> Iterator[tuple[Choice, Settings]]:
    for text in entry.trials():
        made = replace(
            settings,
            policy=name,
            spec=replace(settings.spec, policy=text),
            reveal=entry.reveal,
            policy_sha256=files_sha256(text),
        )
        yield Choice(text, values), made


def _task(settings: Settings, seed: int, phase: str) -> Task:
    made = replace(settings, spec=replace(settings.spec, seed=seed), phase=phase)
    return Task(made.sha256, made)


def _saturation_key(settings: Settings) -> str:
    """Return what a saturation depends on, as a hash."""
    rule = settings.workload
    machine = {name: value for name, value in settings.spec.for_saturation().as_dict().items() if name != "topology"}
    mix = None if rule is None else rule.models.mix
    known = {"profile": settings.profile_sha256, "topology": settings.topology_sha256, "mix": mix}
    return sha256({"machine": machine, **known, "limits": str(settings.saturation)})
