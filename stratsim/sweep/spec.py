"""What a sweep is, as its file says it: a base run, axes over its settings, policies and seeds.

`stratsim.sweep.file` reads files and has an example; docs/how-to/run-an-experiment.md has every field.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, suggest
from stratsim.limits import LARGEST_INTEGER
from stratsim.run.saturation import Saturation
from stratsim.sweep.figures import FIGURES
from stratsim.sweep.variants import Variant  # noqa: TC001 (files are decoded by these types)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BEST",
    "FIXED",
    "OF_SERVER",
    "PILOT",
    "RESULTS",
    "Entry",
    "Options",
    "Select",
    "Sweep",
    "Until",
    "combined",
    "filled",
]

MOST_SEEDS = 100_000
"""Of one setting. Our choice."""
PILOT, RESULTS = "pilot", "results"
"""Phases: runs that choose settings, and runs that are counted."""
BEST, FIXED = "best", "fixed"
"""What is chosen: each policy's best, and its best with the values of `Select.fixed`."""
OF_SERVER = ("max_concurrency", "max_batch", "prefetch", "drop")
"""Settings that a policy may have a best value of: the requests do not depend on them."""


@dataclass(frozen=True, slots=True)
class Until:
    """More seeds than were asked for, until the interval of a figure is narrow.

    Args:
        metric: A figure's column in results.csv, such as `high_violation`.
        half_width: Of its t interval over the seeds, in the figure's unit. All policies of a cell go on until each has
            it, so that they keep the same seeds.
        most: No more seeds than this.
        step: Seeds to add at a time; more keep more workers busy where there are few cells.
        level: Confidence level.
    """

    metric: str
    half_width: float
    most: int
    step: int = 1
    level: float = 0.95

    def __post_init__(self) -> None:
        _check_figure(self.metric)
        if not self.half_width > 0:
            raise SpecError(f"half_width must be > 0, got {self.half_width}")
        if self.step < 1:
            raise SpecError(f"step must be at least 1, got {self.step}")
        if self.most > MOST_SEEDS:
            raise SpecError(f"most must be at most {MOST_SEEDS}, got {self.most}")
        if not 0 < self.level < 1:
            raise SpecError(f"level must be within (0, 1), got {self.level}")


@dataclass(frozen=True, slots=True)
class Select:
    """Settings chosen on pilot seeds, for each policy in each cell: `stratsim.sweep.select` has the rule.

    Args:
        seeds: Of the pilot; none of them may be a seed of the results.
        metric: The figure whose mean is to be least.
        then: The figure that decides among what is no worse than the best by more than its standard error.
        most: Prefer the largest mean of `metric` instead, as for a goodput.
        axes: Axes of which each policy has a best value, such as `max_concurrency`; the others make cells.
        fixed: Values of those axes at which each policy is run too.
    """

    seeds: list[int]
    metric: str = "high_violation"
    then: str | None = "low_violation"
    most: bool = False
    axes: list[str] = field(default_factory=list)
    fixed: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_seeds(self.seeds)
        _check_figure(self.metric)
        if self.then is not None:
            _check_figure(self.then)
        for name in self.axes:
            if name not in OF_SERVER:
                raise SpecError(f"select cannot choose {name!r}; {suggest(name, OF_SERVER)}")
        for name in self.fixed:
            if name not in self.axes:
                raise SpecError(f"fixed names {name!r}, which is none of axes; {suggest(name, self.axes)}")


@dataclass(frozen=True, slots=True)
class Options:
    """How often each run is made, and who is compared.

    Args:
        seeds: Of arrivals, classes and noise; all policies meet the same.
        until: When to add more; those count up from the largest of `seeds`.
        select: How settings are chosen first.
        subject: The policy that all others are compared with, by name; None: nobody is compared.
    """

    seeds: list[int] = field(default_factory=lambda: [0])
    until: Until | None = None
    select: Select | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        _check_seeds(self.seeds)
        if self.until is not None and not 2 <= len(self.seeds) <= self.until.most:
            raise SpecError(f"an interval needs 2 to most = {self.until.most} seeds to begin with, got {self.seeds}")
        if self.select is not None:
            results = {self.seed(index) for index in range(self.most())}
            both = sorted(set(self.select.seeds) & results)
            if both:
                raise SpecError(f"seeds of the pilot must not be seeds of the results: {both}")

    def most(self) -> int:
        """Return the largest number of seeds that a run may be made with."""
        return len(self.seeds) if self.until is None else self.until.most

    def seed(self, index: int) -> int:
        """Return a seed by its number, from 0 on."""
        asked = len(self.seeds)
        return self.seeds[index] if index < asked else max(self.seeds) + 1 + index - asked


