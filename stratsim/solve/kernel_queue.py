"""Streams whose kernels queue for one block scheduler."""

from __future__ import annotations

from math import fsum, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["kernel_queue"]

_STEPS = 64
"""Newton's method ends after about five; the bound only guards against rounding."""


def kernel_queue(
    length: Sequence[float], hold: Sequence[float], residual: float = 1.0, gap: float = 0.0
) -> list[float]:
    """Return each stream's rate when the kernels of all wait for the block scheduler, first come, first served.

    A stream has one kernel at a time in the hardware. It waits until the blocks of those before it are placed, holds
    the block scheduler for `hold[i]` until its own are, and executes together with others' for the rest of its
    `length[i]`.
    This is a closed queueing network with one customer per stream, a station with mean service time `hold` and a delay
    `length - hold`. By mean value analysis a kernel of stream i finds the queue that the others leave:

        cycle_j = length_j + gap + wait_j
        wait_i  = sum over j != i of hold_j * (wait_j + residual * hold_j) / cycle_j
        rate_i  = length_i / cycle_i

    where the others are taken from the full network (Bard's approximation), which makes the cost linear: wait_j /
    cycle_j is the chance to find j waiting, hold_j / cycle_j that to find it in service. What is then left of its
    service is `residual * hold_j`: all of it on average if holds are exponential, half of it if they are all alike.
    `gap` is what a kernel's launch takes longer when other streams are active.

    Alone the rate is 1; with hold 0 and no gap it always is. With residual 1 and no gap, n streams with hold = length
    share like processors, 1 / n each, if their kernels are equally long, and in proportion to length otherwise; with
    hold = h * length the rates of n alike sum to at most 1 / h. A smaller residual can exceed that: two streams with
    hold = length and residual 1/2 have 1 / (1 + sqrt(1/2)) = 0.586 each.

    Args:
        length: Shape (n,), mean duration of a kernel alone, > 0; only ratios matter, to `hold` and `gap` as well.
        hold: Shape (n,), within [0, length].
        residual: Within [1/2, 1].
        gap: Not negative.

    Returns:
        Rates, shape (n,), each within (0, 1]. Cost O(n).

    Source: Reiser and Lavenberg, "Mean-value analysis of closed multichain queuing networks", JACM 1980; Bard, "Some
    extensions to multiclass queueing network analysis", Performance of Computer Systems 1979. That kernels leave the
    queue in order, each when all its blocks are placed: Amert et al., "GPU scheduling on the NVIDIA TX2: hidden details
    revealed", RTSS 2017. `residual` and `gap`: our choice, from measurements on an H200 (docs/results/h200.md).
    """
    if len(length) == 1:
        return [1.0]
    streams = [(one + gap, own) for one, own in zip(length, hold, strict=True)]
    total = _total_hold(streams, residual)
    return [
        min(1.0, alone / (one + _wait(total, one, own, residual)))
        for alone, (one, own) in zip(length, streams, strict=True)
    ]


def _total_hold(streams: Sequence[tuple[float, float]], residual: float) -> float:
    """Return the sum S of what all streams contribute to a wait, where wait_i = S - the contribution of i.

    `sum of contributions - S` is concave in S and not above 0 at the sum of all holds: from there Newton's method comes
    down to the root without passing it.
    """
    total = fsum(own for _, own in streams)
    for _ in range(_STEPS):
        waits = [_wait(total, one, own, residual) for one, own in streams]
        shares = [_share(wait, one, own, residual) for wait, (one, own) in zip(waits, streams, strict=True)]
        excess = fsum(share for share, _ in shares) - total
        if excess >= -1e-14 * total:
            break
        total += excess / (1.0 - fsum(slope / (1.0 + slope) for _, slope in shares))
    return total


def _wait(total: float, length: float, hold: float, residual: float) -> float:
    """Return the wait w that solves `w + hold * (w + residual * hold) / (length + w) = total`."""
    linear = total - length - hold
    root = sqrt(linear * linear + 4.0 * max(0.0, total * length - residual * hold * hold))
    return max(0.0, (linear + root) / 2.0)


def _share(wait: float, length: float, hold: float, residual: float) -> tuple[float, float]:
    """Return a stream's contribution to others' waits, and its slope in its own wait."""
    cycle, left = length + wait, residual * hold
    return hold * (wait + left) / cycle, hold * (length - left) / (cycle * cycle)
