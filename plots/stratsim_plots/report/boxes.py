"""What the timeline of one run consists of: boxes (who used what from when to when) in rows, and how many waited."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from stratsim.stats.occupancy import assign_lanes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stratsim.explain.parts import Run

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["Boxes", "Waiting", "boxes_of", "waiting_of"]


class Boxes(NamedTuple):
    """All boxes of a run, in the order of their starts."""

    rows: list[tuple[int, str]]
    """GPU and name of each row."""
    row: Integers
    batch: Integers
    """Position in the batch table."""
    start_s: Floats
    end_s: Floats


class Waiting(NamedTuple):
    """How many requests waited for dispatch: a step function, right-continuous."""

    at_s: Floats
    high: Integers
    low: Integers


def boxes_of(run: Run) -> Boxes:
    """Return the boxes of a run: lanes are given over the whole run, so they do not depend on a window."""
    rows: list[tuple[int, str]] = []
    row, batch, starts_s, ends_s = [], [], [], []
    for gpu in sorted(set(run.batches["gpu"].dropna().astype(int))):
        for kind, owner, start_s, end_s in _kinds(run, gpu):
            kept = end_s > start_s  # false for what did not happen as well
            lanes = np.array(assign_lanes(start_s[kept], end_s[kept]), dtype=np.int64)
            row.append(lanes + len(rows))
            rows += [(gpu, f"{kind} {lane}" if kind == "slot" or lane else kind) for lane in range(_count(lanes))]
            batch.append(owner[kept])
            starts_s.append(start_s[kept])
            ends_s.append(end_s[kept])
    if not rows:
        none = np.empty(0, dtype=np.int64)
        return Boxes([], none, none, np.empty(0), np.empty(0))
    start_s = np.concatenate(starts_s)
    order = np.argsort(start_s, kind="stable")
    return Boxes(
        rows, np.concatenate(row)[order], np.concatenate(batch)[order], start_s[order], np.concatenate(ends_s)[order]
    )


def _count(lanes: Integers) -> int:
    return int(lanes.max(initial=-1)) + 1


def _kinds(run: Run, gpu: int) -> Iterator[tuple[str, Integers, Floats, Floats]]:
    """Yield what a GPU's rows show: kind, whose, from when, to when."""
    here = np.flatnonzero((run.batches["gpu"] == gpu).to_numpy(dtype=bool))
    at = {name: run.batches[name].to_numpy(dtype=float)[here] for name in _TIMES}
    yield ("slot", *_stretches(run, here, at["execution_start_s"], at["execution_end_s"]))
    yield "waiting for a slot", here, at["copy_in_end_s"], at["execution_start_s"]
    yield "copy in", here, at["copy_in_start_s"], at["copy_in_end_s"]
    yield "copy out", here, at["copy_out_start_s"], at["copy_out_end_s"]
    yield "weights", here, at["load_start_s"], at["load_end_s"]


_TIMES = (
    *("copy_in_start_s", "copy_in_end_s", "execution_start_s", "execution_end_s"),
    *("copy_out_start_s", "copy_out_end_s", "load_start_s", "load_end_s"),
)


def _stretches(run: Run, here: Integers, start_s: Floats, end_s: Floats) -> tuple[Integers, Floats, Floats]:
    """Return the executions of batches, cut where they were stopped."""
    position = run.batches.index.get_indexer(pd.Index(run.pauses["batch_id"].astype(np.int64)))
    own = np.isin(position, here)
    owner = np.concatenate([here, position[own]])
    starts = np.concatenate([start_s, run.pauses["on_s"].to_numpy(dtype=float)[own]])
    ends = np.concatenate([end_s, run.pauses["gone_s"].to_numpy(dtype=float)[own]])
    # Of one batch, starts and ends alternate: sorted alike they are pairs.
    return np.sort(owner), starts[np.lexsort((starts, owner))], ends[np.lexsort((ends, owner))]


def waiting_of(run: Run) -> Waiting:
    """Return how many requests of each class had arrived and were neither dispatched nor dropped."""
    requests = run.requests
    arrival_s = requests["arrival_s"].to_numpy(dtype=float)
    left_s = requests["dispatch_s"].fillna(requests["dropped_s"]).to_numpy(dtype=float)
    left_s = np.where(np.isnan(left_s), np.inf, left_s)
    at_s = np.unique(np.concatenate([arrival_s, left_s]))
    at_s = at_s[np.isfinite(at_s)]
    counts = []
    for name in ("high", "low"):
        own = (requests["priority"] == name).to_numpy(dtype=bool)
        came = np.searchsorted(np.sort(arrival_s[own]), at_s, side="right")
        went = np.searchsorted(np.sort(left_s[own]), at_s, side="right")
        counts.append((came - went).astype(np.int64))
    return Waiting(at_s, *counts)
