"""Triton Model Analyzer's `metrics-model-inference.csv`: one row per configuration, batch size and concurrency.

Alone on the GPU is a row with concurrency 1 and one instance (`1:GPU`). Its `Server Compute Infer time (ms)` is the
execution without queue, network and copies. Without that column only batch / throughput is known: a round trip, and so
an upper bound. Figures are rounded to 0.1.

Source: triton-inference-server/model_analyzer, docs/metrics.md and docs/config.md (`inference_output_fields`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.imports.files import Line, Table, field_of, listed, number, read_table, seconds_of, whole
from stratsim.imports.found import Ask, Found, Solo
from stratsim.model.parts import batch_sizes

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read"]

_COMPUTE = "Server Compute Infer time"
_OF_GPU = "GPU UUID"
_THROUGHPUT = "Throughput (infer/sec)"
_ROUNDED_MS = 0.1
_COARSE = 0.05


def read(path: Path, ask: Ask) -> Found:
    """Return the solo latency of every model and batch size that was measured alone.

    Raises:
        SpecError: it is another file, or no row was measured alone.
    """
    table = read_table(path, ("Model", "Batch"))
    if "Concurrency" not in table.columns:
        raise SpecError(f"{path}: no column 'Concurrency': a sweep by request rate says nothing of a model alone")
    if _OF_GPU in table.columns and _THROUGHPUT not in table.columns:
        raise SpecError(f"{path}: has memory, use and power of GPUs; metrics-model-inference.csv beside it has times")
    exact = seconds_of(path, table, _COMPUTE) if any(name.startswith(_COMPUTE) for name in table.columns) else None
    found: dict[str, dict[int, float]] = {}
    seen: dict[tuple[str, int], int] = {}
    left: dict[str, int] = {}
    for line in table.lines:
        reason = _not_alone(table, path, line)
        name = line.cells["Model"]
        if reason is not None or (ask.model is not None and name != ask.model):
            reason = reason or f"of another model than {ask.model}"
            left[reason] = left.get(reason, 0) + 1
            continue
        where = f"{path}, line {line.number}, Batch"
        batch = whole(line.cells["Batch"], where)
        batch_sizes(where, batch)
        if (name, batch) in seen:
            raise SpecError(
                f"{path}: lines {seen[name, batch]} and {line.number} are both of {name!r} alone at batch size "
                f"{batch}: leave one, or keep the two configurations under different names"
            )
        seen[name, batch] = line.number
        found.setdefault(name, {})[batch] = _latency_s(table, path, line, batch, exact)
    if not found:
        why = "; ".join(f"{count} rows {reason}" for reason, count in left.items()) or "it has no row"
        raise SpecError(f"{path}: no row was measured alone (concurrency 1, one instance on a GPU): {why}")
    return Found(
        tool="Triton Model Analyzer",
        models={name: Solo(dict(sorted(by_batch.items()))) for name, by_batch in found.items()},
        statistics={
            f"observable.models.{name}.latency_s": f"{exact[0]} at concurrency 1, one instance"
            if exact
            else f"batch / {_THROUGHPUT} at concurrency 1, one instance: a round trip, an upper bound"
            for name in found
        },
        notes=_notes(path, found, left, exact=exact is not None),
    )


def _not_alone(table: Table, path: Path, line: Line) -> str | None:
    """Return why a row is not of a model alone on a GPU; None if it is."""
    if "," in line.cells["Model"]:
        return "of several models at once"
    if number(line.cells["Concurrency"], f"{path}, line {line.number}, Concurrency") != 1:
        return "at a concurrency above 1"
    group = field_of(table, path, line, "Instance Group")
    if group.upper() != "1:GPU":
        return f"with instances {group}"
    return None


def _latency_s(table: Table, path: Path, line: Line, batch: int, exact: tuple[str, float] | None) -> float:
    where = f"{path}, line {line.number}"
    if exact:
        column, unit_s = exact
        value_s = number(line.cells[column], f"{where}, {column}") * unit_s
    else:
        rate = number(field_of(table, path, line, _THROUGHPUT), f"{where}, {_THROUGHPUT}")
        value_s = batch / rate if rate > 0 else 0.0
    if value_s <= 0:
        raise SpecError(f"{where}: an execution must take longer than 0")
    return value_s


def _notes(path: Path, found: dict[str, dict[int, float]], left: dict[str, int], *, exact: bool) -> tuple[str, ...]:
    notes = [f"{path.name}: {count} rows left out: {reason}" for reason, count in left.items()]
    if not exact:
        notes.append(
            f"{path.name}: no column '{_COMPUTE} (ms)' (ask for it in inference_output_fields): batch / throughput "
            "is a round trip with network and copies, an upper bound of an execution"
        )
        return tuple(notes)
    coarse = [
        f"{name} at {batch}"
        for name, by_batch in found.items()
        for batch, value in by_batch.items()
        if _COARSE * value < _ROUNDED_MS / 1e3
    ]
    if coarse:
        notes.append(f"{path.name}: rounded to {_ROUNDED_MS} ms: up to {_COARSE:.0%} or more of {listed(coarse)}")
    return tuple(notes)
