"""Parameters of the execution model `kernel-queue`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError
from stratsim.model.parts import batch_sizes, fraction, not_negative, positive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["AsServed", "KernelQueue", "Opening"]


@dataclass(frozen=True, slots=True)
class AsServed:
    """What corrects the contention of a profile, measured while models were served.

    Args:
        factors: By what executions take longer beside others than the rule says, by model and batch size. 1 for models
            without an entry.
        spread: How well that is known: standard deviation of the logarithm of each factor.
        start_s: What every start of an execution costs each of those that run beside it, seconds.
        start_spread_s: How well that is known: its standard deviation.
    """

    factors: dict[str, dict[int, float]] = field(default_factory=dict)
    spread: dict[str, dict[int, float]] = field(default_factory=dict)
    start_s: float = 0.0
    start_spread_s: float = 0.0

    def __post_init__(self) -> None:
        not_negative("", start_s=self.start_s, start_spread_s=self.start_spread_s)
        for name, batch, factor in _entries("factors", self.factors):
            positive("", **{f"factors[{name!r}][{batch}]": factor})
        for name, batch, spread in _entries("spread", self.spread):
            not_negative("", **{f"spread[{name!r}][{batch}]": spread})


@dataclass(frozen=True, slots=True)
class Opening:
    """The first part of an execution, whose kernels are longer: convolutions of whole images, embeddings.

    Args:
        share: Of the solo time, within (0, 1).
        lengths: By model and batch size: mean length of its kernels over that of all kernels. 1 for models without an
            entry.
        slope: By how much the hold grows with the natural logarithm of the length: wide kernels are long ones.
    """

    share: float
    lengths: dict[str, dict[int, float]]
    slope: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ProfileError(f"share must be within (0, 1), got {self.share!r}")
        not_negative("", slope=self.slope)
        for name, batch, ratio in _entries("lengths", self.lengths):
            positive("", **{f"lengths[{name!r}][{batch}]": ratio})


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
        opening: The first part of executions where it is not like the rest; None: all of an execution is alike.
        served: What corrects all this where models are served; None: nothing has been measured there.
    """

    hold: float
    length_s: dict[str, dict[int, float]] = field(default_factory=dict)
    holds: dict[str, dict[int, float]] = field(default_factory=dict)
    residual: float = 1.0
    gap_s: float = 0.0
    opening: Opening | None = None
    served: AsServed | None = None

    def __post_init__(self) -> None:
        fraction("", hold=self.hold)
        if not 0.5 <= self.residual <= 1:
            raise ProfileError(f"residual must be within [0.5, 1], got {self.residual!r}")
        not_negative("", gap_s=self.gap_s)
        for name, batch, length_s in _entries("length_s", self.length_s):
            positive("", **{f"length_s[{name!r}][{batch}]": length_s})
        for name, batch, hold in _entries("holds", self.holds):
            fraction("", **{f"holds[{name!r}][{batch}]": hold})

    def named(self) -> dict[str, Iterable[str]]:
        """Return the models that each table names, by the path of the table below `kernel_queue`."""
        tables: dict[str, Iterable[str]] = {"length_s": self.length_s, "holds": self.holds}
        if self.opening is not None:
            tables["opening.lengths"] = self.opening.lengths
        if self.served is not None:
            tables |= {"served.factors": self.served.factors, "served.spread": self.served.spread}
        return tables


def _entries(section: str, tables: Mapping[str, Mapping[int, float]]) -> list[tuple[str, int, float]]:
    """Return (model, batch size, value) of all entries; a table must have some, for sizes that a profile may name."""
    for model, table in tables.items():
        if not table:
            raise ProfileError(f"{section}[{model!r}] is empty; leave the model out")
        batch_sizes(f"{section}[{model!r}]", *table)
    return [(model, batch, value) for model, table in tables.items() for batch, value in table.items()]
