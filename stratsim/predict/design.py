"""The regressors of the online learners: what a target and its co-runners are, as numbers.

    own features, sums of the co-runners' features, products of both, the number of co-runners, and crowding

times a scale per co-runner, and one term per (target model, co-runner model): hardware contention is asymmetric, and
solo figures do not tell all of it. Everything is 0 without co-runners: alone, nothing is lost by definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from stratsim.predict.features import FeatureTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import SchedulerProfile
    from stratsim.predict.base import Active, Member

__all__ = ["FORMS", "Design", "DesignTable", "Form"]

Form = Literal["rate", "additive", "slowdown"]
"""What is taken to be linear: the loss of rate, 1 - rate, or else the excess of the slowdown, 1 / rate - 1."""

FORMS: tuple[Form, ...] = get_args(Form)

_CACHE_LIMIT = 65_536


class Design(NamedTuple):
    """The regressors of a target beside its co-runners."""

    values: tuple[float, ...]
    """Those of the weights that all models share: the first columns, in order."""
    terms: tuple[tuple[int, float], ...]
    """Those of the terms of pairs of models that are not 0, each after its column."""


class DesignTable:
    """Makes the regressors, each once.

    Args:
        profile: What is known of the hardware.
        features: Which features to use, keys of `FEATURES`.
        form: In the rate form n co-runners count as 2n / (1 + n), so that one counts as 1 and an equal share of the
            GPU for everybody, a loss of n / (1 + n), is met exactly by one weight; in the other forms they count as n,
            for the same reason. Our choice.
        pairs: Whether there are terms of pairs.
    """

    __slots__ = ("_form", "_models", "_table", "known", "leading", "names", "shared")

    def __init__(self, profile: SchedulerProfile, features: Sequence[str], form: Form, *, pairs: bool) -> None:
        self._table = FeatureTable(profile, features)
        self._form = form
        self._models = {name: i for i, name in enumerate(profile.models)} if pairs else {}
        self.known: dict[tuple[Member, Active], Design] = {}
        """Those made so far, by target and co-runners."""
        shared = (
            "number",
            "crowding",
            *(f"own {name}" for name in features),
            *(f"others' {name}" for name in features),
            *(f"product {name}" for name in features),
        )
        self.shared = len(shared)
        """Number of regressors that all models share."""
        self.leading = 1 + max([shared.index(f"product {name}") for name in self._table.telling], default=1)
        """How many of them go into a design: those behind are 0 for everything."""
        self.names: tuple[str, ...] = (
            *shared,
            *(f"{own} beside {other}" for own in self._models for other in self._models),
        )
        """What each column is."""

    def __call__(self, target: Member, others: Active) -> Design:
        """Return the regressors of `target` beside `others` (at least one)."""
        key = (target, others)
        found = self.known.get(key)
        if found is None:
            if len(self.known) >= _CACHE_LIMIT:
                self.known.clear()
            found = self.known[key] = self._make(target, tuple(sorted(others)))
        return found

    def _make(self, target: Member, others: Active) -> Design:
        count = len(others)
        scale = 2.0 / (1 + count) if self._form == "rate" else 1.0
        own = self._table[target]
        sums = [sum(column) * scale for column in zip(*(self._table[other] for other in others), strict=True)]
        values = (
            count * scale,
            (count - 1) * scale,
            *[value * count * scale for value in own],
            *sums,
            *[value * total for value, total in zip(own, sums, strict=True)],
        )
        terms: dict[int, float] = {}
        if self._models:
            row = self.shared + self._models[target[0]] * len(self._models)
            for other, _ in others:
                column = row + self._models[other]
                terms[column] = terms.get(column, 0.0) + scale
        return Design(values[: self.leading], tuple(terms.items()))
