"""What a real device that serves batches can do: the interface between the live executor and its backends.

The executor (`stratsim.live`) owns arrivals, the policy and the log. A backend (`stratsim_profiler.serve`) owns the
device: it copies inputs in, executes models side by side, copies outputs out, and says when what happened. Neither
knows the other; both know this module.

A batch goes through the stages that the simulator has:

    submit -> copy-in (one at a time) -> wait for an execution slot -> execute -> copy-out (one at a time)

A backend has `slots` execution slots. They go to batches in the order in which their inputs are there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Seen", "Server", "ServerInfo", "Stage", "Work"]


class Stage(Enum):
    """A moment in the life of a batch; the values are the columns of the log."""

    COPY_IN_START = "copy_in_start_s"
    COPY_IN_END = "copy_in_end_s"
    EXECUTION_START = "execution_start_s"
    EXECUTION_END = "execution_end_s"
    COPY_OUT_START = "copy_out_start_s"
    COPY_OUT_END = "copy_out_end_s"


class Seen(NamedTuple):
    """A stage that a batch has reached.

    Args:
        batch: The batch's number, as it was submitted.
        stage: Which stage.
        time_s: When, on the server's clock, as the device saw it; never later than the poll that returned it.
    """

    batch: int
    stage: Stage
    time_s: float


class Work(NamedTuple):
    """A batch to serve.

    Args:
        model: Name of the model.
        size: Requests in the batch.
        bytes_in: Size of its inputs in all, bytes.
        bytes_out: Size of its outputs in all, bytes.
    """

    model: str
    size: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What serves.

    Args:
        kind: `cuda` or `cpu`.
        name: As the vendor calls it.
        slots: Batches that execute at once.
        details: Whatever else is known: software versions, cores, execution mode.
    """

    kind: str
    name: str
    slots: int
    details: dict[str, Any] = field(default_factory=dict)


class Server(Protocol):
    """A device that serves batches. One thread uses it.

    The life of a server: `load`, then `start`, then `submit`, `poll` and `wait` until everything is out, then `close`.
    Any method but `close` may raise `stratsim.errors.ServerError`: the device or a worker has failed, nothing that was
    submitted will come back. `close` never raises and may be called at any time.
    """

    info: ServerInfo

    def load(self, models: Mapping[str, Sequence[int]]) -> None:
        """Build every model for every batch size that may be asked for, and run each once.

        Args:
            models: Batch sizes by the model's name.
        """

    def start(self) -> None:
        """Set the clock to zero."""

    def now_s(self) -> float:
        """Return the time since `start`, seconds: the executor's clock."""

    def submit(self, batch: int, work: Work) -> None:
        """Take a batch: its copy-in begins as soon as those before it are done. Never blocks for long.

        Args:
            batch: Its number; numbers count up.
            work: What to do.
        """

    def poll(self) -> Sequence[Seen]:
        """Return the stages that were reached since the last call, in an order that respects each batch's own."""

    def wait(self, until_s: float) -> None:
        """Return at `until_s` on the server's clock, or earlier when a batch may have reached a stage."""

    def close(self) -> None:
        """Stop, whatever is in flight, and free the device."""
