"""Where the time of a request went: parts that sum to its latency.

Every part is a difference of recorded times, or of a recorded length and what it would have been alone;
docs/reference/metrics.md defines each. A part that cannot be separated from its neighbour (no profile to say what a
copy costs alone) is in that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine.columns import batch_chunks, pause_chunks, request_chunks
from stratsim.errors import SpecError, StratsimError, suggest
from stratsim.model.columns import Labels
from stratsim.model.preemption import Preemption
from stratsim.model.tolerance import TIME_RTOL
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.results.machine import Machine, find_machine
from stratsim.results.read_table import check_members
from stratsim.results.schema import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.engine import Result
    from stratsim.engine.columns import Chunk
    from stratsim.model.parts import Link
    from stratsim.results.read import StoredResults

    Floats = NDArray[np.float64]

__all__ = ["PARTS", "Run", "latency_parts", "parts_of", "read_run"]

PARTS: dict[str, str] = {
    "queueing": "waiting for dispatch",
    "weights": "loading the model's weights",
    "copy_in_wait": "waiting for the copy engine, in",
    "copy_in": "copying in, alone",
    "copy_in_contention": "copying in, slowed by other copies",
    "slot_wait": "input there, waiting for a slot",
    "execution": "executing, as if alone",
    "interference": "executing, slowed by others",
    "preemption": "stopped, with all that this costs",
    "copy_out_wait": "waiting for the copy engine, out",
    "copy_out": "copying out, alone",
    "copy_out_contention": "copying out, slowed by other copies",
}
"""What each part is, in the order in which they come."""

_OPTIONAL = ("load_start_s", "load_end_s", "paused_s", "lost_s", "expected_s")
"""Columns of the batch table that a folder of an older version may lack: NaN for all."""


@dataclass(frozen=True, slots=True)
class Run:
    """One policy's run, as read from a result folder."""

    policy: str
    requests: pd.DataFrame
    """The request table, by request id."""
    batches: pd.DataFrame
    """The batch table, by batch id, with `stopped_s`: seconds that preemption cost each."""
    pauses: pd.DataFrame
    """When batches that had started were stopped: `batch_id`, from when on they did not progress (`off_s`), when the
    GPU was free of them (`gone_s`), when they went on (`on_s`)."""
    parts: pd.DataFrame
    """Seconds of each part (`PARTS`), by request id; NaN for those that were not answered."""
    machine: Machine


def read_run(stored: StoredResults, policy: str | None = None, machine: Machine | None = None) -> Run:
    """Read one policy's run and take the latencies apart.

    Args:
        stored: The result folder.
        policy: Which run; may be left out where there is one.
        machine: What it ran on; found by the manifest unless given.

    Raises:
        SpecError: there is no such run, or several and none is named; a table is missing or broken.
    """
    policy = _policy(stored, policy)
    machine = machine or find_machine(stored)
    requests = _of(stored.requests(), policy, "request_id")
    batches = _of(stored.batches(), policy, "batch_id")
    for column in _OPTIONAL:
        if column not in batches:
            batches[column] = np.nan
    check_members(stored.directory, requests, batches)
    pauses = _pauses(stored, policy)
    halts, overhead = _stopping(stored, policy)
    pauses["off_s"] = pauses["suspend_s" if halts else "gone_s"]
    batches["stopped_s"] = _stopped_s(batches, pauses, overhead)
    parts = latency_parts(requests, batches, machine.links())
    return Run(policy, requests, batches, pauses[["batch_id", "off_s", "gone_s", "on_s"]], parts, machine)


def parts_of(
    result: Result, links: Sequence[tuple[Link, Link]] | None, stops: Preemption | None = None
) -> pd.DataFrame:
    """Return the parts of each request's latency in a run that was just made, seconds, by request id.

    Args:
        result: The run.
        links: As for `latency_parts`.
        stops: How its policy stops batches; None if it does not.
    """
    requests, batches, pauses = (_numbers(chunks(result)) for chunks in (request_chunks, batch_chunks, pause_chunks))
    requests["batch_id"] = requests["batch_id"].where(requests["batch_id"] >= 0)
    batches = batches.set_index("batch_id")
    columns = {"suspend_s": "off_s", "stopped_s": "gone_s", "restart_s": "on_s"}
    pauses = pauses.reindex(columns=["batch_id", *columns]).rename(columns=columns).dropna(subset=["gone_s"])
    if stops is None or not stops.halts:
        pauses["off_s"] = pauses["gone_s"]
    batches["stopped_s"] = _stopped_s(batches, pauses, 0.0 if stops is None else stops.overhead)
    return latency_parts(requests, batches, links)


