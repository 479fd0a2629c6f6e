"""What figures read that is no single result folder: a sweep's table of runs, or the result of `stratsim capacity`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

from stratsim.compare.sweep import SweepTable, is_sweep, read_sweep
from stratsim.errors import SpecError
from stratsim.model.codec import read_json
from stratsim.results.read import read_results
from stratsim.results.sweep_folder import read_saturations
from stratsim_plots.series import origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim_plots.series import Options

__all__ = ["check_one_place", "is_fleet", "is_one_sweep", "origin_of", "read_capacity", "read_fleet", "sweep_runs"]


def is_one_sweep(paths: Sequence[Any]) -> bool:
    """Whether the paths are one sweep."""
    return len(paths) == 1 and is_sweep(paths[0])


def sweep_runs(path: Any, options: Options) -> SweepTable:
    """Return the runs of a sweep that the options choose.

    Raises:
        SpecError: it cannot be read, or has no such runs.
    """
    table = read_sweep(path, options.where, options.rows)
    for note in table.notes:
        click.echo(f"note: {note}", err=True)
    return table.only(options.policies)


def is_fleet(paths: Sequence[Any]) -> bool:
    """Whether the first file holds the fewest GPUs, and not the highest rates."""
    try:
        found = read_json(Path(paths[0]))
    except SpecError:
        return False  # who reads it says what is wrong
    return isinstance(found, dict) and "fleets" in found


def read_fleet(path: Any) -> dict[str, Any]:
    """Return the result of `stratsim capacity --rate R --out`.

    Raises:
        SpecError: it cannot be read, or is something else.
    """
    found = _read(path, "fleets", _Fleets, "stratsim capacity --rate R --out")
    names = {goal["name"] for goal in found["target"]}
    for fleet in found["fleets"]:
        for point in fleet["points"]:
            if missing := names - set(point["goals"]):
                raise SpecError(f"{path}: {fleet['policy']}, {point['gpus']} GPUs: no goal {min(missing)!r}")
    return found


def check_one_place(table: SweepTable, *free: str) -> None:
    """See that a sweep's runs are of one place of its grid, but for some axes.

    Raises:
        SpecError: another axis varies; says how to choose.
    """
    for name in table.axes:
        if name not in (*free, "policy") and table.frame[name].nunique() > 1:
            values = ", ".join(dict.fromkeys(table.frame[name].astype(str)))
            raise SpecError(f"{name} varies too ({values}): choose one by --where {name}=VALUE")


def read_capacity(path: Any) -> dict[str, Any]:
    """Return the result of `stratsim capacity --out`.

    Raises:
        SpecError: it cannot be read, or is something else.
    """
    return _read(path, "capacities", _Capacities, "stratsim capacity --out")


def _read(path: Any, key: str, kind: type, command: str) -> dict[str, Any]:
    """Return a document that has a key, whose fields are of the types in `kind`, and which a command writes."""
    found = read_json(Path(path))
    if not isinstance(found, dict) or key not in found:
        raise SpecError(f"{path}: is not the result of `{command}`")
    try:
        msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise SpecError(f"{path}: {error}") from None
    return found


class _Mean(msgspec.Struct):
    mean: float
    low: float
    high: float


class _Goal(msgspec.Struct):
    name: str
    words: str
    share: float
    limit_s: float | None = None


class _Capacity(msgspec.Struct):
    policy: str
    goodput_per_s: dict[str, _Mean | None]
    rate_per_s: float | None
    load: float | None
    expected_per_s: float | None
    above_per_s: float | None


class _Origin(msgspec.Struct):
    name: str = "unnamed"
    label: str = "unlabelled"


class _Manifest(msgspec.Struct):
    profile: _Origin | None = None


class _Capacities(msgspec.Struct):
    """What figures need of the result of `stratsim capacity`."""

    target: list[_Goal]
    level: float
    seeds: list[int]
    capacities: list[_Capacity]
    manifest: _Manifest


class _AtGoal(msgspec.Struct):
    missed: _Mean
    percentile_s: _Mean | None
    infinite: int


class _Point(msgspec.Struct):
    gpus: int
    verdict: Literal["meets", "undecided", "misses"]
    goals: dict[str, _AtGoal]


class _Fleet(msgspec.Struct):
    policy: str
    gpus: int | None
    headroom: float | None
    points: list[_Point]


class _Fleets(msgspec.Struct):
    """What figures need of the result of `stratsim capacity --rate`."""

    target: list[_Goal]
    level: float
    seeds: list[int]
    rate_per_s: float
    fleets: list[_Fleet]
    manifest: _Manifest


def origin_of(paths: Sequence[Any]) -> str:
    """Return the small print: which profiles, and whether their figures are measured, published or synthetic."""
    if not is_one_sweep(paths):
        return origin([read_results(path) for path in paths])
    names = [f"{Path(each['profile']).name} ({each['origin']})" for each in read_saturations(Path(paths[0])).values()]
    return f"simulated; device profile: {', '.join(dict.fromkeys(names))}" if names else "simulated"
