"""From a study to single runs: cells, the settings of each run as plain data, and the hash that names a run.

A *cell* is a combination of all axes but the concurrency, which belongs to the server. A *task* is one run: a dict of
plain values that any executor can ship, and its SHA-256. Equal settings have equal hashes, so a run is never repeated
where its row exists.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import SpecError
from stratsim.experiment.study import CONCURRENCY, part_of, put

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stratsim.experiment.study import Policies, Study

__all__ = ["Cell", "Task", "applies", "axis_columns", "canonical", "cells", "combinations", "sha256", "task"]

_UNHASHED = ("cell", "profile_file")
"""What says where a run's inputs lie, or says in other words what is there anyway."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of conditions.

    Args:
        labels: What the axes are here, as text, by the column of the axis.
        base: Fields of the run.
        arrivals: Of the arrivals.
        workload: The workload rule.
        concurrency: Values of C to try.
    """

    labels: dict[str, str]
    base: dict[str, Any]
    arrivals: dict[str, Any]
    workload: dict[str, Any]
    concurrency: tuple[int, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from others."""
        return tuple(self.labels.values())


class Task(NamedTuple):
    """One run."""

    sha256: str
    settings: dict[str, Any]


def cells(study: Study) -> list[Cell]:
    """Return the cells of all grids, in order, each once; one that is in several grids has the C of all."""
    found: dict[tuple[str, ...], Cell] = {}
    for grid in study.grids():
        concurrency = tuple(grid.get(CONCURRENCY, [study.run_spec().max_concurrency]))
        for parts in _combinations(study, grid):
            labels = {column: _label(_lookup(parts, axis)) for axis, column in axis_columns(study).items()}
            cell = Cell(labels, parts["base"], parts["arrivals"], parts["workload"], concurrency)
            known = found.get(cell.key)
            both = (*known.concurrency, *concurrency) if known else concurrency
            found[cell.key] = Cell(labels, cell.base, cell.arrivals, cell.workload, tuple(dict.fromkeys(both)))
    without = next((cell for cell in found.values() if cell.base["load"] is None), None)
    if without is not None:
        raise SpecError("a study needs a load: an axis 'load', or base.load")
    return list(found.values())


def combinations(study: Study) -> list[dict[str, Any]]:
    """Return each combination of the axes' values, as they are written: for kinds whose axes are their own."""
    found = [dict(zip(grid, values, strict=True)) for grid in study.grids() for values in product(*grid.values())]
    return list({canonical(each): each for each in found}.values())


def axis_columns(study: Study) -> dict[str, str]:
    """Return the column of each axis: the last part of its path, or all of it where two would be the same."""
    names = study.axis_names()
    last = [name.rpartition(".")[2] for name in names]
    return {name: short if last.count(short) == 1 else name for name, short in zip(names, last, strict=True)}


def _combinations(study: Study, grid: Mapping[str, list[Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """Yield the parts of a run for each combination of a grid's values."""
    start = {"base": study.run_spec().as_dict(), "arrivals": part_of(study, "arrivals"), "workload": study.workload}
    axes = {name: values for name, values in grid.items() if name != CONCURRENCY}
    for values in product(*axes.values()):
        parts: dict[str, Any] = start
        for name, value in zip(axes, values, strict=True):
            parts = put(parts, _path(name), value)
        yield parts


def _path(axis: str) -> str:
    return axis if axis.partition(".")[0] in ("workload", "arrivals") else f"base.{axis}"


def _lookup(parts: Mapping[str, Any], axis: str) -> Any:
    found: Any = parts
    for part in _path(axis).split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _label(value: Any) -> str:
    """Return a value as a cell of a table."""
    if isinstance(value, dict):
        return " ".join(f"{key}={_label(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value is None else str(value)


def applies(policy: Policies, cell: Cell, concurrency: int) -> bool:
    """Whether a policy runs in a cell at a concurrency: `only` may restrict it."""
    parts = {
        "base": {**cell.base, CONCURRENCY: concurrency},
        "arrivals": cell.arrivals,
        "workload": cell.workload,
    }
    return all(
        _label(_lookup(parts, axis)) in {_label(value) for value in values} for axis, values in policy.only.items()
    )


def task(
    study: Study,
    cell: Cell,
    name: str,
    setting: str,
    concurrency: int,
    seed: int,
    phase: str,
    profile: Mapping[str, str],
) -> Task:
    """Return the run of one policy's setting in a cell.

    Args:
        study: The study.
        cell: The conditions.
        name: The policy's name in the study.
        setting: One of the policy's trials.
        concurrency: C.
        seed: Of all random streams.
        phase: `pilot` or `results`.
        profile: `sha256` and `file` of the cell's profile.
    """
    role = study.policies[name].role
    settings = {
        "phase": phase,
        "cell": cell.labels,
        "policy": name,
        "role": role,
        "setting": setting,
        "reveal": role == "oracle" or study.policies[name].reveal,
        "seed": seed,
        "base": {**cell.base, CONCURRENCY: concurrency},
        "arrivals": cell.arrivals,
        "workload": cell.workload,
        "load_1": asdict(study.saturation),
        "profile_sha256": profile["sha256"],
        "profile_file": profile["file"],
    }
    return Task(sha256({key: value for key, value in settings.items() if key not in _UNHASHED}), settings)


def canonical(value: Any) -> str:
    """Return plain data as JSON text that does not depend on the order of keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=asdict)


def sha256(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of plain data."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
