"""A published table of co-located pairs: a CSV with a row per pair, which gives two directed slowdowns.

    model_a, batch_a, model_b, batch_b, slowdown_a, slowdown_b

`batch_*` may be left out (1). In place of slowdowns (latency beside the other / latency alone) there may be rates
(`alone_a`, `together_a`, `alone_b`, `together_b`: executions per second), of which the slowdown is alone / together,
and which give solo times as well. Where a side was limited to a share of the GPU (CUDA MPS's active thread percentage,
a MIG instance), `share_*` holds it as a part of 1, or `percent_*` in percent; empty or 100 % is no limit. Alone is
always alone on the whole GPU. Columns with other names are named by `--column FIELD=COLUMN`.

Source: our choice, after the tables of Gavel (stanford-futuredata/gavel), iGniter and Orion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import SpecError, suggest
from stratsim.imports.files import Line, Table, listed, number, read_table, whole
from stratsim.imports.found import Ask, Found, Solo
from stratsim.model.parts import batch_sizes
from stratsim.model.profile import Pair

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FIELDS", "read"]

_SIDES = ("a", "b")
_RATES = ("alone", "together")
FIELDS = tuple(
    f"{name}_{side}" for name in ("model", "batch", "slowdown", *_RATES, "share", "percent") for side in _SIDES
)
"""What a column may be."""
_NORMALISED = 0.9
"""Below this a slowdown is no noise: the column holds something else."""
_SAME_PAIR = 0.2
"""Two measurements of a model beside itself that differ by more, relatively, are not of the same."""
_PERCENT = 50.0
"""A table whose every slowdown is larger is in percent: nothing in it would hardly be slowed."""
_SAME = 1e-6
"""Figures of one thing that differ by less, relatively, are the same."""


class _Side(NamedTuple):
    model: str
    batch: int
    share: float | None
    slowdown: float
    solo_s: float | None


def read(path: Path, ask: Ask) -> Found:
    """Return directed slowdowns, and solo times where the table has rates.

    Raises:
        SpecError: a column is missing, a figure cannot be one, or a pair is there twice with different figures.
    """
    table = read_table(path)
    columns = _columns(path, table, ask)
    if not table.lines:
        raise SpecError(f"{path}: has a header and no row")
    by_rate = "slowdown_a" not in columns
    pairs: dict[tuple[object, ...], tuple[Pair, int]] = {}
    solo: dict[tuple[str, int], tuple[float, int]] = {}
    for line in table.lines:
        a, b = (_side(path, line, columns, side, by_rate=by_rate) for side in _SIDES)
        if a[:3] == b[:3]:
            a = b = _one_of_both(path, line, a, b)
        for own, other in ((a, b), (b, a)):
            loads = (own.model, own.batch, other.model, other.batch)
            pair = Pair(*loads, own.slowdown, target_share=own.share, other_share=other.share)
            key = (*own[:3], *other[:3])
            known, at = pairs.setdefault(key, (pair, line.number))
            _same(path, f"the slowdown of {own.model!r} beside {other.model!r}", known.slowdown, own.slowdown, at, line)
            if own.solo_s is not None:
                alone_s, at = solo.setdefault((own.model, own.batch), (own.solo_s, line.number))
                _same(path, f"the time of {own.model!r} alone", alone_s, own.solo_s, at, line)
    least = min(pair.slowdown for pair, _ in pairs.values())
    if least > _PERCENT:
        raise SpecError(
            f"{path}: every slowdown is above {least:g}: are they in percent? A slowdown is a ratio, 1.2 for 120 %"
        )
    models: dict[str, dict[int, float]] = {}
    for (name, batch), (alone_s, _) in solo.items():
        models.setdefault(name, {})[batch] = alone_s
    what = "rate alone / rate together" if by_rate else "latency beside the other / latency alone"
    statistics = {"pairs": f"{what}, {len(table.lines)} rows"}
    statistics |= {f"observable.models.{name}.latency_s": "1 / rate alone" for name in models}
    return Found(
        tool="table of co-located pairs",
        models={name: Solo(dict(sorted(known.items()))) for name, known in models.items()},
        pairs=tuple(pair for pair, _ in pairs.values()),
        statistics=statistics,
        notes=() if by_rate else (f"{path.name}: slowdowns only: no time of a model alone",),
    )


def _columns(path: Path, table: Table, ask: Ask) -> dict[str, str]:
    """Return the column of each field that the table has."""
    columns = {}
    for name in FIELDS:
        column = ask.columns.get(name, name)
        if column in table.columns:
            columns[name] = column
        elif name in ask.columns:
            raise SpecError(f"{path}: no column {column!r} for {name}; {suggest(column, table.columns)}")
    for name in ask.columns:
        if name not in FIELDS:
            raise SpecError(f"--column: no field {name!r}; {suggest(name, FIELDS)}")
    need = ["model_a", "model_b"]
    if not {"slowdown_a", "slowdown_b"} <= set(columns):
        rates = [f"{name}_{side}" for name in _RATES for side in _SIDES]
        need += rates if any(name in columns for name in rates) else ["slowdown_a", "slowdown_b"]
    lacking = [name for name in need if name not in columns]
    if lacking:
        raise SpecError(
            f"{path}: no column {listed(lacking)}; it has {listed(table.columns)}: --column FIELD=COLUMN names them"
        )
    return columns


def _side(path: Path, line: Line, columns: dict[str, str], side: str, *, by_rate: bool) -> _Side:
    where = f"{path}, line {line.number}"

    def figure(name: str) -> float:
        column = columns[f"{name}_{side}"]
        value = number(line.cells[column], f"{where}, {column}")
        if value <= 0:
            raise SpecError(f"{where}, {column}: must be > 0, got {value:g}")
        return value

    model = line.cells[columns[f"model_{side}"]]
    if not model:
        raise SpecError(f"{where}, {columns[f'model_{side}']}: is empty")
    size = 1
    if f"batch_{side}" in columns:
        column = columns[f"batch_{side}"]
        size = whole(line.cells[column], f"{where}, {column}")
        batch_sizes(f"{where}, {column}", size)
    slowdown = figure("alone") / figure("together") if by_rate else figure("slowdown")
    if slowdown < _NORMALISED:
        hint = "are the rates exchanged?" if by_rate else "is the column a normalised rate (1 / slowdown)?"
        raise SpecError(f"{where}: {model!r} would be faster beside another ({slowdown:g} of its time alone): {hint}")
    share = _share(path, line, columns, side)
    return _Side(model, size, share, slowdown, 1 / figure("alone") if by_rate else None)


def _share(path: Path, line: Line, columns: dict[str, str], side: str) -> float | None:
    """Return the share of the GPU that a side was limited to; None for no limit."""
    said: dict[str, float] = {}
    for name, all_ in (("share", 1.0), ("percent", 100.0)):
        column = columns.get(f"{name}_{side}")
        if column is not None and line.cells[column]:
            value = number(line.cells[column], f"{path}, line {line.number}, {column}")
            if not 0 < value <= all_:
                raise SpecError(f"{path}, line {line.number}, {column}: must be within (0, {all_:g}], got {value:g}")
            said[column] = value / all_
    if not said:
        return None
    if max(said.values()) - min(said.values()) > _SAME:
        raise SpecError(f"{path}, line {line.number}: {listed(said)} are two shares of one side, and differ")
    share = next(iter(said.values()))
    return None if share == 1 else share


def _one_of_both(path: Path, line: Line, a: _Side, b: _Side) -> _Side:
    """Return a model beside itself: both columns are of one directed pair, measured twice, and may differ by noise."""
    if abs(a.slowdown - b.slowdown) > _SAME_PAIR * a.slowdown:
        raise SpecError(
            f"{path}, line {line.number}: {a.model!r} beside itself is slowed {a.slowdown:g} and {b.slowdown:g} times"
        )
    return a._replace(slowdown=(a.slowdown + b.slowdown) / 2)


def _same(path: Path, what: str, known: float, again: float, at: int, line: Line) -> None:
    if abs(known - again) > _SAME * abs(known):
        raise SpecError(f"{path}: {what} is {known:g} on line {at} and {again:g} on line {line.number}")
