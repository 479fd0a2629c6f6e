"""What is left out together: pairs of models, models, and what has been seen since the device changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError, SpecError
from stratsim.rng import Streams

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.model.profile import Pair, Profile

__all__ = ["SPLITS", "Asked", "Fold", "folds", "pairs_of", "shifted"]

SPLITS = ("in-sample", "left out by pair", "left out by model", "shift, seen", "shift, unseen")
"""In-sample: fitted to all pairs, and asked for them. By pair: both directions and all batch sizes of two models are
left out together. By model: all pairs of a model with others; those with its own copies stay. Shift: fitted to all
pairs of the device as it was, then judged on the device as it is, on pairs that it has been told of since, or not."""
_MOST_FOLDS = 20
"""Pairs of models are left out one by one; of more than this, several at once."""

Fold = tuple[tuple["Pair", ...], tuple["Pair", ...]]
"""What is fitted, and what is predicted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How to judge.

    Args:
        shift: By what the excess of every slowdown, slowdown - 1, is multiplied when the device changes.
        rounds: How often each pair that is seen since is observed, in an order drawn anew each time.
        seed: Of the folds, and of which pairs are seen since and when.
    """

    shift: float = 1.5
    rounds: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.shift <= 100:
            raise SpecError(f"shift must be within (0, 100], got {self.shift}")
        if not 1 <= self.rounds <= 10_000:
            raise SpecError(f"rounds must be within [1, 10000], got {self.rounds}")
        if self.seed < 0:
            raise SpecError(f"seed must be >= 0, got {self.seed}")


def pairs_of(profile: Profile) -> tuple[Pair, ...]:
    """Return a profile's pairs that were measured with the whole GPU open to both: here is decided which are held out.

    Raises:
        ProfileError: it has none.
    """
    found = tuple(replace(pair, held_out=False) for pair in profile.pairs if not pair.limited)
    if not found:
        raise ProfileError(
            f"profile {profile.name!r} has no measured pairs to be judged on; `stratsim profile import pairs` adds "
            "some, `stratsim profile pairs` simulated ones"
        )
    return found


def folds(pairs: Sequence[Pair], split: str, seed: int) -> Iterator[Fold]:
    """Yield the folds of a split: `in-sample`, `left out by pair` or `left out by model`."""
    if split == "in-sample":
        yield tuple(pairs), tuple(pairs)
        return
    by_pair = split == "left out by pair"
    groups = sorted({group for pair in pairs for group in _groups(pair, by_pair=by_pair)})
    for out in _together(groups, seed) if by_pair else [{group} for group in groups]:
        test = [bool(out & _groups(pair, by_pair=by_pair)) for pair in pairs]
        yield (
            tuple(pair for pair, is_out in zip(pairs, test, strict=True) if not is_out),
            tuple(pair for pair, is_out in zip(pairs, test, strict=True) if is_out),
        )


def shifted(pairs: Sequence[Pair], asked: Asked) -> tuple[Fold, list[Pair]]:
    """Return the pairs of the device as it is, those seen since and those not, and what is seen, in order."""
    now = [replace(pair, slowdown=1.0 + asked.shift * (pair.slowdown - 1.0)) for pair in pairs if pair.slowdown > 1.0]
    groups = sorted({frozenset((pair.target, pair.other)) for pair in now}, key=sorted)
    random = Streams(asked.seed).get("score", "shift")
    chosen = {groups[at] for at in random.permutation(len(groups))[: (len(groups) + 1) // 2].tolist()}
    seen = tuple(pair for pair in now if frozenset((pair.target, pair.other)) in chosen)
    unseen = tuple(pair for pair in now if frozenset((pair.target, pair.other)) not in chosen)
    order = [seen[at] for _ in range(asked.rounds) for at in random.permutation(len(seen)).tolist()]
    return (seen, unseen), order


def _groups(pair: Pair, *, by_pair: bool) -> set[tuple[str, ...]]:
    """Return which groups a pair belongs to; copies of one model belong to none and are never left out."""
    if pair.target == pair.other:
        return set()
    models = (min(pair.target, pair.other), max(pair.target, pair.other))
    return {models} if by_pair else {(name,) for name in models}


def _together(groups: Sequence[tuple[str, ...]], seed: int) -> Iterator[set[tuple[str, ...]]]:
    if len(groups) <= _MOST_FOLDS:
        yield from ({group} for group in groups)
        return
    order = Streams(seed).get("score", "folds").permutation(len(groups)).tolist()
    yield from ({groups[at] for at in order[fold::_MOST_FOLDS]} for fold in range(_MOST_FOLDS))
