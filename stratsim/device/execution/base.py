"""What an execution model is: what batches bring to a GPU, and the state of one GPU that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Execution", "ExecutionModel", "ExecutionUnit", "PreemptableModel", "PreemptableUnit"]

Key = TypeVar("Key")
Key_co = TypeVar("Key_co", covariant=True)


class Execution(Protocol[Key_co]):
    """One executing batch."""

    @property
    def key(self) -> Key_co:
        """What the owner calls it."""
        ...


class ExecutionUnit(Protocol[Key]):
    """The batches that execute on one GPU: a state machine that is given the time.

    The owner sees to it that `complete` is called at `next_s`.
    """

    next_s: float
    """When the unit must be called again: a batch ends, or its progress changes; `inf` when nothing executes."""

    def __len__(self) -> int:
        """Return the number of executing batches."""
        ...

    @property
    def running(self) -> Sequence[Execution[Key]]:
        """The executing batches, in the order in which they started."""
        ...

    def add(self, now_s: float, key: Key, solo_s: float, work: Any, level: int = 0) -> None:
        """Start a batch.

        Args:
            now_s: May lie ahead of the owner's time, up to `next_s`, if the owner knows that nothing happens before.
            key: What the owner calls it.
            solo_s: What it would take alone.
            work: From the model's `work`.
            level: Its priority, 0 the most urgent.
        """
        ...

    def complete(self, now_s: float) -> Sequence[Execution[Key]]:
        """Go on to `now_s`, which must be `next_s`, and return the batches that end there (maybe none)."""
        ...

    def copying(self, now_s: float, bytes_per_s: float) -> None:
        """Copies to and from the GPU's memory move that many bytes per second in all, from now on.

        `now_s` must not lie before the latest call.
        """
        ...


class ExecutionModel(Protocol):
    """How co-located batches slow each other on one kind of GPU."""

    name: str
    max_concurrency: int | None
    """The most batches that a GPU can run at once; None for any number."""
    heeds_copies: bool
    """Whether `ExecutionUnit.copying` makes a difference; the owner need not call it otherwise."""

    def work(self, model: str, batch: int) -> Any:
        """Return what a batch brings to a unit of this model. The same object on every call."""
        ...

    def unit(self) -> ExecutionUnit[Any]:
        """Return a new, idle GPU."""
        ...


class PreemptableUnit(ExecutionUnit[Key], Protocol[Key]):
    """A unit whose batches can be stopped on the way, and put back with `add`."""

    def left_s(self, now_s: float, key: Key) -> float:
        """Return how much solo work an executing batch has left, of what `add` and `rework` gave it."""
        ...

    def hold(self, now_s: float, key: Key) -> None:
        """Let an executing batch go on as it is until `rework`: it slows others, and does not end."""
        ...

    def rework(self, now_s: float, key: Key, work: Any) -> None:
        """Replace what an executing batch has left.

        Args:
            now_s: Must not lie before the latest call.
            key: The batch.
            work: From the model's `part`; None takes the batch out.
        """
        ...


@runtime_checkable
class PreemptableModel(Protocol):
    """An `ExecutionModel` whose `unit` returns a `PreemptableUnit`."""

    def part(self, work: Any, start: float, end: float) -> Any:
        """Return a part of a batch's work.

        Args:
            work: From the model's `work`.
            start: Share of the solo work before it, within [0, 1).
            end: Share of the solo work up to its end, within (start, 1].
        """
        ...
