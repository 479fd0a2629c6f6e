"""The event loop on SimPy, and what it records."""

from stratsim.engine.loop import simulate
from stratsim.engine.result import BatchTable, PauseTable, RequestTable, Result

__all__ = ["BatchTable", "PauseTable", "RequestTable", "Result", "simulate"]
