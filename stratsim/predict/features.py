"""What a belief knows of a model before it has run beside others: figures from solo runs.

A profile need not have them for every model and batch size. Between batch sizes they are linear and beyond the ends
constant; a model without them counts as the mean of those that have them, and a feature that no model has is 0.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import SpecError, suggest
from stratsim.model.frozen import FrozenDict, by_content
from stratsim.model.interpolate import dense

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stratsim.model.profile import SchedulerModel, SchedulerProfile
    from stratsim.predict.base import Member

__all__ = ["FEATURES", "FeatureTable"]


def _compute(model: SchedulerModel) -> dict[int, float]:
    return {batch: each.compute for batch, each in model.features.items()}


def _memory(model: SchedulerModel) -> dict[int, float]:
    return {batch: each.memory for batch, each in model.features.items()}


def _l2(model: SchedulerModel) -> dict[int, float]:
    return {batch: each.l2 for batch, each in model.features.items() if each.l2 is not None}


def _busy(model: SchedulerModel) -> dict[int, float]:
    kernels = model.kernels
    return {1: min(1.0, kernels.count * kernels.mean_s / model.latency_s[1])} if kernels else {}


def _batch(model: SchedulerModel) -> dict[int, float]:
    most = model.max_batch
    return {batch: log2(batch) / log2(most) if most > 1 else 0.0 for batch in range(1, most + 1)}


FEATURES: dict[str, Callable[[SchedulerModel], dict[int, float]]] = {
    "compute": _compute,
    "memory": _memory,
    "l2": _l2,
    "busy": _busy,
    "batch": _batch,
}
"""How each feature is read from a model: values within [0, 1] by batch size, none where the profile has none.

`compute` and `memory` are operations and bytes per second over the device's peak, `l2` the utilisation of its
second-level cache, `busy` the share of the solo execution in which a kernel runs (kernel count times mean length over
latency, batch 1): what is left is bound by launches, and neither takes nor suffers much. `batch` is the logarithm of
the batch size over that of the model's largest: it stands for whatever changes with the size and has no figure.
"""


class FeatureTable:
    """Features of every model of a profile at every batch size.

    Args:
        profile: What is known of the hardware.
        names: Which features, keys of `FEATURES`, in the order in which they are wanted.

    Raises:
        SpecError: there is no such feature; the message names the nearest.
    """

    __slots__ = ("_profile", "_rows", "missing", "names", "telling")

    def __init__(self, profile: SchedulerProfile, names: Sequence[str]) -> None:
        for name in names:
            if name not in FEATURES:
                raise SpecError(f"unknown feature {name!r}; {suggest(name, FEATURES)}")
        self._profile = profile
        self.names = tuple(names)
        rows = _rows(profile, self.names)
        self._rows = rows.values
        self.missing = rows.missing
        """By feature: the models for which the profile has none."""
        self.telling = rows.telling
        """The features that are not 0 for everything."""

    def __getitem__(self, member: Member) -> tuple[float, ...]:
        """Return the features of one batch, in the order of `names`.

        Raises:
            OutsideProfileError: the profile does not cover it.
        """
        found = self._rows.get(member)
        if found is None:
            self._profile.latency_s(*member)  # says what there is
            raise KeyError(member)
        return found


class _Rows(NamedTuple):
    values: Mapping[Member, tuple[float, ...]]
    missing: Mapping[str, tuple[str, ...]]
    telling: tuple[str, ...]


@by_content
def _rows(profile: SchedulerProfile, names: tuple[str, ...]) -> _Rows:
    """Return the features of every model and batch size, and what is to be said of them."""
    columns = [_column(profile.models, FEATURES[name]) for name in names]
    values = {
        (model, batch): tuple([column[model][batch] for column in columns])
        for model, entry in profile.models.items()
        for batch in range(1, entry.max_batch + 1)
    }
    missing = {
        name: tuple(model for model, entry in profile.models.items() if not FEATURES[name](entry)) for name in names
    }
    told = [any(column) for column in zip(*values.values(), strict=True)]
    telling = tuple([name for name, tells in zip(names, told, strict=True) if tells])
    return _Rows(FrozenDict(values), FrozenDict(missing), telling)


def _column(
    models: Mapping[str, SchedulerModel], read: Callable[[SchedulerModel], dict[int, float]]
) -> dict[str, tuple[float, ...]]:
    """Return one feature of every model, indexed by batch size."""
    size = max((entry.max_batch for entry in models.values()), default=0) + 1
    known = {name: dense(table, "linear", size) for name, entry in models.items() if (table := read(entry))}
    mean = tuple([sum(column) / len(column) for column in zip(*known.values(), strict=True)]) or (0.0,) * size
    return {name: known.get(name, mean) for name in models}
