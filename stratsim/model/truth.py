"""What only the simulated hardware knows: parameters of the contention models, one section per model.

Nothing here reaches a policy or a predictor: `Profile.for_scheduler` copies the observable section alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stratsim.errors import ProfileError
from stratsim.model.parts import batch_sizes, fraction, not_negative, positive

__all__ = ["Sharing", "Transfers", "Truth"]


@dataclass(frozen=True, slots=True)
class Sharing:
    """Parameters of the `streams` execution model for one model at one batch size.

    Args:
        demand: s in (0, 1], the share of the GPU that the model occupies when it runs alone at full speed.
        weight: w > 0, how strongly its kernels win the block scheduler; only ratios matter.
    """

    demand: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        positive("", demand=self.demand, weight=self.weight)
        if self.demand > 1:
            raise ProfileError(f"demand must be within (0, 1], got {self.demand!r}")


@dataclass(frozen=True, slots=True)
class Transfers:
    """How concurrent copies share the copy engines and the link of one GPU.

    Args:
        engines: Copy engines per direction; 0 means one engine that serves both directions.
        chunk_bytes: Size of the chunks that an engine serves round robin over waiting copies; None serves whole
            copies, first in first out.
        duplex: Kappa, within [0.5, 1]: both directions of a link together carry at most `kappa x` the sum of their
            rates. 1 is full duplex.
        h2d_share: Share of the H2D direction where both directions together are full: 0.5 is fair, 0 serves D2H first,
            1 serves H2D first.
    """

    engines: int = 1
    chunk_bytes: int | None = None
    duplex: float = 1.0
    h2d_share: float = 0.5

    def __post_init__(self) -> None:
        not_negative("", engines=self.engines)
        if self.chunk_bytes is not None:
            positive("", chunk_bytes=self.chunk_bytes)
        if not 0.5 <= self.duplex <= 1:  # below, one direction alone would not reach its rate
            raise ProfileError(f"duplex must be within [0.5, 1], got {self.duplex!r}")
        fraction("", h2d_share=self.h2d_share)


@dataclass(frozen=True, slots=True)
class Truth:
    """What only the simulated hardware knows.

    Args:
        sharing: `streams` parameters by model and batch size; linear between batch sizes, constant beyond the first
            and the last. A model without an entry has demand 1 and weight 1 (processor sharing).
        transfers: How copies share engines and links; None: one engine per direction, first in first out, full duplex.
        noise_cv: Run-to-run coefficient of variation of a batch's solo execution time, for all models.
    """

    sharing: dict[str, dict[int, Sharing]] = field(default_factory=dict)
    transfers: Transfers | None = None
    noise_cv: float = 0.0

    def __post_init__(self) -> None:
        not_negative("", noise_cv=self.noise_cv)
        for model, table in self.sharing.items():
            if not table:
                raise ProfileError(f"sharing[{model!r}] is empty; leave the model out for processor sharing")
            batch_sizes(f"sharing[{model!r}]", *table)
