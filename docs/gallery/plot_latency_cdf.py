"""Latencies of all requests that arrived
======================================

A curve that stays below 1 is a policy that dropped requests.
"""

import stratsim.plot

stratsim.plot.latency_cdf("results/runs", width="page")
