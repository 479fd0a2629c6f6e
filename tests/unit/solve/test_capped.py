"""Capped weighted sharing: users of one resource of capacity 1.

If the demands fit, everyone runs at rate 1. Otherwise rates are min(1, lambda * w) with sum(s * rate) = 1.
"""

import pytest

from stratsim.solve import capped_weighted
from stratsim.validate.known.rates import STREAMS


@pytest.mark.parametrize(
    ("demand", "weight", "rates"),
    [
        *((case.demand, case.weight, case.rate) for case in STREAMS),
        ((0.4, 0.5), (1, 1), (1.0, 1.0)),
        ((0.4, 0.5), (9, 1), (1.0, 1.0)),
        # 1.5 in all, lambda = 1 / 3: 4 / 3 is capped at 1 and takes .5; what remains is shared as .5 / (.5 + .5) = .5
        ((0.5, 0.5, 0.5), (4, 1, 1), (1.0, 0.5, 0.5)),
        # exactly full is not saturated
        ((0.5, 0.5), (1, 100), (1.0, 1.0)),
        ((0.7,), (0.01,), (1.0,)),
        ((), (), ()),
    ],
)
def test_known_answers(demand, weight, rates):
    assert capped_weighted(demand, weight) == pytest.approx(list(rates), rel=1e-15)


def test_only_ratios_of_weights_matter():
    demand = (0.8, 0.6, 0.9)
    assert capped_weighted(demand, (3.0, 1.0, 2.0)) == capped_weighted(demand, (12.0, 4.0, 8.0))


def test_the_order_of_users_moves_no_bit():
    demand, weight = (0.3, 0.7, 0.9, 0.45), (0.1, 0.7, 0.3, 0.9)
    forward = capped_weighted(demand, weight)
    assert capped_weighted(demand[::-1], weight[::-1])[::-1] == forward


def test_the_arguments_stay_as_they_are():
    demand, weight = [0.9, 0.8], [1.0, 2.0]
    capped_weighted(demand, weight)
    assert (demand, weight) == ([0.9, 0.8], [1.0, 2.0])


def test_no_ratio_of_weights_stops_a_user():
    assert all(rate > 0 for rate in capped_weighted((1.0, 0.5), (1e18, 1e-6)))


class Counted(list):
    """Weights that count how often they are looked at."""

    looks = 0

    def __getitem__(self, index):
        self.looks += 1
        return super().__getitem__(index)


@pytest.mark.parametrize("capped", [0.0, 0.5, 0.9])
def test_every_user_is_looked_at_a_few_times_however_many_there_are(capped):
    """Also where many reach full speed one after the other, which a sum made anew for each would make quadratic."""
    for count in (8, 64, 512):
        light = int(capped * count)
        demand = [0.9 / count] * light + [1.0] * (count - light)
        weight = Counted([1000.0 * (count - i) for i in range(light)] + [1.0] * (count - light))
        rates = capped_weighted(demand, weight)
        assert sum(rate == 1 for rate in rates) == light
        assert weight.looks <= 4 * count
