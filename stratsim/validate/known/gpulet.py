"""gpulet's linear model: slowdowns computed by hand from its published coefficients and utilisation tables.

Source: Choi et al., "Serving heterogeneous machine learning models on multi-GPU servers with spatio-temporal sharing",
USENIX ATC 2022; glet, src/scheduler/interference_model.cpp and resource/{2080ti,3080}.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ANSWERS", "SOURCE", "Pair", "Solo"]

SOURCE = "gpulet (ATC 2022), glet's coefficients and utilisation tables"


class Solo(NamedTuple):
    """What a batch uses alone on the whole GPU, as fractions."""

    l2: float
    dram: float


class Pair(NamedTuple):
    """Two batches side by side, and the slowdown of the first."""

    name: str
    fit: str
    """Which of the published coefficients."""
    own: Solo
    own_share: float
    other: Solo
    other_share: float
    slowdown: float


RESNET50_B8 = Solo(0.25804610379945494, 0.5132452611818465)
RESNET50_B32 = Solo(0.281903444258127, 0.6227229222750162)
VGG16_B8 = Solo(0.3205999721101224, 0.5668343269048246)
LENET_B1 = Solo(0.02414363678320065, 0.11276959732317987)
# Batch 6 is half way between 4 and 8, batch 12 between 8 and 16.
BERT_B6 = Solo(0.5 * (0.14006191661801928 + 0.16251708451540086), 0.5 * (0.3031561936214498 + 0.30201366343901302))
MOBILENET_B12 = Solo(0.5 * (0.2071282927649556 + 0.23216636715928097), 0.5 * (0.5108944292359395 + 0.5787012068028959))
RESNET50_3080 = Solo(0.3546751708850412, 0.5569101699635767)
VGG16_3080 = Solo(0.4205916712443757, 0.5632643734916708)

ANSWERS = (
    Pair("resnet50 b8 at 50 % beside vgg16 b8, 2080 Ti", "rtx2080ti", RESNET50_B8, 0.5, VGG16_B8, 0.5, 1.140771),
    Pair("vgg16 b8 at 50 % beside resnet50 b8, 2080 Ti", "rtx2080ti", VGG16_B8, 0.5, RESNET50_B8, 0.5, 1.129054),
    Pair("two resnet50 b32 at 100 %, 2080 Ti", "rtx2080ti", RESNET50_B32, 1.0, RESNET50_B32, 1.0, 1.404940),
    Pair("two lenet b1 at 50 %, 2080 Ti (.930358 counts as 1)", "rtx2080ti", LENET_B1, 0.5, LENET_B1, 0.5, 1.0),
    Pair("bert b6 at 60 % beside mobilenet b12, 2080 Ti", "rtx2080ti", BERT_B6, 0.6, MOBILENET_B12, 0.4, 1.052170),
    Pair("resnet50 b8 at 50 % beside vgg16 b8, 3080", "rtx3080", RESNET50_3080, 0.5, VGG16_3080, 0.5, 1.013648),
)
"""Met to 1e-6."""
