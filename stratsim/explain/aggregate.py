"""Why a policy loses: mean parts of latency by class, which decisions made requests late, and who slowed whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.explain.causes import cause_kind
from stratsim.explain.parts import PARTS
from stratsim.explain.verdict import interference_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.explain.attribution import Attribution
    from stratsim.explain.parts import Run

    Rows = list[dict[str, Any]]

__all__ = ["CLASSES", "aggregate", "mean_parts", "slowest"]

CLASSES = ("high", "low")


def aggregate(run: Run) -> dict[str, Any]:
    """Return where the time of a run went, as plain values: seconds, counts, and None for what does not exist.

    `classes` has, by class: how many were answered, late, dropped; the mean parts of the latency of all that were
    answered, of those that were late, and of the slowest 1 %; how long dropped ones waited; and how many violations
    each kind of decision caused (`stratsim.explain.explanation.Cause`). `pairs` says which model slowed which by how
    much, over all executions and over those of late requests. `blockers` says what was on the GPUs at the last moment
    at which a violated request could still have been in time alone, or was given up.
    """
    interference = interference_of(run, run.batches.index)
    judged = _judge(run, interference)
    return {
        "policy": run.policy,
        "classes": {name: _class(run, judged, name) for name in CLASSES},
        "pairs": _pairs(run, interference),
        "blockers": _blockers(run, judged),
        "notes": list(run.machine.notes),
    }


def mean_parts(run: Run, chosen: pd.Series[bool] | NDArray[np.bool_]) -> dict[str, float] | None:
    """Return the mean of each part over the chosen requests that were answered; None if none was."""
    rows = run.parts[np.asarray(chosen) & run.requests["latency_s"].notna().to_numpy()]
    return {name: float(rows[name].mean()) for name in PARTS} if len(rows) else None


def slowest(run: Run, priority: str, share: float = 0.01) -> NDArray[np.bool_]:
    """Return which requests are the slowest of their class, at least one: this share of those that were answered."""
    latency_s = run.requests["latency_s"].where(run.requests["priority"] == priority).to_numpy(dtype=float)
    count = max(round(share * np.count_nonzero(np.isfinite(latency_s))), 1)
    order = np.argsort(np.where(np.isnan(latency_s), -np.inf, latency_s), kind="stable")[::-1][:count]
    chosen = np.zeros(len(latency_s), dtype=bool)
    chosen[order] = np.isfinite(latency_s[order])
    return chosen


def _class(run: Run, judged: Rows, name: str) -> dict[str, Any]:
    requests = run.requests
    own = requests["priority"] == name
    late = own & (requests["status"] == "late")
    dropped = requests[own & (requests["status"] == "dropped")]
    return {
        "answered": int((own & requests["latency_s"].notna()).sum()),
        "late": int(late.sum()),
        "dropped": len(dropped),
        "mean_parts_s": mean_parts(run, own),
        "late_mean_parts_s": mean_parts(run, late),
        "slowest_mean_parts_s": mean_parts(run, slowest(run, name)),
        "dropped_mean_wait_s": float((dropped["dropped_s"] - dropped["arrival_s"]).mean()) if len(dropped) else None,
        "causes": dict(Counter(row["kind"] for row in judged if row["priority"] == name).most_common()),
    }


def _judge(run: Run, interference: Attribution) -> Rows:
    """Return kind and time of the decision that made each violated request late."""
    requests = run.requests[run.requests["status"].isin(["late", "dropped", "unfinished"])]
    solo = run.machine.solo()
    dispatch_s, expected_s, stopped_s = (run.batches[name] for name in ("dispatch_s", "expected_s", "stopped_s"))
    found = []
    for row in requests.reset_index().to_dict("records"):
        if _nan(row["deadline_s"]):
            continue
        batch = None if _nan(row["batch_id"]) else int(row["batch_id"])
        latest_s = None
        if solo is not None:
            copies_s = solo.h2d.copy_s(int(row["bytes_in"])) + solo.d2h.copy_s(int(row["bytes_out"]))
            latest_s = row["deadline_s"] - copies_s - solo.latency_s(row["model"])
        later_s = 0.0
        if batch is not None:
            shares = interference.by.get(batch, {})
            later_s = sum(share_s for other, share_s in shares.items() if dispatch_s[other] > dispatch_s[batch])
        kind, at_s = cause_kind(
            row["arrival_s"],
            row["deadline_s"],
            _known(row["dropped_s"] if batch is None else row["dispatch_s"]),
            _known(row["copy_out_end_s"]),
            latest_s,
            None if batch is None else _known(expected_s[batch]),
            later_s,
            0.0 if batch is None else float(stopped_s[batch]),
        )
        found.append({"kind": kind, "at_s": at_s, "batch": batch, **{key: row[key] for key in ("priority", "model")}})
    return found


def _nan(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def _known(value: Any) -> float | None:
    return None if _nan(value) else float(value)


def _pairs(run: Run, interference: Attribution) -> Rows:
    """Return interference by (victim model, culprit model), the largest first."""
    requests, batches = run.requests, run.batches
    late = Counter(requests["batch_id"][requests["status"] == "late"].astype(int))
    names = dict(zip(batches.index, zip(batches["model"], batches["priority"], strict=True), strict=True))
    total_s: dict[tuple[str, ...], float] = defaultdict(float)
    late_s: dict[tuple[str, ...], float] = defaultdict(float)
    count: dict[tuple[str, ...], int] = defaultdict(int)
    for victim, shares in interference.by.items():
        for culprit, share_s in shares.items():
            key = (*names[victim], *names[culprit])
            total_s[key] += share_s
            late_s[key] += share_s * late[victim]
            count[key] += 1
    keys = ("victim", "victim_class", "culprit", "culprit_class")
    return [
        {**dict(zip(keys, key, strict=True)), "executions": count[key], "total_s": seconds, "late_s": late_s[key]}
        for key, seconds in sorted(total_s.items(), key=lambda item: (-item[1], item[0]))
    ]


def _blockers(run: Run, judged: Rows) -> Rows:
    """Return what was in flight when violated requests had to go, or were given up: counts of requests, most first."""
    batches = run.batches
    start_s, end_s = (batches[name].to_numpy(dtype=float) for name in ("dispatch_s", "execution_end_s"))
    ids = batches.index.to_numpy()
    names = list(zip(batches["model"], batches["priority"], strict=True))
    count: Counter[tuple[str, str, str]] = Counter()
    for row in judged:
        if row["kind"] in {"waited", "given up"} and not isnan(row["at_s"]):
            there = np.flatnonzero((start_s <= row["at_s"]) & (end_s > row["at_s"]) & (ids != row["batch"]))
            count.update({(row["priority"], *names[index]) for index in there.tolist()})
    return [
        {"class": name, "model": model, "model_class": own, "requests": number}
        for (name, model, own), number in sorted(count.items(), key=lambda item: (-item[1], item[0]))
    ]
