"""Sharing of one GPU worked out by hand: who runs at which rate, 1 being the speed alone."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["KERNEL_QUEUE", "PAIRWISE", "ROOFLINE", "STREAMS", "KernelQueue", "Pairwise", "Roofline", "Streams"]


class Streams(NamedTuple):
    """Users of the whole GPU: demand s, weight w; rate min(1, lambda w) with sum of s x rate = 1."""

    name: str
    demand: tuple[float, ...]
    weight: tuple[float, ...]
    rate: tuple[float, ...]
    why: str


class Roofline(NamedTuple):
    """Users of two resources: the fractions of SM and DRAM that each takes at full speed; max-min fair rates."""

    name: str
    demand: tuple[tuple[float, float], ...]
    rate: tuple[float, ...]
    why: str


class KernelQueue(NamedTuple):
    """Streams of kernels that queue for one block scheduler, which each holds for a share of its length."""

    name: str
    hold: float
    length: tuple[float, ...]
    rate: tuple[float, ...]
    why: str


class Pairwise(NamedTuple):
    """A batch beside others that slow it by measured factors."""

    combine: str
    slowdown: tuple[float, ...]
    """Beside each of the others."""
    rate: float
    why: str


STREAMS = (
    Streams("s .8, .8, w 3, 1", (0.8, 0.8), (3, 1), (0.9375, 0.3125), "lambda = 1 / (.8 x 3 + .8 x 1) = .3125"),
    Streams("s .8, .8, w 5, 1", (0.8, 0.8), (5, 1), (1.0, 0.25), "the first is capped, .2 / .8 is left"),
    Streams("s .8, .8, w 1, 1", (0.8, 0.8), (1, 1), (0.625, 0.625), "lambda = 1 / 1.6"),
    Streams("s .4, .5, w 1, 9", (0.4, 0.5), (1, 9), (1.0, 1.0), ".4 + .5 fit"),
    Streams("s 1, 1, 1, 1, w 2", (1.0,) * 4, (2,) * 4, (0.25,) * 4, "processor sharing"),
    Streams("s .25, .25, 1, w 8, 4, 1", (0.25, 0.25, 1), (8, 4, 1), (1.0, 1.0, 0.5), "two capped, .5 is left"),
)
ROOFLINE = (
    Roofline("(1, .2) and (.2, 1)", ((1, 0.2), (0.2, 1)), (1 / 1.2,) * 2, "both resources fill at 1 / 1.2"),
    Roofline("(.1, .9) twice", ((0.1, 0.9),) * 2, (1 / 1.8,) * 2, "1.8 of the DRAM is wanted"),
    Roofline("(1, 0) and (0, 1)", ((1, 0), (0, 1)), (1.0, 1.0), "nothing in common"),
    Roofline("(.4, .3) and (.5, .2)", ((0.4, 0.3), (0.5, 0.2)), (1.0, 1.0), ".9 and .5 fit"),
    Roofline("(.6, .6) and (.3, .9)", ((0.6, 0.6), (0.3, 0.9)), (1 / 1.5,) * 2, "1.5 of the DRAM is wanted"),
    Roofline("(1, .2) twice and (0, 1)", ((1, 0.2), (1, 0.2), (0, 1)), (0.5, 0.5, 0.8), "SMs full, .2 of DRAM taken"),
)
_WAIT = (5**0.5 - 1) / 4
"""Of two alike with length 1 and hold .5: w = .5 (.5 + w) / (1 + w)."""
KERNEL_QUEUE = (
    KernelQueue("hold 1, lengths 5, 2, 3", 1.0, (5, 2, 3), (0.5, 0.2, 0.3), "no overlap: shares by length"),
    KernelQueue("hold 1, four alike", 1.0, (1,) * 4, (0.25,) * 4, "processor sharing"),
    KernelQueue("hold .5, two alike", 0.5, (1, 1), (1 / (1 + _WAIT),) * 2, "mean value analysis, w^2 + w / 2 = 1 / 4"),
)
PAIRWISE = (
    Pairwise("product", (1.5, 2.0), 1 / 3, "1.5 x 2, taken as independent"),
    Pairwise("max", (1.5, 2.0), 1 / 2, "the worst counts"),
)
