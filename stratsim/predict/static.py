"""Beliefs that do not learn while the server runs."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import ProfileError, SpecError, suggest
from stratsim.predict.base import Predictor, parameter
from stratsim.predict.features import FeatureTable
from stratsim.solve import linear_slowdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import SchedulerProfile
    from stratsim.predict.base import Active, Member

__all__ = ["COEFFICIENTS", "Coefficients", "Constant", "Gpulet", "Solo", "Utilisation", "fit_coefficients"]


class Solo(Predictor):
    """No interference: every batch runs at its solo speed, whatever its co-runners.

    Source: the usual assumption, as in Clockwork (Gujarati et al., OSDI 2020), which never co-locates.
    """

    def rate(self, target: Member, others: Active) -> float:  # noqa: ARG002
        """Return 1."""
        return 1.0


class Constant(Predictor):
    """A co-located batch runs at 1/slowdown of its solo speed, whatever its co-runners.

    Args:
        slowdown: f >= 1, execution time beside others over solo execution time.

    Source: our choice of the simplest rival that expects interference at all.
    """

    def __init__(self, slowdown: float = 1.5) -> None:
        parameter("slowdown", slowdown, 1, inf, closed="low")
        self.slowdown = slowdown

    def rate(self, target: Member, others: Active) -> float:  # noqa: ARG002
        """Return 1/slowdown."""
        return 1.0 / self.slowdown


class Utilisation(NamedTuple):
    """What gpulet's regression knows of a batch: fractions, measured solo on the whole GPU."""

    l2: float
    dram: float


class Coefficients(NamedTuple):
    """gpulet's linear model of the slowdown of one batch beside one other."""

    l2_own: float
    l2_other: float
    dram_own: float
    dram_other: float
    constant: float

    def slowdown(self, own: Utilisation, other: Utilisation, own_share: float = 1.0, other_share: float = 1.0) -> float:
        """Return the slowdown, at least 1.

        Args:
            own: The batch that is slowed.
            other: The one beside it.
            own_share: Share of the GPU's multiprocessors that it may use, within (0, 1].
            other_share: The same of the other.
        """
        return linear_slowdown(self, own, other, own_share, other_share)


COEFFICIENTS = {
    "rtx2080ti": Coefficients(0.11290838746, 0.71595987168, 0.35486591956, 0.08820382599, 0.89536939173),
    "rtx3080": Coefficients(-0.17988746, 0.03840912, 0.12551833, -0.05648206, 1.01842707),
}
"""Published: casys-kaist/glet, resource/{2080ti,3080}, fitted there to pairs of CNN and BERT inferences under MPS."""

FITTED = "fitted"


def fit_coefficients(rows: Sequence[tuple[Utilisation, Utilisation, float]]) -> Coefficients:
    """Return the least-squares coefficients for measured `(own, other, slowdown)`; of several, the smallest."""
    import numpy as np

    design = [(own.l2, other.l2, own.dram, other.dram, 1.0) for own, other, _ in rows]
    solution, *_ = np.linalg.lstsq(np.array(design), np.array([slowdown for *_, slowdown in rows]), rcond=None)
    return Coefficients(*solution.tolist())


class Gpulet(Predictor):
    """gpulet's static regression: the slowdown is linear in the L2 and DRAM utilisation of both batches.

    Made for pairs: beside several others, the worst pair counts, as in gpulet. Utilisations are averages over a whole
    inference, and every pair is taken to overlap all the time: the coarse-grained belief that finer ones are measured
    against. GPUs are not partitioned here: every batch may use all multiprocessors.

    Args:
        coefficients: `fitted` to the profile's measured pairs (those not held out) by least squares, or published ones:
            `rtx2080ti`, `rtx3080`. If the profile lacks the L2 utilisation of any model, the fit uses the compute
            utilisation of all in its place (our choice); published coefficients are then refused.

    Source: gpulet (Choi et al., ATC 2022), casys-kaist/glet, interference_model.cpp; compute in place of L2 and the use
    without partitions are ours.
    """

    def __init__(self, coefficients: str = FITTED) -> None:
        known = [FITTED, *COEFFICIENTS]
        if coefficients not in known:
            raise SpecError(f"unknown coefficients {coefficients!r}; {suggest(str(coefficients), known)}")
        self.coefficients = coefficients

    def start(self) -> None:
        """Read the utilisations and fit."""
        self._table = utilisations(self.profile_, published=self.coefficients != FITTED)
        self.coefficients_ = COEFFICIENTS.get(self.coefficients) or fit_to_pairs(self.profile_, self._table)

    def utilisation(self, member: Member) -> Utilisation:
        """Return what stands for the utilisation of a batch; `fit` comes first."""
        return Utilisation(*self._table[member])

    def rate(self, target: Member, others: Active) -> float:
        """Return 1 over the slowdown beside the worst of the others."""
        own = self.utilisation(target)
        return 1.0 / max(self.coefficients_.slowdown(own, self.utilisation(other)) for other in others)


def utilisations(profile: SchedulerProfile, *, published: bool) -> FeatureTable:
    """Return what stands for L2 and DRAM utilisation in a profile.

    Args:
        profile: What is known of the hardware.
        published: Whether coefficients will be used that refer to true L2 utilisation.

    Raises:
        ProfileError: published coefficients are wanted, and the profile lacks what they refer to.
    """
    table = FeatureTable(profile, ("l2", "memory"))
    lacking = [f"{name} of {models[0]!r}" for name, models in table.missing.items() if models]
    if published and lacking:
        raise ProfileError(
            f"profile {profile.name!r} lacks the utilisation that published coefficients refer to: {', '.join(lacking)}"
        )
    return FeatureTable(profile, ("compute", "memory")) if table.missing["l2"] else table


def fit_to_pairs(profile: SchedulerProfile, table: FeatureTable) -> Coefficients:
    """Return the coefficients fitted to a profile's measured pairs.

    Raises:
        ProfileError: the profile has no pairs.
    """
    rows = [
        (
            Utilisation(*table[pair.target, pair.target_batch]),
            Utilisation(*table[pair.other, pair.other_batch]),
            pair.slowdown,
        )
        for pair in profile.pairs
        if not pair.held_out
    ]
    if not rows:
        raise ProfileError(
            f"profile {profile.name!r} has no measured pairs to fit to; `stratsim profile pairs` adds simulated ones"
        )
    return fit_coefficients(rows)
