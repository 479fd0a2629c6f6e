"""What a sweep is: a TOML file with a base run, and axes over its settings.

    title = "How violations grow with load"

    [sweep]
    seeds = [1, 2, 3]

    [base]
    max_batch = 4

    [arrivals]
    requests = 2000

    [axes]
    policy = ["priority-fifo", "strait(predictor=constant(slowdown={f}))"]
    "settings.f" = [1, 2]
    load = [0.7, 0.9]

Decoded strictly: an unknown key or an impossible value is an error that names the file and the path inside it.
docs/how-to/run-an-experiment.md has every field.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, suggest
from stratsim.experiment.one_run import FIGURES
from stratsim.experiment.plain_sweep.check import SETTINGS, check_sweep
from stratsim.experiment.study import put
from stratsim.experiment.variants import Variant  # noqa: TC001 (files are decoded by these types)
from stratsim.model.codec import decode
from stratsim.run.spec import RunSpec, read_config, toml_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Options", "Sweep", "Until", "is_sweep", "load_sweep", "make_sweep", "overridden"]


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
        if self.metric not in FIGURES:
            raise SpecError(f"unknown figure {self.metric!r}; {suggest(self.metric, FIGURES)}")
        if not self.half_width > 0:
            raise SpecError(f"half_width must be > 0, got {self.half_width}")
        if self.step < 1:
            raise SpecError(f"step must be at least 1, got {self.step}")
        if not 0 < self.level < 1:
            raise SpecError(f"level must be within (0, 1), got {self.level}")


@dataclass(frozen=True, slots=True)
class Options:
    """How often each run is made.

    Args:
        seeds: Of arrivals, classes and noise; all policies meet the same.
        until: When to add more; those count up from the largest of `seeds`.
    """

    seeds: list[int] = field(default_factory=lambda: [0])
    until: Until | None = None

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise SpecError(f"seeds must be different numbers >= 0, got {self.seeds}")
        if self.until is not None and not 2 <= len(self.seeds) <= self.until.most:
            raise SpecError(f"an interval needs 2 to most = {self.until.most} seeds to begin with, got {self.seeds}")

    def most(self) -> int:
        """Return the largest number of seeds that a run may be made with."""
        return len(self.seeds) if self.until is None else self.until.most

    def seed(self, index: int) -> int:
        """Return a seed by its number, from 0 on."""
        asked = len(self.seeds)
        return self.seeds[index] if index < asked else max(self.seeds) + 1 + index - asked


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep as its file says it.

    Args:
        title: One line.
        sweep: How often each run is made.
        base: Settings of `stratsim replay`.
        axes: Values by setting, all combined; a list of such tables is their union. A setting is any of `base` but the
            seed, `settings.NAME` for `{NAME}` in a policy's text, or a path such as `workload.priority.high_share` or
            `arrivals.process`.
        arrivals: Open-loop arrivals instead of a trace.
        workload: What fills the gaps of a trace, as in a workload file.
        profiles: Profiles of the sweep's own, by name: changed copies of others.
        description: As long as is needed.
    """

    title: str
    sweep: Options
    base: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, list[Any]] | list[dict[str, list[Any]]] = field(default_factory=dict)
    arrivals: dict[str, Any] | None = None
    workload: dict[str, Any] | None = None
    profiles: dict[str, Variant] = field(default_factory=dict)
    description: str = ""

    def grids(self) -> list[tuple[str, dict[str, list[Any]]]]:
        """Return the tables of axes, with the path of each: usually one."""
        if isinstance(self.axes, dict):
            return [("$.axes", self.axes)]
        return [(f"$.axes[{index}]", grid) for index, grid in enumerate(self.axes)]

    def axis_names(self) -> tuple[str, ...]:
        """Return all axes, in the order in which they are first named."""
        return tuple(dict.fromkeys(name for _, grid in self.grids() for name in grid))


def is_sweep(data: Mapping[str, Any]) -> bool:
    """Whether the data of a file is a sweep's: it has a table of that name."""
    return "sweep" in data


def load_sweep(path: Path, settings: Iterable[str] = ()) -> tuple[Sweep, dict[str, Any]]:
    """Read a sweep.

    Args:
        path: A TOML file.
        settings: `KEY=VALUE` texts that win over it (`overridden`).

    Returns:
        The sweep, and the plain data that it was made from, for the record.

    Raises:
        SpecError: the file cannot be read, or says something unknown or impossible; names the path inside it.
    """
    data = read_config(path)
    make_sweep(data, path)
    data = overridden(data, settings)
    return make_sweep(data, path), data


def overridden(data: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Return the data of a file with settings of the command line.

    A key is a path in the file, such as `arrivals.requests` or `sweep.seeds`. A setting of a run alone goes to `base`;
    where it is an axis, or where its value is a list, it replaces that axis.

    Raises:
        SpecError: a text without `=`.
    """
    changed = dict(data)
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise SpecError(f"--set takes KEY=VALUE, got {setting!r}")
        value = toml_value(text)
        axes = changed.get("axes", {})
        grids = axes if isinstance(axes, list) else [axes]
        is_axis = any(key in grid for grid in grids)
        if is_axis or (isinstance(value, list) and (_is_run_setting(key) or key.startswith(SETTINGS))):
            new = [{**grid, key: value if isinstance(value, list) else [value]} for grid in grids]
            changed["axes"] = new if isinstance(axes, list) else new[0]
        else:
            changed = put(changed, f"base.{key}" if _is_run_setting(key) else key, value)
    return changed


def _is_run_setting(key: str) -> bool:
    return key in {entry.name for entry in fields(RunSpec)}


def make_sweep(data: Mapping[str, Any], source: object = "sweep") -> Sweep:
    """Return the sweep that plain data describes.

    Raises:
        SpecError: names `source` and the path inside it.
    """
    sweep = decode(dict(data), Sweep, source)
    check_sweep(sweep, source)
    return sweep
