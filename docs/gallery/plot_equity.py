"""Who pays
========

Violations of low against those of high priority; on the diagonal both classes fare alike.
"""

import stratsim.plot

stratsim.plot.equity("results/sweep", width="column")
