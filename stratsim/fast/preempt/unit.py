"""What executes on a GPU whose batches can be stopped: the rest of `stratsim.device.execution.fluid` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    ENDED_AT,
    FIRST,
    LAST_PHASE,
    LEFT_S,
    LOAD,
    LOAD_AT,
    NEXT_S,
    PHASE,
    PREEMPTS,
    RATE,
    RUNNING,
    RUNNING_AT,
    SAME,
    SHARE_AT,
    SOLO_S,
    START_COST_S,
    UPDATED_S,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.codes import BEGIN_AT, FROM, IS_PART, TO, WHOLE_FIRST, WHOLE_LAST
from stratsim.fast.unit import solve

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Ints, Reals

__all__ = ["complete", "cut", "hold", "join", "left_s", "make_whole", "remove", "rework"]


@compiled
def make_whole(ints: Ints, batch: int) -> None:
    """Have a batch execute all of its work."""
    ints[batch + IS_PART] = 0
    ints[batch + PHASE], ints[batch + LAST_PHASE] = ints[batch + WHOLE_FIRST], ints[batch + WHOLE_LAST]


@compiled
def cut(ints: Ints, reals: Reals, batch: int, start: float, end: float) -> bool:
    """Have a batch execute a part of its work, between two shares of its solo time; return whether that is any."""
    ints[batch + IS_PART] = 1
    reals[ints[batch] + FROM], reals[ints[batch] + TO] = start, end
    phase, last = ints[batch + WHOLE_FIRST], ints[batch + WHOLE_LAST]
    while phase <= last and not _share(ints, reals, batch, phase) > 0:
        phase += 1
    if phase > last:
        return False
    while not _share(ints, reals, batch, last) > 0:
        last -= 1
    ints[batch + PHASE], ints[batch + LAST_PHASE] = phase, last
    return True


@compiled
def _share(ints: Ints, reals: Reals, batch: int, phase: int) -> float:
    """Return the share of the solo time that a batch executes in a phase."""
    share = reals[ints[SHARE_AT] + phase]
    if not ints[batch + IS_PART]:
        return share  # type: ignore[no-any-return]
    begin = reals[ints[ints[PREEMPTS] + BEGIN_AT] + phase]
    stop = 1.0 if phase == ints[batch + WHOLE_LAST] else begin + share
    return min(stop, reals[ints[batch] + TO]) - max(begin, reals[ints[batch] + FROM])  # type: ignore[no-any-return]


@compiled
def _enter(ints: Ints, reals: Reals, batch: int, phase: int) -> None:
    """Let a batch begin a phase."""
    ints[batch + PHASE] = phase
    ints[batch + LOAD] = ints[ints[LOAD_AT] + phase]
    reals[ints[batch] + LEFT_S] = reals[ints[batch] + SOLO_S] * _share(ints, reals, batch, phase)


@compiled
def _next_phase(ints: Ints, reals: Reals, batch: int) -> None:
    phase = ints[batch + PHASE] + 1
    while not _share(ints, reals, batch, phase) > 0:  # the last of a part is none of these
        phase += 1
    _enter(ints, reals, batch, phase)


@compiled
def join(ints: Ints, reals: Reals, ask: Ask, now_s: float, gpu: int, batch: int) -> None:
    """Let a batch execute on a GPU from `now_s` on: what `make_whole` or `cut` gave it."""
    _enter(ints, reals, batch, ints[batch + PHASE])
    running, members = ints[gpu + RUNNING], ints[gpu + RUNNING_AT]
    if running:
        _advance(ints, reals, now_s, gpu)
    ints[members + running] = batch
    ints[gpu + RUNNING] = running + 1
    solve(ints, reals, ask, now_s, gpu)
    if reals[START_COST_S] and running:  # those that run make no progress for as long
        for place in range(running):
            other = ints[ints[members + place]]
            reals[other + LEFT_S] += reals[START_COST_S] * reals[other + RATE]
        solve(ints, reals, ask, now_s, gpu)


@compiled
def complete(ints: Ints, reals: Reals, ask: Ask, now_s: float, gpu: int) -> int:
    """Go on to `now_s`, when a GPU's unit must be called; list those that end at `ENDED_AT` and return their number."""
    first, running, members, real = ints[gpu + FIRST], ints[gpu + RUNNING], ints[gpu + RUNNING_AT], ints[gpu]
    if first < 0:
        return 0
    if running == 1 and ints[first + PHASE] == ints[first + LAST_PHASE]:
        ints[gpu + RUNNING] = 0
        ints[gpu + FIRST] = -1
        reals[real + NEXT_S] = inf
        ints[ints[ENDED_AT]] = first
        return 1
    elapsed_s = now_s - reals[real + UPDATED_S]
    staying = ended = 0
    for place in range(running):
        batch = ints[members + place]
        own = ints[batch]
        left = 0.0 if batch == first else reals[own + LEFT_S] - elapsed_s * reals[own + RATE]
        if left > SAME * reals[own + SOLO_S]:
            reals[own + LEFT_S] = left
        elif ints[batch + PHASE] < ints[batch + LAST_PHASE]:
            _next_phase(ints, reals, batch)
        else:
            ints[ints[ENDED_AT] + ended] = batch
            ended += 1
            continue
        ints[members + staying] = batch
        staying += 1
    ints[gpu + RUNNING] = staying
    solve(ints, reals, ask, now_s, gpu)
    return ended