@dataclass(frozen=True, slots=True)
class Entry:
    """A policy with a name of its own, and the settings among which `select` chooses.

    Args:
        policy: As for `stratsim replay --policy`, one policy; `{NAME}` stands for a value of `settings` or `each`.
        settings: Values by name; every combination is a trial, of which `select` chooses one. Without `select` every
            combination is a policy of its own.
        each: Values by name; every combination is a policy of its own, named `NAME[VALUE,...]`.
        reveal: Tell the truth to its belief, which must be `oracle`.
        only: Restricts it to cells with these values of a setting; `"-"` stands for one that is not given.
    """

    policy: str
    settings: dict[str, list[Any]] = field(default_factory=dict)
    each: dict[str, list[Any]] = field(default_factory=dict)
    reveal: bool = False
    only: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in (*self.settings.items(), *self.each.items()):
            if f"{{{name}}}" not in self.policy:
                raise SpecError(f"{name!r} has values, but policy has no {{{name}}}: {self.policy!r}")
            if not values:
                raise SpecError(f"{name!r} has no value")

    def trials(self) -> tuple[str, ...]:
        """Return the policy's text under every combination of its settings."""
        return tuple(filled(self.policy, values) for values in combined(self.settings))

    def expanded(self, name: str, *, selected: bool) -> dict[str, Entry]:
        """Return the policies that this one stands for, by name.

        Args:
            name: Its own.
            selected: Whether one of its trials is chosen; else each is a policy.
        """
        each = self.each if selected else {**self.each, **self.settings}
        if not any(len(values) > 1 for values in each.values()) and not self.each:
            return {name: replace(self, policy=filled(self.policy, combined(each)[0]), settings={}) if each else self}
        return {
            f"{name}[{','.join(_word(value) for value in values.values())}]": replace(
                self, policy=filled(self.policy, values), each={}, settings=self.settings if selected else {}
            )
            for values in combined(each)
        }


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep as its file says it.

    Args:
        title: One line.
        sweep: How often each run is made.
        base: Settings of `stratsim replay`.
        axes: Values by setting, all combined; a list of such tables is their union. A setting is any of `base` but the
            seed, `settings.NAME` for `{NAME}` in a policy's text, or a path such as `workload.priority.high_share` or
            `arrivals.process`. A value may be a table, and then replaces that part.
        policies: Policies by name, instead of an axis `policy`.
        arrivals: Open-loop arrivals instead of a trace.
        workload: What fills the gaps of a trace, as in a workload file.
        profiles: Profiles of the sweep's own, by name: changed copies of others.
        saturation: How load 1 is measured in the unit `saturation`.
        quick: What replaces parts of this file with `--quick`; its `policies` may be a list of those to keep.
        description: As long as is needed.
    """

    title: str
    sweep: Options
    base: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, list[Any]] | list[dict[str, list[Any]]] = field(default_factory=dict)
    policies: dict[str, Entry] = field(default_factory=dict)
    arrivals: dict[str, Any] | None = None
    workload: dict[str, Any] | None = None
    profiles: dict[str, Variant] = field(default_factory=dict)
    saturation: Saturation = field(default_factory=Saturation)
    quick: dict[str, Any] = field(default_factory=dict)
    description: str = ""

    def grids(self) -> list[tuple[str, dict[str, list[Any]]]]:
        """Return the tables of axes, with the path of each: usually one."""
        if isinstance(self.axes, dict):
            return [("$.axes", self.axes)]
        return [(f"$.axes[{index}]", grid) for index, grid in enumerate(self.axes)]

    def axis_names(self) -> tuple[str, ...]:
        """Return all axes, in the order in which they are first named."""
        return tuple(dict.fromkeys(name for _, grid in self.grids() for name in grid))

    def choice_axes(self) -> tuple[str, ...]:
        """Return the axes of which each policy has a best value."""
        return () if self.sweep.select is None else tuple(self.sweep.select.axes)

    def entries(self) -> dict[str, Entry]:
        """Return the named policies, with those that an entry stands for in its place."""
        selected = self.sweep.select is not None
        found = [entry.expanded(name, selected=selected) for name, entry in self.policies.items()]
        return {name: entry for each in found for name, entry in each.items()}


def combined(values: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return every combination of values by name."""
    return [dict(zip(values, each, strict=True)) for each in product(*values.values())]


def filled(text: str, values: Mapping[str, Any]) -> str:
    """Return a policy's text with values where it has `{NAME}`."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", _word(value))
    return text


def _word(value: Any) -> str:
    """Return a setting's value as a policy's text has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_figure(name: str) -> None:
    if name not in FIGURES:
        raise SpecError(f"unknown figure {name!r}; {suggest(name, FIGURES)}")


def _check_seeds(seeds: list[int]) -> None:
    if max(seeds, default=0) > LARGEST_INTEGER:
        raise SpecError(f"seeds must be at most {LARGEST_INTEGER}, got {max(seeds)}")
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise SpecError(f"seeds must be different numbers >= 0, got {seeds}")
