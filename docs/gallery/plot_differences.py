"""Differences to a baseline
=========================

Paired by seed, with simultaneous intervals: filled where Holm says that it is no chance.
"""

import stratsim.plot

stratsim.plot.differences("results/sweep", baseline="fifo", where=["load=1.1"], width="page")
