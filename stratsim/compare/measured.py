"""The figures of a run that are compared, from its requests, also where each request counts several times.

They are the figures of `stratsim.results.summary`, under the names of a sweep's table (docs/reference/metrics.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError
from stratsim.results.machine import find_machine
from stratsim.stats.bootstrap import counted_quantiles
from stratsim.stats.deadlines import measuring_window
from stratsim.stats.warmup import mser

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.compare.variants import Run
    from stratsim.results.machine import Machine

    Floats = NDArray[np.float64]
    Key = tuple[str, str]

__all__ = ["CLASSES", "METRICS", "SHOWN", "Measured", "check_same_requests", "read_run", "settled_s"]

CLASSES = ("high", "low")
_QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
METRICS = (
    *("violation", *(f"{name}_arrived_s" for name in _QUANTILES), *(f"{name}_s" for name in _QUANTILES)),
    *("mean_slowdown", "goodput_per_s"),
)
SHOWN = tuple(metric for metric in METRICS if metric not in ("p50_s", "p95_s"))
"""What is compared where nothing is asked for: percentiles of all arrived requests, and the p99 of completed ones."""
_ASKED = ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out")
"""What was asked for: equal in runs that can be compared."""
_COLUMNS = ("policy", "request_id", *_ASKED, "status", "latency_s")


def read_run(run: Run) -> pd.DataFrame:
    """Return the requests of a run in order of arrival, with `slowdown`: latency / solo latency, NaN if not known."""
    table = run.stored.requests(_COLUMNS)
    frame = table[table["policy"] == run.policy].sort_values("request_id").reset_index(drop=True)
    frame["slowdown"] = frame["latency_s"] / _solo_s(frame, find_machine(run.stored))
    return frame


def _solo_s(frame: pd.DataFrame, machine: Machine) -> Floats:
    """Return what each request takes alone on the machine, copies included; NaN if the machine is not known."""
    solo = machine.solo()
    if solo is None:
        return np.full(len(frame), np.nan)
    kinds = frame[["model", "bytes_in", "bytes_out"]].drop_duplicates()
    alone = {
        (model, sent, got): solo.latency_s(model) + solo.h2d.copy_s(int(sent)) + solo.d2h.copy_s(int(got))
        for model, sent, got in kinds.itertuples(index=False)
    }
    rows = zip(frame["model"], frame["bytes_in"], frame["bytes_out"], strict=True)
    return np.array([alone[row] for row in rows], dtype=np.float64)


def check_same_requests(run: Run, frame: pd.DataFrame, other: Run, expected: pd.DataFrame) -> None:
    """Make sure that two runs served the same requests.

    Raises:
        SpecError: they did not; says what differs.
    """
    refused = f"{other.where} and {run.where} served different requests, so they cannot be compared"
    if len(frame) != len(expected):
        raise SpecError(f"{refused}: {len(expected)} and {len(frame)}")
    for column in _ASKED:
        own, theirs = frame[column].astype(object), expected[column].astype(object)
        differs = np.flatnonzero(((own != theirs) & ~(own.isna() & theirs.isna())).to_numpy())
        if len(differs):
            at = int(differs[0])
            raise SpecError(f"{refused}: request {at} has {column} {theirs[at]} and {own[at]}")


def settled_s(frame: pd.DataFrame) -> float | None:
    """Return when the start of a run is over, seconds after its first arrival, by MSER-5; None if it is not seen.

    The rule is applied to the latencies of the answered requests, both classes, in order of arrival.
    """
    answered = frame[frame["latency_s"].notna()]
    cut = mser(answered["latency_s"].to_numpy(dtype=np.float64))
    if cut is None:
        return None
    arrival_s = frame["arrival_s"].to_numpy(dtype=np.float64)
    return float(answered["arrival_s"].iloc[cut] - arrival_s[0]) if cut else 0.0


class Measured:
    """The requests of a run that are measured.

    Args:
        frame: From `read_run`.
        run: The run.
        warmup_s: Length of the warm-up; None counts every request, over the whole simulated span.

    Raises:
        SpecError: the warm-up leaves nothing to measure.
    """

    def __init__(self, frame: pd.DataFrame, run: Run, warmup_s: float | None) -> None:
        arrival_s = frame["arrival_s"].to_numpy(dtype=np.float64)
        if warmup_s is None:
            self.span_s = float(_run_figures(run)["simulated_s"])
        else:
            deadline_s = frame["deadline_s"].fillna(np.inf).to_numpy(dtype=np.float64)
            first, last = measuring_window(arrival_s, deadline_s, warmup_s)
            self.span_s = last - first
            frame = frame[(arrival_s >= first) & (arrival_s <= last)]
            arrival_s = frame["arrival_s"].to_numpy(dtype=np.float64)
        self.met = (frame["status"] == "met").to_numpy()
        self.latency_s = frame["latency_s"].to_numpy(dtype=np.float64)
        self._gap_s = np.diff(arrival_s, append=arrival_s[-1:])
        self._classes = {name: _Class(frame, self.met, name) for name in CLASSES}

    def __len__(self) -> int:
        return len(self.met)

    def unanswered(self, name: str) -> float:
        """Return the share of the class's requests that were dropped or never finished; 0 where there is none."""
        own = self._classes[name].chosen
        return float(np.isnan(self.latency_s[own]).mean()) if own.any() else 0.0

    def violated(self, name: str) -> Floats | None:
        """Return 1 for each request of the class that missed, 0 for others, by arrival; None if none has a deadline."""
        found = self._classes[name]
        return (found.chosen & ~self.met).astype(np.float64) if found.judged else None

    def figures(self) -> dict[Key, float]:
        """Return each figure by class and metric; NaN for one that does not exist."""
        found = self._figures(np.ones((1, len(self))), np.array([self.span_s]))
        return {key: float(values[0]) for key, values in found.items()}

    def resampled(self, counts: Floats) -> dict[Key, Floats]:
        """Return each figure by class and metric in each of R resamples, shape (R,); NaN where one does not exist.

        A percentile of all arrived requests is infinite where it falls among those without an answer.

        Args:
            counts: How often each request counts in each resample, whole numbers of shape (R, n).
        """
        arrived_s = float(self._gap_s.sum())
        span_s = self.span_s * (counts @ self._gap_s) / arrived_s if arrived_s else np.full(len(counts), np.nan)
        return self._figures(counts, span_s)

    def _figures(self, counts: Floats, span_s: Floats) -> dict[Key, Floats]:
        return {
            (name, metric): values
            for name, found in self._classes.items()
            for metric, values in found.figures(counts, span_s).items()
        }


