"""Parameters of the execution model `kernel-queue`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError
from stratsim.model.parts import batch_sizes, fraction, not_negative, positive

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KernelQueue"]


@dataclass(frozen=True, slots=True)
class KernelQueue:
    """How kernels of different streams wait for the block scheduler.

    Tables are by model and batch size, linear between batch sizes and constant beyond.

    Args:
        hold: Share of a kernel's duration, within [0, 1], for which it keeps the block scheduler from other streams'
            kernels; for the rest it executes with them. For models that `holds` lacks.
        length_s: Effective mean duration of a kernel, seconds. Only ratios between models, and to `gap_s`, matter. A
            model without an entry has that of its solo runs, `observable.models.M.kernels.mean_s`.
        holds: `hold` of single models: wide kernels hold the scheduler for longer than narrow ones.
        residual: Share of its hold, within [0.5, 1], that a kernel has before it on average when another finds it
            being placed: 1 if holds are exponential, 0.5 if they are all alike.
        gap_s: Time that each kernel's launch takes longer when other streams are active.
    """

    hold: float
    length_s: dict[str, dict[int, float]] = field(default_factory=dict)
    holds: dict[str, dict[int, float]] = field(default_factory=dict)
    residual: float = 1.0
    gap_s: float = 0.0

    def __post_init__(self) -> None:
        fraction("", hold=self.hold)
        if not 0.5 <= self.residual <= 1:
            raise ProfileError(f"residual must be within [0.5, 1], got {self.residual!r}")
        not_negative("", gap_s=self.gap_s)
        for name, batch, length_s in _entries("length_s", self.length_s):
            positive("", **{f"length_s[{name!r}][{batch}]": length_s})
        for name, batch, hold in _entries("holds", self.holds):
            fraction("", **{f"holds[{name!r}][{batch}]": hold})


def _entries(section: str, tables: Mapping[str, Mapping[int, float]]) -> list[tuple[str, int, float]]:
    """Return (model, batch size, value) of all entries; a table must have some, for sizes that a profile may name."""
    for model, table in tables.items():
        if not table:
            raise ProfileError(f"{section}[{model!r}] is empty; leave the model out")
        batch_sizes(f"{section}[{model!r}]", *table)
    return [(model, batch, value) for model, table in tables.items() for batch, value in table.items()]
