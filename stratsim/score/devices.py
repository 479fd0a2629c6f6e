"""Scores of device models: with the parameters that a profile has, and fitted to some pairs and asked for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.device.execution import EXECUTION_MODELS, execution_model
from stratsim.errors import ProfileError, SpecError
from stratsim.fit.baselines import Constant, KernelQueue, Streams, TimeSlicing
from stratsim.fit.cells import Cell, Load, cells_of
from stratsim.fit.truth import kernel_lengths
from stratsim.run.pairs import slowdown_beside
from stratsim.score.folds import Asked, folds, pairs_of, shifted
from stratsim.score.scored import Scored, Scores, scored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.fit.baselines import Predictor
    from stratsim.model.profile import Pair, Profile

__all__ = ["score_devices"]

_STARTS = 2
"""Starting points of a fit that is repeated for every fold."""


def score_devices(profile: Profile, names: Sequence[str] = (), asked: Asked | None = None) -> Scores:
    """Judge device models on a profile's measured pairs.

    Every model that the profile supports is judged with the parameters that it has (`as given`): what that says depends
    on what they were fitted to. Those that can be fitted to pairs, `streams`, `kernel-queue` and `time-slicing`, are
    fitted and judged on what was left out, beside a `constant`. After the shift nothing is fitted again: what a stale
    profile costs.

    Args:
        profile: With pairs.
        names: As `execution_model` reads them; all of ours and the constant where there are none.
        asked: How to judge.

    Raises:
        ProfileError: the profile has no pairs, or not what a model needs that was named.
        SpecError: no such model.
    """
    asked = asked or Asked()
    pairs = pairs_of(profile)
    rows: list[Scored] = []
    notes: list[str] = []
    fitters = {fitter.name: fitter for fitter in _fitters(profile, pairs, notes)}
    for name in names or EXECUTION_MODELS:
        if name == "constant":
            continue
        try:
            rows += _given(name, profile, pairs)
        except (ProfileError, SpecError) as error:
            if names and name not in fitters:
                raise
            notes.append(f"{name}, as given, is left out: {_brief(error)}")
    for name, fitter in fitters.items():
        if not names or name in names:
            rows += _fitted(fitter, pairs, asked)
    return Scores(profile.name, "device model", tuple(rows), tuple(notes))


def _brief(error: Exception) -> str:
    return str(error).split(", which device model", maxsplit=1)[0]


def _given(name: str, profile: Profile, pairs: Sequence[Pair]) -> Iterator[Scored]:
    hardware = profile.for_hardware({model for pair in pairs for model in (pair.target, pair.other)})
    model = execution_model(name, hardware, 2)
    if model.max_concurrency == 1:
        raise SpecError(f"device model {model.name!r} runs one batch at a time")
    for pair in pairs:
        own, other = (pair.target, pair.target_batch), (pair.other, pair.other_batch)
        yield scored("as given", name, pair, slowdown_beside(model, hardware, own, other))


def _fitters(profile: Profile, pairs: Sequence[Pair], notes: list[str]) -> Iterator[Predictor]:
    yield Streams(starts=_STARTS)
    lengths = kernel_lengths(profile, pairs)
    if lengths is None:
        notes.append("kernel-queue is not fitted: the profile has no kernels of some models (`profile import nsys`)")
    else:
        yield KernelQueue(lengths, starts=_STARTS)
    yield TimeSlicing(starts=_STARTS)
    yield Constant()


def _fitted(fitter: Predictor, pairs: Sequence[Pair], asked: Asked) -> Iterator[Scored]:
    for split in ("in-sample", "left out by pair", "left out by model"):
        for kept, out in folds(pairs, split, asked.seed):
            if kept and out:
                yield from _predicted(split, fitter.fit(cells_of(kept)), out)
    (seen, unseen), _ = shifted(pairs, asked)
    yield from _predicted("shift, unseen", fitter.fit(cells_of(pairs)), (*seen, *unseen))


def _predicted(split: str, fitted: Predictor, pairs: Sequence[Pair]) -> Iterator[Scored]:
    cells = [Cell((Load(p.target, p.target_batch), Load(p.other, p.other_batch)), (p.slowdown, 1.0)) for p in pairs]
    for pair, (slowdown, _) in zip(pairs, fitted.predict(cells), strict=True):
        yield scored(split, fitted.name, pair, slowdown)
