"""The regressors of the online learners: what a target and its co-runners are, as numbers.

    own features, sums of the co-runners' features, products of both, the number of co-runners, and crowding

times a scale per co-runner, and one term per (target model, co-runner model): hardware contention is asymmetric, and
solo figures do not tell all of it. Everything is 0 without co-runners: alone, nothing is lost by definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from stratsim.predict.base import Active, Member
    from stratsim.predict.features import FeatureTable

__all__ = ["FORMS", "Design", "DesignTable", "Form", "Pair"]

Form = Literal["rate", "slowdown"]
"""What is taken to be linear: the loss of rate, 1 - rate, or the excess of the slowdown, 1 / rate - 1."""

FORMS: tuple[Form, ...] = get_args(Form)

Pair = tuple[str, str]
"""Target model and co-runner model."""

_CACHE_LIMIT = 65_536


class Design(NamedTuple):
    """The regressors of a target beside its co-runners."""

    values: tuple[float, ...]
    """Of the weights that all share, in the order of `DesignTable.names`."""
    pairs: tuple[tuple[Pair, float], ...]
    """The pair terms that are not 0, each with its regressor."""


class DesignTable:
    """Makes the regressors, each once.

    Args:
        table: Features of every batch.
        form: In the rate form n co-runners count as 2n / (1 + n), so that one counts as 1 and an equal share of the
            GPU for everybody, a loss of n / (1 + n), is met exactly by one weight; in the slowdown form they count as
            n, for the same reason. Our choice.
    """

    __slots__ = ("_form", "_known", "_table", "names")

    def __init__(self, table: FeatureTable, form: Form) -> None:
        self._table = table
        self._form = form
        self._known: dict[tuple[Member, Active], Design] = {}
        self.names: tuple[str, ...] = (
            "number",
            "crowding",
            *(f"own {name}" for name in table.names),
            *(f"others' {name}" for name in table.names),
            *(f"product {name}" for name in table.names),
        )
        """What each value is."""

    def __call__(self, target: Member, others: Active) -> Design:
        """Return the regressors of `target` beside `others` (at least one)."""
        key = (target, others)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            found = self._known[key] = self._make(target, tuple(sorted(others)))
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
        pairs: dict[Pair, float] = {}
        for other, _ in others:
            pairs[target[0], other] = pairs.get((target[0], other), 0.0) + scale
        return Design(values, tuple(pairs.items()))
