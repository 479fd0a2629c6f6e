"""Proteus' traces (UMass-LIDS/Proteus, ASPLOS 2024): real DNN serving with deadlines, a file per model.

A file has no header; its rows are arrival (milliseconds from the start), the accuracy that is asked for (1: any) and
the deadline (milliseconds after the arrival). Its name is the model's; a folder of such files is one workload.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from stratsim.trace.column import Names, as_numbers
from stratsim.trace.flat import in_order
from stratsim.trace.registry import reader
from stratsim.trace.schema import Trace
from stratsim.trace.tables.base import Kind
from stratsim.trace.ticks import settle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.trace.source import Source

__all__ = ["read"]

_COLUMNS = {"1": "arrival", "2": "accuracy", "3": "deadline"}


def _is_one(source: Source) -> bool:
    """Whether a file, or every file of a folder, is three numbers a line without a header."""
    if source.members:
        return all(_is_one(member) for member in source.members)
    if source.container != "csv" or not source.table.headerless or len(source.table.names) != len(_COLUMNS):
        return False
    whole = [source.table.sample(name) for name in ("1", "3")]
    return all(isinstance(cell, str) and cell.isdecimal() for cells in whole for cell in cells)


@reader("Proteus traces: a file per model, alone or in a folder", check=_is_one,
        recognised="no header, three numbers a line, the first and third whole; the file's name is the model",
        unit="milliseconds from the start, deadlines milliseconds after the arrival",
        left_out="nothing; `accuracy` is kept for rules")  # fmt: skip
def read(source: Source) -> Trace:
    """Read one file, or a folder of them."""
    if source.columns:
        raise source.error("--column names columns of a table with a header, and proteus files have none")
    members = source.members or (source,)
    if not all(_is_one(member) for member in members):
        raise source.error("needs files without a header, three numbers a line: arrival_ms, accuracy, deadline_ms")
    parts = [_numbers(member) for member in members]
    counts = [len(part) for part in parts]
    whole = np.concatenate(parts)
    models = Names.encode(PurePath(member.file).name.partition(".")[0] for member in members)
    trace = Trace(
        arrival_s=whole[:, 0] / 1e3,
        model=Names(models.names, np.repeat(models.codes, counts)).take(slice(None)),
        slo_s=whole[:, 2] / 1e3,
        extra={"accuracy": whole[:, 1]},
        source=source.file,
        notes=(f"{len(members)} files, a model each; arrival in milliseconds, deadline milliseconds after it",),
        rows=np.concatenate([np.arange(1, count + 1) for count in counts]),
    )
    return settle(in_order(trace, quiet=True), source, tick_s=None, stream="proteus")


def _numbers(source: Source) -> NDArray[np.float64]:
    """Return the three columns of one file, shape (rows, 3)."""
    table = source.table
    columns = table.read(dict.fromkeys(_COLUMNS, Kind.NUMBER))
    for name, column in columns.items():
        numbers, _ = as_numbers(column)
        table.refuse(
            ~np.isfinite(numbers) | (numbers < 0), name, column, f"{_COLUMNS[name]} must be a number, 0 or more"
        )
    return np.stack([np.asarray(columns[name], dtype=np.float64) for name in _COLUMNS], axis=1)
