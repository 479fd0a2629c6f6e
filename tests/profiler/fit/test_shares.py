"""The vectorised sharing rule: the same as the solver's, with right derivatives and known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.fit.shares import log_rates, log_rates_and_blocks
from stratsim.solve import capped_weighted

DEMANDS = st.floats(0.01, 1.0)
WEIGHTS = st.floats(0.01, 100.0)
CELLS = st.lists(st.lists(st.tuples(DEMANDS, WEIGHTS), min_size=1, max_size=5), min_size=1, max_size=8)


def padded(cells):
    shape = (len(cells), max(map(len, cells)))
    demand, weight, present = np.full(shape, 0.5), np.ones(shape), np.zeros(shape, bool)
    for row, cell in enumerate(cells):
        demand[row, : len(cell)], weight[row, : len(cell)] = np.array(cell).T
        present[row, : len(cell)] = True
    return demand, weight, present


@given(CELLS)
def test_the_rule_is_the_solver_s(cells):
    rates = np.exp(log_rates(*padded(cells)))
    for row, cell in enumerate(cells):
        expected = capped_weighted([s for s, _ in cell], [w for _, w in cell])
        assert rates[row, : len(cell)] == pytest.approx(expected, rel=1e-9)
        assert np.all(rates[row, len(cell) :] == 1.0)


def rates_of(*pairs, **terms):
    return np.exp(log_rates(*padded([pairs]), **terms))[0].tolist()


def test_known_answers():
    assert rates_of((0.8, 3), (0.8, 1)) == pytest.approx([0.9375, 0.3125])
    assert rates_of((0.8, 5), (0.8, 1)) == pytest.approx([1.0, 0.25])
    assert rates_of((0.8, 1), (0.8, 1)) == pytest.approx([0.625, 0.625])
    assert rates_of((0.4, 7), (0.5, 1)) == [1.0, 1.0]


def test_the_sub_saturation_term_counts_what_the_others_occupy():
    assert rates_of((0.3, 1), (0.5, 1), sub_saturation=0.2) == pytest.approx([1 / 1.1, 1 / 1.06])
    assert rates_of((1.0, 1), (1.0, 1), sub_saturation=0.2) == pytest.approx([0.5, 0.5])
    assert rates_of((0.7, 1), sub_saturation=0.2) == [1.0]


def test_the_thrash_term_counts_the_demand_beyond_the_device():
    assert rates_of((1.0, 1), (1.0, 1), (1.0, 1), thrash=0.1) == pytest.approx([1 / 3.6] * 3)
    assert rates_of((0.4, 1), (0.5, 1), thrash=0.1) == [1.0, 1.0]


def test_the_terms_are_continuous_where_a_cell_becomes_saturated():
    below, above = (
        rates_of((0.5, 1), (second, 1), sub_saturation=0.3, thrash=0.3) for second in (0.5 - 1e-9, 0.5 + 1e-9)
    )
    assert below == pytest.approx(above, rel=1e-7)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_derivatives_match_differences(count):
    random = np.random.default_rng(count)
    cells = 300
    demand, weight = random.uniform(0.05, 1, (cells, count)), np.exp(random.normal(0, 1.5, (cells, count)))
    present = np.ones((cells, count), bool)
    terms, step = (0.2, 0.15), 1e-7
    rates, blocks = log_rates_and_blocks(demand, weight, present, *terms)

    def away(found, derivative):
        """Return the share of entries that differ; one next to a kink may."""
        return float(np.mean(np.abs((found - rates) / step - derivative) > 1e-4))

    for at in range(count):
        nudge = np.zeros((cells, count))
        nudge[:, at] = step
        assert away(log_rates(demand + nudge, weight, present, *terms), blocks.demand[:, :, at]) < 0.005
        assert away(log_rates(demand, weight * np.exp(nudge), present, *terms), blocks.log_weight[:, :, at]) < 0.005
    assert away(log_rates(demand, weight, present, terms[0] + step, terms[1]), blocks.sub_saturation) == 0
    assert away(log_rates(demand, weight, present, terms[0], terms[1] + step), blocks.thrash) == 0


def test_padding_has_no_derivative():
    demand, weight, present = padded([[(0.9, 1.0), (0.9, 2.0)], [(0.9, 1.0), (0.8, 1.0), (0.7, 3.0)]])
    _, blocks = log_rates_and_blocks(demand, weight, present, 0.1, 0.1)
    assert np.all(blocks.demand[0, :, 2] == 0)
    assert np.all(blocks.demand[0, 2] == 0)
    assert blocks.sub_saturation[0, 2] == blocks.thrash[0, 2] == 0
