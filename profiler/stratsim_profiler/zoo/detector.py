"""A one-stage detector like YOLOv3-tiny (Redmon and Farhadi 2018): a small backbone and heads at two scales."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from stratsim_profiler.zoo.convnets import conv_bn

__all__ = ["YoloTiny"]


def _conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Module:
    return conv_bn(inputs, outputs, kernel, padding=kernel // 2, act=nn.SiLU)


class YoloTiny(nn.Module):
    """The detector, without the decoding and suppression of boxes, which do not run as kernels of the network.

    Args:
        classes: Classes of objects: 80 in COCO.
    """

    def __init__(self, classes: int = 80) -> None:
        super().__init__()
        outputs = 3 * (classes + 5)
        widths = (3, 16, 32, 64, 128)
        stages = [part for i, o in pairwise(widths) for part in (_conv(i, o), nn.MaxPool2d(2))]
        self.early = nn.Sequential(*stages, _conv(128, 256))
        self.late = nn.Sequential(
            nn.MaxPool2d(2), _conv(256, 512), nn.MaxPool2d(3, 1, 1), _conv(512, 1024), _conv(1024, 256, 1)
        )
        self.coarse = nn.Sequential(_conv(256, 512), nn.Conv2d(512, outputs, 1))
        self.up = nn.Sequential(_conv(256, 128, 1), nn.Upsample(scale_factor=2))
        self.fine = nn.Sequential(_conv(384, 256), nn.Conv2d(256, outputs, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return raw boxes at strides 32 and 16, shape (batch, 3 * (classes + 5), rows, columns) each."""
        early = self.early(x)
        late = self.late(early)
        return self.coarse(late), self.fine(torch.cat((self.up(late), early), 1))
