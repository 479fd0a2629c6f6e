"""Where runs are made: in this process, in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.sweep.backends.base import Backend, Completed, Futures, Serial, Setup

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Backend", "Completed", "Futures", "Serial", "Setup", "make_backend"]


def make_backend(
    jobs: int = 1, dask: str | None = None, setup: Setup | None = None, code: Sequence[str] = ()
) -> Backend:
    """Return the backend that the command line asks for.

    Args:
        jobs: Number of processes.
        dask: Address of a Dask scheduler, or `local` for a Dask cluster of `jobs` processes of its own; None for
            processes without Dask.
        setup: What each worker does once, before its first run.
        code: What else than the simulator runs depend on; workers elsewhere must have the same (`code_sha256`).

    Raises:
        SpecError: fewer than one job, or no scheduler at that address.
        MissingExtraError: Dask is asked for, and not installed.
    """
    if jobs < 1:
        raise SpecError(f"jobs must be at least 1, got {jobs}")
    if dask is not None:
        from stratsim.sweep.backends.cluster import Dask

        return Dask(dask, jobs, setup, code)
    if jobs == 1:
        return Serial(setup)
    from stratsim.sweep.backends.processes import Processes

    return Processes(jobs, setup)
