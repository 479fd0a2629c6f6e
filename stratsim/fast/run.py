"""One run on the fast engine: from its arguments to its result."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from stratsim.engine.recorder import Recorder
from stratsim.engine.simulation import simulate_with
from stratsim.engine.tables import attempts_column, load_table, make_result
from stratsim.errors import StratsimError
from stratsim.fast import codes
from stratsim.fast.answers import Answers
from stratsim.fast.compiled import is_entered
from stratsim.fast.coverage import PREEMPT, RUN, why_not_inside
from stratsim.fast.loop import run
from stratsim.fast.preempt import loop as preemptive
from stratsim.fast.preempt.setup import pauses_of
from stratsim.fast.setup import set_up
from stratsim.fast.strait.policy import CompiledStrait
from stratsim.policy.strait import Strait

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.engine.options import Options
    from stratsim.engine.result import Result
    from stratsim.fast.setup import Run
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy
    from stratsim.policy.native import Native
    from stratsim.policy.queueing import QueuePolicy
    from stratsim.policy.triton import Triton

__all__ = ["is_ready", "simulate_fast"]

_ROOM = (4, 64, 4096)
"""Events that may be scheduled at once per batch in flight, tried in turn: moved alarms leave dead ones behind."""
_SOME_ROWS, _MOST_ROWS = 1 << 14, 1 << 28
"""Requests that there is room for at first where nobody knows how many there will be, and in the end."""
_REASONS = ("expired", "infeasible", "queue full", "timeout")


def is_ready(kernel: str) -> bool:
    """Whether this process has called a kernel before (`stratsim.fast.coverage.kernel_of`): it is compiled."""
    loops = {RUN: run, PREEMPT: preemptive.run}
    return bool(getattr(loops[kernel], "signatures", True)) if kernel in loops else is_entered(kernel)


def simulate_fast(
    workload: Workload,
    profile: Profile,
    policy: Policy,
    options: Options,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Do what `stratsim.engine.simulate_with` does, sooner, for a run that it `covers`: the result is the same.

    A run in which something goes wrong is made once more by the reference engine, which says what and when.

    Args:
        workload: As for `simulate_with`; so are the others.
        profile: The hardware.
        policy: One that is covered; where the loop does not do a run of `strait`, its decisions alone are compiled, and
            the loop is SimPy's.
        options: All else.
        progress: Called at the end with (requests, requests).
    """
    if isinstance(policy, Strait) and why_not_inside(workload, profile, policy, options) is not None:
        return _simulate_strait(workload, profile, policy, options, progress)
    began = time.perf_counter()
    room, rows = 0, _first_rows(workload)
    while room < len(_ROOM) and rows <= _MOST_ROWS:
        made = set_up(
            workload, profile, cast("QueuePolicy | Native | Strait | Triton", policy), options, _ROOM[room], rows
        )
        record = [getattr(made.record, column.name).reshape(-1) for column in fields(made.record)]
        answers = Answers(made, options.cluster.gpus)
        ask = answers.callback()
        decides = ask if made.inside is None else made.inside.callback()
        arguments: list[Any] = [made.ints, made.reals, *made.columns, *record, ask]
        if made.ints[codes.PREEMPTS]:
            preemptive.run(*arguments)
        else:
            arguments.append(decides)
            run(*arguments)
        status = made.ints[codes.STATUS]
        if made.inside is not None and not made.inside.is_exact:
            break
        if status == codes.FINE:
            if progress is not None:
                progress(len(workload), 0 if workload.waits_for_replies else len(workload))
            del arguments, answers, ask, decides
            made = replace(made, columns=())  # without the factors: the tables need the room
            return _result(made, workload, options, began)
        if status == codes.FULL:
            room += 1
        elif status == codes.CROWDED:
            rows *= 8
        else:
            break
    return replace(simulate_with(workload, profile, policy, options, progress), not_fast="it went wrong")


def _first_rows(workload: Workload) -> int:
    """Return how many requests to make room for: all that there may be, or some if nobody knows."""
    limits = [client.limit for client in workload.closed_loop]
    known = len(workload) + sum(limit or 0 for limit in limits)
    return max(known, _SOME_ROWS if None in limits else 1) if workload.waits_for_replies else known


