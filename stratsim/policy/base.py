"""What a scheduling policy is: it sees a read-only view, and answers with decisions.

A policy owns its queue. The engine tells it of every arrival, and asks for decisions once per instant, after everything
else that happens at that instant has happened:

    on_arrival(request, view)     a request has arrived: queue it
    decide(view)                  something changed: yield decisions

`decide` is iterated lazily: each decision takes effect before the next one is asked for, so a generator sees an
up-to-date view after every `yield`. Nothing in the view says how far a running batch has got or how fast it runs: a
real scheduler cannot know that either.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratsim.model.profile import SchedulerProfile
    from stratsim.model.request import Request
    from stratsim.policy.view import InFlight, View
    from stratsim.rng import Streams

__all__ = ["Decision", "Drop", "DropMode", "Policy", "Resume", "SetTimer", "Setting", "Start", "Suspend", "Wake"]


class Start(NamedTuple):
    """Dispatch a batch: its inputs are copied to the GPU, it executes, its outputs are copied back.

    Legal while the GPU has a free place (`GpuView.free_places`), for waiting requests of one model, up to the
    profile's largest batch size.

    `expected_s` is for the record only: when the policy expects the outputs to be back on the host. None or NaN: it
    does not say. `stratsim explain` sets it beside what happened.
    """

    requests: tuple[Request, ...]
    gpu: int = 0
    expected_s: float | None = None


class Drop(NamedTuple):
    """Give a waiting request up. It counts as a deadline violation."""

    request: Request
    reason: str


class SetTimer(NamedTuple):
    """Ask to be woken at `at_s`, even if nothing happens until then. Each call adds one wake-up."""

    at_s: float


class Suspend(NamedTuple):
    """Stop a batch that executes or is staged, by the policy's mechanism (`Policy` says how a policy has one).

    From now on it holds no place (`GpuView.suspended`); its slot is free once it has stopped, or at once where the
    mechanism does not wait. One that has not started to execute does not start; copies go on.
    """

    batch: InFlight


class Resume(NamedTuple):
    """Let a suspended batch go on. Legal while its GPU has a free place.

    It waits for a slot ahead of those that have not started yet. If it has not stopped by now it simply goes on, unless
    the mechanism cannot be called back.
    """

    batch: InFlight


Decision = Start | Drop | SetTimer | Suspend | Resume
"""All that a policy can do."""


class Wake(Enum):
    """Moments at which a policy may be asked for decisions, besides its own timers."""

    ARRIVAL = "arrival"
    """Requests have arrived."""
    COPY_IN_END = "copy-in-end"
    """A batch's inputs are on the GPU."""
    EXECUTION_END = "execution-end"
    """A batch has left its execution slot: a place is free."""
    COPY_OUT_END = "copy-out-end"
    """A batch's outputs are back on the host: its requests are answered."""
    STOP = "stop"
    """A suspended batch has stopped."""


class DropMode(Enum):
    """When a queueing policy gives a request up."""

    NEVER = "never"
    """Serve everything, however late."""
    EXPIRED = "expired"
    """Once its deadline has passed."""
    INFEASIBLE = "infeasible"
    """Once it could not meet its deadline even if it were started now, alone in its batch."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a policy is told once, before the run.

    Args:
        profile: What may be known of the hardware.
        gpus: Number of GPUs.
        max_concurrency: Batches that execute at once on a GPU.
        prefetch: Further batches that may copy in or wait on a GPU.
        max_batch: Largest batch size to form, unless the policy was given its own.
        drop: When to give requests up, unless the policy was given its own rule.
        streams: Random streams, for policies that draw.
        memory_bytes: Room for weights on each GPU; None: the weights of all models are always there.
    """

    profile: SchedulerProfile
    gpus: int
    max_concurrency: int
    prefetch: int
    max_batch: int
    drop: DropMode
    streams: Streams
    memory_bytes: float | None = None


@runtime_checkable
class Policy(Protocol):
    """A scheduling policy. Subclass it, or match it structurally.

    A policy may also have a class variable `slot_per_client = True`: then no limit of concurrency applies. Each GPU has
    a slot for every client (for every model, where requests have no client), whatever the run's `max_concurrency` and
    `prefetch` say; the setting tells the numbers in effect.

    A policy that preempts has an attribute `preemption`, a `stratsim.model.preemption.Preemption`: how it stops what
    runs. Without one, or with None, `Suspend` and `Resume` are illegal, and what has started runs to its end.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})
    """The moments at which `decide` is called. Every other moment costs nothing."""

    def prepare(self, setting: Setting) -> None:
        """Start a run: forget everything, take over `setting`. Called once per run, before anything else."""

    def on_arrival(self, request: Request, view: View) -> None:
        """A request has arrived."""

    def on_done(self, batch: InFlight, view: View) -> None:  # noqa: ARG002
        """A batch's outputs are back on the host; all its times are known.

        Called only if `Wake.COPY_OUT_END` is in `wakes`.
        """
        return None  # noqa: RET501 (an empty body would make the method abstract to type checkers)

    def decide(self, view: View) -> Iterable[Decision]:
        """Yield decisions. Each takes effect before the next is asked for."""
        ...
