"""The event loop on SimPy, and what it records."""

from stratsim.engine.result import BatchTable, PauseTable, RequestTable, Result
from stratsim.engine.simulation import simulate

__all__ = ["BatchTable", "PauseTable", "RequestTable", "Result", "simulate"]
