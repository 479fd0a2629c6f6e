"""What the policies decide that stop batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.codes import PREEMPTS
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.bottleneck import start_unlike
from stratsim.fast.preempt.classes import let_high_run
from stratsim.fast.preempt.codes import BY_BOTTLENECK, BY_DEADLINE, BY_SLACK, POLICY
from stratsim.fast.preempt.earliest import let_earliest_run
from stratsim.fast.preempt.slack import set_timer

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Ints, Reals

__all__ = ["decide"]


@compiled
def decide(ints: Ints, reals: Reals, columns: Columns, ask: Ask, now_s: float, seen_s: float) -> None:
    """Have the policy decide, and do what it decides."""
    policy = ints[ints[PREEMPTS] + POLICY]
    if policy == BY_DEADLINE:
        let_earliest_run(ints, reals, columns, ask, now_s)
        return
    let_high_run(ints, reals, columns, ask, now_s, seen_s)
    if policy == BY_SLACK:
        set_timer(ints, reals, now_s, seen_s)
    elif policy == BY_BOTTLENECK:
        start_unlike(ints, reals, columns, ask, now_s, seen_s)
