"""What it takes to meet a target: the highest rate, or the fewest GPUs; what `stratsim capacity` runs.

`target` says what is to be met, `probe` simulates one rate on one machine with one seed, `measure` all seeds with the
backends of `stratsim.sweep`. `find` looks for the highest rate, by `search`; `fewest` for the fewest GPUs at a rate,
and `edge` looks at what binds. `document` is what both answers have in common. For others: the names below.
docs/reference/metrics.md defines what is reported.
"""

from stratsim.capacity.fewest import FewestSpec, find_fewest, parse_gpus
from stratsim.capacity.find import CapacitySpec, find_capacities
from stratsim.capacity.target import Goal, parse_target

__all__ = ["CapacitySpec", "FewestSpec", "Goal", "find_capacities", "find_fewest", "parse_gpus", "parse_target"]
