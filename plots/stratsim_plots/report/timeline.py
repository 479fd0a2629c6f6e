"""What the page's timeline holds: the surroundings of the worst requests and of the busiest moment, for every policy.

A run has too many batches for a page that is to be mailed, so the page holds *stretches*: spans of time in which
everything is there. Each policy has the same ones, so that one can look at what another did with the same requests,
unless that would be too much: then each has its own.

Times are whole numbers of `UNIT_S` from the page's first moment on; starts are differences to the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.stats.windows import around, busiest_s, merged_spans
from stratsim_plots.report.boxes import boxes_of, waiting_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stratsim.explain.explanation import Explanation
    from stratsim.explain.parts import Run
    from stratsim_plots.report.boxes import Boxes
    from stratsim_plots.report.worst import Worst

    Floats = NDArray[np.float64]
    Span = tuple[float, float]

__all__ = ["AROUND", "BUSIEST", "MOST", "UNIT_S", "Timeline", "make_timeline"]

AROUND = 60
"""Batches dispatched around the end of each of the worst requests, at most."""
BUSIEST = 600
"""Batches dispatched around the busiest moment, at most."""
MOST = 40_000
"""Batches of all policies together beyond which policies do not have each other's stretches."""
UNIT_S = 1e-7
_WINDOW_S = 0.2
"""Length of the window that is shown first."""


class Timeline(NamedTuple):
    """The timeline's data and what is said of it."""

    data: dict[str, Any]
    """Plain values, for the page's script."""
    kept: tuple[tuple[int, int], ...]
    """By run: batches in the page, batches in all."""
    shared: bool
    """Whether every policy has the stretches of all."""
    requests: dict[tuple[int, int], int]
    """Position in the data of the requests that are explained, by run and id."""


def make_timeline(
    runs: Sequence[Run], names: Sequence[str], worst: Sequence[Worst], groups: Sequence[int] | None = None
) -> Timeline:
    """Choose what the page shows of each run.

    Args:
        runs: The runs.
        names: What to call them.
        worst: Of each, the requests that are explained.
        groups: Of each, a number that runs of the same requests share, and with it their stretches; one by default.
    """
    groups = [0] * len(runs) if groups is None else groups
    own = [_spans(run, each.explanations) for run, each in zip(runs, worst, strict=True)]
    spans = [_shared(own, groups, group) for group in groups]
    shared = sum(int(_inside(run, found).sum()) for run, found in zip(runs, spans, strict=True)) <= MOST
    if not shared:
        spans = [merged_spans(found) for found in own]
    start_s = min((float(run.requests["arrival_s"].min()) for run in runs if len(run.requests)), default=0.0)
    models = sorted({str(model) for run in runs for model in run.requests["model"].unique()})
    coded = _Coder(start_s, models)
    requests = [(number, about) for number, each in enumerate(worst) for about in each.explanations]
    data = {
        "start_s": start_s,
        "unit_s": UNIT_S,
        "window": coded.window(runs[0]) if runs else [],
        "models": models,
        "runs": [coded.run(run, name, found) for run, name, found in zip(runs, names, spans, strict=True)],
        "requests": [coded.request(number, about) for number, about in requests],
    }
    kept = tuple((int(_inside(run, found).sum()), len(run.batches)) for run, found in zip(runs, spans, strict=True))
    places = {(number, about.request): place for place, (number, about) in enumerate(requests)}
    return Timeline(data, kept, shared, places)


# Spans ----------------------------------------------------------------------------------------------------------------


def _shared(own: Sequence[Sequence[Span]], groups: Sequence[int], group: int) -> list[Span]:
    return merged_spans(span for found, other in zip(own, groups, strict=True) if other == group for span in found)


def _spans(run: Run, explanations: Iterable[Explanation]) -> list[Span]:
    """Return the surroundings of requests, and those of the busiest moment; none for a run without batches."""
    dispatch_s = run.batches["dispatch_s"].to_numpy(dtype=float)
    if not len(dispatch_s):
        return []
    ends = [_end_s(about) for about in explanations]
    found = [around(dispatch_s, end_s, AROUND) for end_s in ends]
    return [*found, around(dispatch_s, _busiest_s(run) + _WINDOW_S / 2, BUSIEST)]


def _end_s(about: Explanation) -> float:
    for found in (about.finish_s, about.dropped_s, about.dispatch_s):
        if found is not None:
            return found
    return about.arrival_s


def _busiest_s(run: Run) -> float:
    """Return the start of the busiest window."""
    start_s, end_s = (run.batches[f"execution_{name}_s"].to_numpy(dtype=float) for name in ("start", "end"))
    return busiest_s(start_s, end_s, _WINDOW_S)


