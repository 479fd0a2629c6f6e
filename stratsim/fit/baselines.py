"""What a fit has to beat: a constant, and the linear regression on solo features that gpulet uses.

In public V100 MPS data a constant is nearly as good as that regression, because slowdowns there are 1.01 to 1.23
only. A contention model that does not beat both on pairs it has not seen has not learnt anything of use.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stratsim.fit.batches import complete
from stratsim.fit.queue import Queue, fit_queue
from stratsim.fit.sharing import Shares, fit_sharing
from stratsim.fit.slices import Slices, fit_slices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.fit.cells import Cell, Load
    from stratsim.model.interpolate import Interpolation

__all__ = ["Constant", "Gpulet", "KernelQueue", "Predictor", "Slowdowns", "Streams", "TimeSlicing"]

Slowdowns = list[tuple[float, ...]]


class Predictor(Protocol):
    """Something that learns from cells and predicts others."""

    @property
    def name(self) -> str:
        """What to call it in tables."""
        ...

    def fit(self, cells: Sequence[Cell]) -> Predictor:
        """Return a fitted copy."""
        ...

    def predict(self, cells: Sequence[Cell]) -> Slowdowns:
        """Return the slowdown of each stream of each cell."""
        ...


@dataclass(frozen=True, slots=True)
class Streams:
    """Capped weighted sharing: the fitted model itself, under the same rules as the baselines.

    Args:
        terms: Global terms to fit too.
        starts: Starting points per fit.
        law: How demand and weight carry over to batch sizes that were not fitted.
        shares: The fitted model.
    """

    terms: tuple[str, ...] = ()
    starts: int = 3
    law: Interpolation = "linear"
    shares: Shares | None = None
    name: str = "streams"

    def fit(self, cells: Sequence[Cell]) -> Streams:
        """Return a copy fitted to `cells`."""
        found = fit_sharing(cells, terms=self.terms, starts=self.starts).shares
        return Streams(self.terms, self.starts, self.law, found, self.name)

    def predict(self, cells: Sequence[Cell]) -> Slowdowns:
        """Return the steady-state slowdowns; loads that were not fitted follow `complete`."""
        if self.shares is None:
            return [tuple(1.0 for _ in cell.loads) for cell in cells]
        loads = {load for cell in cells for load in cell.loads}
        return complete(self.shares, loads, self.law).slowdowns(cells)

    def rates(self, loads: Sequence[Load]) -> tuple[float, ...]:
        """Return the rate of each of the loads that run together."""
        if self.shares is None:
            return (1.0,) * len(loads)
        return complete(self.shares, loads, self.law).rates(loads)


@dataclass(frozen=True, slots=True)
class KernelQueue:
    """Kernels that queue for the block scheduler, under the same rules as the baselines.

    Args:
        length_s: Mean duration of a kernel by load.
        starts: Starting points per fit.
        queue: The fitted rule.
    """

    length_s: Mapping[Load, float]
    starts: int = 1
    queue: Queue | None = None
    name: str = "kernel-queue"

    def fit(self, cells: Sequence[Cell]) -> KernelQueue:
        """Return a copy fitted to `cells`."""
        return replace(self, queue=fit_queue(cells, self.length_s, starts=self.starts).queue)

    def predict(self, cells: Sequence[Cell]) -> Slowdowns:
        """Return the steady-state slowdowns."""
        if self.queue is None:
            return [tuple(1.0 for _ in cell.loads) for cell in cells]
        return self.queue.slowdowns(cells)

    def rates(self, loads: Sequence[Load]) -> tuple[float, ...]:
        """Return the rate of each of the loads that run together."""
        return (1.0,) * len(loads) if self.queue is None else self.queue.rates(loads)


@dataclass(frozen=True, slots=True)
class TimeSlicing:
    """Processes that take turns, a time slice each, under the same rules as the baselines.

    Args:
        starts: Starting points per fit.
        slices: The fitted rule.
    """

    starts: int = 1
    slices: Slices | None = None
    name: str = "time-slicing"

    def fit(self, cells: Sequence[Cell]) -> TimeSlicing:
        """Return a copy fitted to `cells`."""
        return replace(self, slices=fit_slices(cells, starts=self.starts).slices)

    def predict(self, cells: Sequence[Cell]) -> Slowdowns:
        """Return the steady-state slowdowns."""
        if self.slices is None:
            return [tuple(1.0 for _ in cell.loads) for cell in cells]
        return self.slices.slowdowns(cells)


@dataclass(frozen=True, slots=True)
class Constant:
    """The geometric mean of the slowdowns seen with as many streams.

    Args:
        mean_log: Mean logarithm of the slowdown by number of streams.
    """

    mean_log: Mapping[int, float] | None = None
    name: str = "constant"

    def fit(self, cells: Sequence[Cell]) -> Constant:
        """Return a copy fitted to `cells`."""
        groups: dict[int, list[float]] = defaultdict(list)
        for cell in cells:
            logs = np.log(cell.slowdowns)
            groups[len(cell.loads)].extend(logs[~np.isnan(logs)].tolist())
        return Constant({count: float(np.mean(logs)) for count, logs in groups.items()})

    def predict(self, cells: Sequence[Cell]) -> Slowdowns:
        """Return the constant; that of the nearest number of streams where this one was not seen."""
        return [(float(np.exp(self._at(len(cell.loads)))),) * len(cell.loads) for cell in cells]

    def _at(self, count: int) -> float:
        known = self.mean_log or {0: 0.0}
        return known[min(known, key=lambda other: (abs(other - count), other))]


@dataclass(frozen=True, slots=True)
class Gpulet:
    """Slowdown = c0 + c . (own solo features, the other's), at least 1; the worst other where there are several.

    Source: Choi et al., "Serving heterogeneous machine learning models on multi-GPU servers with spatio-temporal
    sharing", USENIX ATC 2022. There the features are L2 and DRAM utilisation; here, what solo samples show.

    Args:
        features: Solo features by load.
        coefficients: Shape (1 + 2 features,).
    """

    features: Mapping[Load, tuple[float, ...]]
    coefficients: tuple[float, ...] = ()
    name: str = "gpulet"

    def fit(self, cells: Sequence[Cell]) -> Gpulet:
        """Return a copy fitted to the cells with two streams, by least squares."""
        rows: list[list[float]] = []
        targets: list[float] = []
        for cell in cells:
            if len(cell.loads) == 2:
                rows += [self._row(*cell.loads), self._row(*reversed(cell.loads))]
                targets += cell.slowdowns
        if not rows:
            return self
        found = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=1e-8)[0]
        return Gpulet(self.features, tuple(found.tolist()))

    def predict(self, cells: Sequence[Cell]) -> Slowdowns:
        """Return the slowdowns."""
        return [tuple(self._worst(cell, at) for at in range(len(cell.loads))) for cell in cells]

    def _worst(self, cell: Cell, at: int) -> float:
        others = [load for position, load in enumerate(cell.loads) if position != at]
        return max((self._pair(cell.loads[at], other) for other in others), default=1.0)

    def _pair(self, target: Load, other: Load) -> float:
        if not self.coefficients:
            return 1.0
        return max(1.0, float(np.dot(self.coefficients, self._row(target, other))))

    def _row(self, target: Load, other: Load) -> list[float]:
        return [1.0, *self.features[target], *self.features[other]]
