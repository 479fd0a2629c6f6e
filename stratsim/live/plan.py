"""What a live run is asked to do, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from stratsim.policy.base import DropMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.engine.result import Result
    from stratsim.live.figures import Figures
    from stratsim.model.profile import SchedulerProfile
    from stratsim.model.workload import Workload

__all__ = ["LiveRun", "Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run, and how.

    Args:
        workload: What arrives; no client waits for replies.
        profile: What policies may know of the hardware.
        largest: Largest batch by model that the server has been built for.
        slots: Batches that execute at once.
        prefetch: Further batches that may copy in or wait.
        max_batch: Largest batch that a policy without its own limit forms.
        drop: When a policy without a rule of its own gives requests up.
        seed: Of all random streams.
        patience_s: How long no stage may be seen while batches are in flight.
        lead_s: From the start of the loop to the first arrival.
    """

    workload: Workload
    profile: SchedulerProfile
    largest: Mapping[str, int]
    slots: int
    prefetch: int = 1
    max_batch: int = 8
    drop: DropMode = DropMode.INFEASIBLE
    seed: int = 0
    patience_s: float = 30.0
    lead_s: float = 0.05


class LiveRun(NamedTuple):
    """What a policy's run gave.

    Args:
        result: As a replay has it; of a run that ended early, the requests that had arrived by then.
        figures: What the host needed for it.
        batches: How many batches the server was given.
        stopped: What ended the run; None: it came to its end.
    """

    result: Result
    figures: Figures
    batches: int
    stopped: BaseException | None