def _overlapping(start_s: Floats, end_s: Floats, spans: Iterable[Span]) -> NDArray[np.bool_]:
    found = np.zeros(len(start_s), dtype=bool)
    for from_s, to_s in spans:
        found |= (start_s <= to_s) & (end_s >= from_s)
    return found


def _inside(run: Run, spans: Iterable[Span]) -> NDArray[np.bool_]:
    """Return which batches are in flight within a span."""
    dispatch_s, end_s = (run.batches[name].to_numpy(dtype=float) for name in ("dispatch_s", "copy_out_end_s"))
    return _overlapping(dispatch_s, np.where(np.isnan(end_s), np.inf, end_s), spans)


# Coding ---------------------------------------------------------------------------------------------------------------


class _Coder:
    """Writes times and labels as small whole numbers."""

    def __init__(self, start_s: float, models: Sequence[str]) -> None:
        self._start_s = start_s
        self._models = {name: number for number, name in enumerate(models)}

    def _time(self, at_s: float | None) -> int | None:
        return None if at_s is None else round((at_s - self._start_s) / UNIT_S)

    def _times(self, at_s: Floats) -> NDArray[np.int64]:
        return np.rint((at_s - self._start_s) / UNIT_S).astype(np.int64)

    def window(self, run: Run) -> list[int | None]:
        if not len(run.batches):
            return [0, round(_WINDOW_S / UNIT_S)]
        start_s = _busiest_s(run)
        return [self._time(start_s), self._time(start_s + _WINDOW_S)]

    def request(self, number: int, about: Explanation) -> dict[str, Any]:
        return {
            "run": number,
            "id": about.request,
            "arrival": self._time(about.arrival_s),
            "deadline": self._time(about.deadline_s),
            "end": self._time(_end_s(about)),
            "last": "dropped" if about.dropped_s is not None else "answered",
            "batch": about.batch,
            "says": f"request {about.request}: {about.model} ({about.priority}), {about.status}",
        }

    def run(self, run: Run, name: str, spans: Sequence[Span]) -> dict[str, Any]:
        boxes = boxes_of(run)
        kept = _overlapping(boxes.start_s, boxes.end_s, spans)
        used = np.unique(boxes.batch[kept])
        return {
            "name": name,
            "rows": boxes.rows,
            "spans": [[self._time(from_s), self._time(to_s)] for from_s, to_s in spans],
            "batches": self._batches(run, used),
            "boxes": self._boxes(boxes, kept, used),
            "waiting": self._waiting(run, spans),
        }

    def _batches(self, run: Run, used: NDArray[np.int64]) -> dict[str, list[Any]]:
        rows = run.batches.iloc[used]
        lasted_s = (rows["execution_end_s"] - rows["execution_start_s"] - rows["paused_s"].fillna(0.0)).astype(float)
        slowdown = (lasted_s / rows["solo_s"].astype(float)).to_numpy(dtype=np.float64)
        slack_s = (run.requests["deadline_s"] - run.requests["copy_out_end_s"]).astype(float)
        least_s = slack_s.groupby(run.requests["batch_id"].astype("Int64")).min().reindex(rows.index)
        return {
            "id": rows.index.tolist(),
            "model": [self._models[str(model)] for model in rows["model"]],
            "size": rows["batch_size"].astype(int).tolist(),
            "high": (rows["priority"] == "high").astype(int).tolist(),
            "dispatch": self._times(rows["dispatch_s"].to_numpy(dtype=float)).tolist(),
            "slowdown": _rounded(slowdown),
            "slack_ms": _rounded(least_s.to_numpy(dtype=np.float64) * 1e3),
        }

    def _boxes(self, boxes: Boxes, kept: NDArray[np.bool_], used: NDArray[np.int64]) -> dict[str, list[int]]:
        start, end = self._times(boxes.start_s[kept]), self._times(boxes.end_s[kept])
        return {
            "row": boxes.row[kept].tolist(),
            "batch": np.searchsorted(used, boxes.batch[kept]).tolist(),
            "start": np.diff(start, prepend=0).tolist(),
            "length": (end - start).tolist(),
        }

    def _waiting(self, run: Run, spans: Iterable[Span]) -> dict[str, list[int]]:
        waiting = waiting_of(run)
        kept = np.zeros(len(waiting.at_s), dtype=bool)
        for from_s, to_s in spans:
            first = max(int(np.searchsorted(waiting.at_s, from_s, side="right")) - 1, 0)
            kept[first : int(np.searchsorted(waiting.at_s, to_s, side="right"))] = True
        at = self._times(waiting.at_s[kept])
        return {
            "at": np.diff(at, prepend=0).tolist(),
            "high": waiting.high[kept].tolist(),
            "low": waiting.low[kept].tolist(),
        }


def _rounded(values: NDArray[np.floating[Any]]) -> list[float | None]:
    return [round(value, 4) if np.isfinite(value) else None for value in values.tolist()]
