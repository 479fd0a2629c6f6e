"""Runs of the same requests compared: `compare`, what `stratsim compare` prints and the figures of differences show.

`variants` says which runs of which folders belong together, `measured` takes figures from a run's requests,
`replicated` and `resampled` make rows of them: over several seeds, or over blocks of one run. `sweep` takes the figures
from the table of a sweep. `log` and `prequential` compare predictors instead, on the log of one run.
docs/reference/metrics.md defines what is reported.
"""

from stratsim.compare.compare import Asked, compare
from stratsim.compare.measured import METRICS

__all__ = ["METRICS", "Asked", "compare"]
