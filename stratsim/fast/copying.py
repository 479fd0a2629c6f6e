"""Copies between the host and the GPUs: `stratsim.engine.copies` on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.clock import arm, schedule
from stratsim.fast.codes import (
    BATCH,
    BYTES_IN,
    COLLECT_S,
    COLLECTED,
    COPY_IN_END,
    COPY_IN_START,
    COPY_OUT_START,
    COPY_START_S,
    D2H_ALPHA_S,
    D2H_FREE_S,
    D2H_RATE,
    DEVICE,
    FABRIC,
    GPU,
    GPU_AT,
    GPUS,
    H2D_ALPHA_S,
    H2D_FREE_S,
    H2D_RATE,
    IN_ORDER,
    INPUT,
    KINDS,
    LINKS,
    NEXT_S,
    NUMBER,
    OUTPUT,
    REPLIES,
    ROWS,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.fabric import submit
from stratsim.fast.host import pace

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["carry_in", "copy_out", "follow_links", "send_out"]


@compiled
def carry_in(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, batch: int, now_s: float) -> float:
    """Copy a batch's inputs in; return when they are there, if that is known now; -1: an event will say."""
    real, size_bytes, batch_id = ints[ints[batch + GPU]], ints[batch + BYTES_IN], ints[batch + BATCH]
    start_s = end_s = now_s
    if size_bytes and ints[FABRIC]:
        submit(ints, reals, output, ask, 2 * ints[ints[batch + GPU] + NUMBER], batch, now_s)
        follow_links(ints, reals)
        return -1.0
    if size_bytes:
        start_s = max(reals[real + H2D_FREE_S], now_s)
        end_s = start_s + reals[real + H2D_ALPHA_S] + size_bytes / reals[real + H2D_RATE]
        reals[real + H2D_FREE_S] = end_s
    if not ints[IN_ORDER]:
        if end_s > now_s:
            reals[ints[batch] + COPY_START_S] = start_s
            schedule(ints, reals, end_s, DEVICE, batch * KINDS + INPUT)
            return -1.0
        start_s = end_s = now_s
    if batch_id >= 0:  # else it is weights that are copied
        times_s[COPY_IN_START * ints[ROWS] + batch_id], times_s[COPY_IN_END * ints[ROWS] + batch_id] = start_s, end_s
    return end_s


@compiled
def copy_out(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, batch: int, now_s: float) -> None:
    """Copy an executed batch's outputs out, once the host has come to it."""
    payload = ints[batch + BATCH] * ints[GPUS] + ints[ints[batch + GPU] + NUMBER]
    if reals[COLLECT_S]:
        collected_s = now_s + reals[COLLECT_S] * pace(ints, reals, ask, now_s, now_s)
        schedule(ints, reals, collected_s, DEVICE, payload * KINDS + COLLECTED)
    else:
        send_out(ints, reals, times_s, output, ask, payload, now_s)


@compiled
def send_out(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, payload: int, now_s: float) -> None:
    """Do so now: the payload is that of the event, the batch's id times the number of GPUs, plus its GPU's number."""
    batch_id = payload // ints[GPUS]
    real = ints[ints[ints[GPU_AT] + payload % ints[GPUS]]]
    start_s = end_s = now_s
    if output[batch_id] and ints[FABRIC]:
        submit(ints, reals, output, ask, 2 * (payload % ints[GPUS]) + 1, payload, now_s)
        follow_links(ints, reals)
        return
    if output[batch_id]:
        start_s = max(reals[real + D2H_FREE_S], now_s)
        end_s = start_s + reals[real + D2H_ALPHA_S] + output[batch_id] / reals[real + D2H_RATE]
        reals[real + D2H_FREE_S] = end_s
    times_s[COPY_OUT_START * ints[ROWS] + batch_id] = start_s
    schedule(ints, reals, end_s, REPLIES, batch_id * KINDS + OUTPUT)


@compiled
def follow_links(ints: Ints, reals: Reals) -> None:
    """Take note of what comes next on the links."""
    fabric = ints[FABRIC]
    arm(ints, reals, fabric, reals[ints[fabric] + NEXT_S], LINKS)
