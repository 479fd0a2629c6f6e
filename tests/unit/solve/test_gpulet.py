"""gpulet's linear model against figures computed by its published code and utilisation tables (2080 Ti, RTX 3080)."""

import pytest

from stratsim.solve import linear_slowdown
from stratsim.validate.known.gpulet import ANSWERS, LENET_B1

OF_2080TI = (0.11290838746, 0.71595987168, 0.35486591956, 0.08820382599, 0.89536939173)
OF_3080 = (-0.17988746, 0.03840912, 0.12551833, -0.05648206, 1.01842707)


@pytest.mark.parametrize("pair", ANSWERS, ids=lambda pair: pair.name)
def test_known_answers(pair):
    fit = {"rtx2080ti": OF_2080TI, "rtx3080": OF_3080}[pair.fit]
    assert linear_slowdown(fit, pair.own, pair.other, pair.own_share, pair.other_share) == pytest.approx(
        pair.slowdown, abs=1e-6
    )


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