def _numbers(chunks: Iterable[Chunk]) -> pd.DataFrame:
    """Return the columns of a table that are numbers."""
    import pandas as pd

    frames = [
        pd.DataFrame({name: column for name, column in chunk.items() if not isinstance(column, Labels)})
        for chunk in chunks
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _stopping(stored: StoredResults, policy: str) -> tuple[bool, float]:
    """Return whether a policy's batches stop at once, and the share by which being preemptable slows them.

    The manifest says it. That of an older version does not: then the policy is asked, unless it is code in a file.
    """
    recorded = stored.stopping(policy)
    if recorded is not None:
        return recorded.halts, recorded.overhead
    try:
        (call,) = parse_policies(policy)
        found = getattr(make_policy(call), "preemption", None)
    except StratsimError:
        return False, 0.0
    return (found.halts, found.overhead) if isinstance(found, Preemption) else (False, 0.0)


def _pauses(stored: StoredResults, policy: str) -> pd.DataFrame:
    """Return the pauses of batches that really stopped."""
    import pandas as pd

    columns = {"batch_id": "batch_id", "suspend_s": "suspend_s", "stopped_s": "gone_s", "restart_s": "on_s"}
    if not any((stored.directory / f"pauses{suffix}").is_file() for suffix in (".parquet", ".csv.gz")):
        return pd.DataFrame({name: np.empty(0) for name in columns.values()})
    pauses = stored.pauses()
    return pauses[(pauses["policy"] == policy) & pauses["stopped_s"].notna()].rename(columns=columns)


def _stopped_s(batches: pd.DataFrame, pauses: pd.DataFrame, overhead: float) -> pd.Series[float]:
    """Return what preemption cost each batch: stopping and being stopped, doing work again, what makes it possible."""
    off_s = (pauses["on_s"] - pauses["off_s"]).groupby(pauses["batch_id"].astype(np.int64)).sum()
    return off_s.reindex(batches.index).fillna(0.0) + batches["lost_s"].fillna(0.0) + overhead * batches["solo_s"]


def _policy(stored: StoredResults, policy: str | None) -> str:
    known = stored.policies
    if policy is None:
        if len(known) == 1:
            return known[0]
        raise SpecError(f"{stored.directory} has runs of several policies: {', '.join(known)}; name one (--policy)")
    if policy not in known:
        raise SpecError(f"no run of policy {policy!r} in {stored.directory}; {suggest(policy, known)}")
    return policy


def _of(frame: pd.DataFrame, policy: str, index: str) -> pd.DataFrame:
    return frame[frame["policy"] == policy].drop(columns="policy").set_index(index)


def latency_parts(
    requests: pd.DataFrame, batches: pd.DataFrame, links: Sequence[tuple[Link, Link]] | None
) -> pd.DataFrame:
    """Return the parts of each request's latency, seconds, by request id.

    Each row sums to `latency_s`, up to the rounding of the sum. A difference below the tolerance of times is none: the
    rounding of two absolute times is no interference.

    Args:
        requests: The request table of one run, by request id.
        batches: Its batch table, by batch id, with what preemption cost (`stopped_s`).
        links: What a copy that is alone costs, towards the device and back, by GPU; None if that is not known: then no
            contention is separated from copying.
    """
    import pandas as pd

    answered = requests["latency_s"].notna().to_numpy()
    rows = requests[answered]
    own = batches.loc[rows["batch_id"].to_numpy(dtype=np.int64)]
    columns = (*STAGES, "solo_s", "stopped_s", "load_start_s", "load_end_s")
    at = {name.removesuffix("_s"): own[name].to_numpy(dtype=float) for name in columns}
    parts: dict[str, Any] = {"queueing": at["dispatch"] - rows["arrival_s"].to_numpy(dtype=float)}
    before = _overlap(at["load_start"], at["load_end"], at["dispatch"], at["copy_in_start"])
    behind = _overlap(at["load_start"], at["load_end"], at["copy_in_end"], at["execution_start"])
    parts["weights"] = before + behind
    parts["copy_in_wait"] = at["copy_in_start"] - at["dispatch"] - before
    parts["slot_wait"] = at["execution_start"] - at["copy_in_end"] - behind
    lasted_s = at["execution_end"] - at["execution_start"]
    parts["preemption"] = at["stopped"]
    parts["execution"], parts["interference"] = _split(lasted_s - at["stopped"], at["solo"], at["execution_end"])
    parts["copy_out_wait"] = at["copy_out_start"] - at["execution_end"]
    for way, direction in (("in", 0), ("out", 1)):
        lasted_s = at[f"copy_{way}_end"] - at[f"copy_{way}_start"]
        alone_s = lasted_s if links is None else _alone_s(requests, own, links, direction)
        copy, contention = _split(lasted_s, alone_s, at[f"copy_{way}_end"])
        parts[f"copy_{way}"], parts[f"copy_{way}_contention"] = copy, contention
    found = pd.DataFrame(parts, index=rows.index, columns=list(PARTS))
    return found.reindex(requests.index)


def _overlap(start_s: Floats, end_s: Floats, from_s: Floats, to_s: Floats) -> Floats:
    """Return how much of each interval lies within another; 0 where there is none (NaN)."""
    both_s = np.minimum(end_s, to_s) - np.maximum(start_s, from_s)
    return np.where(both_s > 0, both_s, 0.0)


def _split(lasted_s: Floats, alone_s: Floats, end_s: Floats) -> tuple[Floats, Floats]:
    """Return what each length would have been alone, and the rest; a rest that is rounding is none."""
    rest_s = lasted_s - alone_s
    rest_s = np.where(rest_s > TIME_RTOL * end_s, rest_s, 0.0)
    return lasted_s - rest_s, rest_s


def _alone_s(requests: pd.DataFrame, own: pd.DataFrame, links: Sequence[tuple[Link, Link]], direction: int) -> Floats:
    """Return what each batch's copy would take alone on its GPU's way to the host."""
    dispatched = requests[requests["batch_id"].notna()]
    column = ("bytes_in", "bytes_out")[direction]
    size_bytes = dispatched[column].astype(float).groupby(dispatched["batch_id"].astype(np.int64)).sum()
    own_bytes = size_bytes.loc[own.index].to_numpy()
    gpu = own["gpu"].to_numpy(dtype=np.int64)
    alpha_s, rate = (
        np.array([getattr(pair[direction], name) for pair in links])[gpu] for name in ("alpha_s", "bytes_per_s")
    )
    return np.where(own_bytes > 0, alpha_s + own_bytes / rate, 0.0)
