"""Streams whose kernels take turns at the block scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any, TypeVar

from stratsim.device.execution.fluid import FluidModel, FluidUnit, Phase
from stratsim.device.execution.lacking import lacks
from stratsim.model.interpolate import interpolate
from stratsim.model.kernel_queue import AsServed
from stratsim.solve import kernel_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["CostlyStarts", "KernelLoad", "KernelQueue"]

Key = TypeVar("Key")

_LEAST_REST = 1e-3
"""An opening cannot hold all kernels."""


@dataclass(frozen=True, slots=True, eq=False)
class KernelLoad:
    """The kernels of a batch. Compared by identity.

    Args:
        length_s: Mean duration of one, alone.
        hold_s: For how long of that it keeps others' kernels from being placed.
        factor: By what it takes longer beside others than the rule says.
    """

    length_s: float
    hold_s: float
    factor: float = 1.0


class CostlyStarts(FluidUnit[Key]):
    """A fluid unit on which every start sets back those that run.

    Args:
        rates: As for `FluidUnit`.
        start_s: By how much, seconds.
    """

    __slots__ = ("_start_s",)

    def __init__(self, rates: Callable[[Sequence[Any]], Sequence[float]], start_s: float) -> None:
        super().__init__(rates)
        self._start_s = start_s

    def add(self, now_s: float, key: Key, solo_s: float, work: Sequence[Phase[Any]], level: int = 0) -> None:
        """Start a batch: those that run make no progress for as long as the start costs."""
        super().add(now_s, key, solo_s, work, level)
        if len(self._running) > 1:
            for batch in self._running[:-1]:
                batch.left_s += self._start_s * batch.rate
            self._solve(now_s)


class KernelQueue(FluidModel[KernelLoad]):
    """Kernels of all streams take turns at the block scheduler: the longer a stream's kernels, the larger its share.

    Unpartitioned CUDA streams of one process. Each has one kernel at a time in the hardware; it waits for those before
    it to be placed, then executes partly together (`stratsim.solve.kernel_queue`). A batch of short kernels waits
    as long per kernel as one of long kernels, so it is slowed far more: no symmetric model can say that.

    Source: our choice of rule, from what is known of the hardware's queue; its parameters come from the profile.
    """

    name = "kernel-queue"
    needs = "truth.kernel_queue; kernel lengths there or in observable.models.M.kernels"

    def __init__(self, hardware: HardwareProfile, slots: int = 1) -> None:
        super().__init__(hardware, slots)
        if hardware.truth.kernel_queue is None:
            raise lacks(self.name, hardware, "truth.kernel_queue")
        self._parameters = hardware.truth.kernel_queue
        self._served = self._parameters.served or AsServed()
        self.start_cost_s = self._served.start_s
        for model, entry in hardware.models.items():
            if model not in self._parameters.length_s and entry.kernels is None:
                raise lacks(self.name, hardware, f"truth.kernel_queue.length_s.{model}")

    def _phases(self, model: str, batch: int) -> tuple[Phase[KernelLoad], ...]:
        length_s = self._length_s(model, batch)
        parameters = self._parameters
        hold = _of(parameters.holds, model, batch, parameters.hold)
        factor = _of(self._served.factors, model, batch, 1.0)
        opening = parameters.opening
        if opening is None or model not in opening.lengths:
            return (Phase(1.0, KernelLoad(length_s, hold * length_s, factor)),)
        # Of as many kernels per second of solo time as before, those of the opening are fewer and the others more.
        first = _at(opening.lengths[model], batch)
        rest = (1.0 - opening.share) / max(1.0 - opening.share / first, _LEAST_REST)
        return tuple(
            Phase(share, self._longer(length_s, hold, ratio, factor))
            for share, ratio in ((opening.share, first), (1.0 - opening.share, rest))
        )

    def _longer(self, length_s: float, hold: float, ratio: float, factor: float) -> KernelLoad:
        """Return kernels `ratio` times as long as a model's are on average."""
        slope = self._parameters.opening.slope if self._parameters.opening else 0.0
        own = min(1.0, max(0.0, hold + slope * log(ratio)))
        return KernelLoad(ratio * length_s, own * ratio * length_s, factor)

    def _length_s(self, model: str, batch: int) -> float:
        table = self._parameters.length_s.get(model)
        if table is not None:
            return _at(table, batch)
        kernels = self._hardware.models[model].kernels
        if kernels is None:  # refused by the constructor
            raise lacks(self.name, self._hardware, f"truth.kernel_queue.length_s.{model}")
        return kernels.mean_s

    def rates(self, active: Sequence[KernelLoad]) -> Sequence[float]:
        """Return solo time over time with waits, per kernel."""
        parameters = self._parameters
        rates = kernel_queue(
            [load.length_s for load in active],
            [load.hold_s for load in active],
            parameters.residual,
            parameters.gap_s,
        )
        if len(active) == 1 or not self._served.factors:
            return rates
        return [min(1.0, rate / load.factor) for rate, load in zip(rates, active, strict=True)]

    def unit(self) -> FluidUnit[Any]:
        """Return a new, idle GPU."""
        return CostlyStarts(self.sound_rates, self.start_cost_s) if self.start_cost_s else super().unit()


def _of(tables: Mapping[str, Mapping[int, float]], model: str, batch: int, default: float) -> float:
    return _at(tables[model], batch) if model in tables else default


def _at(table: Mapping[int, float], batch: int) -> float:
    """Return a table's value: linear between batch sizes, constant beyond."""
    return interpolate(table, min(max(batch, min(table)), max(table)), "linear")
