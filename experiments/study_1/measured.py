"""Predictors judged on live runs of two H200s: predicted, then seen, in the order of time, card by card.

What a predictor has learned before the first batch of a card:

    bare       execution times alone, as this card served them
    own        and the pairs of the profile h200-fp16, measured on a third card
    carried    and all runs of the other card
    frozen     the same, and it learns nothing on this card

A run is one realisation: intervals are of a circular block bootstrap over its batches in the order of their ends.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.compare.log import chain
from stratsim.compare.prequential import score
from stratsim.fidelity.calibrate.contention import learn_contention, with_contention
from stratsim.fidelity.progress import expected_executions
from stratsim.predict import make_predictor
from stratsim.rng import Streams
from stratsim.stats.bootstrap import block_counts, block_length, percentile_interval
from stratsim.stats.comparison import simultaneous_level
from study_1.claims import LOG_HYPOTHESES
from study_1.coverage import ENDS, own_band, recent_band
from study_1.errors import KINDS
from study_1.ladder import LADDER, LEARNERS, Taught, make_ladder
from study_1.logs import CARDS, SLOTS, read_card

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from stratsim.compare.log import RunLog
    from stratsim.compare.prequential import Prediction
    from study_1.logs import CardLogs

    Floats = NDArray[np.float64]
    Row = dict[str, Any]

__all__ = ["COLUMNS", "DEVICES", "PARTS", "judge_card"]

COLUMNS = ("card", "load", "part", "arm", "predictor", "figure", "place", "batches", "value", "low", "high")
"""Of the rows: one per figure."""
PARTS = {"rest": (100, None), "early": (0, 200)}
"""Which of a card's judged batches count, by number in the order of time."""
DEVICES = ("device", "device-served")
"""Not predictors but references: the simulator's own device model of the profile, and with what the runs of the other
card say of contention as it is served."""
_RESAMPLES = 2000
_LEVEL = 0.95
_COURSE = 200
"""Batches per point of the course."""
_FIGURES = {
    "error": ("realised", abs),
    "bias": ("realised", None),
    "snapshot-error": ("snapshot", abs),
    "snapshot-bias": ("snapshot", None),
}


class _Series(NamedTuple):
    """What was found for each judged batch of a card, in the order of their ends."""

    batch: NDArray[np.int64]
    """Number in the card's own log."""
    found: dict[tuple[str, str, str], Floats]
    """By arm, predictor and figure, shape (n,)."""

    def get(self, predictor: str, figure: str = "error", arm: str = "own") -> Floats:
        """Return one figure of each batch."""
        return self.found[arm, predictor, figure]


def judge_card(folder: Path, card: str, most: int | None = None) -> list[Row]:
    """Return the figures of one card: a pure function.

    Args:
        folder: Where the runs lie.
        card: One of `CARDS`.
        most: Batches to read of each run; all by default.
    """
    (other,) = [name for name in CARDS if name != card]
    own, before = read_card(folder, card, most), read_card(folder, other, most)
    series = _judged(own, before)
    rows: list[Row] = []
    first = 0
    for load, log in own.logs.items():
        inside = (series.batch >= first) & (series.batch < first + len(log.gpu))
        first += len(log.gpu)
        rows += _run_rows(series, inside, {"card": card, "load": load})
    return rows + _course(series, card)


def _judged(own: CardLogs, before: CardLogs) -> _Series:
    known = own.profile.for_scheduler()
    without = replace(own.profile, pairs=()).for_scheduler()
    log, earlier = chain(list(own.logs.values())), chain(list(before.logs.values()))
    later = _after(earlier, log)
    bare = {name: make_predictor(LADDER[name]) for name in LEARNERS}
    taught = [earlier.observations[step.batch] for step in earlier.steps if not step.is_dispatch]
    carried, frozen = (
        {name: Taught(make_predictor(LADDER[name]), taught, learns=learns) for name in LEARNERS}
        for learns in (True, False)
    )
    arms = {
        "own": score(log, known, make_ladder(), SLOTS, quantiles=ENDS, kinds=KINDS).predictions,
        "bare": score(log, without, bare, SLOTS, quantiles=ENDS, kinds=KINDS).predictions,
        "carried": score(later, known, carried, SLOTS, quantiles=ENDS, kinds=KINDS).predictions,
        "frozen": score(later, known, frozen, SLOTS, quantiles=ENDS, kinds=KINDS).predictions,
    }
    found: dict[tuple[str, str, str], Floats] = {}
    for arm, predictions in arms.items():
        for name, by_kind in _by_predictor(predictions).items():
            found |= {(arm, name, figure): values for figure, values in _figures(by_kind).items()}
    judged = [each for each in arms["own"] if (each.predictor, each.kind) == ("solo", "realised")]
    batch = np.array([each.batch for each in judged])
    for name, expected_s in _device_times(own, before, most=len(log.gpu)).items():
        error = expected_s[batch] / np.array([each.actual_s for each in judged]) - 1.0
        found["own", name, "error"], found["own", name, "bias"] = np.abs(error), error
    return _Series(batch, found)


def _after(earlier: RunLog, log: RunLog) -> RunLog:
    """Return a log that begins when an earlier one has ended, without what happened in that."""
    both, before = chain([earlier, log]), len(earlier.gpu)
    return replace(both, steps=tuple([step for step in both.steps if step.batch >= before]))