def _simulate_strait(
    workload: Workload,
    profile: Profile,
    policy: Strait,
    options: Options,
    progress: Callable[[int, int], None] | None,
) -> Result:
    compiled = CompiledStrait.of(policy)
    try:
        result = simulate_with(workload, profile, compiled, options, progress)
    except StratsimError:
        pass
    else:
        if compiled.is_exact:
            return replace(result, engine="fast")
    return replace(simulate_with(workload, profile, policy, options, progress), not_fast="it went wrong")


def _result(made: Run, workload: Workload, options: Options, began: float) -> Result:
    waiting = int(made.ints[codes.WAITING])
    notes = [f"policy {options.name!r} left {waiting} requests waiting for ever: unfinished"] if waiting else []
    arrived = workload
    if made.arrived is not None and made.clients is not None:
        arrived = made.arrived.workload(int(made.ints[codes.ARRIVED]))
        notes += [f"policy {options.name!r}: {note}" for note in made.clients.notes]
    result = make_result(
        options.name,
        _recorder(made, options.cluster.gpus, len(arrived)),
        arrived,
        made.layout,
        gpus=options.cluster.gpus,
        batches=int(made.ints[codes.BATCHES]),
        events=int(made.ints[codes.SCHEDULED]) + len(workload) - len(arrived),
        notes=tuple(notes),
        began=began,
    )
    pauses = pauses_of(made.ints, made.reals) if made.ints[codes.PREEMPTS] else None
    made_again = None if made.attempts is None else attempts_column(made.attempts.made, len(result.requests))
    memory = None if made.layout.memories is None else made.layout.memories[0]
    loads = None if memory is None else load_table(_loads(made), result.batches, memory, arrived.models)
    return replace(result, engine="fast", loads=loads, pauses=pauses, attempts=made_again)


def _loads(made: Run) -> Recorder:
    """Return the record of the copies of weights."""
    found = Recorder(0, waits_for_replies=False, gpus=1, outputs=False)
    count, first = int(made.ints[codes.WEIGHT_COPIES]), int(made.ints[codes.WEIGHT_BATCH_AT])
    times = made.reals[int(made.ints[codes.WEIGHT_TIMES_AT]) :][: count * codes.WEIGHTS_TIMES]
    rows = times.reshape(count, codes.WEIGHTS_TIMES).tolist()
    for batch_id, row in zip(made.ints[first : first + count].tolist(), rows, strict=True):
        found.load(batch_id)
        found.loads[batch_id].start_s, found.loads[batch_id].end_s, found.loads[batch_id].evicted_s = row
    return found


def _recorder(made: Run, gpus: int, requests: int) -> Recorder:
    """Return the record in the reference engine's form: tables are made by the same code."""
    record, times_s, drops = made.record, made.record.times_s, int(made.ints[codes.DROPS])
    found: Any = Recorder(0, waits_for_replies=False, gpus=gpus, outputs=made.layout.copies_out)
    found.batch_of, found.gpu, found.solo_s = record.batch_of[:requests], record.gpu_of, times_s[codes.SOLO]
    found.dropped, found.dropped_s = record.dropped[:drops], record.dropped_s[:drops]
    is_for = [record.reason[:drops] == code for code in range(len(_REASONS))]
    seen = sorted([code for code, rows in enumerate(is_for) if rows.any()], key=lambda code: int(is_for[code].argmax()))
    found.reason = np.zeros(drops, np.int16)
    for number, code in enumerate(seen):  # reasons are numbered as they come up
        found.reason[is_for[code]] = number
    found.reasons = {_REASONS[code]: number for number, code in enumerate(seen)}
    log = found.log
    log.dispatch_s, log.copy_in_start_s = times_s[codes.DISPATCH], times_s[codes.COPY_IN_START]
    log.copy_in_end_s, log.execution_start_s = times_s[codes.COPY_IN_END], times_s[codes.START]
    log.execution_end_s = times_s[codes.END]
    if made.layout.copies_out:
        log.copy_out_start_s, log.copy_out_end_s = times_s[codes.COPY_OUT_START], times_s[codes.COPY_OUT_END]
    if made.ints[codes.ESTIMATES] or (made.inside is not None and made.inside.expects):
        found.expected_s = times_s[codes.EXPECTED]
    return cast("Recorder", found)
