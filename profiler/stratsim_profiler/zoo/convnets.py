"""Convolutional classifiers: ResNet, VGG, MobileNetV2, DenseNet. Widths can be scaled down for a CPU."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["DenseNet", "MobileNetV2", "ResNet", "Vgg", "conv_bn"]


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int] = 1,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
    act: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Return convolution, batch norm and activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *([act()] if act else []))


class _Head(nn.Module):
    """Mean over the image and one linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.mean((2, 3)))


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.body = nn.Sequential(
            conv_bn(inputs, width),
            conv_bn(width, width, 3, stride=stride, padding=1),
            conv_bn(width, outputs, act=None),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_bn(inputs, outputs, stride=stride, act=None)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """Residual network of bottleneck blocks (He et al. 2015), strided in the 3x3 convolution.

    Args:
        depths: Blocks per stage: (3, 4, 6, 3) is ResNet-50.
        width: Channels of the first stage; 64 as published.
        classes: Size of the output.
    """

    def __init__(self, depths: tuple[int, ...] = (3, 4, 6, 3), width: int = 64, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(3, width, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1)]
        channels = width
        for stage, depth in enumerate(depths):
            for block in range(depth):
                layers.append(_Bottleneck(channels, width << stage, 2 if stage and not block else 1))
                channels = 4 * (width << stage)
        self.body = nn.Sequential(*layers, _Head(channels, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the classes' scores, shape (batch, classes)."""
        return self.body(x)


class Vgg(nn.Module):
    """VGG with configuration E, which is VGG-19 (Simonyan and Zisserman 2014).

    Args:
        width: Channels of the first stage; 64 as published.
        hidden: Size of the two hidden linear layers.
        grid: Side of the image after pooling: 7 as published.
        depths: Convolutions per stage.
        classes: Size of the output.
    """

    def __init__(
        self,
        width: int = 64,
        hidden: int = 4096,
        grid: int = 7,
        depths: tuple[int, ...] = (2, 2, 4, 4, 4),
        classes: int = 1000,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage, depth in enumerate(depths):
            for _ in range(depth):
                outputs = width << min(stage, 3)
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU()]
                channels = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers, nn.Flatten())
        sizes = (channels * grid * grid, hidden, hidden)
        self.hidden = nn.Sequential(*(part for i, o in pairwise(sizes) for part in (nn.Linear(i, o), nn.ReLU())))
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the classes' scores, shape (batch, classes)."""
        return self.head(self.hidden(self.features(x)))


class _Inverted(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        width = inputs * expand
        layers = [conv_bn(inputs, width, act=nn.ReLU6)] if expand > 1 else []
        layers += [
            conv_bn(width, width, 3, stride=stride, padding=1, groups=width, act=nn.ReLU6),
            conv_bn(width, outputs, act=None),
        ]
        self.body = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


_MOBILENET_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2))
_MOBILENET_LAST = (6, 320, 1, 1)


class MobileNetV2(nn.Module):
    """Inverted residuals (Sandler et al. 2018), width multiplier 1."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(3, 32, 3, stride=2, padding=1, act=nn.ReLU6)]
        channels = 32
        for expand, outputs, repeats, stride in (*_MOBILENET_STAGES, _MOBILENET_LAST):
            for block in range(repeats):
                layers.append(_Inverted(channels, outputs, 1 if block else stride, expand))
                channels = outputs
        self.body = nn.Sequential(*layers, conv_bn(channels, 1280, act=nn.ReLU6), _Head(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the classes' scores, shape (batch, classes)."""
        return self.body(x)


class _DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            conv_bn(inputs, 4 * growth),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.body(x)), 1)


class DenseNet(nn.Module):
    """Densely connected blocks (Huang et al. 2016).

    Args:
        depths: Layers per block: (6, 12, 48, 32) is DenseNet-201.
        growth: Channels that each layer adds; 32 as published.
        classes: Size of the output.
    """

    def __init__(self, depths: tuple[int, ...] = (6, 12, 48, 32), growth: int = 32, classes: int = 1000) -> None:
        super().__init__()
        channels = 2 * growth
        layers: list[nn.Module] = [conv_bn(3, channels, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1)]
        for index, depth in enumerate(depths):
            if index:
                half = nn.Conv2d(channels, channels // 2, 1, bias=False)
                layers += [nn.BatchNorm2d(channels), nn.ReLU(), half, nn.AvgPool2d(2)]
                channels //= 2
            layers += [_DenseLayer(channels + layer * growth, growth) for layer in range(depth)]
            channels += depth * growth
        self.body = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(), _Head(channels, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the classes' scores, shape (batch, classes)."""
        return self.body(x)
