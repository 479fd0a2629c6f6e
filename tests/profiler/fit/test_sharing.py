"""Demands and weights: exact data give them back, flat directions are flagged, the terms are found when there."""

import itertools

import numpy as np
import pytest

from stratsim.errors import ProfileError
from stratsim.fit.cells import Cell, Load, loads_of
from stratsim.fit.identify import intervals, singular_values
from stratsim.fit.sharing import Shares, Terms, choose_anchor, fit_sharing, least_demand
from stratsim_profiler.fit.assumptions import below_saturation, clock_effect, needs_terms, saturated_work

A, B, C = (Load(name, 1) for name in "abc")


def design(bench):
    """Return all cells of the design for a simulated device: copies, saturated cells, pairs."""
    heavy = max(bench.loads, key=lambda load: bench.demand[load])
    others = [load for load in bench.loads if load != heavy]
    cells = [bench.cell((load,) * count, "self") for load in bench.loads for count in (2, 3, 4)]
    cells += [bench.cell((load, heavy, heavy), "anchor") for load in others]
    cells += [bench.cell((load, load, heavy, heavy), "anchor") for load in others]
    return cells + [bench.cell(pair) for pair in itertools.combinations(bench.loads, 2)], heavy


def test_exact_cells_give_back_demand_and_weight(make_bench):
    bench = make_bench(5, seed=2, demand=(0.3, 0.95))
    cells, heavy = design(bench)
    fit = fit_sharing(cells)
    assert fit.anchor == heavy
    assert fit.sigma < 1e-3
    for load in bench.loads:
        assert fit.shares.demand[load] == pytest.approx(bench.demand[load], rel=0.01)
        ratio = bench.weight[load] / bench.weight[heavy]
        assert fit.shares.weight[load] == pytest.approx(ratio, rel=0.02)
    assert fit.shares.weight[heavy] == 1.0


def test_every_start_is_tried_and_the_best_kept(make_bench):
    cells, _ = design(make_bench(4, seed=3, noise=0.03))
    fit = fit_sharing(cells, starts=8)
    assert len(fit.starts) == 8
    assert fit.starts == tuple(sorted(fit.starts))
    assert fit.starts[0] == pytest.approx(float(np.sum(fit.residuals**2)))


def test_a_fit_is_the_same_each_time(make_bench):
    cells, _ = design(make_bench(3, seed=4, noise=0.03))
    assert fit_sharing(cells).shares == fit_sharing(cells).shares


def test_the_residuals_are_measured_over_predicted():
    cell = Cell((A, A), (1.6, 1.8), "self")
    fit = fit_sharing([cell])
    assert fit.shares.demand[A] == pytest.approx(np.sqrt(1.6 * 1.8) / 2, rel=1e-3)
    assert np.exp(fit.residuals).tolist() == pytest.approx([1.6 / np.sqrt(2.88), 1.8 / np.sqrt(2.88)], rel=1e-3)


def test_predictions_are_those_of_the_rule():
    shares = Shares({A: 0.8, B: 0.8}, {A: 5.0, B: 1.0})
    assert shares.rates([A, B]) == pytest.approx((1.0, 0.25))
    assert shares.rates([A]) == (1.0,)
    assert shares.slowdowns([]) == []
    assert Shares({A: 1.0}, {A: 1.0}, Terms(thrash=0.1)).rates([A, A]) == pytest.approx((1 / 2.2, 1 / 2.2))


def test_no_cells():
    with pytest.raises(ProfileError, match="no co-location cell to fit"):
        fit_sharing([])


def test_the_anchor_is_what_most_anchor_cells_have_in_common():
    cells = [Cell((A, C, C), (1, 1, 1), "anchor"), Cell((B, C, C), (1, 1, 1), "anchor"), Cell((A, B), (1, 1))]
    assert choose_anchor(cells) == C
    assert choose_anchor(cells[2:]) == A
    assert loads_of(cells) == (A, B, C)


def test_copies_of_one_load_show_its_demand():
    cells = [Cell((A,) * 2, (1.0, 1.0), "self"), Cell((A,) * 4, (1.6, 1.6, 1.6, 1.6), "self"), Cell((A, B), (2.0, 2.0))]
    assert least_demand(cells, A) == pytest.approx(0.4)
    assert least_demand(cells, B) is None


def found_intervals(fit):
    return {(found.kind, found.load): found for found in intervals(fit)}


