"""Gavel's pairs of training jobs on a V100: processes that share it by time slices, each pair left out of the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.validate import gavel as source
from stratsim.validate.case import Check, Claim, Findings, Setting, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CHECKS"]

_FILE = f"gavel/{source.RESULTS}"
_FOLDS = 3
_MEAN = 0.10
"""Relative error that we aim at, over all slowdowns in the mean."""
_SOURCE = "stanford-futuredata/gavel @ c4fa400, oracle_throughputs.json (MIT): V100, jobs alone over together"


def _measure(setting: Setting) -> Findings:
    pairs = source.read_pairs(setting.path(_FILE))
    found = source.left_out(pairs, 2 if setting.quick else _FOLDS)
    constant = np.exp(np.log(pairs.slowdown).mean())
    errors = [_error(pairs.slowdown, predicted) for predicted in (found, np.full_like(found, 2.0), constant)]
    rows = [
        (pairs.jobs[one], pairs.jobs[other], *measured, *predicted)
        for one, other, measured, predicted in zip(
            pairs.one.tolist(), pairs.other.tolist(), pairs.slowdown.tolist(), found.tolist(), strict=True
        )
    ]
    columns = ("job", "other", "measured", "measured_other", "predicted", "predicted_other")
    table = Table("gavel-pairs", "Slowdown of Gavel's pairs on a V100, left out of the fit", columns, rows)
    remarks = [f"processor sharing {errors[1]:.1%}, a constant {errors[2]:.1%}"]
    return Findings([errors[0]], remarks, [table])


def _error(measured: NDArray[np.float64], predicted: NDArray[np.float64] | np.float64) -> float:
    return float(np.abs(predicted / measured - 1.0).mean())


CHECKS = (
    Check(
        (Claim("time-slicing, pairs left out of the fit: error of the slowdown, mean", 0.0, _MEAN, _SOURCE),),
        _measure,
        needs=(_FILE,),
    ),
)
"""One figure, over 328 pairs in both directions."""
