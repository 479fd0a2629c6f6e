"""What is checked again for the page, from the tables as they were read: the page and the tables must agree."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.model.tolerance import TIME_RTOL, latest_finish_s
from stratsim.results.schema import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.explain.parts import Run
    from stratsim_plots.series import Series

__all__ = ["Check", "check_run"]

_SUM_RTOL = 1e-9
"""Of a latency: parts are differences of absolute times, whose rounding grows with the clock."""


class Check(NamedTuple):
    """One statement about a run, and whether it holds."""

    text: str
    wrong: int
    """How many rows contradict it."""
    of: int
    """Rows that were looked at."""


def check_run(run: Run, series: Series) -> Iterator[Check]:
    """Yield what was looked at, with how often it was wrong."""
    yield _counts(run, series)
    yield _order(run)
    yield _members(run)
    yield _deadlines(run)
    yield _sums(run)


def _counts(run: Run, series: Series) -> Check:
    """Compare the summary with the table; a measuring window counts only a part of the table."""
    found = run.requests.groupby(["priority", "status"], observed=True).size()
    classes = series.figures["classes"].items()
    stated = {
        (name, status): row[status] for name, row in classes for status in ("met", "late", "dropped", "unfinished")
    }
    if series.figures.get("window_s") is None:
        wrong = sum(int(found.get(key, 0)) != count for key, count in stated.items())
        return Check("the summary counts what the request table holds", wrong, len(stated))
    wrong = sum(int(found.get(key, 0)) < count for key, count in stated.items())
    return Check("the summary, of a measuring window, counts no more than the request table holds", wrong, len(stated))


def _order(run: Run) -> Check:
    wrong = np.zeros(len(run.batches), dtype=bool)
    for earlier, later in pairwise(STAGES):
        first, second = (run.batches[name].to_numpy(dtype=float) for name in (earlier, later))
        wrong |= second < first - TIME_RTOL * np.abs(first)
    return Check("the stages of every batch follow each other", int(wrong.sum()), len(wrong))


def _members(run: Run) -> Check:
    members = run.requests["batch_id"].dropna().astype(np.int64).value_counts()
    counted = members.reindex(run.batches.index).fillna(0).to_numpy(dtype=np.int64)
    wrong = counted != run.batches["batch_size"].to_numpy(dtype=np.int64)
    return Check("every batch has as many requests as it says", int(wrong.sum()), len(wrong))


def _deadlines(run: Run) -> Check:
    rows = run.requests[run.requests["latency_s"].notna()]
    deadline_s = rows["deadline_s"].to_numpy(dtype=float)
    latest_s = latest_finish_s(np.where(np.isnan(deadline_s), np.inf, deadline_s))
    late = rows["copy_out_end_s"].to_numpy(dtype=float) > latest_s
    wrong = late != (rows["status"] == "late").to_numpy()
    return Check("late is what was answered after its deadline, and nothing else", int(wrong.sum()), len(wrong))


def _sums(run: Run) -> Check:
    answered = run.requests["latency_s"].notna().to_numpy()
    latency_s = run.requests["latency_s"].to_numpy(dtype=float)[answered]
    total_s = run.parts.to_numpy(dtype=float)[answered].sum(axis=1)
    finish_s = run.requests["copy_out_end_s"].to_numpy(dtype=float)[answered]
    wrong = np.abs(total_s - latency_s) > _SUM_RTOL * latency_s + TIME_RTOL * np.abs(finish_s)
    return Check("the parts of every latency sum to it", int(wrong.sum()), len(wrong))
