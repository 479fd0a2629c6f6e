"""What the GPU did
================

Execution slots and copy engines in the busiest 200 ms.
"""

import stratsim.plot

stratsim.plot.timeline("results/runs", "strait", width="page")
