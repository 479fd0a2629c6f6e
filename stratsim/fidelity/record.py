"""A run as its result folder holds it, in the tables that the engine uses: live runs and simulated ones read alike."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine import BatchTable, RequestTable, Result
from stratsim.errors import SpecError
from stratsim.model.request import Priority, Status
from stratsim.model.workload import Workload
from stratsim.results import read_results
from stratsim.results.read_table import check_members
from stratsim.results.schema import STAGES
from stratsim.run.spec import RunSpec, make_spec
from stratsim.stats.deadlines import measuring_window

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.results.read import StoredResults

__all__ = ["Recorded", "counted", "read_runs", "workload_of"]

INTERRUPTED = "interrupted"
"""Status in the manifest of a run that ended early."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One policy's run.

    Args:
        directory: Where it lies.
        policy: Its name, with parameters.
        result: What happened.
        spec: How it was run.
        manifest: Content of manifest.json.
        digest: SHA-256 of the file of its batch table: identifies the run, wherever its folder is.
        label: What it is, and which part of it, for the provenance of what is learned from it.
        left_out: Executions that others had for company, and of which nothing is to be learned, shape (batches,); None:
            there are none.
    """

    directory: Path
    policy: str
    result: Result
    spec: RunSpec
    manifest: dict[str, Any]
    digest: str
    label: str = "live run"
    left_out: NDArray[np.bool_] | None = None

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Whether something is to be learned of an execution, shape (batches,)."""
        return np.ones(len(self.result.batches), np.bool_) if self.left_out is None else ~self.left_out

    @property
    def source(self) -> str:
        """What a figure that was learned from it names as its origin."""
        table = "batches " if self.manifest else ""  # a log is one file
        return f"{self.label} {self.directory.name} of {self.policy!r}, {table}sha256 {self.digest}"

    @property
    def interrupted(self) -> bool:
        """Whether it ended early."""
        live = self.manifest.get("live")
        return isinstance(live, dict) and live.get("status") == INTERRUPTED


def read_runs(directory: str | os.PathLike[str]) -> list[Recorded]:
    """Read the runs of a result folder, one per policy.

    Raises:
        SpecError: it is no result folder, or its requests did not arrive independently of replies.
    """
    stored = read_results(directory)
    spec = _spec(stored)
    requests, batches = stored.requests(), stored.batches()
    runs = []
    for policy in stored.policies:
        own = requests[requests["policy"] == policy], batches[batches["policy"] == policy]
        check_members(stored.directory, *own)
        result = _result(policy, *own, spec)
        if (np.diff(result.requests.arrival_s) < 0).any():
            raise SpecError(f"{directory}: its requests are not in the order of arrival")
        runs.append(Recorded(stored.directory, policy, result, spec, stored.manifest, _digest(stored.directory)))
    return runs


def workload_of(result: Result) -> Workload:
    """Return the requests of a run, to be replayed exactly as they arrived."""
    requests = result.requests
    return Workload(
        models=result.models,
        arrival_s=requests.arrival_s,
        model=requests.model,
        priority=requests.priority,
        deadline_s=requests.deadline_s,
        bytes_in=requests.bytes_in,
        bytes_out=requests.bytes_out,
        client=requests.client,
        client_names=result.clients,
    )


def counted(run: Recorded) -> NDArray[np.bool_]:
    """Return which requests count, shape (n,).

    Those within the measuring window if the run has a warm-up; of a run that was interrupted, those that arrived before
    the first one whose fate is not known.
    """
    requests = run.result.requests
    chosen = np.ones(len(requests), dtype=bool)
    if run.spec.warmup_s is not None:
        first_s, last_s = measuring_window(requests.arrival_s, requests.deadline_s, run.spec.warmup_s)
        chosen = (requests.arrival_s >= first_s) & (requests.arrival_s <= last_s)
    if run.interrupted:
        open_ = requests.status == Status.UNFINISHED
        chosen &= requests.arrival_s < requests.arrival_s[open_].min(initial=np.inf)
    return chosen


