"""What one file of measurements gives for a profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.model.parts import Kernels, batch_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.model.profile import Pair

__all__ = ["Ask", "Found", "Solo"]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a file does not say itself.

    Args:
        model: Name of the model that was measured.
        batch: Batch size of every execution.
        inferences: Executions that the file's kernels belong to.
        device: Index of the device, where a file has several.
        columns: Columns of a table by field, where they are not called like the fields.
        names: What the profile calls the models of a file, by the file's names; others keep theirs.
    """

    model: str | None = None
    batch: int | None = None
    inferences: int | None = None
    device: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.batch is not None:
            batch_sizes("--batch", self.batch)
        if self.inferences is not None and self.inferences < 1:
            raise SpecError(f"--inferences must be at least 1, got {self.inferences}")


@dataclass(frozen=True, slots=True)
class Solo:
    """What is known of a model alone on the GPU; None and empty: not known.

    Args:
        latency_s: Mean execution time by batch size, seconds, without copies.
        kernels: Kernel statistics of one inference at batch 1.
    """

    latency_s: Mapping[int, float] = field(default_factory=dict)
    kernels: Kernels | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a file gives.

    Args:
        tool: What wrote it, with its version where the file says.
        models: By name.
        bytes_per_s: Rate of the link by direction (`h2d`, `d2h`), one copy alone, pinned memory.
        alpha_s: Fixed cost of one copy by direction, seconds.
        pairs: Directed slowdowns of co-located executions.
        noise_cv: Coefficient of variation of a solo execution time.
        statistics: Which figure of the file a field of the profile is, by the field's path: `observable.pcie.h2d`.
        notes: What was assumed, left out or rounded: one line each.
    """

    tool: str
    models: Mapping[str, Solo] = field(default_factory=dict)
    bytes_per_s: Mapping[str, float] = field(default_factory=dict)
    alpha_s: Mapping[str, float] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    noise_cv: float | None = None
    statistics: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
