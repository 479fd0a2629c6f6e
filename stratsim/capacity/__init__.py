"""The highest rate at which a policy meets a target: `find_capacities`, what `stratsim capacity` runs.

`target` says what is to be met, `probe` simulates one rate with one seed, `measure` all seeds with the backends of
`stratsim.sweep`, `search` looks for the rate, `find` puts them together, `document` is what answers have in common. For
others: the names below. docs/metrics.md defines what is reported.
"""

from stratsim.capacity.find import CapacitySpec, find_capacities
from stratsim.capacity.target import Goal, parse_target

__all__ = ["CapacitySpec", "Goal", "find_capacities", "parse_target"]
