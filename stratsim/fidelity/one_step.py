"""One step ahead: each stage of each batch is predicted from the live times of everything before it.

A forced replay that is a microsecond late hands that on: at the edge of saturation its waits are a sum of all errors
before them. Here every prediction starts from what the run itself did, so its error is its own. (In the words of
recurrent networks, teacher forcing.)

    host passes the batch on   max(dispatch, live: the batch before has been passed on) + dispatch_s, and what the
                               policy thinks, at its median
    copy-in starts             max(passed on, live end of the copy before)
    execution starts           max(live end of copy-in, live end of the execution that freed the slot + notice_s)
                               + launch_s
    execution takes            solo time over the mean rate, beside the live executions of others
    copy-out starts            max(live end of the execution + collect_s, live end of the copy before)
    copies take                what they take alone
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.fidelity.progress import expected_executions
from stratsim.model.truth import Host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.engine import BatchTable, Result
    from stratsim.fidelity.record import Recorded
    from stratsim.model.parts import Link
    from stratsim.model.profile import Profile

    Floats = NDArray[np.float64]

__all__ = ["copies_alone", "freed_slots", "one_step_ahead"]


def one_step_ahead(run: Recorded, profile: Profile) -> dict[str, Floats]:
    """Return the predicted duration of each stage of each batch, seconds, shape (m,); NaN where it is not known.

    Args:
        run: A run with its batches.
        profile: The device.

    Returns:
        By the names of `stratsim.fidelity.levels.stages.STAGES`; `residence` is the sum of the predictions.
    """
    batches, host = run.result.batches, profile.truth.host or Host()
    copy_in_s, copy_out_s = copies_alone(run, profile)
    dispatch_s, slot_wait_s = _waits(run, host)
    found = {
        "copy_in": copy_in_s,
        "dispatch": dispatch_s,
        "slot_wait": slot_wait_s,
        "wait": dispatch_s + slot_wait_s,
        "execution": expected_executions(run, profile),
        "copy_out_wait": _outputs_wait(batches, host.collect_s),
        "copy_out": copy_out_s,
    }
    parts = ("wait", "copy_in", "execution", "copy_out_wait", "copy_out")
    residence_s: Floats = np.sum([found[name] for name in parts], axis=0)
    return {**found, "residence": residence_s}


def freed_slots(result: Result) -> Floats:
    """Return when the slot of each batch became free, seconds, shape (m,); -inf for those that are the first in theirs.

    Slots go to batches in the order of dispatch: with n slots it is the n-th last of the ends of all before it. Where
    that is before the dispatch, the batch found a free slot.
    """
    batches, slots = result.batches, result.max_concurrency or 1
    freed_s = np.full(len(batches), -np.inf)
    latest_s: dict[int, list[float]] = {}
    """By GPU: the latest ends of those before, ascending, as many as there are slots."""
    for row in np.argsort(batches.dispatch_s, kind="stable").tolist():
        end_s = float(batches.execution_end_s[row])
        if np.isnan(end_s):
            continue
        ends_s = latest_s.setdefault(int(batches.gpu[row]), [])
        if len(ends_s) == slots:
            freed_s[row] = ends_s[0]
        insort(ends_s, end_s)
        del ends_s[:-slots]
    return freed_s


def _waits(run: Recorded, host: Host) -> tuple[Floats, Floats]:
    """Return the predicted waits before the copy of the inputs, and before the execution."""
    batches = run.result.batches
    decide = host.decide_s.get(run.policy.partition("(")[0])
    passed_s = _passed_on(batches, host.dispatch_s, 0.0 if decide is None else decide.median_s)
    engine_s = _before(batches, batches.copy_in_start_s, batches.copy_in_end_s)
    slot_s = freed_slots(run.result) + host.notice_s
    if _worker_copies(run):  # it takes the batch when its slot is free, and copies first
        start_s = np.maximum(passed_s, slot_s)
        launched_s = batches.copy_in_end_s + host.launch_s
    else:
        start_s = np.maximum(passed_s, engine_s)
        launched_s = np.maximum(batches.copy_in_end_s, slot_s) + host.launch_s
    return start_s - batches.dispatch_s, launched_s - batches.copy_in_end_s


def _worker_copies(run: Recorded) -> bool:
    """Whether the worker that executes a batch also copies its inputs, in its slot, as on a CPU."""
    runs = run.manifest.get("live", {}).get("runs", ())
    return any(each.get("server", {}).get("kind") == "cpu" for each in runs)


def _passed_on(batches: BatchTable, dispatch_s: float, think_s: float) -> Floats:
    """Return when the host is done with each batch; it is one thread for all GPUs.

    What a policy starts at one instant it has thought of at once. Of the batch before it is known when its copy began:
    then it had been passed on. Where that copy waited for the copy engine, the host was done earlier: by its own
    prediction.
    """
    engine_s = _before(batches, batches.copy_in_start_s, batches.copy_in_end_s)
    passed_s = np.full(len(batches), np.nan)
    free_s = thought_s = -np.inf
    for row in np.argsort(batches.dispatch_s, kind="stable").tolist():
        at_s = float(batches.dispatch_s[row])
        takes_s = dispatch_s + (think_s if at_s != thought_s else 0.0)
        thought_s = at_s
        passed_s[row] = expected_s = max(at_s, free_s) + takes_s
        copied_s = float(batches.copy_in_start_s[row])
        if not np.isnan(copied_s):
            free_s = copied_s if copied_s > engine_s[row] else min(expected_s, copied_s)
    return passed_s


def _outputs_wait(batches: BatchTable, collect_s: float) -> Floats:
    """Return how long outputs wait for their copy."""
    end_s = batches.execution_end_s
    engine_s = _before(batches, batches.copy_out_start_s, batches.copy_out_end_s)
    wait_s: Floats = np.maximum(end_s + collect_s, engine_s) - end_s
    return wait_s


def _before(batches: BatchTable, start_s: Floats, end_s: Floats) -> Floats:
    """Return when the copy before each one in the same direction ended, on its GPU; -inf for the first."""
    before_s = np.full(len(batches), -np.inf)
    for gpu in np.unique(batches.gpu):
        rows = np.flatnonzero((batches.gpu == gpu) & ~np.isnan(start_s))
        rows = rows[np.lexsort((end_s[rows], start_s[rows]))]
        before_s[rows[1:]] = np.maximum.accumulate(end_s[rows])[:-1]
    return before_s


def copies_alone(run: Recorded, profile: Profile) -> tuple[Floats, Floats]:
    """Return how long the copies of inputs and outputs take alone."""
    links = run.spec.cluster().lone_links(profile.observable.pcie)
    requests, batches = run.result.requests, run.result.batches
    inside = requests.batch >= 0

    def copies(link: Sequence[Link], per_request: NDArray[Any]) -> Floats:
        sizes = np.bincount(requests.batch[inside], weights=per_request[inside], minlength=len(batches))
        return np.array([link[gpu].copy_s(size) for gpu, size in zip(batches.gpu.tolist(), sizes, strict=True)])

    h2d, d2h = zip(*links, strict=True)
    return copies(h2d, requests.bytes_in), copies(d2h, requests.bytes_out)
