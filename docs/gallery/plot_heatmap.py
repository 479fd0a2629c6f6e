"""A grid of conditions
====================

One figure over two axes of a sweep, a panel per policy.
"""

import stratsim.plot

stratsim.plot.heatmap("results/sweep", x="load", y="max_concurrency", width="page")
