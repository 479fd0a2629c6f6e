"""Parameters of the execution models: what batches ask of a GPU, phase by phase, and how GPUs answer.

A batch is a list of phases, each a share of its solo time with parameters of its own. `phases_at` finds the list for
batch sizes between those that a table has.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, field, fields
from math import isclose
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from stratsim.errors import ProfileError
from stratsim.model.igniter import IgniterGpu, IgniterModel  # noqa: TC001 (files are decoded by these types)
from stratsim.model.parts import batch_sizes, fraction, not_negative, positive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Blocks", "GpuletFit", "Igniter", "KernelBlocks", "ResourcePhase", "Sharing", "SharingPhase", "TimeSlices"]
__all__ += ["check_phases", "check_table", "phases_at"]


@dataclass(frozen=True, slots=True)
class SharingPhase:
    """One phase under the execution model `streams`.

    Args:
        share: Share of the solo time; those of a batch sum to 1.
        demand: s in (0, 1], the share of the GPU that it occupies alone at full speed.
        weight: w > 0, how strongly its kernels win the block scheduler; only ratios matter.
    """

    share: float
    demand: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        positive("", share=self.share, demand=self.demand, weight=self.weight)
        _at_most_one(demand=self.demand)


@dataclass(frozen=True, slots=True)
class Sharing:
    """Parameters of the execution model `streams` for one model at one batch size.

    Args:
        demand: s in (0, 1], the share of the GPU that the model occupies when it runs alone at full speed.
        weight: w > 0, how strongly its kernels win the block scheduler; only ratios matter.
        phases: In place of demand and weight: phases with their own.
    """

    demand: float | None = None
    weight: float = 1.0
    phases: tuple[SharingPhase, ...] = ()

    def __post_init__(self) -> None:
        if (self.demand is None) != bool(self.phases):
            raise ProfileError("sharing needs either demand (and weight) or phases")
        if self.demand is None:
            check_phases("phases", self.phases)
            return
        positive("", demand=self.demand, weight=self.weight)
        _at_most_one(demand=self.demand)

    def as_phases(self) -> tuple[SharingPhase, ...]:
        """Return the phases; demand and weight for the whole execution are one."""
        return self.phases if self.demand is None else (SharingPhase(1.0, self.demand, self.weight),)


@dataclass(frozen=True, slots=True)
class ResourcePhase:
    """One phase under the execution model `roofline`: the fraction of each resource that it takes at full speed.

    Args:
        share: Share of the solo time; those of a batch sum to 1.
        sm: Of the SMs' arithmetic.
        dram: Of the memory's bandwidth, alone: with as much of its working set in the L2 as fits.
        l2: Of the L2's bandwidth.
        issue: Of the SMs' instruction issue slots.
        working_set_bytes: What it keeps reusing through the L2.
        dram_spill: What is added to `dram` when others have evicted all of its working set.
    """

    share: float
    sm: float
    dram: float
    l2: float = 0.0
    issue: float = 0.0
    working_set_bytes: float = 0.0
    dram_spill: float = 0.0

    def __post_init__(self) -> None:
        positive("", share=self.share)
        fraction("", sm=self.sm, dram=self.dram, l2=self.l2, issue=self.issue)
        not_negative("", working_set_bytes=self.working_set_bytes, dram_spill=self.dram_spill)
        if self.dram_spill and not self.working_set_bytes:
            raise ProfileError("dram_spill needs working_set_bytes: nothing else can be evicted")


@dataclass(frozen=True, slots=True)
class KernelBlocks:
    """One kernel under the execution model `block-priority`.

    Args:
        share: Share of the batch's solo time; those of a batch sum to 1.
        blocks: Thread blocks, all of one duration.
    """

    share: float
    blocks: int

    def __post_init__(self) -> None:
        positive("", share=self.share, blocks=self.blocks)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Parameters of the execution model `block-priority`.

    Args:
        slots: Blocks that the GPU runs at once; None: one per SM.
        kernels: Kernels by model and batch size, in the order of execution.
    """

    slots: int | None = None
    kernels: dict[str, dict[int, tuple[KernelBlocks, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.slots is not None:
            positive("", slots=self.slots)
        for model, table in self.kernels.items():
            check_table(f"kernels[{model!r}]", table)
            for batch, kernels in table.items():
                check_phases(f"kernels[{model!r}][{batch}]", kernels)


@dataclass(frozen=True, slots=True)
class GpuletFit:
    """Coefficients of gpulet's linear model; utilisations are fractions."""

    l2_own: float
    l2_other: float
    dram_own: float
    dram_other: float
    constant: float


@dataclass(frozen=True, slots=True)
class Igniter:
    """Parameters of iGniter's analytic model.

    Args:
        gpu: Of the GPU.
        models: By model.
    """

    gpu: IgniterGpu
    models: dict[str, IgniterModel]


@dataclass(frozen=True, slots=True)
class TimeSlices:
    """How processes take turns under the execution model `time-slicing`; both tables by model and batch size.

    Args:
        busy: Share of a process's time alone in which the GPU works for it, within (0, 1].
        bursts: For how long the GPU works for it at a stretch, in time slices.
    """

    busy: dict[str, dict[int, float]]
    bursts: dict[str, dict[int, float]]

    def __post_init__(self) -> None:
        for section, tables in (("busy", self.busy), ("bursts", self.bursts)):
            for model, table in tables.items():
                check_table(f"{section}[{model!r}]", table)
                positive("", **{f"{section}[{model!r}][{batch}]": value for batch, value in table.items()})
        for model, table in self.busy.items():
            _at_most_one(**{f"busy[{model!r}][{batch}]": value for batch, value in table.items()})


class _Phase(Protocol):
    @property
    def share(self) -> float: ...


P = TypeVar("P", bound=_Phase)


def check_phases(where: str, phases: Sequence[_Phase]) -> None:
    """Require at least one phase, and shares that sum to 1 (to 1e-6, for figures written by hand)."""
    if not phases:
        raise ProfileError(f"{where} is empty")
    total = sum(phase.share for phase in phases)
    if not isclose(total, 1.0, abs_tol=1e-6):
        raise ProfileError(f"{where}: shares must sum to 1, sum to {total:.9g}")


def check_table(where: str, table: Mapping[int, object]) -> None:
    """Require a table by batch size that has entries, for sizes that a profile may name."""
    if not table:
        raise ProfileError(f"{where} is empty; leave the model out")
    batch_sizes(where, *table)


def phases_at(table: Mapping[int, Sequence[P]], batch: int) -> tuple[P, ...]:
    """Return the phases at a batch size.

    Below the smallest size and above the largest the nearest's. Between two sizes every figure is linear in the batch
    size if both have equally many phases; otherwise they are those of the nearer size, the smaller one in the middle.
    """
    sizes = sorted(table)
    above = bisect(sizes, batch)
    if above == 0 or above == len(sizes) or sizes[above - 1] == batch:
        return tuple(table[sizes[max(above - 1, 0)]])
    low, high = sizes[above - 1], sizes[above]
    share = (batch - low) / (high - low)
    if len(table[low]) != len(table[high]):
        return tuple(table[low if share <= 1 / 2 else high])
    return tuple(_between(one, other, share) for one, other in zip(table[low], table[high], strict=True))


def _between(one: P, other: P, share: float) -> P:
    values: dict[str, Any] = {}
    for entry in fields(one):  # type: ignore[arg-type]
        low, high = getattr(one, entry.name), getattr(other, entry.name)
        value = (1 - share) * low + share * high
        values[entry.name] = round(value) if entry.type == "int" else value
    return type(one)(**values)


def _at_most_one(**values: float) -> None:
    for name, value in values.items():
        if value > 1:
            raise ProfileError(f"{name} must be within (0, 1], got {value!r}")