def _by_predictor(predictions: Sequence[Prediction]) -> dict[str, dict[str, list[Prediction]]]:
    found: dict[str, dict[str, list[Prediction]]] = {}
    for each in predictions:
        found.setdefault(each.predictor, {}).setdefault(each.kind, []).append(each)
    return found


def _figures(by_kind: Mapping[str, Sequence[Prediction]]) -> dict[str, Floats]:
    """Return what counts of each batch, by figure."""
    found: dict[str, Floats] = {}
    for figure, (kind, of) in _FIGURES.items():
        error = np.array([each.error for each in by_kind[kind]])
        found[figure] = np.abs(error) if of else error
    bands = {"own": own_band(by_kind), "recent": recent_band(by_kind["realised"])}
    for name, band in bands.items():
        if band is not None:
            found |= {f"{name}-coverage": band.covered, f"{name}-width": band.width, f"{name}-score": band.score}
    return found


def _device_times(own: CardLogs, before: CardLogs, most: int) -> dict[str, Floats]:
    """Return what the device model says of each execution of the card's own log, seconds."""
    served = learn_contention(list(before.runs.values()), before.profile)
    profiles = {"device": own.profile}
    if served is not None:
        profiles["device-served"] = with_contention(own.profile, served.served)
    heads = [len(log.gpu) for log in own.logs.values()]
    found = {}
    for name, profile in profiles.items():
        times = [expected_executions(run, profile)[:n] for run, n in zip(own.runs.values(), heads, strict=True)]
        found[name] = np.concatenate(times)[:most]
    return found


# Rows ---------------------------------------------------------------------------------------------------------------


def _run_rows(series: _Series, inside: NDArray[np.bool_], place: Row) -> list[Row]:
    rows = []
    for part, (first, last) in PARTS.items():
        chosen = inside.copy()
        chosen[:first] = False
        if last is not None:
            chosen[last:] = False
        if chosen.sum() > 1:
            rows += _part_rows(series, chosen, {**place, "part": part, "batches": int(chosen.sum())})
    return rows


def _part_rows(series: _Series, chosen: NDArray[np.bool_], place: Row) -> list[Row]:
    """Return the figures of one part of a run, with intervals, and the claims about it."""
    keys = [key for key, values in series.found.items() if np.isfinite(values[chosen]).all()]
    figures = {key: series.found[key][chosen] for key in keys}
    claims = _claims(series, chosen, place["part"])
    values = np.array([*figures.values(), *[each for *_, each in claims]])
    resampled = _resampled(values, place)
    rows = []
    for (arm, name, figure), own, means in zip(keys, figures.values(), resampled, strict=False):
        rows.append(_row(place, arm, name, figure, "", _interval(own, means, _LEVEL)))
    for arm, name in dict.fromkeys((arm, name) for arm, name, _ in keys):
        if (bias := figures.get((arm, name, "bias"))) is not None:
            rows.append(_row(place, arm, name, "worst-under", "", (float(max(-bias.min(), 0.0)), nan, nan)))
    for (hypothesis, number, cells, own), means in zip(claims, resampled[len(keys) :], strict=True):
        found = _interval(own, means, simultaneous_level(_LEVEL, cells))
        rows.append(_row(place, "", hypothesis, "claim", str(number), found))
    return rows


def _claims(series: _Series, chosen: NDArray[np.bool_], part: str) -> list[tuple[str, int, int, Floats]]:
    """Return hypothesis, number of the claim, cells that the hypothesis is judged in, and the figure of each batch."""
    return [
        (each.name, number, each.cells, figure(series.get)[chosen])
        for each in LOG_HYPOTHESES
        if each.part == part
        for number, (_, figure) in enumerate(each.claims)
    ]


def _resampled(values: Floats, place: Mapping[str, Any]) -> Floats:
    """Return the mean of each series in each resample, shape (series, resamples)."""
    n = values.shape[1]
    length = block_length(list(values))
    streams = Streams(0).child("study 1", place["card"], f"{place['load']:g}", place["part"])
    drawn = block_counts(n, length, _RESAMPLES, streams)  # whole blocks: somewhat more than n values
    return np.stack([values @ counts.astype(np.float64) / counts.sum() for counts in drawn], axis=1)


def _interval(values: Floats, means: Floats, level: float) -> tuple[float, float, float]:
    found = percentile_interval(float(values.mean()), means, level)
    return (found.mean, found.low, found.high) if found else (float(values.mean()), nan, nan)


def _course(series: _Series, card: str) -> list[Row]:
    """Return the mean error by number of batches that the card had served."""
    rows = []
    for (arm, name, figure), values in series.found.items():
        if figure == "error":
            for start in range(0, len(values) - _COURSE + 1, _COURSE):
                mean = float(values[start : start + _COURSE].mean())
                place = {"card": card, "load": 0.0, "part": "all", "batches": _COURSE}
                rows.append(_row(place, arm, name, "course", str(start), (mean, nan, nan)))
    return rows


def _row(place: Row, arm: str, predictor: str, figure: str, at: str, found: tuple[float, float, float]) -> Row:
    value, low, high = (None if np.isnan(each) else each for each in found)
    row = {**place, "arm": arm, "predictor": predictor, "figure": figure, "place": at}
    row |= {"value": value, "low": low, "high": high}
    return {name: row[name] for name in COLUMNS}
