"""Where in the trace a policy fails
=================================

Violations, arrivals, queue length, utilization and batch size per window of trace time.
"""

import stratsim.plot

stratsim.plot.over_time("results/runs", policies=["fifo", "strait"], width="page")
