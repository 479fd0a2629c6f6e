"""Tables of windows, of a run in memory or of one in a result folder; and windows.csv."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.model.request import Priority, Status
from stratsim.stats.over_time import WINDOW_COLUMNS, Life, over_time

if TYPE_CHECKING:
    from typing import TextIO

    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.engine.result import Result
    from stratsim.results.read import StoredResults

    Floats = NDArray[np.float64]

__all__ = ["WindowFile", "life_of", "life_of_stored"]


def life_of(result: Result) -> Life:
    """Return what a run was, for `stratsim.stats.over_time.over_time`."""
    requests, batches = result.requests, result.batches
    dispatched = requests.batch >= 0
    left_s = np.array(requests.dropped_s, dtype=np.float64)
    left_s[dispatched] = batches.dispatch_s[requests.batch[dispatched]]
    return Life(
        arrival_s=requests.arrival_s,
        left_s=left_s,
        high=requests.priority == Priority.HIGH,
        violated=requests.status != Status.MET,
        dropped=requests.status == Status.DROPPED,
        begun_s=batches.execution_start_s,
        size=batches.size,
        executing=list(result.stretches_by_gpu()),
        start_s=result.start_s,
        end_s=result.end_s,
    )


def life_of_stored(stored: StoredResults, policy: str) -> Life:
    """Return the same of one policy's run in a result folder.

    Raises:
        SpecError: a table cannot be read.
    """
    columns = ["policy", "arrival_s", "priority", "status", "dispatch_s", "dropped_s"]
    requests, batches = _of(stored.requests(columns), policy), _of(stored.batches(), policy)
    (run,) = [each for each in stored.runs if each["policy"] == policy]
    arrival_s = _floats(requests, "arrival_s")
    start_s = float(arrival_s.min()) if len(arrival_s) else 0.0
    status = requests["status"].astype(str).to_numpy()
    dropped_s, dispatch_s = _floats(requests, "dropped_s"), _floats(requests, "dispatch_s")
    begun_s, ended_s = _floats(batches, "execution_start_s"), _floats(batches, "execution_end_s")
    gpu, batch_id = batches["gpu"].to_numpy(dtype=np.int64), batches["batch_id"].to_numpy(dtype=np.int64)
    if stored.has_pauses:
        gpu, begun, ended = _cut(stored, policy, batch_id, gpu, begun_s, ended_s)
    else:
        begun, ended = begun_s, ended_s
    return Life(
        arrival_s=arrival_s,
        left_s=np.where(np.isnan(dropped_s), dispatch_s, dropped_s),
        high=(requests["priority"] == Priority.HIGH.label).to_numpy(),
        violated=status != Status.MET.label,
        dropped=status == Status.DROPPED.label,
        begun_s=begun_s,
        size=batches["batch_size"].to_numpy(dtype=np.int64),
        executing=[(begun[gpu == each], ended[gpu == each]) for each in range(max(len(run["gpu"]), 1))],
        start_s=start_s,
        end_s=start_s + run["simulated_s"],
    )


def _of(frame: pd.DataFrame, policy: str) -> pd.DataFrame:
    return frame[frame["policy"] == policy]


def _floats(frame: pd.DataFrame, name: str) -> Floats:
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _cut(
    stored: StoredResults,
    policy: str,
    batch_id: NDArray[np.int64],
    gpu: NDArray[np.int64],
    begun: Floats,
    ended: Floats,
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return the stretches of execution between the pauses of batches: GPUs, starts and ends."""
    pauses = _of(stored.pauses(["policy", "batch_id", "stopped_s", "restart_s"]), policy)
    pauses = pauses[pauses["stopped_s"].notna()]
    where = np.searchsorted(batch_id, pauses["batch_id"].to_numpy(dtype=np.int64))  # rows are in the order of dispatch
    starts = np.concatenate([begun, _floats(pauses, "restart_s")])
    ends = np.concatenate([ended, _floats(pauses, "stopped_s")])
    owner = np.concatenate([np.arange(len(batch_id)), where])
    # Per batch starts and ends alternate in time, so that sorting both alike pairs them.
    order = np.lexsort((starts, owner))
    return gpu[owner[order]], starts[order], ends[np.lexsort((ends, owner))]


class WindowFile:
    """Writes windows.csv: one row per policy and window. To be given an open file.

    Args:
        file: Where to; text, with line ends as they are.
        width_s: Length of a window, seconds.
    """

    def __init__(self, file: TextIO, width_s: float) -> None:
        self._width_s = width_s
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(("policy", *WINDOW_COLUMNS))

    def add(self, result: Result) -> None:
        """Append the windows of a run.

        Raises:
            SpecError: there are too many.
        """
        columns = over_time(life_of(result), self._width_s).values()
        for row in zip(*(column.tolist() for column in columns), strict=True):
            self._writer.writerow((result.policy, *map(_cell, row)))


def _cell(value: float) -> Any:
    """Return an exact number; an empty cell for a figure that does not exist."""
    return None if value != value else value
