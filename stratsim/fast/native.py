"""The policy `native` on arrays (`stratsim.policy.native`): a stream per client, each serves one request at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.codes import BEHIND_AT, LAST, OWN_AT, READY, READY_AT, SERVED, STREAM_AT, STREAM_INTS, WAITING
from stratsim.fast.compiled import compiled

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints

__all__ = ["free_stream", "queue"]


@compiled
def queue(ints: Ints, request: int) -> None:
    """Queue a request that arrives behind its client's last one."""
    ints[WAITING] += 1
    ints[ints[BEHIND_AT] + request] = -1
    own = ints[ints[OWN_AT] + request]
    stream = ints[STREAM_AT] + own * STREAM_INTS
    if ints[stream + SERVED] < 0:
        ints[stream + SERVED] = request
        _is_ready(ints, own)
    else:
        ints[ints[BEHIND_AT] + ints[stream + LAST]] = request
    ints[stream + LAST] = request


@compiled
def free_stream(ints: Ints, request: int) -> None:
    """The outputs of a request are back on the host: its stream goes on to the next."""
    own = ints[ints[OWN_AT] + request]
    stream = ints[STREAM_AT] + own * STREAM_INTS
    ints[stream + SERVED] = ints[ints[BEHIND_AT] + request]
    if ints[stream + SERVED] >= 0:
        _is_ready(ints, own)


@compiled
def _is_ready(ints: Ints, own: int) -> None:
    ints[ints[READY_AT] + ints[READY]] = own
    ints[READY] += 1
