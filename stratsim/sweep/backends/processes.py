"""Processes of this machine. One that is killed takes no run with it, and none outlives the process that started it."""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stratsim.engine.worker import begin
from stratsim.errors import SimulationError
from stratsim.plugins import allowed_code
from stratsim.sweep.backends.base import Completed

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.sweep.backends.base import Setup

__all__ = ["Processes"]

_DEATHS = 2
"""A call that loses so many processes while nothing else runs is to blame, and is given up."""


@dataclass(slots=True)
class _Call:
    key: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    alone: bool = False
    deaths: int = 0


class Processes:
    """A pool of processes.

    When a process is killed, a pool of the standard library is broken as a whole and does not say whose run it was.
    Then the pool is made anew, and whatever was under way is run again, one at a time: so that a run that kills its
    process (for memory, say) is told from those that ran with it, and is reported instead of being tried without end.

    Args:
        jobs: Number of processes.
        setup: Done once in each.
    """

    def __init__(self, jobs: int, setup: Setup | None = None) -> None:
        self._jobs = jobs
        self._setup = setup
        self._pool: ProcessPoolExecutor | None = None
        self._waiting: deque[_Call] = deque()
        self._suspects: deque[_Call] = deque()
        self._running: dict[Future[Any], _Call] = {}
        self._given_up: deque[Completed] = deque()

    def submit(self, key: str, function: Callable[..., Any], *args: Any) -> None:
        """Have a function called in one of the processes."""
        self._waiting.append(_Call(key, function, args))
        self._fill()

    def next_completed(self) -> Completed:
        """Wait for the next call to end; what a dead process had begun is begun again."""
        while True:
            if self._given_up:
                return self._given_up.popleft()
            self._fill()
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            future = next(each for each in self._running if each in done)
            error = future.exception()
            if isinstance(error, BrokenExecutor):
                self._recover()
                continue
            call = self._running.pop(future)
            return Completed(call.key, future.result() if error is None else None, error)

    def close(self) -> None:
        """Kill what is under way, and end the processes."""
        self._waiting.clear()
        self._suspects.clear()
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((pool._processes or {}).values()) if self._running else []
        self._running.clear()
        for process in processes:
            process.terminate()
        pool.shutdown(cancel_futures=True)

    def _fill(self) -> None:
        """Give the pool enough that no process waits for us, and not so much that a broken pool has many suspects."""
        while True:
            queue = self._suspects or self._waiting
            room = 1 if self._suspects else 2 * self._jobs
            alone = any(call.alone for call in self._running.values())
            if not queue or alone or len(self._running) >= room:
                return
            call = queue[0]
            try:
                future = self._opened().submit(call.function, *call.args)
            except BrokenExecutor:
                if self._running:
                    return  # they will tell
                self._pool = None
                continue
            call.alone = queue is self._suspects
            self._running[future] = queue.popleft()

    def _opened(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._jobs, context, _begin, (self._setup, allowed_code()))
        return self._pool

    def _recover(self) -> None:
        """Make a new pool, and sort what the broken one leaves behind."""
        wait(self._running)
        for future, call in list(self._running.items()):
            if not isinstance(future.exception(), BrokenExecutor):
                continue  # it had ended before, and is told next
            del self._running[future]
            call.deaths += call.alone
            if call.deaths < _DEATHS:
                self._suspects.append(call)
            else:
                error = SimulationError(f"its process was killed {call.deaths} times (out of memory?)")
                self._given_up.append(Completed(call.key, None, error))
        self._pool = None


def _begin(setup: Setup | None, allowed: tuple[str, ...]) -> None:
    begin(allowed)
    if setup is not None:
        setup()
