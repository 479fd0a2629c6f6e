"""Rates that meet a target
========================

The highest rate at which violations stay within the target, with its interval.
"""

import stratsim.plot

stratsim.plot.capacity("results/rates.json", width="column")
