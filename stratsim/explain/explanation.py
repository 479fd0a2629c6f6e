"""What is known of one request: where its time went, which batches delayed it, and what made it late."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Cause", "Explanation", "Other"]


@dataclass(frozen=True, slots=True)
class Other:
    """A batch that delayed the request, or was on its GPU."""

    batch: int
    model: str
    size: int
    priority: str
    dispatch_s: float
    execution_start_s: float
    execution_end_s: float
    later: bool
    """Whether it was dispatched after the request in question, or, where that was not yet, after it arrived."""
    interference_s: float | None = None
    """By how much it slowed the request's batch; None where that was not asked."""

    @property
    def name(self) -> str:
        """Return what to call it: model, size and class."""
        return f"{self.model} x{self.size} ({self.priority})"


@dataclass(frozen=True, slots=True)
class Cause:
    """The decision that made a request late.

    Args:
        kind: `waited`: it was dispatched when it could not have been in time any more, even alone. `given up`: dropped
            although alone it could have been. `known`: its own dispatch, estimated to be late. `later dispatch`:
            without the batches dispatched after it, it would have been in time. `preempted`: had it not been stopped
            (and not slowed by batches dispatched after it), it would have been in time. `belief`: its own dispatch,
            estimated to be in time. `unknown`: its own dispatch, by a policy that gives no estimates, or its drop,
            where it is not known what was possible alone.
        at_s: When: the dispatch or drop itself, or the last moment at which it could still have been in time alone.
        batches: What was on the GPU then, or what slowed it.
        meanwhile: Batches dispatched between its arrival and then, by class, on all GPUs.
    """

    kind: str
    at_s: float
    batches: tuple[Other, ...] = ()
    meanwhile: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the time of one request went. Times in seconds; None: did not happen, or is not known."""

    request: int
    policy: str
    model: str
    priority: str
    status: str
    reason: str | None
    arrival_s: float
    deadline_s: float | None
    finish_s: float | None
    dropped_s: float | None
    latency_s: float | None
    batch: int | None
    gpu: int | None
    batch_size: int | None
    parts: dict[str, float]
    """Seconds by part; empty for a request that was not answered."""
    alone_s: float | None
    """What the request would take alone on the machine, copies included, by the profile."""
    latest_s: float | None
    """The last moment at which, dispatched alone, it could have been in time."""
    batching_s: float | None
    """How much longer its batch executes than it would by itself: a part of the part `execution`."""
    dispatch_s: float | None
    expected_s: float | None
    """When the outputs would be back, as the policy estimated at dispatch."""
    slot_behind: tuple[Other, ...] = ()
    """The batches that executed on its GPU while it waited for a slot, in the order in which they ended."""
    slowed_by: tuple[Other, ...] = ()
    other_interference_s: float = 0.0
    """Interference that no co-runner accounts for."""
    by_overlap: bool = False
    """Whether the interference is shared by overlapped time."""
    cause: Cause | None = None
    """None for a request that is not late."""
    verdict: str = ""
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)
