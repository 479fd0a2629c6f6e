"""What a server's host adds by its log: from a request to the queue, from the queue to a slot, and back to the reply.

A server whose policy holds nothing back begins a batch when the last of its requests has come or a slot gets free,
whichever is later; what passes from then on until the batch begins is the host's. Which slot a batch took is not in a
log, nor how many there are. So what it waited for is taken to be the latest end of any batch before, if that came after
its last request, else that request: a median does not mind a few that waited for something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.fidelity.calibrate.overheads import Overhead, overhead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.fidelity.logs.log import Log, Stages

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["measure_handovers"]


def measure_handovers(log: Log, until_s: float, *, holds_back: bool, to_the_reply: bool) -> list[Overhead]:
    """Return the overheads of `truth.host` that a log with stages shows.

    - `dispatch_s`: from a batch's last request in the queue to its begin, of batches for which a slot was free then.
    - `notice_s`: from the end of a batch to the begin of the next that waited for it, less `dispatch_s`. The end is
      that after which a simulated slot goes on: of the execution, or, of a policy whose instances are held up to the
      reply, of the copy of the outputs, less `collect_s` too.
    - `collect_s`: of a request, from its arrival to the queue and from its batch's end to the reply, together: they
      hold nothing, so that it is all the same when they pass.

    Args:
        log: With stages.
        until_s: Batches begun before are counted, seconds.
        holds_back: Whether the server's policy lets a batch wait for more requests: only batches of the largest size of
            their model tell the host from the policy then.
        to_the_reply: Whether the simulated server holds a slot up to the reply, as Triton's instances are held.
    """
    stages = log.stages
    assert stages is not None  # noqa: S101 (the caller knows)
    complete_s = _complete(log, stages)
    ended_s = _last_end(stages.begin_s, stages.done_s if to_the_reply else stages.executed_s)
    counted = (stages.begin_s < until_s) & ~np.isnan(complete_s)
    if holds_back:
        counted &= _largest(stages)
    found_slot = counted & (ended_s <= complete_s)
    which = "batches of the largest size" if holds_back else "batches"
    dispatch = overhead(
        "dispatch_s", (stages.begin_s - complete_s)[found_slot], f"{which} that found a slot: last request to begin"
    )
    inside = (log.batch >= 0) & ~np.isnan(log.queued_s) & ~np.isnan(log.finish_s) & (log.arrival_s < until_s)
    around_s = (log.queued_s - log.arrival_s)[inside] + log.finish_s[inside] - stages.done_s[log.batch[inside]]
    collect = overhead("collect_s", around_s, "requests: arrival to queue, and end of the batch to reply")
    else_s = (dispatch.value_s or 0.0) + (collect.value_s or 0.0) * to_the_reply
    gap_s = (stages.begin_s - ended_s)[counted & ~found_slot] - else_s
    less = "dispatch_s and collect_s" if to_the_reply else "dispatch_s"
    source = f"{which} that waited: end of the one before to begin, less {less}"
    return [dispatch, overhead("notice_s", gap_s, source), collect]


def _complete(log: Log, stages: Stages) -> Floats:
    """Return when the last request of each batch stood in the queue, shape (m,); NaN: the log does not say."""
    last_s = np.full(len(stages.size), -np.inf)
    inside = log.batch >= 0
    np.maximum.at(last_s, log.batch[inside], log.queued_s[inside])
    return np.where(np.isfinite(last_s), last_s, np.nan)


def _last_end(begin_s: Floats, end_s: Floats) -> Floats:
    """Return the latest of the ends at or before each begin, shape (m,); -inf for none."""
    ends_s = np.append(-np.inf, np.sort(end_s))
    found: Floats = ends_s[np.searchsorted(ends_s, begin_s, side="right") - 1]
    return found


def _largest(stages: Stages) -> Mask:
    largest = np.zeros(int(stages.model.max()) + 1, np.int64)
    np.maximum.at(largest, stages.model, stages.size)
    found: Mask = stages.size == largest[stages.model]
    return found
