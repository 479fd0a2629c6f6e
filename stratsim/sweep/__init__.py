"""Many runs: axes, seeds, policies with settings to choose from, a table of rows that goes on where it was.

The walk of a run's settings, in order: `file` reads the TOML into a `Sweep` (`spec`, refused by `check` where it is
wrong), `plan` makes the `Settings` of every run (`resolve` reads what they name, `select` chooses on the pilot seeds),
`worker` makes the row. `table` is the folder, `runs` the loop over runs, `backends` where they are made, `store` the
CSV; `summary` says what came out, `estimate` how long it will take, `again` repeats a row.

For others: the names below, `stratsim.sweep.backends` (anything that makes calls elsewhere) and `stratsim.sweep.table`
(a table of runs that are no replays).
"""

from stratsim.sweep.again import replay_row
from stratsim.sweep.file import load_sweep, make_sweep
from stratsim.sweep.plan import make_plan
from stratsim.sweep.run import Outcome, labelled_rows, read_sweeps, run_sweep
from stratsim.sweep.summary import summarise, write_summary
from stratsim.sweep.table import How

__all__ = [
    "How",
    "Outcome",
    "labelled_rows",
    "load_sweep",
    "make_plan",
    "make_sweep",
    "read_sweeps",
    "replay_row",
    "run_sweep",
    "summarise",
    "write_summary",
]
