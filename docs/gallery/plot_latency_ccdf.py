"""The tail of the latencies
=========================

The complement on log axes: how many of a thousand wait longer than this, or for ever?
"""

import stratsim.plot

stratsim.plot.latency_ccdf("results/runs", policies=["fifo", "strait"], width="page")