class _Class:
    """The requests of one class."""

    def __init__(self, frame: pd.DataFrame, met: NDArray[np.bool_], name: str) -> None:
        self.chosen = (frame["priority"] == name).to_numpy()
        self.judged = bool(frame["deadline_s"].notna().to_numpy()[self.chosen].any())
        latency_s = frame["latency_s"].to_numpy(dtype=np.float64)
        answered = self.chosen & ~np.isnan(latency_s)
        slowdown = np.where(answered, frame["slowdown"].to_numpy(dtype=np.float64), 0.0)
        self._sums = np.column_stack([self.chosen, self.chosen & met, answered, slowdown]).astype(np.float64)
        """What is added up over the requests that count: arrived, met, answered, slowdown."""
        by_latency = np.flatnonzero(answered)
        self._by_latency = by_latency[np.argsort(latency_s[by_latency], kind="stable")]
        self._latency_s = latency_s[self._by_latency]

    def figures(self, counts: Floats, span_s: Floats) -> dict[str, Floats]:
        arrived, met, answered, slowdown = (counts @ self._sums).T
        asked, own = list(_QUANTILES.values()), counts[:, self._by_latency]
        completed = counted_quantiles(self._latency_s, own, asked)
        # One that was never answered took infinitely long.
        all_s, with_others = np.append(self._latency_s, np.inf), np.column_stack([own, arrived - answered])
        every = counted_quantiles(all_s, with_others, asked)
        return {
            "violation": _ratio(arrived - met, arrived) if self.judged else np.full(len(counts), np.nan),
            **dict(zip((f"{name}_arrived_s" for name in _QUANTILES), every, strict=True)),
            **dict(zip((f"{name}_s" for name in _QUANTILES), completed, strict=True)),
            "mean_slowdown": _ratio(slowdown, answered),
            "goodput_per_s": _ratio(met, span_s),
        }


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, NaN where the whole is nothing."""
    found = np.full(len(part), np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


def _run_figures(run: Run) -> dict[str, Any]:
    return next(each for each in run.stored.runs if each["policy"] == run.policy)
