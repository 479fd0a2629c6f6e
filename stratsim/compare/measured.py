"""The figures of a run that are compared, from its requests, also where each request counts several times.

They are the figures of `stratsim.results.summary`, under the names of a sweep's table (docs/metrics.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError
from stratsim.results.machine import find_machine
from stratsim.stats.bootstrap import counted_quantile
from stratsim.stats.deadlines import measuring_window
from stratsim.stats.warmup import mser

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.compare.variants import Run
    from stratsim.results.machine import Machine

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]
    Figures = dict[tuple[str, str], float]

__all__ = ["CLASSES", "METRICS", "Measured", "check_same_requests", "read_run", "settled_s"]

CLASSES = ("high", "low")
METRICS = ("violation", "p50_s", "p95_s", "p99_s", "mean_slowdown", "goodput_per_s")
_QUANTILES = {"p50_s": 0.50, "p95_s": 0.95, "p99_s": 0.99}
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

    def violated(self, name: str) -> Floats | None:
        """Return 1 for each request of the class that missed, 0 for others, by arrival; None if none has a deadline."""
        found = self._classes[name]
        return (found.chosen & ~self.met).astype(np.float64) if found.judged else None

    def figures(self, counts: Counts | None = None) -> Figures:
        """Return each figure by class and metric; NaN for one that does not exist.

        Args:
            counts: How often each request counts, shape (n,); once by default.
        """
        each = np.ones(len(self), dtype=np.int64) if counts is None else counts
        arrived_s = float(self._gap_s.sum())
        stretch = 1.0 if counts is None else (float(each @ self._gap_s) / arrived_s if arrived_s else np.nan)
        span_s = self.span_s * stretch
        return {
            (name, metric): value
            for name, found in self._classes.items()
            for metric, value in found.figures(each, span_s).items()
        }


class _Class:
    """The requests of one class."""

    def __init__(self, frame: pd.DataFrame, met: NDArray[np.bool_], name: str) -> None:
        self.chosen = (frame["priority"] == name).to_numpy()
        self.judged = bool(frame["deadline_s"].notna().to_numpy()[self.chosen].any())
        self._met = np.flatnonzero(self.chosen & met)
        latency_s = frame["latency_s"].to_numpy(dtype=np.float64)
        self._answered = np.flatnonzero(self.chosen & ~np.isnan(latency_s))
        self._by_latency = self._answered[np.argsort(latency_s[self._answered], kind="stable")]
        self._latency_s = latency_s[self._by_latency]
        self._slowdown = frame["slowdown"].to_numpy(dtype=np.float64)[self._answered]

    def figures(self, counts: Counts, span_s: float) -> dict[str, float]:
        arrived, met = int(counts[self.chosen].sum()), int(counts[self._met].sum())
        ordered = counts[self._by_latency]
        weights = counts[self._answered]
        answered = int(weights.sum())
        return {
            "violation": (arrived - met) / arrived if arrived and self.judged else np.nan,
            **{metric: counted_quantile(self._latency_s, ordered, q) for metric, q in _QUANTILES.items()},
            "mean_slowdown": float(weights @ self._slowdown) / answered if answered else np.nan,
            "goodput_per_s": met / span_s if span_s > 0 else np.nan,
        }


def _run_figures(run: Run) -> dict[str, Any]:
    return next(each for each in run.stored.runs if each["policy"] == run.policy)
