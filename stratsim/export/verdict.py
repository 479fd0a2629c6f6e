"""What made a request late: which decision, what the policy believed when it took it, and what then happened."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError
from stratsim.export.attribution import Attribution, attribute
from stratsim.export.breakdown import PARTS
from stratsim.export.sentences import sentences
from stratsim.model.tolerance import latest_finish_s
from stratsim.stats.occupancy import peak_concurrency

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from stratsim.export.breakdown import Run

__all__ = ["Cause", "Explanation", "Other", "cause_kind", "explain", "interference_of", "worst"]


@dataclass(frozen=True, slots=True)
class Other:
    """A batch that had to do with it."""

    batch: int
    model: str
    size: int
    priority: str
    dispatch_s: float
    execution_start_s: float
    execution_end_s: float
    later: bool
    """Whether it was dispatched after the request in question, or, where that was not yet, after it arrived."""
    interference_s: float | None = None
    """How much it slowed the request's batch; None where that is not the question."""

    @property
    def name(self) -> str:
        """Return what to call it: model, size and class."""
        return f"{self.model} x{self.size} ({self.priority})"


@dataclass(frozen=True, slots=True)
class Cause:
    """The decision that made a request late.

    Args:
        kind: `waited`: it was dispatched when it could not have been in time any more, even alone. `given up`: dropped
            although alone it could have been. `known`: its own dispatch, believed to be late. `later dispatch`:
            without what was dispatched after it, it would have been in time. `preempted`: had it not been stopped (and
            not slowed by what was dispatched after it), it would have been in time. `belief`: its own dispatch,
            believed to be in time. `unknown`: its own dispatch, by a policy that does not say what it believes, or its
            drop, where it is not known what was possible alone.
        at_s: When: the dispatch or drop itself, or the last moment at which it could still have been in time alone.
        batches: What was on the GPU then, or what slowed it.
        meanwhile: Batches dispatched between its arrival and then, by class, on all GPUs.
    """

    kind: str
    at_s: float
    batches: tuple[Other, ...] = ()
    meanwhile: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the time of one request went. Times in seconds; None: did not happen, or is not known."""

    request: int
    policy: str
    model: str
    priority: str
    status: str
    reason: str | None
    arrival_s: float
    deadline_s: float | None
    finish_s: float | None
    dropped_s: float | None
    latency_s: float | None
    batch: int | None
    gpu: int | None
    batch_size: int | None
    parts: dict[str, float]
    """Seconds by part; empty for a request that was not answered."""
    alone_s: float | None
    """What the request would take alone on the machine, copies included, by the profile."""
    latest_s: float | None
    """The last moment at which, dispatched alone, it could have been in time."""
    batching_s: float | None
    """How much longer its batch executes than it would by itself: a part of the part `execution`."""
    dispatch_s: float | None
    expected_s: float | None
    """When the policy, as it dispatched it, believed it to be back."""
    slot_behind: tuple[Other, ...] = ()
    """What executed on its GPU while it waited for a slot, in the order in which they ended."""
    slowed_by: tuple[Other, ...] = ()
    other_interference_s: float = 0.0
    """Interference that no co-runner accounts for."""
    by_overlap: bool = False
    """Whether the interference is shared by overlapped time."""
    cause: Cause | None = None
    """None for a request that is not late."""
    verdict: str = ""
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)


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
    cause = _cause(run, draft)
    return _with(draft, cause=cause, verdict=sentences(_with(draft, cause=cause)))


def _with(explanation: Explanation, **changes: Any) -> Explanation:
    from dataclasses import replace

    return replace(explanation, **changes)


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

    Late ones come first, by how late; then dropped and unfinished ones, by how long they waited; then those that were
    in time, by how little was left, and last those without a deadline, by latency.

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
    found = [_other(run, culprit, since_s, share_s) for culprit, share_s in shares.items() if share_s]
    return tuple(sorted(found, key=lambda other: -(other.interference_s or 0.0)))


def _slot_behind(run: Run, own: Any) -> tuple[Other, ...]:
    batches = run.batches
    there = (batches["gpu"] == own["gpu"]) & (batches["execution_start_s"] < own["execution_start_s"])
    there &= batches["execution_end_s"] > own["copy_in_end_s"]
    found = [_other(run, int(batch), float(own["dispatch_s"])) for batch in batches.index[there]]
    waited = own["execution_start_s"] > own["copy_in_end_s"]
    return tuple(sorted(found, key=lambda other: other.execution_end_s)) if waited else ()


def _other(run: Run, batch: int, since_s: float, share_s: float | None = None) -> Other:
    row: Any = run.batches.loc[batch]
    return Other(
        batch=int(batch),
        model=str(row["model"]),
        size=int(row["batch_size"]),
        priority=str(row["priority"]),
        dispatch_s=float(row["dispatch_s"]),
        execution_start_s=float(row["execution_start_s"]),
        execution_end_s=float(row["execution_end_s"]),
        later=bool(row["dispatch_s"] > since_s),
        interference_s=share_s,
    )


def _cause(run: Run, about: Explanation) -> Cause | None:
    """Return the decision that made a request late."""
    if about.status == "met" or about.deadline_s is None:
        return None
    later = tuple(other for other in about.slowed_by if other.later)
    end_s = float(run.batches["dispatch_s"].max()) if len(run.batches) else about.arrival_s
    kind, at_s = cause_kind(
        about.arrival_s,
        about.deadline_s,
        about.dropped_s if about.dispatch_s is None else about.dispatch_s,
        about.finish_s,
        about.latest_s,
        about.expected_s,
        sum(other.interference_s or 0.0 for other in later),
        about.parts.get("preemption", 0.0),
    )
    at_s = end_s if isnan(at_s) else at_s
    if kind == "later dispatch":
        return Cause(kind, later[-1].dispatch_s if len(later) == 1 else min(o.dispatch_s for o in later), later)
    if kind == "preempted":
        first_s, others = _while_stopped(run, about)
        return Cause(kind, first_s, others)
    own = kind in {"belief", "unknown"} and about.dispatch_s is not None
    batches = about.slowed_by if own else _in_flight(run, about, at_s)
    return Cause(kind, at_s, batches, _meanwhile(run, about.arrival_s, at_s))


def cause_kind(
    arrival_s: float,
    deadline_s: float,
    decided_s: float | None,
    finish_s: float | None,
    latest_s: float | None,
    expected_s: float | None,
    later_s: float,
    stopped_s: float,
) -> tuple[str, float]:
    """Return which kind of decision made a request late (`Cause`), and when it was taken.

    Args:
        arrival_s: Its arrival.
        deadline_s: Its deadline, missed.
        decided_s: When it was dispatched or dropped; None for never.
        finish_s: When it was answered; None for never.
        latest_s: The last moment at which it could have been in time alone; None if that is not known.
        expected_s: When it was believed to be back; None if the policy did not say.
        later_s: How much batches slowed it that were dispatched after it.
        stopped_s: What preemption cost it.
    """
    if decided_s is None:
        return "waited", nan if latest_s is None else max(latest_s, arrival_s)
    if latest_s is not None and latest_s < decided_s:
        return "waited", max(latest_s, arrival_s)
    if finish_s is None:
        return "unknown" if latest_s is None else "given up", decided_s
    due_s = latest_finish_s(deadline_s)
    if expected_s is not None and expected_s > due_s:
        return "known", decided_s
    if later_s > 0 and finish_s - later_s <= due_s:
        return "later dispatch", decided_s
    if stopped_s > 0 and finish_s - later_s - stopped_s <= due_s:
        return "preempted", decided_s
    return "unknown" if expected_s is None else "belief", decided_s


def _in_flight(run: Run, about: Explanation, at_s: float) -> tuple[Other, ...]:
    """Return the batches that were on the GPUs at a moment, the one that was there longest last.

    Those of the GPU that served the request, if one did; else of all.
    """
    batches = run.batches
    there = (batches["dispatch_s"] <= at_s) & (batches["execution_end_s"] > at_s)
    if about.gpu is not None:
        there &= batches["gpu"] == about.gpu
    if about.batch is not None:
        there &= batches.index != about.batch
    found = [_other(run, int(batch), about.arrival_s) for batch in batches.index[there]]
    return tuple(sorted(found, key=lambda other: -other.execution_end_s))


def _while_stopped(run: Run, about: Explanation) -> tuple[float, tuple[Other, ...]]:
    """Return when a request's batch was stopped first, and what executed on its GPU while it was, in that order."""
    spans = run.pauses[run.pauses["batch_id"] == about.batch]
    batches = run.batches[run.batches["gpu"] == about.gpu]
    there = np.zeros(len(batches), dtype=bool)
    for off_s, on_s in zip(spans["off_s"], spans["on_s"], strict=True):
        there |= ((batches["execution_start_s"] < on_s) & (batches["execution_end_s"] > off_s)).to_numpy()
    found = [_other(run, int(batch), about.dispatch_s or 0.0) for batch in batches.index[there] if batch != about.batch]
    first_s = float(spans["off_s"].min()) if len(spans) else about.dispatch_s or 0.0
    return first_s, tuple(sorted(found, key=lambda other: other.execution_start_s))


def _meanwhile(run: Run, from_s: float, to_s: float) -> dict[str, int]:
    batches = run.batches
    rows = batches[(batches["dispatch_s"] > from_s) & (batches["dispatch_s"] < to_s)]
    return {name: int((rows["priority"] == name).sum()) for name in ("high", "low")}
