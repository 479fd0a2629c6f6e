"""Max-min fair rates over demand vectors, by progressive filling."""

import pytest

from stratsim.solve import max_min_demands
from stratsim.validate.known.rates import ROOFLINE

ONE = (1.0, 1.0)


@pytest.mark.parametrize(
    ("demands", "rates"),
    [
        *((case.demand, case.rate) for case in ROOFLINE),
        # Whoever needs nothing that is short runs at full speed.
        ([(1, 0), (1, 0), (0, 0.3)], [0.5, 0.5, 1]),
        ([(0, 0), (1, 0), (1, 0)], [1, 0.5, 0.5]),
        ([(0.3, 0.7)], [1]),
        ([], []),
    ],
)
def test_known_answers(demands, rates):
    assert max_min_demands(demands, ONE) == pytest.approx(list(rates), abs=1e-12)


def test_demands_beyond_capacity_slow_even_one_alone():
    assert max_min_demands([(0.5, 2.0)], ONE) == [0.5]
    assert max_min_demands([(0.5, 0.9)], (1.0, 0.6)) == [pytest.approx(2 / 3)]


def test_capacity_may_differ_by_resource():
    """DRAM of .5: .25 each."""
    assert max_min_demands([(0.1, 1.0), (0.1, 1.0)], (1.0, 0.5)) == [0.25, 0.25]


def test_the_arguments_stay_as_they_are():
    demands, capacity = [[0.9, 0.8], [0.7, 0.6]], [1.0, 1.0]
    max_min_demands(demands, capacity)
    assert (demands, capacity) == ([[0.9, 0.8], [0.7, 0.6]], [1.0, 1.0])


class Counted(tuple):
    """A row that counts how often it is looked at."""

    __slots__ = ()
    looks = 0

    def __getitem__(self, index):
        type(self).looks += 1
        return super().__getitem__(index)


def looks(count):
    """Every second user is short of the first resource, the others of the second, a little less so."""
    Counted.looks = 0
    max_min_demands([Counted((1.0, 0.1) if i % 2 else (0.1, 0.8)) for i in range(count)], ONE)
    return Counted.looks


def test_cost_is_linear_in_the_number_of_users():
    assert looks(64) <= 8 * looks(8)
    assert looks(64) <= 64 * 2 * (2 * 2 + 2)