@compiled
def left_s(ints: Ints, reals: Reals, now_s: float, gpu: int, batch: int) -> float:
    """Return how much solo work an executing batch has left, of what it executes."""
    own, to_come = ints[batch], 0.0
    for phase in range(ints[batch + PHASE] + 1, ints[batch + LAST_PHASE] + 1):
        share = _share(ints, reals, batch, phase)
        if share > 0:
            to_come += share
    elapsed_s = now_s - reals[ints[gpu] + UPDATED_S]
    left = max(reals[own + LEFT_S] - elapsed_s * reals[own + RATE], 0.0)
    return left + reals[own + SOLO_S] * to_come  # type: ignore[no-any-return]


@compiled
def hold(ints: Ints, reals: Reals, ask: Ask, now_s: float, gpu: int, batch: int) -> None:
    """Let an executing batch stay in its phase until it is removed."""
    _advance(ints, reals, now_s, gpu)
    reals[ints[batch] + LEFT_S] = inf
    ints[batch + LAST_PHASE] = ints[batch + PHASE]
    _settle(ints, reals, ask, now_s, gpu)


@compiled
def rework(ints: Ints, reals: Reals, ask: Ask, now_s: float, gpu: int, batch: int, start: float, end: float) -> None:
    """Replace what an executing batch has left by a part of its work."""
    _advance(ints, reals, now_s, gpu)
    if cut(ints, reals, batch, start, end):
        _enter(ints, reals, batch, ints[batch + PHASE])
    else:
        _take_out(ints, gpu, batch)
    _settle(ints, reals, ask, now_s, gpu)


@compiled
def remove(ints: Ints, reals: Reals, ask: Ask, now_s: float, gpu: int, batch: int) -> None:
    """Take an executing batch out."""
    _advance(ints, reals, now_s, gpu)
    _take_out(ints, gpu, batch)
    _settle(ints, reals, ask, now_s, gpu)


@compiled
def _take_out(ints: Ints, gpu: int, batch: int) -> None:
    members, staying = ints[gpu + RUNNING_AT], 0
    for place in range(ints[gpu + RUNNING]):
        if ints[members + place] != batch:
            ints[members + staying] = ints[members + place]
            staying += 1
    ints[gpu + RUNNING] = staying


@compiled
def _advance(ints: Ints, reals: Reals, now_s: float, gpu: int) -> None:
    """Take the work that was done off what is left."""
    elapsed_s = now_s - reals[ints[gpu] + UPDATED_S]
    for place in range(ints[gpu + RUNNING]):
        other = ints[ints[ints[gpu + RUNNING_AT] + place]]
        reals[other + LEFT_S] -= elapsed_s * reals[other + RATE]


@compiled
def _settle(ints: Ints, reals: Reals, ask: Ask, now_s: float, gpu: int) -> None:
    if ints[gpu + RUNNING]:
        solve(ints, reals, ask, now_s, gpu)
    else:
        ints[gpu + FIRST] = -1
        reals[ints[gpu] + NEXT_S] = inf
