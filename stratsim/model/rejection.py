"""How a client takes it that its request was dropped: when it hears of it, and whether it sends the request again."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from stratsim.errors import SpecError, suggest

__all__ = ["RETRY_BY", "Rejection"]

RETRY_BY: Final = ("waiting", "all")
"""Clients that may send again: those that wait for replies, or the senders of all requests of the trace as well."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejection takes a time, and may be followed by further attempts.

    A further attempt is the same request: its latency counts from its first arrival, its deadline stays, and it is
    counted once. Nothing is sent again at or after the deadline, nor after the client's end.

    Source: our choice. The default of 1 ms is the order of a round trip within a data centre; pauses that double are
    the exponential backoff of gRPC's connection-backoff protocol, without its jitter, so that runs repeat.

    Args:
        reject_s: From a drop until the client knows of it, seconds, >= 0. At 0 a client that does not think either
            sends its next request at the very instant of the drop.
        retries: How often a request is sent again, >= 0; 0: never.
        backoff_s: Pause before the first of these attempts, seconds, > 0; it doubles before each further one.
        retry_by: One of `RETRY_BY`.

    Raises:
        SpecError: a value out of range.
    """

    reject_s: float = 0.001
    retries: int = 0
    backoff_s: float = 0.01
    retry_by: str = "waiting"

    def __post_init__(self) -> None:
        if not 0 <= self.reject_s < inf:
            raise SpecError(f"reject_s must be >= 0 and finite, got {self.reject_s!r}")
        if type(self.retries) is not int or self.retries < 0:
            raise SpecError(f"retries must be a whole number, at least 0, got {self.retries!r}")
        if not 0 < self.backoff_s < inf:
            raise SpecError(f"backoff_s must be > 0 and finite, got {self.backoff_s!r}")
        if self.retry_by not in RETRY_BY:
            raise SpecError(f"unknown kind of clients that retry {self.retry_by!r}; {suggest(self.retry_by, RETRY_BY)}")

    def pause_s(self, attempt: int) -> float:
        """Return the time from the drop of the n-th attempt, from 1, to the next attempt."""
        return self.reject_s + self.backoff_s * 2.0 ** (attempt - 1)
