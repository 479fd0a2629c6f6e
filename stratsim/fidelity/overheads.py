"""What the host adds to the device's own times, measured from a live run and written into a copy of the profile."""

from __future__ import annotations

from bisect import insort
from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.model.parts import Provenance
from stratsim.model.truth import Host

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

    - `dispatch_s`: copy_in_start_s - dispatch_s, of batches before which all others had copied in: neither the host
      nor a copy engine was busy.
    - `launch_s`: execution_start_s - copy_in_end_s, of batches that found a free slot.
    - `notice_s`: execution_start_s - the execution_end_s that freed the slot - `launch_s`, of batches that waited for
      one. Slots go to batches in the order of copy_in_end_s.
    """
    dispatch = _dispatches(result)
    free, waited = _starts(result)
    launch = _overhead("launch_s", free, "execution_start_s - copy_in_end_s, of batches that found a free slot")
    launched_s = launch.value_s or 0.0
    return [
        _overhead("dispatch_s", dispatch, "copy_in_start_s - dispatch_s, of batches before which all had copied in"),
        launch,
        _overhead(
            "notice_s",
            [time_s - launched_s for time_s in waited],
            "execution_start_s - execution_end_s of the batch that freed the slot - launch_s, of batches that waited",
        ),
    ]


def _dispatches(result: Result) -> list[float]:
    batches = result.batches
    times, busy_until_s = [], -np.inf
    for row in np.argsort(batches.dispatch_s, kind="stable").tolist():
        at_s, start_s, end_s = (
            float(column[row]) for column in (batches.dispatch_s, batches.copy_in_start_s, batches.copy_in_end_s)
        )
        if np.isnan(end_s):
            continue
        if busy_until_s <= at_s:
            times.append(start_s - at_s)
        busy_until_s = max(busy_until_s, end_s)
    return times


def _starts(result: Result) -> tuple[list[float], list[float]]:
    """Return execution start less input there where a slot was free, and less the end that freed one elsewhere."""
    batches, slots = result.batches, result.max_concurrency or 1
    free: list[float] = []
    waited: list[float] = []
    for gpu in range(result.gpus):
        rows = np.flatnonzero((batches.gpu == gpu) & ~np.isnan(batches.execution_end_s))
        ends_s: list[float] = []
        """When those ahead in the line end, ascending, as far as that is after the latest input."""
        for row in rows[np.argsort(batches.copy_in_end_s[rows], kind="stable")].tolist():
            there_s, start_s = float(batches.copy_in_end_s[row]), float(batches.execution_start_s[row])
            ends_s = [end_s for end_s in ends_s if end_s > there_s]
            if len(ends_s) < slots:
                free.append(start_s - there_s)
            else:
                waited.append(start_s - ends_s[len(ends_s) - slots])
            insort(ends_s, float(batches.execution_end_s[row]))
    return free, waited


def _overhead(name: str, times_s: Sequence[float], source: str) -> Overhead:
    n = len(times_s)
    if n < _LEAST:
        return Overhead(name, None, None, None, n, source)
    ordered = np.sort(times_s)
    reach = 0.98 * sqrt(n)  # half of 1.96 standard deviations of a binomial count with p = 1/2
    low, high = max(int(n / 2 - reach), 0), min(int(np.ceil(n / 2 + reach)), n - 1)
    return Overhead(name, float(np.median(ordered)), float(ordered[low]), float(ordered[high]), n, source)


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
    """Return whether the profile's overheads were measured in this very run."""
    return any(f"sha256 {run.digest}" in entry.source for entry in profile.provenance.values())


def _described(overhead: Overhead) -> str:
    if overhead.value_s is None:
        return f"{overhead.name}: not measured ({overhead.n} batches), 0"
    figures: list[Any] = [f"{1e6 * (value or 0.0):.1f}" for value in overhead[1:4]]
    cut = ", taken as 0" if overhead.value_s < 0 else ""
    return f"{overhead.name}: median {figures[0]} us [{figures[1]}, {figures[2]}], {overhead.n} batches{cut}"
