"""Copies over links that several share: `stratsim.device.fabric` on arrays, for copies that are served whole.

The links are one block, laid out as a GPU's: what `runs` on it are the copies that an engine has taken up. A copy that
waits for an engine is a code: whose inputs, or outputs, it is, times two, plus the direction.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    ALPHA_AT,
    ANSWER_AT,
    ASKED_AT,
    BYTES_IN,
    COPY_SPARE,
    COPY_SPARE_AT,
    DONE_AT,
    ENGINE,
    ENGINE_AT,
    FABRIC,
    FIRST,
    FREE,
    GPU,
    GPUS,
    HEAD,
    ITEM,
    JOINS_S,
    LANE,
    LANE_RATE_AT,
    LANE_ROWS,
    LANES_AT,
    LEFT_BYTES,
    LINK,
    LINK_AT,
    MOST_COPIES,
    MOVES,
    NEXT_S,
    NUMBER,
    OF_LANES,
    OWN_BYTES,
    RUNNING,
    RUNNING_AT,
    SAME,
    TAIL,
    TOOK_S,
    UPDATED_S,
)
from stratsim.fast.compiled import compiled

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["end_copies", "submit"]


@compiled
def submit(ints: Ints, reals: Reals, output: Column, ask: Ask, lane: int, item: int, now_s: float) -> None:
    """Queue a copy of at least one byte, of an item to or from a GPU: two lanes per GPU."""
    engine = ints[ints[ENGINE_AT] + lane]
    code = 2 * item + lane % 2
    if ints[engine + FREE]:
        _advance(ints, reals, now_s)
        _engage(ints, reals, output, engine, lane, code, now_s)
        _solve(ints, reals, ask, now_s)
        return
    ints[_link(ints, code)] = -1
    if ints[engine + HEAD] < 0:
        ints[engine + HEAD] = code
    else:
        ints[_link(ints, ints[engine + TAIL])] = code
    ints[engine + TAIL] = code


@compiled
def end_copies(ints: Ints, reals: Reals, output: Column, ask: Ask, now_s: float) -> int:
    """Go on to `now_s`; list the copies that end at `DONE_AT`, and return their number. Give them back afterwards."""
    fabric = ints[FABRIC]
    members, done, ended, staying = ints[fabric + RUNNING_AT], ints[DONE_AT], 0, 0
    _advance(ints, reals, now_s)
    if ints[fabric + FIRST] >= 0:
        reals[ints[ints[fabric + FIRST]] + LEFT_BYTES] = 0.0  # by definition of next_s: no rounding decides it
    for place in range(ints[fabric + RUNNING]):
        copy = ints[members + place]
        real = ints[copy]
        if reals[real + JOINS_S] <= now_s and reals[real + LEFT_BYTES] <= SAME * ints[copy + OWN_BYTES]:
            ints[done + ended] = copy
            ended += 1
        else:
            ints[members + staying] = copy
            staying += 1
    ints[fabric + RUNNING] = staying
    for place in range(ended):
        engine = ints[ints[done + place] + ENGINE]
        ints[engine + FREE] += 1
        code = ints[engine + HEAD]
        if code >= 0:
            ints[engine + HEAD] = ints[_link(ints, code)]
            _engage(ints, reals, output, engine, _lane(ints, code), code, now_s)
    _solve(ints, reals, ask, now_s)
    return ended


@compiled
def _link(ints: Ints, code: int) -> int:
    """Return the place of the code of the copy behind one that waits."""
    item = code // 2
    return ints[LINK_AT] + item // ints[GPUS] if code % 2 else item + LINK


@compiled
def _lane(ints: Ints, code: int) -> int:
    """Return the lane of a copy."""
    item = code // 2
    number = item % ints[GPUS] if code % 2 else ints[ints[item + GPU] + NUMBER]
    return 2 * number + code % 2  # type: ignore[no-any-return]


@compiled
def _engage(ints: Ints, reals: Reals, output: Column, engine: int, lane: int, code: int, now_s: float) -> None:
    """Let an engine take up a copy."""
    fabric, item = ints[FABRIC], code // 2
    ints[COPY_SPARE] -= 1
    copy = ints[ints[COPY_SPARE_AT] + ints[COPY_SPARE]]
    size_bytes = output[item // ints[GPUS]] if code % 2 else ints[item + BYTES_IN]
    ints[copy + LANE], ints[copy + ENGINE], ints[copy + ITEM] = lane, engine, item
    ints[copy + OWN_BYTES] = size_bytes
    real = ints[copy]
    reals[real + LEFT_BYTES], reals[real + MOVES] = float(size_bytes), 0.0
    reals[real + TOOK_S], reals[real + JOINS_S] = now_s, now_s + reals[ints[ALPHA_AT] + lane]
    ints[engine + FREE] -= 1
    ints[ints[fabric + RUNNING_AT] + ints[fabric + RUNNING]] = copy
    ints[fabric + RUNNING] += 1


@compiled
def _advance(ints: Ints, reals: Reals, now_s: float) -> None:
    fabric = ints[FABRIC]
    elapsed_s = now_s - reals[ints[fabric] + UPDATED_S]
    reals[ints[fabric] + UPDATED_S] = now_s
    if elapsed_s != 0.0:  # no time times an infinite rate would be NaN
        for place in range(ints[fabric + RUNNING]):
            real = ints[ints[ints[fabric + RUNNING_AT] + place]]
            reals[real + LEFT_BYTES] -= elapsed_s * reals[real + MOVES]


@compiled
def _solve(ints: Ints, reals: Reals, ask: Ask, now_s: float) -> None:
    """Find the rates from now on, and what happens next."""
    fabric, asked = ints[FABRIC], ints[ASKED_AT]
    members, first, next_s, active = ints[fabric + RUNNING_AT], -1, inf, 0
    for place in range(ints[fabric + RUNNING]):
        copy = ints[members + place]
        joins_s = reals[ints[copy] + JOINS_S]
        if joins_s <= now_s:
            ints[asked + active] = ints[copy + LANE]
            active += 1
        else:
            next_s = min(next_s, joins_s)
    if active:
        rate = _rates(ints, reals, ask, active)
        for place in range(ints[fabric + RUNNING]):
            copy = ints[members + place]
            real = ints[copy]
            if reals[real + JOINS_S] <= now_s:
                reals[real + MOVES] = reals[rate]
                at_s = now_s + reals[real + LEFT_BYTES] / reals[rate] if reals[rate] else inf
                rate += 1
                if at_s < next_s:
                    first, next_s = copy, at_s
    ints[fabric + FIRST] = first
    reals[ints[fabric] + NEXT_S] = next_s


@compiled
def _rates(ints: Ints, reals: Reals, ask: Ask, active: int) -> int:
    """Return where the rates of the lanes at `ASKED_AT` are, asking the links if they are not known."""
    asked, most, digest = ints[ASKED_AT], ints[MOST_COPIES], active
    for place in range(active):
        digest = (digest * 8191 + ints[asked + place] + 1) % 2147483647
    row = digest % ints[LANE_ROWS]
    known, rates = ints[LANES_AT] + row * (most + 1), ints[LANE_RATE_AT] + row * most
    place = 0 if ints[known] == active else -1
    while 0 <= place < active:
        place = place + 1 if ints[known + 1 + place] == ints[asked + place] else -1
    if place < 0:
        ask(OF_LANES, active)
        ints[known] = active
        for at in range(active):
            ints[known + 1 + at] = ints[asked + at]
            reals[rates + at] = reals[ints[ANSWER_AT] + at]
    return rates  # type: ignore[no-any-return]
