"""A run held out by time: learned from its first part, judged on the rest, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.fidelity.calibrate import Learned, calibrated_by, first_part, learn
from stratsim.fidelity.levels import (
    all_durations,
    compare_stages,
    differences,
    figures,
    free_replay,
    judge_end_to_end,
    judge_stages,
    noise_floor,
    request_errors,
)
from stratsim.fidelity.logs import LEAST
from stratsim.fidelity.one_step import one_step_ahead

if TYPE_CHECKING:
    from stratsim.fidelity.logs import Log
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["HeldOut", "calibrate_run", "judge_run"]

_STAGES = ("copy_in", "execution", "copy_out")
"""What one step ahead is compared of a log; how long a batch waited before, no log says."""


class HeldOut(NamedTuple):
    """What was learned, and how good it is on what it was not learned from.

    Args:
        learned: From the first part.
        until_s: Where the first part ends, seconds from the first arrival.
        requests: In either part.
        before: `judge_run` of the rest, with the profile as it was.
        after: The same with the profile that was learned.
    """

    learned: Learned
    until_s: float
    requests: tuple[int, int]
    before: dict[str, Any]
    after: dict[str, Any]


def calibrate_run(run: Recorded, profile: Profile, share: float, log: Log | None = None) -> HeldOut:
    """Return what the first part of a run says, judged on the rest.

    Args:
        run: A log as a run (`stratsim.fidelity.logs`), or a live run of ours.
        profile: The device before.
        share: Share of the requests, by arrival, that are learned from.
        log: What the run was made of; None for a live run of ours.

    Raises:
        SpecError: either part is too small, or the profile was calibrated with this very run.
    """
    _check_new(run, profile)
    arrival_s = run.result.requests.arrival_s
    until_s = float(arrival_s[int(share * len(arrival_s))])
    first = int(np.count_nonzero(arrival_s < until_s))  # of requests that came at one time none is torn off
    parts = (first, len(arrival_s) - first)
    if min(parts) < LEAST // 2:
        raise SpecError(
            f"{run.directory}: {parts[0]} requests to learn from and {parts[1]} to judge by, and {LEAST // 2} of either"
            " are needed"
        )
    answered = ~np.isnan(run.result.requests.finish_s)
    if min(int(answered[:first].sum()), int(answered[first:].sum())) < LEAST // 2:
        raise SpecError(
            f"{run.directory}: of the first {parts[0]} requests {answered[:first].sum()} were answered, of the others "
            f"{answered[first:].sum()}, and {LEAST // 2} of either are needed: another --learn divides them elsewhere"
        )
    learned = learn(first_part(run, until_s, share), profile, log, until_s)
    before, after = (_judged(run, known, until_s) for known in (profile, learned.profile))
    return HeldOut(learned, until_s, parts, before, after)


def judge_run(run: Recorded, profile: Profile) -> dict[str, Any]:
    """Return how far the simulator is from a run: plain JSON values.

    Args:
        run: The run.
        profile: The device.

    Raises:
        SpecError: the profile was calibrated with this very run.

    Returns:
        `n` requests; `live`, `simulated` and `differences` of p50, p95, p99 and mean latency (level 2 of
        docs/explanation/fidelity.md); `request_err_median`, `request_err_p90`, `one_sided`; `stages`: errors of copies
        and executions one step ahead (level 1), or None where no batches are known; `verdicts` by name.
    """
    _check_new(run, profile)
    return _judged(run, profile, 0.0)


def _judged(run: Recorded, profile: Profile, from_s: float) -> dict[str, Any]:
    """Return `judge_run` of the requests that arrived from a time on, seconds.

    All requests are replayed, so that the queue is as it was.
    """
    chosen = run.result.requests.arrival_s >= from_s
    free = free_replay(run, profile)
    live, simulated = figures(run.result, chosen), figures(free, chosen)
    difference = differences([live], [simulated])
    single = request_errors(run.result, free, chosen)
    found: dict[str, Any] = {
        "n": int(chosen.sum()),
        "live": live["all"],
        "simulated": simulated["all"],
        "differences": difference["all"],
        "request_err_median": single["median"],
        "request_err_p90": single["p90"],
        "one_sided": single["one_sided"],
        "stages": _stages(run, profile, from_s) if len(run.result.batches) else None,
    }
    verdicts = judge_end_to_end(difference, noise_floor([live]))["all"]
    if found["stages"] is not None:
        by_stage = judge_stages(found["stages"])
        verdicts |= {stage: by_stage[stage] for stage in _STAGES}
    return found | {"verdicts": verdicts}


def _stages(run: Recorded, profile: Profile, from_s: float) -> dict[str, Any]:
    rows = np.flatnonzero(run.result.batches.dispatch_s >= from_s)
    live, ahead = (
        {name: values[rows] for name, values in durations.items()}
        for durations in (all_durations(run.result), one_step_ahead(run, profile))
    )
    found = compare_stages([(live, ahead)])
    return {stage: found[stage] for stage in _STAGES}


def _check_new(run: Recorded, profile: Profile) -> None:
    if calibrated_by(profile, run):
        raise SpecError(
            f"{run.directory}: profile {profile.name!r} was calibrated with this very run, which can say nothing new; "
            "take the profile from before, or another run"
        )
