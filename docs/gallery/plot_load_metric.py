"""A percentile against load
=========================

Any figure of a sweep against any of its axes. Where the line ends, the percentile falls among dropped requests.
"""

import stratsim.plot

stratsim.plot.load("results/sweep", x="load", metric="p95_arrived_s", where=["max_concurrency=2"], width="page")
