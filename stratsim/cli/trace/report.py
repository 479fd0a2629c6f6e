"""What a trace command prints when it has written a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratsim.trace.schema import Trace

__all__ = ["described"]


def described(trace: Trace) -> str:
    """Return requests, closed-loop clients and mean rate of a trace in a few words."""
    parts = []
    if len(trace) or not trace.closed_loop:
        parts.append(_count(len(trace), "request"))
    if trace.closed_loop:
        parts.append(_count(len(trace.closed_loop), "closed-loop client"))
    if trace.normalised:
        parts.append("a shape without a rate")
    elif trace.span > 0:
        parts.append(f"{trace.rate:.6g} requests/s")
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
