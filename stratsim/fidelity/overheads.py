"""What the host adds to the device's own times, measured from a live run and written into a copy of the profile."""

from __future__ import annotations

from bisect import insort
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.model.parts import Provenance
from stratsim.model.truth import Host
from stratsim.stats.intervals import median_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.engine import Result
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["Overhead", "calibrated", "calibrated_by", "measure_overheads"]

_LEAST = 20
"""Batches from which on a median counts as measured."""


class Overhead(NamedTuple):
    """One overhead of the host.

    `value_s` is the median, `low_s` and `high_s` its 95 % interval by order statistics; None: too few batches show it.
    """

    name: str
    value_s: float | None
    low_s: float | None
    high_s: float | None
    n: int
    source: str
    """From which columns, over which batches."""


def measure_overheads(result: Result) -> list[Overhead]:
    """Return the overheads of `truth.host`, each from named columns of the batch table.

    Slots go to batches in the order of dispatch. A batch found a slot if fewer batches than there are slots were ahead
    of it when it was dispatched, else it waited, for the execution_end_s that freed one.

    - `dispatch_s`: copy_in_start_s - dispatch_s, of batches that found a slot, when all others had copied in.
    - `launch_s`: execution_start_s - copy_in_end_s, of batches that found a slot.
    - `notice_s`: execution_start_s - the execution_end_s that freed the slot - `launch_s`, of batches that waited; less
      the copy of the inputs where that came only then.
    - `collect_s`: copy_out_start_s - execution_end_s, of batches whose execution ended when no outputs were copied.
    """
    dispatched, launched, waited = _times(result)
    launch = _overhead("launch_s", launched, "execution_start_s - copy_in_end_s, of batches that found a slot")
    launched_s = launch.value_s or 0.0
    return [
        _overhead(
            "dispatch_s", dispatched, "copy_in_start_s - dispatch_s, of batches that found a slot and nothing to copy"
        ),
        launch,
        _overhead(
            "notice_s",
            [time_s - launched_s for time_s in waited],
            "execution_start_s - execution_end_s of the batch that freed the slot - launch_s, of batches that waited",
        ),
        _overhead(
            "collect_s",
            _collected(result),
            "copy_out_start_s - execution_end_s, of batches that found no copy of outputs",
        ),
    ]


def _collected(result: Result) -> list[float]:
    """Return what `collect_s` is the median of."""
    batches = result.batches
    times: list[float] = []
    for gpu in range(result.gpus):
        rows = np.flatnonzero((batches.gpu == gpu) & ~np.isnan(batches.copy_out_end_s))
        rows = rows[np.argsort(batches.execution_end_s[rows], kind="stable")]
        end_s, start_s = batches.execution_end_s[rows], batches.copy_out_start_s[rows]
        copied_s = np.maximum.accumulate(batches.copy_out_end_s[rows])
        idle = np.append(True, copied_s[:-1] <= end_s[1:])[: len(rows)]
        times += (start_s - end_s)[idle].tolist()
    return times


def _times(result: Result) -> tuple[list[float], list[float], list[float]]:
    """Return what `dispatch_s`, `launch_s` and, with the latter, `notice_s` are the medians of."""
    batches, slots = result.batches, result.max_concurrency or 1
    dispatched: list[float] = []
    launched: list[float] = []
    waited: list[float] = []
    copied_s = -np.inf
    ends_s: dict[int, list[float]] = {gpu: [] for gpu in range(result.gpus)}
    """By GPU: when those ahead in the line end, ascending, as far as that is after the latest dispatch."""
    for row in np.argsort(batches.dispatch_s, kind="stable").tolist():
        at_s, copy_s, there_s, start_s, end_s = (float(getattr(batches, name)[row]) for name in _COLUMNS)
        if np.isnan(end_s):
            continue
        ahead = ends_s[int(batches.gpu[row])] = [other for other in ends_s[int(batches.gpu[row])] if other > at_s]
        if len(ahead) < slots:
            launched.append(start_s - there_s)
            if copied_s <= at_s:
                dispatched.append(copy_s - at_s)
        else:
            freed_s = ahead[len(ahead) - slots]
            if there_s <= freed_s or copy_s >= freed_s:  # else the copy, not the slot, was what it waited for
                waited.append(start_s - freed_s - (there_s - copy_s if copy_s >= freed_s else 0.0))
        copied_s = max(copied_s, there_s)
        insort(ahead, end_s)
    return dispatched, launched, waited


_COLUMNS = ("dispatch_s", "copy_in_start_s", "copy_in_end_s", "execution_start_s", "execution_end_s")


def _overhead(name: str, times_s: Sequence[float], source: str) -> Overhead:
    n = len(times_s)
    if n < _LEAST:
        return Overhead(name, None, None, None, n, source)
    found = median_interval(times_s)
    return Overhead(name, found.median, found.low, found.high, n, source)


def calibrated(profile: Profile, run: Recorded) -> tuple[Profile, list[Overhead]]:
    """Return a copy of the profile whose `truth.host` has the overheads of a live run, and these.

    One that is not measured, or whose median is below 0 (the device's own variation), stays 0; the provenance says so.

    Args:
        profile: The device.
        run: A live run that is not to be judged with it.

    Raises:
        SpecError: no overhead could be measured.
    """
    found = measure_overheads(run.result)
    if all(each.value_s is None for each in found):
        raise SpecError(f"{run.directory}: too few batches to measure any overhead of the host")
    host = Host(**{each.name: max(each.value_s or 0.0, 0.0) for each in found})
    source = f"live run {run.directory.name} of {run.policy!r}, batches sha256 {run.digest}"
    note = "; ".join(_described(each) for each in found)
    provenance = {key: entry for key, entry in profile.provenance.items() if key.split(".")[:2] != ["truth", "host"]}
    provenance["truth.host"] = Provenance("measured", source, note=note)
    return replace(profile, truth=replace(profile.truth, host=host), provenance=provenance), found


def calibrated_by(profile: Profile, run: Recorded) -> bool:
    """Return whether any figure of the profile, overhead or latency, was measured in this very run."""
    return any(f"sha256 {run.digest}" in entry.source for entry in profile.provenance.values())


def _described(overhead: Overhead) -> str:
    if overhead.value_s is None:
        return f"{overhead.name}: not measured ({overhead.n} batches), 0"
    figures: list[Any] = [f"{1e6 * (value or 0.0):.1f}" for value in overhead[1:4]]
    cut = ", taken as 0" if overhead.value_s < 0 else ""
    return f"{overhead.name}: median {figures[0]} us [{figures[1]}, {figures[2]}], {overhead.n} batches{cut}"
