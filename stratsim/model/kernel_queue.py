"""Parameters of the execution model `kernel-queue`."""

from __future__ import annotations

from dataclasses import dataclass, field

from stratsim.errors import ProfileError
from stratsim.model.parts import batch_sizes, fraction, positive

__all__ = ["KernelQueue"]


@dataclass(frozen=True, slots=True)
class KernelQueue:
    """How kernels of different streams wait for the block scheduler.

    Args:
        hold: Share of a kernel's duration, within [0, 1], for which it keeps the block scheduler from other streams'
            kernels; for the rest it executes beside them.
        length_s: Effective mean duration of a kernel by model and batch size, seconds, linear between batch sizes and
            constant beyond. Only ratios between models matter. A model without an entry has that of its solo runs,
            `observable.models.M.kernels.mean_s`.
    """

    hold: float
    length_s: dict[str, dict[int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fraction("", hold=self.hold)
        for model, table in self.length_s.items():
            if not table:
                raise ProfileError(f"length_s[{model!r}] is empty; leave the model out")
            batch_sizes(f"length_s[{model!r}]", *table)
            for batch, length_s in table.items():
                positive("", **{f"length_s[{model!r}][{batch}]": length_s})
