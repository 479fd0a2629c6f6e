"""gpulet's linear model of how two co-located batches slow each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["linear_slowdown"]


def linear_slowdown(
    coefficients: Sequence[float],
    own: tuple[float, float],
    other: tuple[float, float],
    own_share: float = 1.0,
    other_share: float = 1.0,
) -> float:
    """Return by which factor a batch takes longer with one other: at least 1.

    Args:
        coefficients: Of own L2, other's L2, own DRAM, other's DRAM utilisation, and the constant; shape (5,).
        own: The batch's (L2, DRAM) utilisation alone on the whole GPU, as fractions.
        other: The same of the other batch.
        own_share: Share of the GPU that the batch's partition has.
        other_share: The same of the other batch.

    Source: Choi et al., "Serving heterogeneous machine learning models on multi-GPU servers with spatio-temporal
    sharing", USENIX ATC 2022; glet, src/scheduler/interference_model.cpp.
    """
    own_l2, other_l2, own_dram, other_dram, constant = coefficients
    slowdown = (
        own_l2 * own[0] * own_share
        + other_l2 * other[0] * other_share
        + own_dram * own[1] * own_share
        + other_dram * other[1] * other_share
        + constant
    )
    return max(1.0, slowdown)
