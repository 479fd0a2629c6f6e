"""A few very wide layers: one request reads every weight once, so memory sets the pace."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["WideMlp"]


class WideMlp(nn.Module):
    """Linear layers with ReLU between them, as in the dense part of a recommender.

    Args:
        width: Size of every layer.
        depth: Number of layers.
    """

    def __init__(self, width: int = 2048, depth: int = 4) -> None:
        super().__init__()
        layers = [part for _ in range(depth) for part in (nn.Linear(width, width), nn.ReLU())]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return a vector of the same size, shape (batch, width)."""
        return self.body(x)
