"""Policies against real devices, by the wall clock: what `stratsim live` runs.

The same policy objects, views and decisions as in the simulator, and the same result; a `stratsim.model.server.Server`
takes the place of the simulated machine.
"""

from stratsim.live.executor import execute
from stratsim.live.plan import LiveRun, Plan
from stratsim.live.run import Served, serve
from stratsim.live.servers import Keeper, Target, open_server
from stratsim.signals import Terminated, terminable

__all__ = [
    "Keeper",
    "LiveRun",
    "Plan",
    "Served",
    "Target",
    "Terminated",
    "execute",
    "open_server",
    "serve",
    "terminable",
]