@pytest.mark.slow
def test_intervals_hold_the_truth_and_are_narrow_with_the_whole_design(make_bench):
    bench = make_bench(5, seed=6, noise=0.02, demand=(0.35, 0.95))
    cells, heavy = design(bench)
    found = found_intervals(fit_sharing(cells))
    assert ("weight", heavy) not in found
    assert len(found) == 9
    hits = 0
    for (kind, load), interval in found.items():
        truth = bench.demand[load] if kind == "demand" else bench.weight[load] / bench.weight[heavy]
        hits += interval.low <= truth <= interval.high
        assert interval.low <= interval.value <= interval.high
    assert hits >= 8
    assert all(interval.identified for interval in found.values())


@pytest.mark.slow
def test_pairs_below_saturation_identify_nothing():
    cells = [Cell(pair, (1.001, 0.999)) for pair in itertools.combinations((A, B, C), 2)]
    fit = fit_sharing(cells, starts=3)
    assert not any(interval.identified for interval in intervals(fit))


def test_copies_alone_identify_the_demand_but_no_weight():
    cells = [Cell((load,) * n, (max(1.0, n * s),) * n, "self") for load, s in ((A, 0.6), (B, 0.7)) for n in (2, 3, 4)]
    noisy = [
        Cell(c.loads, tuple(x * f for x, f in zip(c.slowdowns, (1.01, 0.99, 1.02, 0.98), strict=False)), "self")
        for c in cells
    ]
    found = found_intervals(fit_sharing(noisy, anchor=A))
    assert found["demand", A].identified
    assert found["demand", B].identified
    assert not found["weight", B].identified
    assert found["weight", B].low < 0.01
    assert found["weight", B].high > 100


def test_singular_values_fall_to_nothing_where_a_direction_is_flat(make_bench):
    bench = make_bench(3, seed=7, noise=0.02)
    cells, heavy = design(bench)
    whole = singular_values(fit_sharing(cells))
    copies = singular_values(fit_sharing([cell for cell in cells if cell.role == "self"], anchor=heavy))
    assert len(whole) == len(copies) == 5
    assert min(whole) > 5
    assert min(copies) < 1e-6


def test_assumptions_hold_on_a_device_that_keeps_them(make_bench):
    bench = make_bench(6, seed=9, noise=0.02)
    cells, _ = design(bench)
    fit = fit_sharing(cells)
    tests = saturated_work(cells, fit.shares)
    assert set(tests) == {2, 3, 4}
    assert not any(test.violated for test in tests.values())
    below = below_saturation(cells, fit.shares)
    assert below is not None
    assert not below.violated
    assert below.interval[0] <= 0 <= below.interval[1]
    terms = needs_terms(cells, fit)
    assert terms is not None
    assert not terms.needed


@pytest.mark.parametrize("terms", [Terms(sub_saturation=0.3), Terms(thrash=0.12)])
def test_a_device_that_breaks_them_is_found_out(make_bench, terms):
    bench = make_bench(6, seed=9, noise=0.02, terms=terms)
    cells, _ = design(bench)
    found = needs_terms(cells, fit_sharing(cells))
    assert found is not None
    assert found.needed
    assert found.p_value < 1e-6
    assert found.sigma[1] < found.sigma[0]
    assert found.terms.sub_saturation == pytest.approx(terms.sub_saturation, abs=0.06)
    assert found.terms.thrash == pytest.approx(terms.thrash, abs=0.03)


def test_capacity_that_is_lost_with_the_number_of_streams_shows():
    shares = Shares({A: 1.0}, {A: 1.0})
    cells = [Cell((A,) * n, (n * (1 + 0.1 * (n - 2)) * f,) * n) for n in (2, 3, 4) for f in (0.99, 1.0, 1.01)]
    tests = saturated_work(cells, shares)
    assert not tests[2].violated
    assert tests[3].mean == pytest.approx(np.log(1 / 1.1), abs=0.002)
    assert tests[4].violated


def test_too_few_cells_to_test():
    cells = [Cell((A, A), (1.5, 1.5))]
    shares = Shares({A: 0.75}, {A: 1.0})
    assert saturated_work(cells, shares) == {}
    assert below_saturation(cells, shares) is None
    assert needs_terms(cells, fit_sharing(cells)) is None
    assert clock_effect(cells, shares) is None


def test_a_clock_that_falls_explains_what_the_fit_leaves():
    random = np.random.default_rng(0)
    shares = Shares({A: 0.8}, {A: 1.0})
    clocks = np.linspace(1200, 1800, 12)
    cells = [
        Cell((A, A), (1.6 * (1500 / clock) * float(np.exp(random.normal(0, 0.005))),) * 2, clock=float(clock))
        for clock in clocks
    ]
    slope, p_value = clock_effect(cells, shares)
    assert slope == pytest.approx(-1, abs=0.1)
    assert p_value < 1e-6
    assert clock_effect([Cell(c.loads, c.slowdowns, clock=1500.0) for c in cells], shares) is None
