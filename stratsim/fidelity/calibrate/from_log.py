"""Everything that one run says of a device, learned from its first part: a log of any server, or a live run of ours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from stratsim.fidelity.calibrate.copies import Copied, measure_copies, with_copies
from stratsim.fidelity.calibrate.correct import calibrated
from stratsim.fidelity.calibrate.factors import Factor, learn_factors, odd_executions, with_factors
from stratsim.fidelity.calibrate.handover import measure_handovers
from stratsim.fidelity.calibrate.overheads import measure_overheads
from stratsim.fidelity.calibrate.trips import Trips, fit_trips, with_trips
from stratsim.policy.queueing import QueuePolicy
from stratsim.policy.registry import make_policy, parse_policies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.fidelity.calibrate.contention import Contention
    from stratsim.fidelity.calibrate.overheads import Overhead
    from stratsim.fidelity.calibrate.scatter import Scatter
    from stratsim.fidelity.logs.log import Log
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile
    from stratsim.policy.registry import PolicyCall

__all__ = ["Learned", "first_part", "learn"]


@dataclass(frozen=True, slots=True)
class Learned:
    """A copy of a profile, and what was learned for it; empty or None: the log does not show it.

    Args:
        profile: The copy.
        factors: On the solo times, by model and batch size.
        copies: The link.
        overheads: Of the host.
        contention: Of the device model `kernel-queue`.
        scatter: Of executions about what is expected.
        trips: From latencies, where no batches are known.
    """

    profile: Profile
    factors: list[Factor] = field(default_factory=list)
    copies: list[Copied] = field(default_factory=list)
    overheads: list[Overhead] = field(default_factory=list)
    contention: Contention | None = None
    scatter: Scatter | None = None
    trips: Trips | None = None


def first_part(run: Recorded, until_s: float, share: float) -> Recorded:
    """Return the requests of a run that came before a time, with the batches begun before it.

    Args:
        run: The run.
        until_s: Seconds.
        share: How much of it that is, for the provenance.
    """
    requests = run.result.requests
    early = requests.arrival_s < until_s
    columns = {name: np.asarray(getattr(requests, name)[early]) for name in requests.__slots__}
    made = replace(run, result=replace(run.result, requests=type(requests)(**columns)))
    label = f"the first {share:.0%} of {'log' if not run.manifest else run.label}"
    return replace(_with_batches(made, run.result.batches.dispatch_s < until_s), label=label)


def _with_batches(run: Recorded, kept: NDArray[np.bool_]) -> Recorded:
    """Return a run with some of its batches."""
    requests, batches = run.result.requests, run.result.batches
    row = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    parts = {name: getattr(batches, name)[kept] for name in batches.__slots__}
    made = replace(requests, batch=row[requests.batch].astype(np.int32))
    return replace(run, result=replace(run.result, requests=made, batches=type(batches)(**parts)))


def learn(run: Recorded, profile: Profile, log: Log | None, until_s: float) -> Learned:
    """Return what the first part of a run says.

    With batches: factors on the solo times, the link, the host, and, of `kernel-queue`, contention. Without: a factor
    by model and a constant that fit the latencies. Of a log, executions of more than ten times the median of their
    model and size count as company of others alone (`odd_executions`).

    Args:
        run: From `first_part`.
        profile: The device before.
        log: Where the run is from; None for a live run of ours.
        until_s: When the first part ends, seconds.

    Raises:
        SpecError: too little to learn from.
    """
    if not len(run.result.batches):
        trips = fit_trips(run, profile)
        return Learned(with_trips(profile, trips, run.source), trips=trips)
    if log is not None:
        run = replace(run, left_out=odd_executions(run))
    factors = learn_factors(run, profile)
    made = with_factors(profile, factors, run.source)
    copies = measure_copies(run, made)
    made = with_copies(made, copies, run.source)
    if log is None:
        overheads = measure_overheads([run.result])
    else:
        (call,) = parse_policies(run.policy)
        overheads = measure_handovers(log, until_s, holds_back=_holds_back(call), to_the_reply=call.name == "triton")
    found = calibrated(made, [run], overheads)
    return Learned(found.profile, factors, copies, overheads, found.contention, found.scatter)


def _holds_back(call: PolicyCall) -> bool:
    """Return whether a policy may let a batch wait although a slot is free."""
    held = any(call.parameters.get(name) for name in ("repository", "max_queue_delay_s"))
    return held or not (call.name == "triton" or isinstance(make_policy(call), QueuePolicy))
