"""gpulet's linear model against figures computed by its published code and utilisation tables (2080 Ti, RTX 3080)."""

import pytest

from stratsim.solve import linear_slowdown

OF_2080TI = (0.11290838746, 0.71595987168, 0.35486591956, 0.08820382599, 0.89536939173)
OF_3080 = (-0.17988746, 0.03840912, 0.12551833, -0.05648206, 1.01842707)

# (L2, DRAM) utilisation alone, as fractions.
RESNET50_B8 = (0.25804610379945494, 0.5132452611818465)
RESNET50_B32 = (0.281903444258127, 0.6227229222750162)
VGG16_B8 = (0.3205999721101224, 0.5668343269048246)
LENET_B1 = (0.02414363678320065, 0.11276959732317987)
# Batch 6 is half way between 4 and 8, batch 12 between 8 and 16.
BERT_B6 = (0.5 * (0.14006191661801928 + 0.16251708451540086), 0.5 * (0.3031561936214498 + 0.30201366343901302))
MOBILENET_B12 = (0.5 * (0.2071282927649556 + 0.23216636715928097), 0.5 * (0.5108944292359395 + 0.5787012068028959))
RESNET50_3080 = (0.3546751708850412, 0.5569101699635767)
VGG16_3080 = (0.4205916712443757, 0.5632643734916708)


@pytest.mark.parametrize(
    ("fit", "own", "own_share", "other", "other_share", "slowdown"),
    [
        (OF_2080TI, RESNET50_B8, 0.5, VGG16_B8, 0.5, 1.140771),
        (OF_2080TI, VGG16_B8, 0.5, RESNET50_B8, 0.5, 1.129054),
        (OF_2080TI, RESNET50_B32, 1.0, RESNET50_B32, 1.0, 1.404940),
        (OF_2080TI, LENET_B1, 0.5, LENET_B1, 0.5, 1.0),
        (OF_2080TI, BERT_B6, 0.6, MOBILENET_B12, 0.4, 1.052170),
        (OF_3080, RESNET50_3080, 0.5, VGG16_3080, 0.5, 1.013648),
    ],
)
def test_known_answers(fit, own, own_share, other, other_share, slowdown):
    assert linear_slowdown(fit, own, other, own_share, other_share) == pytest.approx(slowdown, abs=1e-6)


def test_below_one_is_one():
    """lenet's pair: the line gives 0.930358, and nobody runs faster in company."""
    c, (l2, dram) = OF_2080TI, LENET_B1
    line = 0.5 * l2 * (c[0] + c[1]) + 0.5 * dram * (c[2] + c[3]) + c[4]
    assert line == pytest.approx(0.930358, abs=1e-6)
    assert linear_slowdown(c, LENET_B1, LENET_B1, 0.5, 0.5) == 1.0


def test_a_share_counts_with_its_own_utilisation():
    assert linear_slowdown((1, 0, 0, 0, 1), (0.5, 0), (0, 0), own_share=0.5) == 1.25
    assert linear_slowdown((0, 1, 0, 0, 1), (0, 0), (0.5, 0), other_share=0.5) == 1.25
    assert linear_slowdown((0, 0, 1, 0, 1), (0, 0.5), (0, 0), own_share=0.5) == 1.25
    assert linear_slowdown((0, 0, 0, 1, 1), (0, 0), (0, 0.5), other_share=0.5) == 1.25
