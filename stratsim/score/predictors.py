"""Scores of predictors: each is fitted to some of a profile's pairs, and asked for others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError, SpecError
from stratsim.predict.base import Observation
from stratsim.predict.registry import PREDICTORS, make_predictor
from stratsim.score.folds import Asked, folds, pairs_of, shifted
from stratsim.score.scored import Scored, Scores, scored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.model.profile import Pair, Profile, SchedulerProfile
    from stratsim.predict.base import Predictor

__all__ = ["default_predictors", "score_predictors"]

_BETWEEN_S = 1e-3
"""From the end of one observed batch to the end of the next, beyond its duration: they are observed one by one."""


def default_predictors() -> list[str]:
    """Return the registered predictors that can be judged: all but the oracle, which is told the truth."""
    return [name for name in PREDICTORS.registered() if name != "oracle"]


def score_predictors(profile: Profile, names: Sequence[str] = (), asked: Asked | None = None) -> Scores:
    """Judge predictors of interference on a profile's measured pairs.

    After the shift, a predictor that was fitted to all pairs observes executions beside one other, each pair of the
    first half of the pairs of models `asked.rounds` times, as a server's log would tell it; then it is asked for all.

    Args:
        profile: With pairs.
        names: As `make_predictor` reads them; all that can be judged where there are none.
        asked: How to judge.

    Raises:
        ProfileError: the profile has no pairs.
        SpecError: no such predictor, or one that was named cannot be fitted to this profile.
    """
    asked = asked or Asked()
    pairs, known = pairs_of(profile), profile.for_scheduler()
    rows: list[Scored] = []
    notes = []
    for name in names or default_predictors():
        try:
            rows += _one(name, known, pairs, asked)
        except (ProfileError, SpecError) as error:
            if names:
                raise
            notes.append(f"{name} is left out: {error}")
    return Scores(profile.name, "predictor", tuple(rows), tuple(notes))


def _one(name: str, known: SchedulerProfile, pairs: Sequence[Pair], asked: Asked) -> Iterator[Scored]:
    for split in ("in-sample", "left out by pair", "left out by model"):
        for kept, out in folds(pairs, split, asked.seed):
            if kept and out:
                yield from _predicted(split, name, _fitted(name, known, kept), out)
    (seen, unseen), order = shifted(pairs, asked)
    predictor = _fitted(name, known, pairs)
    _tell(predictor, known, order)
    yield from _predicted("shift, seen", name, predictor, seen)
    yield from _predicted("shift, unseen", name, predictor, unseen)


def _fitted(name: str, known: SchedulerProfile, pairs: Sequence[Pair]) -> Predictor:
    predictor = make_predictor(name)
    predictor.fit(replace(known, pairs=tuple(pairs)))
    return predictor


def _predicted(split: str, name: str, predictor: Predictor, pairs: Sequence[Pair]) -> Iterator[Scored]:
    for pair in pairs:
        rate, _ = predictor.predict(((pair.target, pair.target_batch), (pair.other, pair.other_batch)))
        yield scored(split, name, pair, 1.0 / rate)


def _tell(predictor: Predictor, known: SchedulerProfile, order: Sequence[Pair]) -> None:
    now_s = 0.0
    for pair in order:
        solo_s = known.latency_s(pair.target, pair.target_batch)
        duration_s = solo_s * pair.slowdown
        now_s += duration_s + _BETWEEN_S
        beside = ((duration_s, ((pair.other, pair.other_batch),)),)
        predictor.observe(Observation((pair.target, pair.target_batch), solo_s, duration_s, beside, now_s))
