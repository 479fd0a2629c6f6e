"""BurstGPT (HPMLL/BurstGPT, CC-BY-4.0): requests to ChatGPT and GPT-4, time stamps in whole seconds.

The authors say that times are only accurate to seconds: requests are spread inside theirs. A request without response
tokens failed; it arrived all the same, and is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.trace.column import Names
from stratsim.trace.fields import Named
from stratsim.trace.flat import Given, flat
from stratsim.trace.registry import reader
from stratsim.trace.tables.base import Kind

if TYPE_CHECKING:
    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source

__all__ = ["read"]


@reader("BurstGPT request traces", columns=("Timestamp", "Request tokens", "Log Type"), unit="seconds",
        ticks="whole seconds; spread inside, seeded",
        left_out="nothing; failed requests (no response tokens) are counted")  # fmt: skip
def read(source: Source) -> Trace:
    """Read a BurstGPT trace; `Session ID` is the client, if every request has one."""
    table = source.table
    stamp = table.find("Timestamp") or "Timestamp"
    response, session = (table.find(name) or name for name in ("Response tokens", "Session ID"))
    columns = table.read({stamp: Kind.NUMBER, response: Kind.NUMBER, session: Kind.LABEL})
    if stamp not in columns:
        raise table.error("column is missing", stamp)
    fields = {"arrival": Named(stamp, "s")}
    sessions = columns.get(session)
    if isinstance(sessions, Names) and sessions.complete and len(sessions):
        fields["client"] = Named(session)
    failed = int((np.asarray(columns.get(response, np.empty(0))) == 0).sum())
    notes = (f"{failed} requests failed (no response tokens): kept",) if failed else ()
    stamps = np.asarray(columns[stamp])
    tick_s = 1.0 if (stamps % 1 == 0).all() else None
    return flat(source, table, fields, Given(tick_s=tick_s, notes=notes), stream="burstgpt")
