"""What a live run says of the host that drove it: how late it was, and what its own work cost."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Figures", "spread"]

_LATE_S = 1e-3
_LATE_SHARE = 0.05
"""Of the shortest solo latency: a lag beyond either is worth a note (our choice)."""


class Figures:
    """Samples of one run, seconds."""

    __slots__ = ("decide_s", "lag_s", "moved_s", "seen_after_s", "submit_s", "think_s", "turns")

    def __init__(self) -> None:
        self.lag_s = array("d")
        """By request: from its arrival in the trace until it was admitted."""
        self.decide_s = array("d")
        """By call of `decide`: until the last decision was out, without what submitting took."""
        self.think_s = array("d")
        """The same of calls that started something: what `truth.host.decide_s` of a profile says."""
        self.submit_s = array("d")
        """By batch: what handing it to the server took."""
        self.seen_after_s = array("d")
        """By stage of a batch: from when the device reached it until the poll that saw it."""
        self.moved_s = array("d")
        """By time of the server that was not in order (before the stage that precedes it, or after the poll that saw
        it): by how much it was moved."""
        self.turns = 0
        """Of the loop."""

    def as_dict(self) -> dict[str, Any]:
        """Return what the manifest holds of them."""
        return {
            "lag_s": spread(self.lag_s),
            "host": {
                "decide_s": spread(self.decide_s),
                "think_s": spread(self.think_s),
                "submit_s": spread(self.submit_s),
                "seen_after_s": spread(self.seen_after_s),
                "turns": self.turns,
            },
            "times_moved": {"count": len(self.moved_s), "max_s": max(self.moved_s, default=0.0)},
        }

    def note(self, policy: str, shortest_s: float) -> tuple[str, ...]:
        """Return a note if the executor fell behind the trace.

        Args:
            policy: Name of the policy.
            shortest_s: The shortest solo latency of the models in use.
        """
        lag = spread(self.lag_s)
        if not lag["count"] or lag["p99"] <= min(_LATE_S, _LATE_SHARE * shortest_s):
            return ()
        late = ", ".join(f"{name} {lag[name] * 1e3:.2f} ms" for name in ("median", "p99", "max"))
        note = (
            f"policy {policy!r}: requests were admitted later than the trace has them ({late}; the shortest solo "
            f"latency is {shortest_s * 1e3:.2f} ms): latencies count from the trace's times"
        )
        return (note,)


def spread(values: Iterable[float]) -> dict[str, Any]:
    """Return count, median, p99 and maximum; None where there are no values."""
    found = np.fromiter(values, dtype=np.float64)
    if not len(found):
        return {"count": 0, "median": None, "p99": None, "max": None}
    median, p99 = np.quantile(found, [0.5, 0.99]).tolist()
    return {"count": len(found), "median": median, "p99": p99, "max": float(found.max())}
