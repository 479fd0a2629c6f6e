"""Explains requests: where the time went, what the policy estimated at dispatch, and what then happened."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError
from stratsim.explain.attribution import Attribution, attribute
from stratsim.explain.causes import find_cause, other_batch
from stratsim.explain.explanation import Explanation, Other
from stratsim.explain.parts import PARTS
from stratsim.explain.sentences import sentences
from stratsim.stats.occupancy import peak_concurrency

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from stratsim.explain.parts import Run

__all__ = ["explain", "interference_of", "worst"]


def explain(run: Run, request: int, interference: Attribution | None = None) -> Explanation:
    """Return where a request's time went, and what made it late if it is.

    Args:
        run: The run.
        request: Its id.
        interference: From `interference_of`, if it is known already.

    Raises:
        SpecError: there is no such request.
    """
    if request not in run.requests.index:
        last = int(run.requests.index.max()) if len(run.requests) else -1
        raise SpecError(f"no request {request} in the run of {run.policy!r}; its requests are 0 to {last}")
    row: Any = run.requests.loc[request]
    batch = _integer(row["batch_id"])
    if interference is None:
        interference = interference_of(run, [] if batch is None else [batch])
    own: Any = None if batch is None else run.batches.loc[batch]
    alone_s = _alone_s(run, row)
    deadline_s = _number(row["deadline_s"])
    draft = Explanation(
        request=request,
        policy=run.policy,
        model=str(row["model"]),
        priority=str(row["priority"]),
        status=str(row["status"]),
        reason=None if _missing(row["reason"]) else str(row["reason"]),
        arrival_s=float(row["arrival_s"]),
        deadline_s=deadline_s,
        finish_s=_number(row["copy_out_end_s"]),
        dropped_s=_number(row["dropped_s"]),
        latency_s=_number(row["latency_s"]),
        batch=batch,
        gpu=_integer(row["gpu"]),
        batch_size=_integer(row["batch_size"]),
        parts={} if _missing(row["latency_s"]) else _parts(run, request),
        alone_s=alone_s,
        latest_s=None if deadline_s is None or alone_s is None else deadline_s - alone_s,
        batching_s=None if own is None else _batching_s(run, own),
        dispatch_s=_number(row["dispatch_s"]),
        expected_s=None if own is None else _number(own["expected_s"]),
        slot_behind=() if own is None else _slot_behind(run, own),
        slowed_by=() if batch is None else _slowed_by(run, batch, interference),
        other_interference_s=0.0 if batch is None else interference.other_s.get(batch, 0.0),
        by_overlap=batch in interference.overlap,
        notes=run.machine.notes,
    )
    judged = replace(draft, cause=find_cause(run, draft))
    return replace(judged, verdict=sentences(judged))


def interference_of(run: Run, victims: Collection[int]) -> Attribution:
    """Return who slowed these batches of a run."""
    batches = run.batches
    first = run.requests["batch_id"].dropna().astype(np.int64).drop_duplicates()
    lost_s = run.parts.loc[first.index, "interference"].set_axis(first.to_numpy()).reindex(batches.index).fillna(0.0)
    starts, ends = (batches[name].to_numpy(dtype=float) for name in ("execution_start_s", "execution_end_s"))
    slots = max([peak_concurrency(starts[rows], ends[rows]) for rows in _by_gpu(batches)], default=1)
    model = run.machine.execution_model(_models(run), slots)
    return attribute(batches, lost_s, model, victims, run.pauses)


def _by_gpu(batches: pd.DataFrame) -> Iterable[Any]:
    gpu = batches["gpu"].to_numpy(dtype=np.int64)
    return [gpu == each for each in np.unique(gpu)]


def _models(run: Run) -> list[str]:
    return [str(model) for model in run.requests["model"].unique()]


def worst(run: Run, count: int, priority: str | None = None, status: str | None = None) -> list[int]:
    """Return the ids of the requests that fared worst.

    Late ones come first, by how late; then dropped ones, by how long they waited; then unfinished ones, by id; then
    those that were in time, by how little was left, and last those without a deadline, by latency.

    Args:
        run: The run.
        count: How many, at most.
        priority: Only of this class.
        status: Only those that ended so.
    """
    rows = run.requests
    if priority is not None:
        rows = rows[rows["priority"] == priority]
    if status is not None:
        rows = rows[rows["status"] == status]
    late_s = (rows["copy_out_end_s"] - rows["deadline_s"]).astype(float)
    waited_s = (rows["dropped_s"] - rows["arrival_s"]).astype(float)
    rank = rows["status"].astype(str).map({"late": 0, "dropped": 1, "unfinished": 2, "met": 3}).astype(int)
    score = late_s.fillna(waited_s).fillna(rows["latency_s"] - 1e9).fillna(0.0)
    order = np.lexsort((rows.index.to_numpy(), -score.to_numpy(), rank.to_numpy()))
    return [int(request) for request in rows.index[order[:count]]]


# Pieces ---------------------------------------------------------------------------------------------------------------


def _missing(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def _number(value: Any) -> float | None:
    return None if _missing(value) or not isfinite(value) else float(value)


def _integer(value: Any) -> int | None:
    return None if _missing(value) else int(value)


def _parts(run: Run, request: int) -> dict[str, float]:
    row: Any = run.parts.loc[request]
    return {name: float(row[name]) for name in PARTS}


def _alone_s(run: Run, row: Any) -> float | None:
    solo = run.machine.solo()
    if solo is None:
        return None
    copies_s = solo.h2d.copy_s(int(row["bytes_in"])) + solo.d2h.copy_s(int(row["bytes_out"]))
    return copies_s + solo.latency_s(str(row["model"]))


def _batching_s(run: Run, own: Any) -> float | None:
    """Return the drawn solo time of a batch less what one request would take with the same draw."""
    solo = run.machine.solo()
    if solo is None:
        return None
    model = str(own["model"])
    return float(own["solo_s"]) * (1 - solo.latency_s(model) / solo.latency_s(model, int(own["batch_size"])))


def _slowed_by(run: Run, batch: int, interference: Attribution) -> tuple[Other, ...]:
    shares = interference.by.get(batch, {})
    since_s = float(run.batches["dispatch_s"].loc[batch])
    found = [other_batch(run, culprit, since_s, share_s) for culprit, share_s in shares.items() if share_s]
    return tuple(sorted(found, key=lambda other: -(other.interference_s or 0.0)))


def _slot_behind(run: Run, own: Any) -> tuple[Other, ...]:
    batches = run.batches
    there = (batches["gpu"] == own["gpu"]) & (batches["execution_start_s"] < own["execution_start_s"])
    there &= batches["execution_end_s"] > own["copy_in_end_s"]
    found = [other_batch(run, int(batch), float(own["dispatch_s"])) for batch in batches.index[there]]
    waited = own["execution_start_s"] > own["copy_in_end_s"]
    return tuple(sorted(found, key=lambda other: other.execution_end_s)) if waited else ()
