"""Copies of one model side by side on an A100: published slowdowns against the shipped profile on the simulated GPU."""

from __future__ import annotations

from statistics import mean, median
from typing import TYPE_CHECKING

from stratsim.device import LogNormal
from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.codec import load_profile
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_workload
from stratsim.validate.case import Check, Claim, Findings, Setting, Table
from stratsim.validate.parvagpu import APART, Point, leave_out, points, read_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import Profile

__all__ = ["CHECKS", "PROFILE", "errors", "simulated"]

PROFILE = "a100-80gb-parvagpu"
FOLDER = "parvagpu"
POINTS = 326
MEDIAN, MEAN = 0.05, 0.12
"""The errors that we aim at, in the median and in the mean."""
PLAIN_MEDIAN, PLAIN_MEAN = 0.061, 0.147
"""The errors of max(1, n u), where nothing is fitted: a fit must beat it on models that it has not seen."""
_APART_S = 60.0
_SOURCE = "MunQ-Lee/ParvaGPU_SC24 @ 5f3de1e, prof_data (MIT)"


def simulated(measured: Sequence[Point]) -> list[float]:
    """Return the slowdown of that many batches side by side on the simulated GPU."""
    profile = load_profile(PROFILE)
    found: dict[Point, float] = {}
    for batch in sorted({point.batch for point in measured}):
        found |= _side_by_side(profile, batch, [point for point in measured if point.batch == batch])
    return [found[point] for point in measured]


def _side_by_side(profile: Profile, batch: int, measured: Sequence[Point]) -> dict[Point, float]:
    """Simulate points of one batch size, one after the other, each on an idle GPU."""
    arrivals = [(turn * _APART_S, point.model) for turn, point in enumerate(measured) for _ in range(_requests(point))]
    cluster = Cluster(device_model="streams", max_concurrency=5, prefetch=0, transfers=False)
    result = simulate(
        make_workload(arrivals, profile=profile),
        profile,
        Fifo(max_batch=batch, drop="never"),
        cluster=cluster,
        max_batch=batch,
        noise=LogNormal(0.0),
    )
    batches = result.batches
    slowdown = (batches.execution_end_s - batches.execution_start_s) / batches.solo_s
    turn = (batches.execution_start_s // _APART_S).astype(int)
    return {point: float(slowdown[turn == number].mean()) for number, point in enumerate(measured)}


def _requests(point: Point) -> int:
    return point.batch * point.processes


def errors(measured: Sequence[Point], predicted: Sequence[float]) -> list[float]:
    """Return |predicted / measured - 1| of every slowdown."""
    return [abs(value / point.slowdown - 1) for point, value in zip(measured, predicted, strict=True)]


def _measure(setting: Setting) -> Findings:
    measured = points(read_tables(setting.path(FOLDER)))
    ours = simulated(measured)
    unseen = leave_out(measured, lambda point: point.model)
    found, left = errors(measured, ours), errors(measured, unseen)
    values = [len(measured), *_middle(found), *_middle(_others(measured, found)), *_middle(left)]
    unlike = _middle(_others(measured, left))
    worst_error, worst = max(zip(found, measured, strict=True))
    remarks = [
        "",
        "three parameters for all points",
        f"worst {worst_error:.1%}: {worst.processes} x {worst.model}, batch {worst.batch}",
        "",
        "",
        *(f"must beat max(1, n u), where nothing is fitted; {value:.1%} without {APART}" for value in unlike),
    ]
    return Findings(values, remarks, [_points_table(measured, ours, unseen), _models_table(measured, found, left)])


def _middle(values: Sequence[float]) -> tuple[float, float]:
    return median(values), mean(values)


def _others(measured: Sequence[Point], values: Sequence[float]) -> list[float]:
    return [value for point, value in zip(measured, values, strict=True) if point.model != APART]


def _points_table(measured: Sequence[Point], ours: Sequence[float], unseen: Sequence[float]) -> Table:
    rows = [
        (point.model, point.batch, point.processes, point.slowdown, value, other)
        for point, value, other in zip(measured, ours, unseen, strict=True)
    ]
    columns = ("model", "batch", "processes", "measured", "simulated", "simulated_unseen")
    return Table("parvagpu-slowdowns", "Slowdown of 2 to 5 copies of a model on an A100", columns, rows)


def _models_table(measured: Sequence[Point], found: Sequence[float], left: Sequence[float]) -> Table:
    rows = []
    for model in dict.fromkeys(point.model for point in measured):
        own = [(a, b) for point, a, b in zip(measured, found, left, strict=True) if point.model == model]
        fitted, unseen = ([pair[which] for pair in own] for which in (0, 1))
        rows.append((model, len(own), *_middle(fitted), max(fitted), *_middle(unseen), max(unseen)))
    columns = ("model", "points", "median", "mean", "worst", "unseen_median", "unseen_mean", "unseen_worst")
    return Table(
        "parvagpu-models", "Error of the slowdown by model: as shipped, and with the model left out", columns, rows
    )


def _claim(name: str, expected: float, tolerance: float) -> Claim:
    return Claim(name, expected, tolerance, _SOURCE)


CHECKS = (
    Check(
        (
            _claim("number of whole-GPU slowdowns", POINTS, 0),
            _claim("error of the slowdown, median", 0.0, MEDIAN),
            _claim("error of the slowdown, mean", 0.0, MEAN),
            _claim(f"error of the slowdown without {APART}, median", 0.0, MEDIAN),
            _claim(f"error of the slowdown without {APART}, mean", 0.0, MEAN),
            _claim("error of the slowdown of a model left out of the fit, median", 0.0, PLAIN_MEDIAN),
            _claim("error of the slowdown of a model left out of the fit, mean", 0.0, PLAIN_MEAN),
        ),
        _measure,
        needs=(f"{FOLDER}/{APART}.csv",),
    ),
)
"""The 326 slowdowns of two to five processes on the whole GPU."""
