"""Who pays: progress, starvation and given-up work of a class, and how far apart the two classes are.

docs/metrics.md defines each figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.model.request import Priority, Status
from stratsim.model.tolerance import latest_finish_s
from stratsim.stats.deadlines import violation_gap, violation_ratio
from stratsim.stats.fairness import jain_index, max_slowdown, mean_slowdown, normalised_progress
from stratsim.stats.starvation import longest_starvation_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.engine.result import Result
    from stratsim.model.parts import Link
    from stratsim.model.profile import SchedulerProfile

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["class_equity", "run_equity", "solo_latency_s"]


def class_equity(
    result: Result, priority: Priority, counted: Mask, span: tuple[float, float], solo_s: Floats | None
) -> dict[str, Any]:
    """Return how the requests of one class fared beside being alone.

    Args:
        result: The run.
        priority: The class.
        counted: Which requests are measured, shape (n,).
        span: What is measured, seconds.
        solo_s: What each request would take alone (`solo_latency_s`); None where it is not known.
    """
    chosen = counted & (result.requests.priority == priority)
    return {
        "dropped_voluntary": None if solo_s is None else _voluntary(result, chosen, solo_s),
        "slowdown": _request_slowdown(result, chosen, solo_s),
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


def solo_latency_s(result: Result, profile: SchedulerProfile) -> Floats:
    """Return what each request would take alone on the machine, by the profile's means, shape (n,): copies included."""
    requests = result.requests
    execution_s = np.array([profile.latency_s(model) if model in profile.models else np.nan for model in result.models])
    copies_s = _copy_s(profile.h2d, requests.bytes_in) + _copy_s(profile.d2h, requests.bytes_out)
    return execution_s[requests.model] + copies_s


def _copy_s(link: Link, size_bytes: NDArray[np.int64]) -> Floats:
    return np.where(size_bytes > 0, link.alpha_s + size_bytes / link.bytes_per_s, 0.0)


def _voluntary(result: Result, chosen: Mask, solo_s: Floats) -> int:
    """Return how many were dropped that could still have been in time, started alone at that moment."""
    requests = result.requests
    rows = np.flatnonzero(chosen & (requests.status == Status.DROPPED))
    return int((requests.dropped_s[rows] + solo_s[rows] <= latest_finish_s(requests.deadline_s[rows])).sum())


def _request_slowdown(result: Result, chosen: Mask, solo_s: Floats | None) -> dict[str, float | None]:
    requests = result.requests
    rows = np.flatnonzero(chosen & ~np.isnan(requests.finish_s))
    if solo_s is None:
        return _slowdown(np.empty(0), np.empty(0))
    return _slowdown(solo_s[rows], requests.finish_s[rows] - requests.arrival_s[rows])


def _execution_slowdown(result: Result, priority: Priority, span: tuple[float, float]) -> dict[str, float | None]:
    batches = result.batches
    start_s = batches.execution_start_s
    ended = ~np.isnan(batches.execution_end_s)  # a live run may have been interrupted
    rows = np.flatnonzero((batches.priority == priority) & (start_s >= span[0]) & (start_s <= span[1]) & ended)
    return _slowdown(batches.solo_s[rows], batches.execution_end_s[rows] - start_s[rows])


def _slowdown(solo_s: Floats, shared_s: Floats) -> dict[str, float | None]:
    if not len(solo_s):
        return {"mean": None, "max": None, "progress": None}
    progress = float(normalised_progress(solo_s, shared_s).mean())
    return {"mean": mean_slowdown(solo_s, shared_s), "max": max_slowdown(solo_s, shared_s), "progress": progress}


def _starvation(result: Result, priority: Priority, span: tuple[float, float]) -> dict[str, float]:
    """Return the longest time during which the class waited and none of it was started, or completed."""
    requests = result.requests
    rows = np.flatnonzero(requests.priority == priority)
    started_s = np.full(len(requests), np.nan)
    dispatched = requests.batch >= 0
    started_s[dispatched] = result.batches.dispatch_s[requests.batch[dispatched]]
    left_s = np.where(np.isnan(requests.dropped_s), result.end_s, requests.dropped_s)[rows]
    found = {}
    for name, served in (("start", started_s), ("completion", requests.finish_s)):
        served_s = served[rows]
        until_s = np.where(np.isnan(served_s), left_s, served_s)
        found[name] = longest_starvation_s(requests.arrival_s[rows], until_s, served_s, span)
    return found
