"""Sums by batch."""

import numpy as np
import pytest

from stratsim.engine.rows import add_members


@pytest.mark.parametrize("each", [None, np.array([5, 2**40, 7, 1])])
def test_every_request_adds_to_its_batch(each):
    total, batch = np.array([10, 0, 0, 0, 20]), np.array([3, 1, 3, 2])
    expected = total.copy()
    np.add.at(expected, batch, 1 if each is None else each)
    add_members(total, batch, each)
    np.testing.assert_array_equal(total, expected)


def test_nobody_adds_nothing():
    total = np.zeros(2, np.int16)
    add_members(total, np.empty(0, np.int32))
    assert total.tolist() == [0, 0]
