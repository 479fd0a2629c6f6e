"""From a policy that preempts to what its runs need in the arrays, and from there to the table of pauses."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine.result import PauseTable
from stratsim.fast import codes as run_codes
from stratsim.fast.preempt import codes
from stratsim.fast.state import Shape
from stratsim.model.preemption import AtBoundary, ContextSwitch, Gated, Reset, Throttled
from stratsim.policy.base import Wake
from stratsim.policy.preempt import KEdf, Orion, PreemptSlack

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stratsim.engine.layout import Layout
    from stratsim.fast.state import Builder
    from stratsim.model.preemption import Preemption
    from stratsim.model.workload import Workload
    from stratsim.policy.preempt.base import PreemptiveEdf

    Preemptive = PreemptiveEdf | KEdf
    from stratsim.rng import Streams

__all__ = ["add_preemption", "answer_stops", "pauses_of", "room_for_pauses", "shape_of"]

_PAUSES = 2
"""Pauses that there is room for, per request and unit of `room`."""
_FEW = 64
_LEADS = 1 << 32
_BOUNDS = (None, "compute", "memory")
_SETS = 1 << 12
"""Rows in the memory of sets, few as rows are long: most are of what executes for the moments in which others drain."""
_ASIDE = 16
"""Batches that are stopped at once on a GPU, per unit of `room`, where deadlines decide."""


def room_for_pauses(rows: int, room: int) -> int:
    """Return how many pauses to make room for, which takes no memory until it is used."""
    return _PAUSES * rows * room + _FEW


def shape_of(policy: Preemptive, places: int, room: int) -> Shape:
    """Return how much room a GPU needs: high priority in all places, and what was stopped for it.

    Where deadlines decide, one after the other may be stopped.
    """
    batches = 2 * places + 2 + (_ASIDE * room if isinstance(policy, KEdf) else 0)
    return Shape(
        batches=batches,
        running=batches,
        gpu_ints=codes.PREEMPT_GPU_INTS,
        batch_ints=codes.PREEMPT_BATCH_INTS,
        batch_reals=codes.PREEMPT_BATCH_REALS,
        lists=(codes.ASIDE_AT, codes.RETURNS_AT, codes.HALTS_AT, codes.NOTED_AT, codes.NOTED_SERIAL_AT),
        sets=_SETS,
    )


def add_preemption(
    builder: Builder,
    workload: Workload,
    policy: Preemptive,
    layout: Layout,
    shape: Shape,
    begins: list[float],
    gpus: int,
    rows: int,
    pauses: int,
) -> None:
    """Add the block of preemption and its tables; that of pauses is in the room at the end of the reals.

    Args:
        builder: Has all else.
        workload: Has the names of models.
        policy: Is prepared.
        layout: The server.
        shape: From `shape_of`.
        begins: By phase, the share of a batch's solo time before it.
        gpus: Number of GPUs.
        rows: How many batches there may be.
        pauses: How many pauses there is to be room for.
    """
    block = np.zeros(codes.BLOCK, np.int64)
    mechanism = policy.preemption
    reals, kind = _numbers_of(mechanism)
    rules = _rules_of(policy, reals, layout.places)
    if isinstance(policy, Orion):
        rules |= _bounds_of(builder, workload, policy, gpus)
    block[0] = builder.reals(reals)
    replies = Wake.COPY_OUT_END in policy.wakes
    models = layout.hardware.models
    kernels = [models[name].kernels if name in models else None for name in workload.models]
    for place, value in {
        codes.MECHANISM: kind,
        codes.HOLDS_SLOT: mechanism.holds_slot,
        codes.NEEDS_KERNELS: mechanism.needs_kernels,
        codes.WAKES_ON_INPUT: Wake.COPY_IN_END in policy.wakes,
        codes.WAKES_ON_REPLY: replies,
        **rules,
        codes.MOST_ASIDE: shape.batches - layout.places,
        codes.KERNELS_AT: builder.ints([1 if each is None else each.count for each in kernels]),
        codes.URGENT_AT: builder.ints(rows) if replies else 0,
        codes.LISTED_AT: builder.ints(shape.batches),
        codes.OTHERS_AT: builder.ints(shape.batches * gpus),
        codes.STOPPED_AT: builder.ints(shape.batches),
        codes.BEGIN_AT: builder.reals(begins),
        codes.FREE_AT: builder.reals(shape.batches),
        codes.PAUSE_AT: builder.end_of_reals,
        codes.MOST_PAUSES: pauses,
    }.items():
        block[place] = int(value)
    builder.set(run_codes.PREEMPTS, builder.ints(block))


def _rules_of(policy: Preemptive, reals: list[float], places: int) -> dict[int, int]:
    """Return what a policy decides by, of whole numbers; enter the others."""
    if isinstance(policy, KEdf):
        return {codes.POLICY: codes.BY_DEADLINE, codes.RUN: policy._run, codes.RUN_IN_ALL: policy._run_in_all}
    kind = codes.BY_CLASS
    if isinstance(policy, PreemptSlack):
        kind, reals[codes.STRETCH], reals[codes.TIMER_S] = codes.BY_SLACK, policy._stretch, -inf
    if isinstance(policy, Orion):
        kind = codes.BY_BOTTLENECK
    return {
        codes.POLICY: kind,
        codes.WHOLE_REQUEST: policy._whole_request,
        codes.STOPS_ALL: policy._stops_all,
        codes.HIGH_AT_ONCE: min(policy._high_at_once or places, places),
    }


def _bounds_of(builder: Builder, workload: Workload, policy: Orion, gpus: int) -> dict[int, int]:
    """Add by what batches are bound, and what their kernels take, as far as the policy knows."""
    sizes, count = max(policy.largest.values()) + 1, max(len(workload.models), 1)
    bound, kernel_s = np.zeros((count, sizes), np.int64), np.zeros((count, sizes))
    for code, name in enumerate(workload.models):
        for size in range(1, policy.largest[name] + 1):
            bound[code, size] = _BOUNDS.index(policy.bottleneck(name, size))
            kernel_s[code, size] = policy._kernel_s(name, size)
    return {
        codes.BOUND_AT: builder.ints(bound),
        codes.KERNEL_AT: builder.reals(kernel_s),
        codes.REFUSED_AT: builder.ints(count),
        codes.ABLE_AT: builder.ints(gpus),
    }


def answer_stops(streams: Streams, ints: NDArray[Any], reals: NDArray[Any]) -> Callable[[int], None]:
    """Return what answers with the draw that belongs to a stop of a batch: as `stratsim.engine.machine` draws it."""
    place = int(ints[ints[run_codes.PREEMPTS]]) + codes.DRAWN

    def answer(stop: int) -> None:
        lead, stops = stop % _LEADS, stop // _LEADS
        reals[place] = streams.uniform("preemption", str(lead), str(stops))

    return answer


def pauses_of(ints: NDArray[Any], reals: NDArray[Any]) -> PauseTable:
    """Return the table of what was stopped."""
    block = int(ints[run_codes.PREEMPTS])
    begin, count = int(ints[block + codes.PAUSE_AT]), int(ints[block + codes.PAUSES])
    rows = reals[begin : begin + count * codes.PAUSE_ROW].reshape(count, codes.PAUSE_ROW)
    batch, suspend_s, freed_s, stopped_s, restart_s, lost_s = rows.T.copy()
    return PauseTable(batch.astype(np.int64), suspend_s, freed_s, stopped_s, restart_s, lost_s)


def _numbers_of(mechanism: Preemption) -> tuple[list[float], int]:
    """Return the numbers of a mechanism, and its kind."""
    reals = [0.0] * codes.BLOCK_REALS
    reals[codes.OVERHEAD] = mechanism.overhead
    match mechanism:
        case Gated():
            kind, reals[codes.KERNELS] = codes.GATED, float(mechanism.k)
        case Throttled():
            kind, reals[codes.MOST_S] = codes.THROTTLED, mechanism.most_s
        case AtBoundary():
            kind, reals[codes.SHARE] = codes.AT_BOUNDARY, mechanism.share
        case Reset():
            kind, reals[codes.LATENCY_S] = codes.RESTART, mechanism.latency_s
            if mechanism.cap is not None:
                kind, reals[codes.KERNELS] = codes.RESET, float(mechanism.cap)
        case ContextSwitch():
            kind, reals[codes.LATENCY_S] = codes.CONTEXT_SWITCH, mechanism.latency_s
        case _:
            raise TypeError(f"no kernel for {type(mechanism).__name__}")
    return reals, kind
