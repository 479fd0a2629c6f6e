"""Inception v3 (Szegedy et al. 2015) without its auxiliary classifier, which inference does not use."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stratsim_profiler.zoo.convnets import conv_bn

__all__ = ["InceptionV3"]


class _Branches(nn.Module):
    """Runs branches on one input and joins their channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def _pooled(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), conv_bn(inputs, outputs))


def _a(inputs: int, pool: int) -> nn.Module:
    return _Branches(
        conv_bn(inputs, 64),
        nn.Sequential(conv_bn(inputs, 48), conv_bn(48, 64, 5, padding=2)),
        nn.Sequential(conv_bn(inputs, 64), conv_bn(64, 96, 3, padding=1), conv_bn(96, 96, 3, padding=1)),
        _pooled(inputs, pool),
    )


def _b(inputs: int) -> nn.Module:
    double = (conv_bn(inputs, 64), conv_bn(64, 96, 3, padding=1), conv_bn(96, 96, 3, stride=2))
    return _Branches(conv_bn(inputs, 384, 3, stride=2), nn.Sequential(*double), nn.MaxPool2d(3, 2))


def _c(inputs: int, mid: int) -> nn.Module:
    double = (
        conv_bn(inputs, mid),
        conv_bn(mid, mid, (7, 1), padding=(3, 0)),
        conv_bn(mid, mid, (1, 7), padding=(0, 3)),
        conv_bn(mid, mid, (7, 1), padding=(3, 0)),
        conv_bn(mid, 192, (1, 7), padding=(0, 3)),
    )
    single = (
        conv_bn(inputs, mid),
        conv_bn(mid, mid, (1, 7), padding=(0, 3)),
        conv_bn(mid, 192, (7, 1), padding=(3, 0)),
    )
    return _Branches(conv_bn(inputs, 192), nn.Sequential(*single), nn.Sequential(*double), _pooled(inputs, 192))


def _d(inputs: int) -> nn.Module:
    long = (
        conv_bn(inputs, 192),
        conv_bn(192, 192, (1, 7), padding=(0, 3)),
        conv_bn(192, 192, (7, 1), padding=(3, 0)),
        conv_bn(192, 192, 3, stride=2),
    )
    short = (conv_bn(inputs, 192), conv_bn(192, 320, 3, stride=2))
    return _Branches(nn.Sequential(*short), nn.Sequential(*long), nn.MaxPool2d(3, 2))


def _split() -> nn.Module:
    return _Branches(conv_bn(384, 384, (1, 3), padding=(0, 1)), conv_bn(384, 384, (3, 1), padding=(1, 0)))


def _e(inputs: int) -> nn.Module:
    return _Branches(
        conv_bn(inputs, 320),
        nn.Sequential(conv_bn(inputs, 384), _split()),
        nn.Sequential(conv_bn(inputs, 448), conv_bn(448, 384, 3, padding=1), _split()),
        _pooled(inputs, 192),
    )


class InceptionV3(nn.Module):
    """The network, for images of 299 x 299.

    Args:
        classes: Size of the output.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        stem = (
            conv_bn(3, 32, 3, stride=2),
            conv_bn(32, 32, 3),
            conv_bn(32, 64, 3, padding=1),
            nn.MaxPool2d(3, 2),
            conv_bn(64, 80),
            conv_bn(80, 192, 3),
            nn.MaxPool2d(3, 2),
        )
        grid = (_a(192, 32), _a(256, 64), _a(288, 64), _b(288), _c(768, 128), _c(768, 160), _c(768, 160), _c(768, 192))
        self.body = nn.Sequential(*stem, *grid, _d(768), _e(1280), _e(2048))
        self.head = nn.Linear(2048, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the classes' scores, shape (batch, classes)."""
        return self.head(self.body(x).mean((2, 3)))
