"""A reader of a server's own logs: docs/how-to/add-a-trace-reader.md."""

import numpy as np

from stratsim.trace import reader
from stratsim.trace.fields import Named
from stratsim.trace.flat import Given, flat
from stratsim.trace.tables.base import Kind


@reader("Logs of our server", columns=("t_us", "net", "state"), unit="microseconds from the start")
def read(source):
    """Take every request but those of the warm-up phase."""
    table = source.table
    state = table.read({"state": Kind.LABEL})["state"]
    warm_up = np.asarray([cell == "warm-up" for cell in state.decode()])
    given = Given(rows=np.flatnonzero(~warm_up), notes=(f"{warm_up.sum()} requests of the warm-up phase left out",))
    return flat(source, table, {"arrival": Named("t_us", "us"), "model": Named("net")}, given)
