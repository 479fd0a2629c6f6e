"""A Dask cluster: an existing one by its address, or one of processes of this machine.

Dask's scheduler watches the workers. When one is lost its runs are given to others, and a run that three workers died
of is given up. Runs are named by their hash, so each is told once whatever happened to it.
"""

from __future__ import annotations

import logging
import secrets
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from stratsim.errors import MissingExtraError, SimulationError, SpecError
from stratsim.plugins import allowed_code, call_allowing
from stratsim.sweep.backends.base import Completed
from stratsim.sweep.code import code_sha256
from stratsim.sweep.environment import versions

try:
    from distributed import Client, LocalCluster, WorkerPlugin, as_completed
except ImportError:
    raise MissingExtraError("distributed", "dask") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stratsim.sweep.backends.base import Setup

__all__ = ["LOCAL", "Dask"]

LOCAL = "local"
"""Instead of an address: a cluster of its own."""
_CONNECT_S = 20.0
"""How long to wait for a scheduler."""
_ALONE_S = 60.0
"""How long a run goes on without any worker."""
_STEP_S, _LONGEST_STEP_S = 0.001, 0.2
"""How often it is looked whether a call has ended: at once for short ones, seldom for long ones."""
_LOST = (CancelledError, TimeoutError, OSError, StopIteration, RuntimeError)
"""What Dask raises where its scheduler is gone, by what was asked and when: CommClosedError is an OSError."""
_READY: set[str] = set()
"""In a worker: the drivers for which it is prepared."""


class Dask:
    """Runs on a Dask cluster.

    Args:
        address: Of the scheduler, such as `tcp://10.0.0.1:8786`; `local` starts a cluster of processes.
        jobs: Processes of a local cluster.
        setup: Done once in each worker, those that join later as well.
        code: What else runs depend on; a worker whose code differs is refused.

    Raises:
        SpecError: no scheduler answers at that address, or a worker has other code.
    """

    def __init__(self, address: str, jobs: int = 1, setup: Setup | None = None, code: Sequence[str] = ()) -> None:
        self._address = address
        self._session = secrets.token_hex(4)
        self._allowed = allowed_code()
        self._keys: dict[str, str] = {}
        self._cluster = None
        self._ended: Any = None
        try:
            if address == LOCAL:
                quiet = logging.CRITICAL
                self._cluster = LocalCluster(jobs, threads_per_worker=1, dashboard_address=":0", silence_logs=quiet)
            self._client = Client(self._cluster or address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SpecError(f"no Dask scheduler at {address!r}: {error}") from None
        self._await_workers()
        self._ended = as_completed(loop=self._client.loop)
        try:
            plugin = _Prepared(self._session, setup, code_sha256(code), code)
            self._client.register_plugin(plugin, name=f"stratsim-{self._session}")
        except Exception as error:  # noqa: BLE001 (whatever a worker's setup raises)
            self.close()
            raise SpecError(f"Dask at {address!r}: {error}") from None

    def _await_workers(self) -> None:
        """Wait for the first worker, with a limit: without one nothing would happen."""
        try:
            self._client.wait_for_workers(1, timeout=_CONNECT_S)
        except TimeoutError:
            self.close()
            raise SpecError(
                f"the Dask scheduler at {self._address!r} has had no worker for {_CONNECT_S:g} s; start some: "
                f"dask worker {self._address}"
            ) from None

    def _await_next(self) -> None:
        """Wait until a call has ended; with a limit if all workers are gone.

        Raises:
            SimulationError: there has been no worker for long.
        """
        alone_s, step_s = 0.0, _STEP_S
        while not self._ended.has_ready() and self._client.status == "running":
            time.sleep(step_s)
            step_s = min(2 * step_s, _LONGEST_STEP_S)
            alone_s = alone_s + step_s if step_s == _LONGEST_STEP_S and not self._workers() else 0.0
            if alone_s > _ALONE_S:
                raise SimulationError(
                    f"the Dask scheduler at {self._address!r} has had no worker for {_ALONE_S:g} s; the rows so far "
                    "are kept, and the same command goes on"
                )

    def _workers(self) -> int:
        try:
            return len(self._client.scheduler_info()["workers"])
        except (OSError, KeyError, ValueError):
            return 0

    def submit(self, key: str, function: Callable[..., Any], *args: Any) -> None:
        """Give a call to the scheduler.

        Raises:
            SimulationError: it is gone.
        """
        name = f"stratsim-{self._session}-{key}"
        self._keys[name] = key
        call = (_prepared_call, self._session, self._allowed, function, *args)
        with self._asking():
            self._ended.add(self._client.submit(*call, key=name, pure=False))

    def next_completed(self) -> Completed:
        """Wait for the next call to end.

        Raises:
            SimulationError: the scheduler is gone.
        """
        with self._asking():
            self._await_next()
            future = next(self._ended)
            error = future.exception()  # that of the call is returned, not raised
            value = future.result() if error is None else None
        return Completed(self._keys.pop(future.key), value, error)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Say in a line that the scheduler is gone, however Dask says it."""
        try:
            yield
        except SimulationError:
            raise  # ours
        except _LOST as error:
            raise SimulationError(
                f"the Dask scheduler at {self._address!r} is gone ({type(error).__name__}); the rows so far are kept, "
                "and the same command goes on"
            ) from None

    def close(self) -> None:
        """Cancel what has not ended, and close a cluster of our own."""
        with suppress(*_LOST):  # there is nobody any more to tell
            if self._ended is not None:
                self._ended.clear()
            if self._client.status == "running":
                self._client.unregister_worker_plugin(name=f"stratsim-{self._session}")
        with suppress(*_LOST):
            self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class _Prepared(WorkerPlugin):
    """Prepares each worker."""

    def __init__(self, session: str, setup: Setup | None, expected: str, code: Sequence[str]) -> None:
        self._session = session
        self._setup = setup
        self._expected = expected
        self._code = tuple(code)
        self._versions = versions()

    def setup(self, worker: Any) -> None:
        """Refuse other code than the driver's, and do what has to be done once."""
        if code_sha256(self._code) != self._expected:
            raise SpecError(f"the worker {worker.address} has another version of stratsim: install the same everywhere")
        for name, driver in self._versions.items():
            if versions()[name] != driver:
                raise SpecError(
                    f"the worker {worker.address} has {name} {versions()[name]}, the driver {driver}: install the same"
                )
        if self._setup is not None:
            self._setup()
        _READY.add(self._session)

    def teardown(self, worker: Any) -> None:  # noqa: ARG002 (its interface)
        """Take no more runs of this driver."""
        _READY.discard(self._session)


def _prepared_call(session: str, allowed: tuple[str, ...], function: Callable[..., Any], *args: Any) -> Any:
    """Call a function, in a worker that was prepared: Dask lets one that joins later work whatever its setup said.

    What it may import is what the user allowed the driver, never what the settings of a run say.

    Raises:
        SimulationError: it was not.
    """
    if session not in _READY:
        raise SimulationError("a Dask worker could not be prepared: another version of stratsim? its log says more")
    return call_allowing(allowed, function, *args)
