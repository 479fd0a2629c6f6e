"""Who pays: progress, starvation and given-up work of a class, and how far apart the two classes are.

docs/reference/metrics.md defines each figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine.rows import pieces
from stratsim.model.request import Priority, Status
from stratsim.model.tolerance import latest_finish_s
from stratsim.stats.deadlines import violation_gap, violation_ratio
from stratsim.stats.fairness import SlowdownFigures, jain_index, normalised_progress, slowdown_figures
from stratsim.stats.starvation import Waits, longest_starvation_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stratsim.engine.result import Result
    from stratsim.model.parts import Link
    from stratsim.model.profile import SchedulerProfile

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["class_equity", "run_equity"]


def class_equity(
    result: Result, priority: Priority, counted: Mask, span: tuple[float, float], profile: SchedulerProfile | None
) -> dict[str, Any]:
    """Return how the requests of one class fared, compared with being alone.

    Args:
        result: The run.
        priority: The class.
        counted: Which requests are measured, shape (n,).
        span: What is measured, seconds.
        profile: Solo times; None where they are not known.
    """
    chosen = counted & (result.requests.priority == priority)
    return {
        "dropped_voluntary": None if profile is None else _voluntary(result, chosen, profile),
        "slowdown": _request_slowdown(result, chosen, profile),
        "execution_slowdown": _execution_slowdown(result, priority, span),
        "starvation_s": _starvation(result, priority, span),
    }


def run_equity(classes: dict[str, dict[str, Any]]) -> dict[str, float | None]:
    """Return how far apart the classes are, from their figures by name."""
    high, low = (classes[priority.label]["violation"] for priority in (Priority.HIGH, Priority.LOW))
    if high is None or low is None:
        return {"violation_gap": None, "violation_ratio": None, "jain_classes": None}
    return {
        "violation_gap": violation_gap(high, low),
        "violation_ratio": violation_ratio(high, low),
        "jain_classes": jain_index([1.0 - high, 1.0 - low]),
    }


def _alone_s(result: Result, rows: NDArray[np.intp], profile: SchedulerProfile) -> Floats:
    """Return what some requests would take alone on the machine, by the profile's means, copies included."""
    requests = result.requests
    execution_s = np.array([profile.latency_s(model) if model in profile.models else np.nan for model in result.models])
    copies_s = _copy_s(profile.h2d, requests.bytes_in[rows]) + _copy_s(profile.d2h, requests.bytes_out[rows])
    return execution_s[requests.model[rows]] + copies_s


def _copy_s(link: Link, size_bytes: NDArray[np.integer[Any]]) -> Floats:
    return np.where(size_bytes > 0, link.alpha_s + size_bytes / link.bytes_per_s, 0.0)


def _voluntary(result: Result, chosen: Mask, profile: SchedulerProfile) -> int:
    """Return how many were dropped that could still have been in time, started alone at that moment."""
    requests = result.requests
    dropped = np.flatnonzero(chosen & (requests.status == Status.DROPPED))
    done_s = requests.dropped_s[dropped] + _alone_s(result, dropped, profile)
    return int((done_s <= latest_finish_s(requests.deadline_s[dropped])).sum())


def _request_slowdown(result: Result, chosen: Mask, profile: SchedulerProfile | None) -> SlowdownFigures:
    if profile is None:
        return slowdown_figures(np.empty(0))
    requests = result.requests
    answered = chosen & ~np.isnan(requests.finish_s)
    progress = np.empty(np.count_nonzero(answered))
    for rows, place in pieces(answered):
        latency_s = requests.finish_s[rows] - requests.arrival_s[rows]
        progress[place] = normalised_progress(_alone_s(result, rows, profile), latency_s)
    return slowdown_figures(progress)


def _execution_slowdown(result: Result, priority: Priority, span: tuple[float, float]) -> SlowdownFigures:
    batches = result.batches
    start_s = batches.execution_start_s
    ended = ~np.isnan(batches.execution_end_s)  # a live run may have been interrupted
    chosen = (batches.priority == priority) & (start_s >= span[0]) & (start_s <= span[1]) & ended
    progress = np.empty(np.count_nonzero(chosen))
    for rows, place in pieces(chosen):
        progress[place] = normalised_progress(batches.solo_s[rows], batches.execution_end_s[rows] - start_s[rows])
    return slowdown_figures(progress)


def _starvation(result: Result, priority: Priority, span: tuple[float, float]) -> dict[str, float]:
    """Return the longest time during which the class waited and none of it was started, or completed."""
    batches = result.batches
    return {
        name: longest_starvation_s(_waits(result, priority, times_s), span)
        for name, times_s in (("start", batches.dispatch_s), ("completion", batches.copy_out_end_s))
    }


def _waits(result: Result, priority: Priority, times_s: Floats) -> Iterator[Waits]:
    """Yield how long requests of a class waited for what happens to their batches at these times."""
    requests = result.requests
    for rows, _ in pieces(requests.priority == priority):
        batch = requests.batch[rows]
        served = batch >= 0
        until_s = np.full(len(rows), np.nan)
        until_s[served] = times_s[batch[served]]
        served = ~np.isnan(until_s)
        if not served.all():
            left_s = requests.dropped_s[rows[~served]]
            until_s[~served] = np.where(np.isnan(left_s), result.end_s, left_s)
        yield Waits(requests.arrival_s[rows], until_s, served)
