"""A log as a run: in the tables of the engine, with the settings that it is to be replayed with."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine import BatchTable, RequestTable, Result
from stratsim.errors import SpecError
from stratsim.fidelity.record import Recorded
from stratsim.model.request import Priority, Status
from stratsim.policy.registry import make_policy, parse_policies

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stratsim.fidelity.logs.log import Log, Stages
    from stratsim.model.profile import Profile
    from stratsim.run.spec import RunSpec

__all__ = ["recorded"]

_USED = frozenset(("policy", "profile", "seed", "engine", "max_batch", "drop")) | {
    *("gpus", "device_model", "max_concurrency", "prefetch", "transfers"),
    *("topology", "uplink_bytes_per_s", "pinned", "memory"),
}
"""Settings that a log is replayed with: the policy's and the machine's."""


def recorded(log: Log, spec: RunSpec, profile: Profile) -> Recorded:
    """Return a log as a run of one policy.

    Requests have no deadlines and one class, as a log says nothing of either; what it has no answer of is unfinished.
    A batch is dispatched when its slot takes it: when the server decided on it, no log says. One without known batches
    has an empty batch table.

    Args:
        log: What the server logged.
        spec: How it is replayed: one policy, and the machine.
        profile: The device; sizes of inputs and outputs are from here.

    Raises:
        SpecError: several policies or GPUs, a setting that has no effect on a log, or more executions at once than the
            settings allow.
        OutsideProfileError: the profile lacks a model, or a batch size that was served.
    """
    calls = parse_policies(spec.policy)
    if len(calls) != 1:
        raise SpecError(
            f"{log.path}: does not say how its server scheduled: --policy with the one policy that comes nearest, such "
            f"as triton or fifo; got {len(calls)}"
        )
    make_policy(calls[0])  # so that its arguments are refused before anything is computed
    if spec.cluster().gpus != 1:
        raise SpecError(f"{log.path}: does not say which GPU served what: a log of one GPU, gpus = 1")
    for each in fields(spec):
        if each.name not in _USED and getattr(spec, each.name) != each.default:
            raise SpecError(
                f"{log.path}: a log is replayed as it is, without the setting {each.name!r}: leave it out; what "
                "arrived is in the log, and what is set is the policy and the machine"
            )
    names = tuple(profile.resolve(name) for name in log.models)
    if len(set(names)) < len(names):
        raise SpecError(f"{log.path}: several of its models are one in profile {profile.name!r}: {', '.join(names)}")
    if log.stages is not None:
        _check_slots(log.path, log.stages, spec.max_concurrency)
    result = Result(
        policy=calls[0].text,
        requests=_requests(log, names, profile),
        batches=_batches(log.stages, names, profile),
        models=names,
        clients=(),
        reasons=(),
        gpus=1,
        events=0,
        start_s=0.0,
        end_s=float(max(np.nan_to_num(log.finish_s).max(), log.arrival_s[-1])),
        wall_s=0.0,
        max_concurrency=spec.max_concurrency,
    )
    return Recorded(log.path, calls[0].text, result, spec, {}, log.digest)


def _check_slots(path: Path, stages: Stages, slots: int) -> None:
    """Refuse settings under which the server cannot have executed what it did."""
    ends = np.concatenate([stages.inputs_s, stages.executed_s])
    steps = np.concatenate([np.ones(len(stages.size)), -np.ones(len(stages.size))])
    order = np.lexsort((steps, ends))  # who ends makes room for who begins
    active, lasts_s = np.cumsum(steps[order])[:-1], np.diff(ends[order])
    busy_s, above_s = float(lasts_s[active > 0].sum()), float(lasts_s[active > slots].sum())
    if above_s > _ABOVE * busy_s:
        raise SpecError(
            f"{path}: for {above_s / busy_s:.0%} of the time in which it executes, more than {slots} batches do, up to "
            f"{int(active.max())}: --set max_concurrency={int(active.max())}, or executions overlap that did not"
        )


_ABOVE = 0.05
"""Share of the time in which more batches execute than there are slots that is taken for stamps' own errors. Our
choice."""


def _requests(log: Log, names: tuple[str, ...], profile: Profile) -> RequestTable:
    count = len(log.arrival_s)
    known = [profile.observable.models[name] for name in names]
    answered = ~np.isnan(log.finish_s)
    return RequestTable(
        arrival_s=log.arrival_s,
        model=log.model,
        priority=np.full(count, Priority.LOW, np.int8),
        deadline_s=np.full(count, np.inf),
        bytes_in=np.array([entry.bytes_in for entry in known], np.int64)[log.model],
        bytes_out=np.array([entry.bytes_out for entry in known], np.int64)[log.model],
        client=np.full(count, -1, np.int32),
        status=np.where(answered, Status.MET, Status.UNFINISHED).astype(np.int8),
        batch=log.batch,
        dropped_s=np.full(count, np.nan),
        reason=np.full(count, -1, np.int16),
        finish_s=log.finish_s,
    )


def _batches(stages: Stages | None, names: tuple[str, ...], profile: Profile) -> BatchTable:
    if stages is None:
        return _table(*(np.empty(0, np.int32),) * 2, **dict.fromkeys(_TIMES, np.empty(0)))
    scheduler = profile.for_scheduler()
    for model, size in sorted(set(zip(stages.model.tolist(), stages.size.tolist(), strict=True))):
        scheduler.latency_s(names[model], size)  # refuses what the profile does not cover
    times = dict(zip(_TIMES, (stages.begin_s, *(time_s for time_s in _doubled(stages))), strict=True))
    return _table(stages.model, stages.size, **times)


_TIMES = (
    "dispatch_s",
    "copy_in_start_s",
    "copy_in_end_s",
    "execution_start_s",
    "execution_end_s",
    "copy_out_start_s",
    "copy_out_end_s",
)


def _doubled(stages: Stages) -> list[NDArray[np.float64]]:
    """Return the six ends of the three stages, each beginning where the one before ended."""
    return [
        stages.begin_s,
        stages.inputs_s,
        stages.inputs_s,
        stages.executed_s,
        stages.executed_s,
        stages.done_s,
    ]


def _table(model: NDArray[Any], size: NDArray[Any], **times: NDArray[np.float64]) -> BatchTable:
    count = len(model)
    return BatchTable(
        gpu=np.zeros(count, np.int32),
        model=model.astype(np.int16),
        size=size.astype(np.int16),
        priority=np.full(count, Priority.LOW, np.int8),
        solo_s=np.full(count, np.nan),
        **times,
    )
