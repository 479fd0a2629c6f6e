"""Pure solvers of sharing problems: numbers in, numbers out, no clock, no profile.

Truth and belief may share a function from here, never parameters or objects.
"""

from stratsim.solve.capped import capped_weighted
from stratsim.solve.filling import max_min_demands
from stratsim.solve.gpulet import linear_slowdown
from stratsim.solve.igniter import Resident, execution_ms, resident
from stratsim.solve.kernel_queue import kernel_queue
from stratsim.solve.maxmin import max_min
from stratsim.solve.time_slices import time_slices

__all__ = [
    "Resident",
    "capped_weighted",
    "execution_ms",
    "kernel_queue",
    "linear_slowdown",
    "max_min",
    "max_min_demands",
    "resident",
    "time_slices",
]
