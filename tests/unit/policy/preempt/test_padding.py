"""REEF's dynamic kernel padding: answers worked out by hand, times in us."""

import pytest

from stratsim.errors import SpecError
from stratsim.policy.preempt.padding import padded_blocks


@pytest.mark.parametrize(("blocks", "expected"), [(40, 80), (150, 40), (60, 0)])
def test_blocks_beside_a_kernel_of_100_us(blocks, expected):
    """40: one layer, 20 units free, twice 40 us, two per unit. 150: three layers of 50, 10 free. 60: none free."""
    assert padded_blocks(blocks, 100.0, {2: 40.0}, occupancy=2) == expected


def test_the_largest_occupancy_that_fits_counts():
    table = {1: 30.0, 2: 40.0, 4: 120.0}
    assert padded_blocks(40, 100.0, table, occupancy=4) == 80
    assert padded_blocks(40, 100.0, table, occupancy=1) == 20 * 3
    assert padded_blocks(40, 20.0, table, occupancy=4) == 0


def test_no_more_than_are_left():
    assert padded_blocks(40, 100.0, {2: 40.0}, occupancy=2, remaining=7) == 7


def test_what_makes_no_sense_is_refused():
    with pytest.raises(SpecError, match="urgent_blocks must be > 0, got 0"):
        padded_blocks(0, 1.0, {}, occupancy=1)
