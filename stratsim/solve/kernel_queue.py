"""Streams whose kernels queue for one block scheduler."""

from __future__ import annotations

from math import fsum, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["kernel_queue"]

_STEPS = 64
"""Newton's method ends after about five; the bound only guards against rounding."""


def kernel_queue(length: Sequence[float], hold: Sequence[float]) -> list[float]:
    """Return each stream's rate when the kernels of all wait for the block scheduler, first come, first served.

    A stream has one kernel at a time in the hardware. It waits until the blocks of those before it are placed, holds
    the block scheduler for `hold[i]` until its own are, and executes for the rest of its `length[i]` beside others'.
    This is a closed queueing network with one customer per stream, a station with mean service time `hold` and a delay
    `length - hold`. By mean value analysis a kernel of stream i finds the queue that the others leave:

        wait_i = sum over j != i of q_j * hold_j,  q_j = (hold_j + wait_j) / (length_j + wait_j)
        rate_i = length_i / (length_i + wait_i)

    with q_j taken from the full network (Bard's approximation), which makes the cost linear. Alone the rate is 1; with
    hold 0 it always is; n streams with hold = length share like processors, 1 / n each, if their kernels are equally
    long, and in proportion to length otherwise. With hold = h * length the rates of n alike sum to at most 1 / h.

    Args:
        length: Shape (n,), mean duration of a kernel alone, > 0; only ratios matter, those to `hold` included.
        hold: Shape (n,), within [0, length].

    Returns:
        Rates, shape (n,), each within (0, 1]. Cost O(n).

    Source: Reiser and Lavenberg, "Mean-value analysis of closed multichain queuing networks", JACM 1980; Bard, "Some
    extensions to multiclass queueing network analysis", Performance of Computer Systems 1979. That kernels leave the
    queue in order, each when all its blocks are placed: Amert et al., "GPU scheduling on the NVIDIA TX2: hidden details
    revealed", RTSS 2017.
    """
    if len(length) == 1:
        return [1.0]
    streams = list(zip(length, hold, strict=True))
    total = _total_hold(streams)
    return [min(1.0, one / (one + _wait(total, one, own))) for one, own in streams]


def _total_hold(streams: Sequence[tuple[float, float]]) -> float:
    """Return the sum S of all q * hold, where wait_i = S - q_i * hold_i.

    `sum of q * hold - S` is concave in S and not above 0 at the sum of all holds: from there Newton's method comes down
    to the root without passing it.
    """
    total = fsum(own for _, own in streams)
    for _ in range(_STEPS):
        waits = [_wait(total, one, own) for one, own in streams]
        shares = [_share(wait, *stream) for wait, stream in zip(waits, streams, strict=True)]
        excess = fsum(share for share, _ in shares) - total
        if excess >= -1e-14 * total:
            break
        total += excess / (1.0 - fsum(slope / (1.0 + slope) for _, slope in shares))
    return total


def _wait(total: float, length: float, hold: float) -> float:
    """Return the wait w that solves `w + hold * (w + hold) / (length + w) = total`."""
    linear = total - length - hold
    root = sqrt(linear * linear + 4.0 * max(0.0, total * length - hold * hold))
    return max(0.0, (linear + root) / 2.0)


def _share(wait: float, length: float, hold: float) -> tuple[float, float]:
    """Return a stream's q * hold, and its slope in the wait."""
    cycle = length + wait
    return hold * (wait + hold) / cycle, hold * (length - hold) / (cycle * cycle)
