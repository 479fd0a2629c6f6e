"""Where two profiles differ: one row per figure that both have, and what only one has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.model.codec import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.model.profile import Profile

__all__ = ["Difference", "differences"]

_SECTIONS = ("device", "observable", "truth")


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry of two profiles.

    Args:
        path: Where it stands, such as `observable.models.vgg19.latency_s.8`; a pair of co-located models is
            `pairs.TARGET xBATCH beside OTHER xBATCH.slowdown`.
        first: Its value in the first profile; None where that one lacks it.
        second: Its value in the second.
    """

    path: str
    first: object
    second: object

    @property
    def ratio(self) -> float | None:
        """Second over first; None where there is none."""
        if _is_number(self.first) and _is_number(self.second) and self.first:
            return float(self.second) / float(self.first)  # type: ignore[arg-type]
        return None

    @property
    def size(self) -> float:
        """How far the values are apart: |log ratio|; infinite for what only one has, or what has no ratio."""
        ratio = self.ratio
        if self.first == self.second:
            return 0.0
        return abs(math.log(ratio)) if ratio is not None and ratio > 0 else math.inf


def differences(first: Profile, second: Profile, tolerance: float = 0.0) -> list[Difference]:
    """Return the entries that differ, in the order of the first profile, then what only the second has.

    Names, descriptions and provenance are not compared.

    Args:
        first: A profile.
        second: Another.
        tolerance: Relative difference up to which figures count as equal: 0.05 is 5 %.
    """
    left, right = dict(_entries(first)), dict(_entries(second))
    paths = [*left, *(path for path in right if path not in left)]
    rows = [Difference(path, left.get(path), right.get(path)) for path in paths]
    return [row for row in rows if row.size > math.log1p(tolerance)]


def _entries(profile: Profile) -> Iterator[tuple[str, object]]:
    data = plain(profile)
    for section in _SECTIONS:
        if section in data:
            yield from _leaves(data[section], section)
    for pair in profile.pairs:
        own, other = (
            f"{model} x{batch}" + ("" if share is None else f" in {share:.3g} of the GPU")
            for model, batch, share in (
                (pair.target, pair.target_batch, pair.target_share),
                (pair.other, pair.other_batch, pair.other_share),
            )
        )
        name = f"{own} beside {other}"
        yield f"pairs.{name}.slowdown", pair.slowdown


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    else:
        yield path, value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
