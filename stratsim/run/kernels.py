"""The fast engine's kernels, and compiling one."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from stratsim.errors import SimulationError, SpecError
from stratsim.fast.coverage import AWARE, ENTRY, PREEMPT, RUN, TRITON
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import RunSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KERNELS", "compile_kernel"]

KERNELS: Mapping[str, tuple[str, ...]] = {
    RUN: ("fifo", "priority-fifo", "edf", "priority-edf", "native"),
    PREEMPT: (
        "preempt-ideal",
        "preempt-gated",
        "preempt-kernel",
        "preempt-reset",
        "preempt-slack",
        "k-edf",
        "orion",
    ),
    AWARE: ("aware-edf",),
    TRITON: ("triton",),
    ENTRY: ("strait",),
}
"""Kernels that Python calls, by module and name within `stratsim.fast`, and the policies that each is for."""


def compile_kernel(kernel: str) -> None:
    """Compile a kernel, or load what was compiled before, by a run of a few requests.

    Args:
        kernel: One of `KERNELS`.

    Raises:
        SpecError: numba is not installed.
        SimulationError: the run was not made by it: a defect of stratsim.
    """
    if find_spec("numba") is None:
        raise SpecError("numba is not installed; try: pip install 'stratsim[fast]'")
    (policy, *_) = KERNELS[kernel]
    outcome = replay(prepare(RunSpec(policy=policy, engine="fast", limit=10)))
    (engine,) = outcome.manifest()["engines"].values()
    if engine["ran"] != "fast":
        raise SimulationError(f"{kernel} was not used: {engine['not_fast']} (a defect of ours)")
