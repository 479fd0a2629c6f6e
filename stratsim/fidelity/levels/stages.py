"""Level 1: durations of the stages, a live run against what the simulator makes of the very same batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.engine import Result

    Floats = NDArray[np.float64]

__all__ = ["STAGES", "all_durations", "compare_stages", "durations", "errors", "relative_errors"]

_BEFORE_COPY = ("dispatch_s", "copy_in_start_s")
_BEFORE_EXECUTION = ("copy_in_end_s", "execution_start_s")

STAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "copy_in": (("copy_in_start_s", "copy_in_end_s"),),
    "wait": (_BEFORE_COPY, _BEFORE_EXECUTION),
    "execution": (("execution_start_s", "execution_end_s"),),
    "copy_out": (("copy_out_start_s", "copy_out_end_s"),),
    "residence": (("dispatch_s", "copy_out_end_s"),),
    "dispatch": (_BEFORE_COPY,),
    "slot_wait": (_BEFORE_EXECUTION,),
    "copy_out_wait": (("execution_end_s", "copy_out_start_s"),),
}
"""Start and end of each stage; the residence is all of them together.

The wait for a slot comes after the copy on a device with copy engines, and before it where the slot's own worker
copies: `wait` is both, and the same on either.
"""


def durations(result: Result, stage: str) -> Floats:
    """Return how long each batch spent in a stage, shape (m,), seconds; NaN where it did not get through."""
    batches = result.batches
    parts = [getattr(batches, end) - getattr(batches, start) for start, end in STAGES[stage]]
    whole: Floats = np.sum(parts, axis=0)
    return whole


def all_durations(result: Result) -> dict[str, Floats]:
    """Return `durations` of every stage."""
    return {stage: durations(result, stage) for stage in STAGES}


def relative_errors(live: Floats, simulated: Floats) -> Floats:
    """Return simulated / live - 1; where the live figure is 0, 0 if the simulated one is too, else 1: wrong by all."""
    nothing = live == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        error = simulated / live - 1
    return np.where(nothing, np.where(simulated == 0, 0.0, 1.0), error)


def errors(live: Floats, simulated: Floats) -> dict[str, Any]:
    """Return how far simulated durations are from live ones.

    Args:
        live: Durations, shape (m,), seconds, without NaN.
        simulated: Of the same batches.

    Returns:
        `n`; `live_s` and `simulated_s`, medians; `error`, the median of |simulated / live - 1|, and `error_p90`;
        `median`, the median of simulated / live - 1; `bias`, the sum of the simulated over that of the live less 1.
        None without any batch.
    """
    if not len(live):
        names = ("live_s", "simulated_s", "error", "error_p90", "median", "bias")
        return {"n": 0, **dict.fromkeys(names)}
    relative = relative_errors(live, simulated)
    total = float(live.sum())
    return {
        "n": len(live),
        "live_s": float(np.median(live)),
        "simulated_s": float(np.median(simulated)),
        "error": float(np.median(np.abs(relative))),
        "error_p90": float(np.quantile(np.abs(relative), 0.9)),
        "median": float(np.median(relative)),
        "bias": float(simulated.sum()) / total - 1 if total else None,
    }


def compare_stages(pairs: Sequence[tuple[Mapping[str, Floats], Mapping[str, Floats]]]) -> dict[str, dict[str, Any]]:
    """Return `errors` of every stage over all batches of all repeats, and what they are of the live residence.

    `share`: the stage's duration over the residence, of sums over batches; `off`: the sum of |simulated - live| over
    that of the residence: what being wrong there amounts to.

    Args:
        pairs: Durations by stage, live and simulated, one pair per repeat.
    """
    found = {}
    residence = float(_joined(pairs, "residence")[0].sum())
    for stage in STAGES:
        live, simulated = _joined(pairs, stage)
        parts = {"share": float(live.sum()), "off": float(np.abs(simulated - live).sum())}
        found[stage] = errors(live, simulated) | {
            name: part / residence if residence else None for name, part in parts.items()
        }
    return found


def _joined(pairs: Sequence[tuple[Mapping[str, Floats], Mapping[str, Floats]]], stage: str) -> tuple[Floats, Floats]:
    """Return the durations of the batches that got through all stages live, where the simulator has one."""
    columns: tuple[list[Floats], list[Floats]] = ([], [])
    for live_s, simulated_s in pairs:
        whole = ~np.isnan(live_s["residence"]) & ~np.isnan(simulated_s[stage])
        for column, durations_s in zip(columns, (live_s, simulated_s), strict=True):
            column.append(durations_s[stage][whole])
    live, simulated = (np.concatenate(column) if column else np.empty(0) for column in columns)
    return live, simulated
