"""k6's CSV output: one row per metric and request; the rows of `http_reqs` are the requests.

Source: Grafana k6, results output to CSV; `K6_CSV_TIME_FORMAT` sets the unit, seconds since 1970 by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.trace.column import as_names
from stratsim.trace.fields import Named, likely_unit
from stratsim.trace.flat import Given, flat
from stratsim.trace.registry import reader
from stratsim.trace.tables.base import Kind

if TYPE_CHECKING:
    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source

__all__ = ["read"]

_METRIC = "http_reqs"


@reader("k6 results, CSV", columns=("metric_name", "timestamp", "metric_value"),
        unit="since 1970, known by its size, or dates", ticks="seconds are whole: spread inside, seeded",
        left_out="rows of other metrics than `http_reqs`; failed requests are kept")  # fmt: skip
def read(source: Source) -> Trace:
    """Read k6's results: a request per row of `http_reqs`."""
    table = source.table
    metric, stamp = (table.find(name) or name for name in ("metric_name", "timestamp"))
    columns = table.read({metric: Kind.LABEL})
    if metric not in columns:
        raise table.error("column is missing", metric)
    names = as_names(columns[metric])
    rows = np.flatnonzero(names.codes == (names.names.index(_METRIC) if _METRIC in names.names else -2))
    if not len(rows):
        raise source.error(f"has no row of the metric {_METRIC}: no requests", column=metric)
    fields = {} if "arrival" in source.columns else {"arrival": Named(stamp, likely_unit(table, stamp))}
    if fields and not fields["arrival"].unit:
        raise table.error(f"does not say its unit: --column arrival={stamp}:UNIT (s, ms, us, ns or iso)", stamp)
    notes = (f"took the {len(rows)} rows of the metric {_METRIC}, of {len(table)}",)
    return flat(source, table, fields, Given(rows=rows, tick_s=0.0, notes=notes), stream="k6")
