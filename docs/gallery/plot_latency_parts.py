"""Where the time went
===================

Waiting, copies, execution as if alone, and what co-located batches added.
"""

import stratsim.plot

stratsim.plot.latency_parts("results/runs", width="page")
