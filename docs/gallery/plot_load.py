"""Violations against load
=======================

Of a sweep: means and 95 % intervals over seeds, a line per policy.
"""

import stratsim.plot

stratsim.plot.load("results/sweep", x="load", where=["max_concurrency=2"], width="page")
