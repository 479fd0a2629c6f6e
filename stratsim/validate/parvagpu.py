"""ParvaGPU's published measurements, and the law that gives each batch its demand on the A100.

Source: MunQ-Lee/ParvaGPU_SC24 @ 5f3de1e, folder prof_data (MIT): throughput per process of 1 to 5 processes that run
copies of one model on an A100 80GB; eleven models, batch sizes 1 to 256. The tables are not part of stratsim.

The law. The GPU's time for a batch of b is affine in b, so its share of the batch's solo latency is

    s(b) = min(1, c * u(b) * (1 + k / b)),        u(b) = throughput(b) / max over b of throughput, one process alone

c: how busy the GPU is at the best batch size of one process; the rest are gaps between kernels, which other processes
fill. k: the fixed GPU time of a batch, in requests. n copies are then slowed down by max(1, n * s), as the execution
model `streams` has it. Parameters: c and k for all models, and a c of its own for bert, whose measurements refute the
others' (at batch 256 five processes reach 2.6 times the throughput of one). Three numbers for 326 slowdowns.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["APART", "Law", "Point", "Throughput", "fit", "leave_out", "points", "read_tables", "utilisation"]

APART = "bert"
"""The model with a `c` of its own."""

WHOLE_GPU = "7"
COLUMNS = ("Mig instance", "Batch size", "Workload Number", "Throughput")
_BUSY = np.arange(0.3, 1.1001, 0.005)
_FIXED = np.arange(0.0, 3.0001, 0.05)

Throughput = dict[tuple[int, int], float]
"""Requests per second of each process, by batch size and number of processes."""


class Point(NamedTuple):
    """One measured slowdown: `processes` copies of a model on the whole GPU."""

    model: str
    batch: int
    processes: int
    slowdown: float
    """Throughput of one process alone over that of each of these."""
    utilisation: float
    """u(b): the solo throughput over the model's best."""


class Law(NamedTuple):
    """The parameters: c, k, and c of `APART`."""

    busy: float
    fixed: float
    busy_apart: float

    def demand(self, model: str, batch: int, utilisation: float) -> float:
        """Return s, within (0, 1]."""
        busy = self.busy_apart if model == APART else self.busy
        return min(1.0, busy * utilisation * (1 + self.fixed / batch))

    def slowdown(self, point: Point) -> float:
        """Return what `streams` makes of it for that many copies of one batch."""
        return max(1.0, point.processes * self.demand(point.model, point.batch, point.utilisation))


def read_tables(folder: str | Path) -> dict[str, Throughput]:
    """Return the throughputs on the whole GPU (MIG 7) by model; rows of 0, out of memory, are left out.

    Args:
        folder: Holds one CSV file per model, under the names that the source gave them.

    Raises:
        SpecError: there is no such file, or one cannot be read as a table of throughputs.
    """
    files = sorted(path for path in Path(folder).glob("*.csv") if not path.name.startswith("SLO_"))
    if not files:
        raise SpecError(f"{folder}: holds no table of ParvaGPU's measurements (MODEL.csv)")
    return {path.stem: _read(path) for path in files}


def _read(path: Path) -> Throughput:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise SpecError(f"{path}: has no column {missing[0]!r}")
        try:
            rows = [tuple(float(row[name]) for name in COLUMNS[1:]) for row in reader if row[COLUMNS[0]] == WHOLE_GPU]
        except (TypeError, ValueError) as error:
            raise SpecError(f"{path}: row {reader.line_num} is not a row of numbers: {error}") from None
    found = {(int(batch), int(processes)): rate for batch, processes, rate in rows if rate > 0}
    if not found:
        raise SpecError(f"{path}: has no row of the whole GPU (MIG instance {WHOLE_GPU})")
    return found


def utilisation(table: Throughput) -> dict[int, float]:
    """Return u by batch size: the throughput of one process over its best."""
    alone = {batch: rate for (batch, processes), rate in table.items() if processes == 1}
    best = max(alone.values())
    return {batch: rate / best for batch, rate in sorted(alone.items())}


def points(tables: dict[str, Throughput]) -> list[Point]:
    """Return every slowdown of two and more processes, in the order of model, batch size and processes."""
    return [
        Point(model, batch, processes, table[batch, 1] / rate, utilisation(table)[batch])
        for model, table in sorted(tables.items())
        for (batch, processes), rate in sorted(table.items())
        if processes > 1
    ]


def fit(measured: Sequence[Point]) -> Law:
    """Return the law with the smallest mean absolute error of the logarithm of the slowdown.

    c and k are fitted to all models but `APART`, then its own c with that k; `APART` has the others' c where `measured`
    does not contain it. The search is over a grid (c by .005, k by .05), so that the result is the same everywhere.
    Absolute errors, because a few points are far out: two copies of densenet169 at batch 128 are published as each
    faster than one alone.
    """
    others = [point for point in measured if point.model != APART]
    busy, fixed = _search(others, _FIXED)
    own = [point for point in measured if point.model == APART]
    busy_apart = _search(own, np.array([fixed]))[0] if own else busy
    return Law(busy, fixed, busy_apart)


def _search(measured: Sequence[Point], fixed: NDArray[np.float64]) -> tuple[float, float]:
    batch, processes, log_slowdown, share = np.array(
        [(point.batch, point.processes, np.log(point.slowdown), point.utilisation) for point in measured]
    ).T
    best = (np.inf, 0.0, 0.0)
    for k in fixed.tolist():
        demand = np.minimum(1.0, np.outer(_BUSY, share * (1 + k / batch)))
        loss = np.abs(np.log(np.maximum(1.0, processes * demand)) - log_slowdown).mean(axis=1)
        at = int(loss.argmin())
        best = min(best, (float(loss[at]), float(_BUSY[at]), k))
    return round(best[1], 3), round(best[2], 3)


def leave_out(measured: Sequence[Point], group: Callable[[Point], object]) -> list[float]:
    """Return each point's slowdown as predicted by the law fitted without the points of its group.

    A model that is left out is predicted with the other models' c: what the law says of one never seen co-located.
    """
    laws = {key: fit([point for point in measured if group(point) != key]) for key in _unique(map(group, measured))}
    return [laws[group(point)].slowdown(point) for point in measured]


def _unique(keys: Iterable[object]) -> list[object]:
    return list(dict.fromkeys(keys))
