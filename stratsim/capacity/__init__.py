"""The highest rate at which a policy meets a target: `find_capacities`, what `stratsim capacity` runs.

`target` says what is to be met, `search` looks for the rate, `probe` simulates one rate with one seed, `find` puts them
together, with the backends of `stratsim.sweep`. For others: the names below. docs/metrics.md defines what is reported.
"""

from stratsim.capacity.find import CapacitySpec, find_capacities
from stratsim.capacity.target import parse_target

__all__ = ["CapacitySpec", "find_capacities", "parse_target"]
