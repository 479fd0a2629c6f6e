"""Mechanisms by name, for policies that work with any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.model.preemption import AtBoundary, ContextSwitch, Gated, Reset
from stratsim.policy.arguments import one_of

if TYPE_CHECKING:
    from stratsim.model.preemption import Preemption

__all__ = ["make_mechanism"]


def make_mechanism(name: str, gate: int, sync: bool) -> Preemption:
    """Return a mechanism with its defaults.

    Args:
        name: `gated`, `kernel`, `reset`, `context` (a switch of 40 us) or `ideal` (one of no time).
        gate: Kernels in flight at most, for `gated`.
        sync: Whether others wait for them, for `gated`.

    Raises:
        SpecError: there is no such mechanism, or a parameter is out of range.
    """
    one_of("mechanism", name, ("gated", "kernel", "reset", "context", "ideal"))
    gated = Gated(k=gate, sync=sync)
    others = {"kernel": AtBoundary(), "reset": Reset(), "context": ContextSwitch(), "ideal": ContextSwitch(latency_s=0)}
    return others.get(name, gated)
