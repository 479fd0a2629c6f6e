"""A Dask cluster: an existing one by its address, or one of processes of this machine.

Dask's scheduler watches the workers. When one is lost its runs are given to others, and a run that three workers died
of is given up. Runs are named by their hash, so each is told once whatever happened to it.
"""

from __future__ import annotations

import logging
import secrets
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from stratsim.errors import MissingExtraError, SimulationError, SpecError
from stratsim.sweep.backends.base import Completed
from stratsim.sweep.code import code_sha256

try:
    from distributed import Client, LocalCluster, WorkerPlugin, as_completed
except ImportError:
    raise MissingExtraError("distributed", "dask") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.sweep.backends.base import Setup

__all__ = ["LOCAL", "Dask"]

LOCAL = "local"
"""Instead of an address: a cluster of its own."""
_CONNECT_S = 20.0
"""How long to wait for a scheduler."""
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
        self._keys: dict[str, str] = {}
        self._cluster = None
        try:
            if address == LOCAL:
                quiet = logging.CRITICAL
                self._cluster = LocalCluster(jobs, threads_per_worker=1, dashboard_address=":0", silence_logs=quiet)
            self._client = Client(self._cluster or address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SpecError(f"no Dask scheduler at {address!r}: {error}") from None
        self._ended = as_completed(loop=self._client.loop)
        try:
            plugin = _Prepared(self._session, setup, code_sha256(code), code)
            self._client.register_plugin(plugin, name=f"stratsim-{self._session}")
        except Exception as error:  # noqa: BLE001 (whatever a worker's setup raises)
            self.close()
            raise SpecError(f"Dask at {address!r}: {error}") from None

    def submit(self, key: str, function: Callable[..., Any], *args: Any) -> None:
        """Give a call to the scheduler."""
        name = f"stratsim-{self._session}-{key}"
        self._keys[name] = key
        self._ended.add(self._client.submit(_prepared_call, self._session, function, *args, key=name, pure=False))

    def next_completed(self) -> Completed:
        """Wait for the next call to end.

        Raises:
            SimulationError: the scheduler is gone.
        """
        future = next(self._ended)
        try:
            error = future.exception()
            value = future.result() if error is None else None
        except CancelledError:
            raise SimulationError(
                f"the Dask scheduler at {self._address!r} is gone; the rows so far are kept"
            ) from None
        return Completed(self._keys.pop(future.key), value, error)

    def close(self) -> None:
        """Cancel what has not ended, and close a cluster of our own."""
        self._ended.clear()
        if self._client.status == "running":
            self._client.unregister_worker_plugin(name=f"stratsim-{self._session}")
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

    def setup(self, worker: Any) -> None:
        """Refuse other code than the driver's, and do what has to be done once."""
        if code_sha256(self._code) != self._expected:
            raise SpecError(f"the worker {worker.address} has another version of stratsim: install the same everywhere")
        if self._setup is not None:
            self._setup()
        _READY.add(self._session)

    def teardown(self, worker: Any) -> None:  # noqa: ARG002 (its interface)
        """Take no more runs of this driver."""
        _READY.discard(self._session)


def _prepared_call(session: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function, in a worker that was prepared: Dask lets one that joins later work whatever its setup said.

    Raises:
        SimulationError: it was not.
    """
    if session not in _READY:
        raise SimulationError("a Dask worker could not be prepared: another version of stratsim? its log says more")
    return function(*args)