def _spec(stored: StoredResults) -> RunSpec:
    known = {field.name for field in fields(RunSpec)}
    given = stored.manifest.get("spec")
    if not isinstance(given, dict):
        raise SpecError(f"{stored.directory}: its manifest says nothing of how it was run (no `spec`)")
    return make_spec({key: value for key, value in given.items() if key in known and value is not None}, "manifest")


def _digest(folder: Path) -> str:
    path = next(path for path in (folder / "batches.parquet", folder / "batches.csv.gz") if path.is_file())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _result(policy: str, requests: pd.DataFrame, batches: pd.DataFrame, spec: RunSpec) -> Result:
    requests, batches = requests.sort_values("request_id"), batches.sort_values("batch_id")
    models = tuple(dict.fromkeys([*requests["model"].unique(), *batches["model"].unique()]))
    clients = tuple(requests["client"].dropna().unique())
    reasons = tuple(requests["reason"].dropna().unique())
    arrival_s = _floats(requests["arrival_s"])
    table = RequestTable(
        arrival_s=arrival_s,
        model=_codes(requests["model"], models, np.int32),
        priority=_codes(requests["priority"], tuple(p.label for p in Priority), np.int8),
        deadline_s=np.nan_to_num(_floats(requests["deadline_s"]), nan=np.inf),
        bytes_in=_whole(requests["bytes_in"]),
        bytes_out=_whole(requests["bytes_out"]),
        client=_codes(requests["client"], clients, np.int32),
        status=_codes(requests["status"], tuple(s.label for s in Status), np.int8),
        batch=_rows(requests["batch_id"], batches["batch_id"]),
        dropped_s=_floats(requests["dropped_s"]),
        reason=_codes(requests["reason"], reasons, np.int16),
        finish_s=_floats(requests["copy_out_end_s"]),
    )
    ends = [arrival_s, table.finish_s, table.dropped_s]
    return Result(
        policy=policy,
        requests=table,
        batches=_batches(batches, models),
        models=models,
        clients=clients,
        reasons=reasons,
        gpus=spec.gpus or 1,
        events=0,
        start_s=float(arrival_s[0]) if len(arrival_s) else 0.0,
        end_s=max(float(np.nan_to_num(times).max(initial=0.0)) for times in ends),
        wall_s=0.0,
        max_concurrency=spec.max_concurrency,
    )


def _batches(frame: pd.DataFrame, models: tuple[str, ...]) -> BatchTable:
    return BatchTable(
        gpu=_whole(frame["gpu"]).astype(np.int32),
        model=_codes(frame["model"], models, np.int32),
        size=_whole(frame["batch_size"]).astype(np.int32),
        priority=_codes(frame["priority"], tuple(p.label for p in Priority), np.int8),
        solo_s=_floats(frame["solo_s"]),
        expected_s=_floats(frame["expected_s"]),
        **{name: _floats(frame[name]) for name in STAGES},
    )


def _floats(column: pd.Series[Any]) -> NDArray[np.float64]:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _whole(column: pd.Series[Any]) -> NDArray[np.int64]:
    return column.to_numpy(dtype=np.int64)


def _codes(column: pd.Series[Any], names: tuple[str, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Return the place of each text in `names`; -1 for none."""
    place = {name: code for code, name in enumerate(names)}
    return np.array([place.get(text, -1) for text in column.astype(object)], dtype=dtype)


def _rows(batch_id: pd.Series[Any], known: pd.Series[Any]) -> NDArray[np.int32]:
    """Return the row of each request's batch in the batch table; -1 for none."""
    place = {int(name): row for row, name in enumerate(known)}
    missing = batch_id.isna().to_numpy()
    found = batch_id.fillna(-1).to_numpy(dtype=np.int64)
    return np.array([-1 if none else place[name] for name, none in zip(found.tolist(), missing, strict=True)], np.int32)
