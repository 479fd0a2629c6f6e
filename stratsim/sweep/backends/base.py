"""What a backend does, and the two that need no process of their own."""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from stratsim.plugins import allowed_code, call_allowing

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

__all__ = ["Backend", "Completed", "Futures", "Serial", "Setup"]


class Completed(NamedTuple):
    """A call that has ended."""

    key: str
    value: Any
    """What the function returned."""
    error: BaseException | None = None
    """What it raised, or why there is no value."""


class Setup(NamedTuple):
    """What each worker does once, before its first call: a function of a module, with arguments that can be shipped."""

    function: Callable[..., None]
    args: tuple[Any, ...]

    def __call__(self) -> None:
        """Do it."""
        self.function(*self.args)


class Backend(Protocol):
    """Somewhere to make calls, each named by a key that no other has."""

    def submit(self, key: str, function: Callable[..., Any], *args: Any) -> None:
        """Have a function of a module called with plain arguments, now or later. Does not wait."""

    def next_completed(self) -> Completed:
        """Wait for a call to end, in whatever order; each is told once. There must be one that has not been told."""

    def close(self) -> None:
        """Stop: what has not ended is given up."""


class Serial:
    """One call after the other, in this process.

    Args:
        setup: Done at once.
    """

    def __init__(self, setup: Setup | None = None) -> None:
        self._waiting: deque[tuple[str, Callable[..., Any], tuple[Any, ...]]] = deque()
        if setup is not None:
            setup()

    def submit(self, key: str, function: Callable[..., Any], *args: Any) -> None:
        """Remember a call."""
        self._waiting.append((key, function, args))

    def next_completed(self) -> Completed:
        """Make the next call."""
        key, function, args = self._waiting.popleft()
        try:
            return Completed(key, function(*args))
        except (Exception, SystemExit) as error:  # noqa: BLE001 (the caller reports it)
            return Completed(key, None, error)

    def close(self) -> None:
        """Forget the calls that are left."""
        self._waiting.clear()


class Futures:
    """Any executor of `concurrent.futures`; it stays open, as it belongs to somebody else.

    Args:
        executor: Anything that takes `submit`.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._keys: dict[Future[Any], str] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()

    def submit(self, key: str, function: Callable[..., Any], *args: Any) -> None:
        """Pass the call on."""
        future = self._executor.submit(call_allowing, allowed_code(), function, *args)
        self._keys[future] = key
        future.add_done_callback(self._ended.put)

    def next_completed(self) -> Completed:
        """Wait for the next future."""
        future = self._ended.get()
        key, error = self._keys.pop(future), future.exception()
        return Completed(key, future.result() if error is None else None, error)

    def close(self) -> None:
        """Cancel what has not begun."""
        for future in list(self._keys):
            future.cancel()
        self._keys.clear()
