"""Pure solvers of sharing problems: numbers in, numbers out, no clock, no profile types.

Truth and belief may share a function from here, never parameters or objects.
"""

from stratsim.solve.capped import capped_weighted
from stratsim.solve.maxmin import max_min

__all__ = ["capped_weighted", "max_min"]
