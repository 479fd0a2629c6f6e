"""Means of small groups, drawn towards those of their families and of all, by how much evidence each has."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Estimate", "Shrunk", "shrink"]


class Estimate(NamedTuple):
    """A mean and its standard deviation."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What `shrink` found.

    Args:
        groups: The mean of each group, by (family, member).
        families: What a group of the family is expected to be that was not seen; its spread is in the deviation.
        overall: The same of a family that was not seen.
        within: Variance inside a group.
        between_groups: Of the means of a family's groups.
        between_families: Of the families' means.
    """

    groups: dict[tuple[str, int], Estimate]
    families: dict[str, Estimate]
    overall: Estimate
    within: float
    between_groups: float
    between_families: float

    def of(self, family: str, member: int) -> Estimate:
        """Return the estimate of a group, seen or not."""
        return self.groups.get((family, member)) or self.families.get(family) or self.overall


def shrink(values: Mapping[tuple[str, int], Sequence[float]]) -> Shrunk:
    """Return the empirical Bayes estimates of group means, in two stages: groups in families, families in all.

    With v the variance of a group's mean (the pooled variance inside groups over its number of values) and t the
    variance between groups of a family (method of moments), the mean of a family weighs its groups by 1 / (v + t), and
    a group's estimate is

        family + t / (t + v) * (own mean - family)

    where `family` itself is drawn towards the mean of all families in the same way. Much evidence keeps a group where
    it is; a group of a few values goes to its family.

    Args:
        values: By (family, member), each at least one value, some group at least two.

    Source: Efron and Morris, "Data analysis using Stein's estimator and its generalizations", JASA 1975; variances
    between groups: DerSimonian and Laird, "Meta-analysis in clinical trials", 1986. That families are treated like
    groups: our choice.
    """
    means = {key: float(np.mean(found)) for key, found in values.items()}
    within = _pooled_variance(values.values())
    variances = {key: within / len(found) for key, found in values.items()}
    members: dict[str, list[tuple[str, int]]] = {}
    for key in means:
        members.setdefault(key[0], []).append(key)
    between_groups = _between([[(means[key], variances[key]) for key in keys] for keys in members.values()])
    own = {
        family: _weighted([(means[key], variances[key] + between_groups) for key in keys])
        for family, keys in members.items()
    }
    between_families = _between([list(own.values())])
    overall, overall_variance = _weighted([(mean, variance + between_families) for mean, variance in own.values()])
    families = {family: _towards(mean, variance, overall, between_families) for family, (mean, variance) in own.items()}
    groups = {}
    for key, mean in means.items():
        family, family_variance = families[key[0]]
        estimate, left = _towards(mean, variances[key], family, between_groups)
        pulled = variances[key] / (variances[key] + between_groups) if variances[key] else 0.0
        groups[key] = Estimate(estimate, sqrt(left + pulled * pulled * family_variance))
    return Shrunk(
        groups,
        {family: Estimate(mean, sqrt(variance + between_groups)) for family, (mean, variance) in families.items()},
        Estimate(overall, sqrt(overall_variance + between_families + between_groups)),
        within,
        between_groups,
        between_families,
    )


def _pooled_variance(groups: Iterable[Sequence[float]]) -> float:
    listed = [np.asarray(group, dtype=np.float64) for group in groups]
    degrees = sum(len(group) - 1 for group in listed)
    return sum(float(((group - group.mean()) ** 2).sum()) for group in listed) / degrees


def _between(families: Sequence[Sequence[tuple[float, float]]]) -> float:
    """Return the variance of true means inside families, from (mean, its variance), by the method of moments."""
    excess = scale = 0.0
    for family in families:
        weights = np.array([1.0 / variance if variance else np.inf for _, variance in family])
        if len(family) < 2 or not np.isfinite(weights).all():
            continue
        means = np.array([mean for mean, _ in family])
        centre = float((weights * means).sum() / weights.sum())
        excess += float((weights * (means - centre) ** 2).sum()) - (len(family) - 1)
        scale += float(weights.sum() - (weights**2).sum() / weights.sum())
    return max(0.0, excess / scale) if scale else 0.0


def _weighted(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the mean weighted by 1 / variance, and its variance; equal weights where a variance is 0."""
    variances = np.array([variance for _, variance in values])
    means = np.array([mean for mean, _ in values])
    if not variances.all():
        return float(means.mean()), float(variances.mean()) / len(values)
    weights = 1.0 / variances
    return float((weights * means).sum() / weights.sum()), float(1.0 / weights.sum())


def _towards(mean: float, variance: float, centre: float, between: float) -> tuple[float, float]:
    """Return a mean drawn towards a centre, and what is left of its variance."""
    if not variance:
        return mean, 0.0
    kept = between / (between + variance)
    return centre + kept * (mean - centre), kept * variance
