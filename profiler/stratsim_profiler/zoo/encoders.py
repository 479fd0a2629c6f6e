"""Transformer encoders: BERT, RoBERTa, DistilBERT and the vision transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TextEncoder", "VisionTransformer"]


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class _Layer(nn.Module):
    """One encoder layer; the norm stands before each part (`pre`) or behind it, as in BERT."""

    def __init__(self, width: int, heads: int, *, pre: bool) -> None:
        super().__init__()
        self.pre = pre
        self.attention = _Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        if self.pre:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


class TextEncoder(nn.Module):
    """Encoder over token ids (Devlin et al. 2018).

    Args:
        layers: Encoder layers: 12 in BERT-base, 6 in DistilBERT.
        width: Size of a token's vector.
        heads: Attention heads.
        vocabulary: Number of tokens.
        positions: Number of position embeddings.
        types: Number of segment embeddings; 0 for none, as in DistilBERT.
        pooler: Whether the first token goes through a last linear layer.
    """

    def __init__(
        self,
        layers: int = 12,
        width: int = 768,
        heads: int = 12,
        vocabulary: int = 30522,
        positions: int = 512,
        types: int = 2,
        *,
        pooler: bool = True,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.types = nn.Embedding(types, width) if types else None
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(*(_Layer(width, heads, pre=False) for _ in range(layers)))
        self.pooler = nn.Linear(width, width) if pooler else None

    def forward(self, ids: Tensor) -> Tensor:
        """Return the first token's vector, shape (batch, width).

        Args:
            ids: Token ids, shape (batch, length).
        """
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        if self.types is not None:
            x = x + self.types.weight[0]
        first = self.layers(self.norm(x))[:, 0]
        return first if self.pooler is None else torch.tanh(self.pooler(first))


class VisionTransformer(nn.Module):
    """Vision transformer (Dosovitskiy et al. 2020); the defaults are ViT-B/16.

    Args:
        layers: Encoder layers.
        width: Size of a patch's vector.
        heads: Attention heads.
        image: Side of the image.
        patch: Side of a patch.
        classes: Size of the output.
    """

    def __init__(
        self,
        layers: int = 12,
        width: int = 768,
        heads: int = 12,
        image: int = 224,
        patch: int = 16,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, (image // patch) ** 2 + 1, width))
        self.layers = nn.Sequential(*(_Layer(width, heads, pre=True) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the classes' scores, shape (batch, classes)."""
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.first.expand(x.shape[0], -1, -1), patches), 1) + self.positions
        return self.head(self.norm(self.layers(tokens))[:, 0])
