"""Which decision made a request late."""

from __future__ import annotations

from math import isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.explain.explanation import Cause, Explanation, Other
from stratsim.model.tolerance import latest_finish_s

if TYPE_CHECKING:
    from stratsim.explain.parts import Run

__all__ = ["cause_kind", "find_cause", "other_batch"]


def find_cause(run: Run, about: Explanation) -> Cause | None:
    """Return the decision that made a request late."""
    if about.status == "met" or about.deadline_s is None:
        return None
    later = tuple(other for other in about.slowed_by if other.later)
    end_s = float(run.batches["dispatch_s"].max()) if len(run.batches) else about.arrival_s
    kind, at_s = cause_kind(
        about.arrival_s,
        about.deadline_s,
        about.dropped_s if about.dispatch_s is None else about.dispatch_s,
        about.finish_s,
        about.latest_s,
        about.expected_s,
        sum(other.interference_s or 0.0 for other in later),
        about.parts.get("preemption", 0.0),
    )
    at_s = end_s if isnan(at_s) else at_s
    if kind == "later dispatch":
        return Cause(kind, later[-1].dispatch_s if len(later) == 1 else min(o.dispatch_s for o in later), later)
    if kind == "preempted":
        first_s, others = _while_stopped(run, about)
        return Cause(kind, first_s, others)
    own = kind in {"belief", "unknown"} and about.dispatch_s is not None
    batches = about.slowed_by if own else _in_flight(run, about, at_s)
    return Cause(kind, at_s, batches, _meanwhile(run, about.arrival_s, at_s))


def cause_kind(
    arrival_s: float,
    deadline_s: float,
    decided_s: float | None,
    finish_s: float | None,
    latest_s: float | None,
    expected_s: float | None,
    later_s: float,
    stopped_s: float,
) -> tuple[str, float]:
    """Return which kind of decision made a request late (`Cause`), and when it was taken.

    Args:
        arrival_s: Its arrival.
        deadline_s: Its deadline, missed.
        decided_s: When it was dispatched or dropped; None for never.
        finish_s: When it was answered; None for never.
        latest_s: The last moment at which it could have been in time alone; None if that is not known.
        expected_s: The finish that the policy estimated at dispatch; None if it gave no estimate.
        later_s: By how much batches that were dispatched after it slowed it.
        stopped_s: What preemption cost it.
    """
    if decided_s is None:
        return "waited", nan if latest_s is None else max(latest_s, arrival_s)
    if latest_s is not None and latest_s < decided_s:
        return "waited", max(latest_s, arrival_s)
    if finish_s is None:
        return "unknown" if latest_s is None else "given up", decided_s
    due_s = latest_finish_s(deadline_s)
    if expected_s is not None and expected_s > due_s:
        return "known", decided_s
    if later_s > 0 and finish_s - later_s <= due_s:
        return "later dispatch", decided_s
    if stopped_s > 0 and finish_s - later_s - stopped_s <= due_s:
        return "preempted", decided_s
    return "unknown" if expected_s is None else "belief", decided_s


def _in_flight(run: Run, about: Explanation, at_s: float) -> tuple[Other, ...]:
    """Return the batches that were on the GPUs at a moment, the one that was there longest last.

    Those of the GPU that served the request, if one did; else of all.
    """
    batches = run.batches
    there = (batches["dispatch_s"] <= at_s) & (batches["execution_end_s"] > at_s)
    if about.gpu is not None:
        there &= batches["gpu"] == about.gpu
    if about.batch is not None:
        there &= batches.index != about.batch
    found = [other_batch(run, int(batch), about.arrival_s) for batch in batches.index[there]]
    return tuple(sorted(found, key=lambda other: -other.execution_end_s))


def _while_stopped(run: Run, about: Explanation) -> tuple[float, tuple[Other, ...]]:
    """Return when a request's batch was stopped first, and what executed on its GPU while it was, in that order."""
    spans = run.pauses[run.pauses["batch_id"] == about.batch]
    batches = run.batches[run.batches["gpu"] == about.gpu]
    there = np.zeros(len(batches), dtype=bool)
    for off_s, on_s in zip(spans["off_s"], spans["on_s"], strict=True):
        there |= ((batches["execution_start_s"] < on_s) & (batches["execution_end_s"] > off_s)).to_numpy()
    found = [
        other_batch(run, int(batch), about.dispatch_s or 0.0) for batch in batches.index[there] if batch != about.batch
    ]
    first_s = float(spans["off_s"].min()) if len(spans) else about.dispatch_s or 0.0
    return first_s, tuple(sorted(found, key=lambda other: other.execution_start_s))


def _meanwhile(run: Run, from_s: float, to_s: float) -> dict[str, int]:
    batches = run.batches
    rows = batches[(batches["dispatch_s"] > from_s) & (batches["dispatch_s"] < to_s)]
    return {name: int((rows["priority"] == name).sum()) for name in ("high", "low")}


def other_batch(run: Run, batch: int, since_s: float, share_s: float | None = None) -> Other:
    """Return a batch of a run.

    Args:
        run: The run.
        batch: Its id.
        since_s: Batches dispatched after that count as later.
        share_s: How much it slowed the request in question.
    """
    row: Any = run.batches.loc[batch]
    return Other(
        batch=int(batch),
        model=str(row["model"]),
        size=int(row["batch_size"]),
        priority=str(row["priority"]),
        dispatch_s=float(row["dispatch_s"]),
        execution_start_s=float(row["execution_start_s"]),
        execution_end_s=float(row["execution_end_s"]),
        later=bool(row["dispatch_s"] > since_s),
        interference_s=share_s,
    )
