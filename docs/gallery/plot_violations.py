"""Violations by policy and class
==============================

Who misses deadlines: the share of requests that were late or dropped.
"""

import stratsim.plot

stratsim.plot.violations("results/runs", width="page")
