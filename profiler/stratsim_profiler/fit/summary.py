"""What a fit found, how good it is, and the words for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.fit.batches import complete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.fit.cells import Cell
    from stratsim.fit.holdout import Row
    from stratsim.fit.identify import Interval
    from stratsim.fit.queue import QueueFit
    from stratsim.fit.scores import Score
    from stratsim.fit.sharing import SharingFit
    from stratsim.model.interpolate import Interpolation
    from stratsim_profiler.fit.assumptions import MeanTest, TermsTest
    from stratsim_profiler.fit.extract import Measured
    from stratsim_profiler.fit.stressors import Response
    from stratsim_profiler.fit.transfers import TransferFit

__all__ = ["LEAST_JUDGED", "LIMITS", "RULES", "Sharing", "Summary"]

RULES = ("streams", "kernel-queue")
"""Device models that are fitted, the default first."""

LEAST_JUDGED = 10
"""Fewest slowdowns of held-out pairs that judge a fit: a few say too little."""

LIMITS = {"cuda": 0.10, "cpu": 0.15}
"""Largest mean error of the execution time on pairs left out for which a fit is called good, by kind of device."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """What was found of how co-located models share the device.

    Args:
        rule: The execution model that the profile names as its own, one of `RULES`.
        fit: The fit of `streams`: demands and weights.
        intervals: Of every parameter of it.
        singular_values: Of its Jacobian at the optimum, in residual deviations, descending.
        queue: The fit of `kernel-queue`; None where kernels were not counted.
        queue_intervals: Of every parameter of it.
        queue_singular_values: Of its Jacobian.
        rows: Errors in sample, by cross-validation and on held-out cells, of the model and the baselines.
        law: How demand and weight carry over to other batch sizes.
        law_scores: Errors of each law on batch sizes left out; None where none lies between two others.
        saturated: Test of sum of demand * rate = 1, by number of streams.
        below: Test of full speed below saturation.
        terms: Test of the global terms.
        clock: Change of the log slowdown with the log clock, and its p-value.
        uncapped: Errors in sample of a fit without the power-capped cells; None when there are none.
        capped_cells: Number of power-capped cells.
        features: What the gpulet baseline knew of each load.
    """

    rule: str
    fit: SharingFit
    intervals: tuple[Interval, ...]
    singular_values: tuple[float, ...]
    queue: QueueFit | None
    queue_intervals: tuple[Interval, ...]
    queue_singular_values: tuple[float, ...]
    rows: tuple[Row, ...]
    law: Interpolation
    law_scores: Mapping[Interpolation, Score | None]
    saturated: Mapping[int, MeanTest]
    below: MeanTest | None
    terms: TermsTest | None
    clock: tuple[float, float] | None
    uncapped: Score | None
    capped_cells: int
    features: str

    def row(self, split: str, predictor: str | None = None) -> Score | None:
        """Return one entry of the table of errors, of the profile's rule where no other predictor is named.

        None if it is not there or could not be judged.
        """
        predictor = predictor or self.rule
        return next((row.score for row in self.rows if (row.split, row.predictor) == (split, predictor)), None)

    def slowdowns(self, cells: Sequence[Cell]) -> list[tuple[float, ...]]:
        """Return the slowdown of each stream of each cell by the profile's rule."""
        if self.rule == "kernel-queue" and self.queue is not None:
            return self.queue.queue.slowdowns(cells)
        loads = {load for cell in cells for load in cell.loads}
        return complete(self.fit.shares, loads, self.law).slowdowns(cells)

    @property
    def not_identified(self) -> tuple[Interval, ...]:
        """The parameters of the profile's rule that the measurements do not determine."""
        of = self.queue_intervals if self.rule == "kernel-queue" else self.intervals
        return tuple(interval for interval in of if not interval.identified)


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that a fit found.

    Args:
        device: Name of the device.
        device_kind: `cuda` or `cpu`.
        measured: The samples, sorted and reduced.
        transfers: Copies.
        sharing: Co-location; None when no cell of it could be fitted.
        responses: Loads with stressors.
        launcher: Error of the launcher's model on launch-bound cells; None without any.
    """

    device: str
    device_kind: str
    measured: Measured
    transfers: TransferFit
    sharing: Sharing | None
    responses: tuple[Response, ...]
    launcher: Score | None

    @property
    def limit(self) -> float:
        """Largest error for which a fit on this kind of device is called good."""
        return LIMITS.get(self.device_kind, LIMITS["cuda"])

    @property
    def judged(self) -> tuple[str, Score] | None:
        """The error by which the fit is judged, and on what.

        Pairs that the plan held out, if there are `LEAST_JUDGED` slowdowns of them; else pairs left out in turn.
        """
        if self.sharing is None:
            return None
        held_out, left_out = self.sharing.row("held-out pairs"), self.sharing.row("leave-one-pair-out")
        if held_out is not None and (left_out is None or held_out.count >= LEAST_JUDGED):
            return "held-out pairs", held_out
        return None if left_out is None else ("leave-one-pair-out", left_out)

    @property
    def good(self) -> bool:
        """Whether the fit predicts pairs that it has not seen within the limit."""
        return self.judged is not None and self.judged[1].mean <= self.limit

    @property
    def verdict(self) -> str:
        """One sentence that says how good the fit is."""
        if self.judged is None:
            return "Co-location was not fitted: the profile knows nothing of how models share this device."
        split, found = self.judged
        where = f"on {found.count} slowdowns of model pairs it had not seen ({split})"
        rule = "" if self.sharing is None else f"`{self.sharing.rule}`, "
        size = f"{rule}mean error of the execution time {found.mean:.1%}, worst {found.worst:.1%}, {where}"
        if self.good:
            return f"Good fit: {size}; the limit is {self.limit:.0%}.{self._against_constant(split)}"
        return (
            f"BAD FIT: {size}; the limit is {self.limit:.0%}. "
            f"Do not draw conclusions about co-location from it.{self._against_constant(split)}"
        )

    def _against_constant(self, split: str) -> str:
        if self.sharing is None:
            return ""
        own, constant = self.sharing.row(split), self.sharing.row(split, "constant")
        if own is None or constant is None or own.mean < constant.mean:
            return ""
        return f" A constant slowdown does as well ({constant.mean:.1%})."

    @property
    def discarded(self) -> dict[str, int]:
        """How many cells were thrown away while measuring, by reason."""
        return dict(Counter(record.reason for record in self.measured.discarded))
