"""Fronts and matched comparisons, worked out by hand."""

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.stats.fronts import compare_matched, deficit, hull, pareto
from stratsim.stats.intervals import mean_interval

POINTS = [(1, 10), (2, 9), (3, 4), (4, 5), (6, 3), (7, 3), (5, 3.2)]


def alike(*points, n=3):
    """Replications that do not vary."""
    return np.repeat(np.array(points, dtype=float)[:, None, :], n, axis=1)


def test_the_front_is_what_nobody_is_better_than():
    """(4, 5) is worse than (3, 4), (7, 3) than (6, 3)."""
    assert pareto(POINTS) == [0, 1, 2, 6, 4]


def test_the_hull_leaves_out_what_a_mixture_beats():
    """Half of (1, 10) and half of (3, 4) is (2, 7), better than (2, 9). (5, 3.2) lies below the line from 4 to 3."""
    assert hull(POINTS) == [0, 2, 6, 4]
    assert hull([(5, 5)]) == [0]


@pytest.mark.parametrize(("own", "difference", "share"), [((2, 8), 1.0, 0.5), ((2.5, 3), -2.5, 0.25), ((3, 4), 0, 0.0)])
def test_at_the_same_first_figure_it_is_compared_with_the_mixture(own, difference, share):
    found = compare_matched(alike(own)[0], alike(*POINTS))
    assert found.where == "within"
    assert found.settings == (0, 2)
    assert found.share == pytest.approx(share)
    assert found.difference.mean == pytest.approx(difference)
    assert found.difference.half_width == pytest.approx(0)


@pytest.mark.parametrize(("own", "where", "nearest"), [((0.5, 1), "below", 0), ((8, 1), "above", 4)])
def test_beyond_the_ends_nothing_is_said(own, where, nearest):
    found = compare_matched(alike(own)[0], alike(*POINTS))
    assert (found.where, found.difference, found.settings) == (where, None, (nearest,))


def test_one_setting_is_a_point():
    assert compare_matched(alike((2, 5))[0], alike((2, 4))).difference.mean == 1
    assert compare_matched(alike((2.1, 5))[0], alike((2, 4))).where == "above"


def test_the_interval_is_that_of_the_difference_where_first_figures_do_not_vary():
    """Linear in the means then, so that the jackknife is Student's."""
    draws = np.random.default_rng(1)
    own = np.column_stack([np.full(8, 2.0), draws.normal(7, 1, 8)])
    others = alike((1, 10), (3, 4), n=8)
    others[:, :, 1] += draws.normal(0, 1, (2, 8))
    expected = mean_interval(own[:, 1] - (others[0, :, 1] + others[1, :, 1]) / 2)
    found = compare_matched(own, others).difference
    assert tuple(found) == pytest.approx(tuple(expected))


@pytest.mark.slow
def test_the_interval_covers():
    """2,000 comparisons of two settings that vary in both figures, the true difference being 1: about 95 % cover."""
    draws = np.random.default_rng(2)
    covered = 0
    for _ in range(2000):
        common = draws.normal(0, 0.2, (10, 2))
        own = np.array([2.0, 8.0]) + common + draws.normal(0, 0.2, (10, 2))
        others = np.array([[1.0, 10.0], [3.0, 4.0]])[:, None] + common + draws.normal(0, 0.2, (2, 10, 2))
        covered += 1.0 in compare_matched(own, others).difference
    assert 0.93 < covered / 2000 < 0.965


def test_the_deficit_is_what_the_best_of_the_others_is_better_by_for_both():
    others = alike((1, 10), (3, 4), (4, 4.5))
    behind = deficit(alike((5, 6))[0], others)
    assert (behind.by, behind.interval.mean) == (1, 2.0)
    ahead = deficit(alike((2, 7))[0], others)
    assert (ahead.by, ahead.interval.mean) == (1, -1.0)


def test_shapes_are_checked():
    with pytest.raises(SpecError, match="points need the shape"):
        pareto([])
    with pytest.raises(SpecError, match="figures of shapes"):
        compare_matched(np.zeros((3, 2)), np.zeros((2, 4, 2)))
    with pytest.raises(SpecError, match="figures of shapes"):
        deficit(np.zeros((3, 2)), np.zeros((2, 4, 2)))  # of more seeds: the last would count in the choice alone
    with pytest.raises(SpecError, match="figures of shapes"):
        compare_matched(np.zeros((3, 2)), np.zeros((0, 3, 2)))


@pytest.mark.parametrize("compare", [compare_matched, deficit])
def test_a_figure_that_does_not_exist_is_no_figure_to_compare(compare):
    """As of a class without requests."""
    figures = np.ones((2, 3, 2))
    figures[0, 1, 0] = np.nan
    for own, others in ((figures[0], figures[1:]), (figures[1], figures)):
        with pytest.raises(SpecError, match="must be finite"):
            compare(own, others)
    with pytest.raises(SpecError, match="points must be numbers"):
        pareto([(1, 2), (np.nan, 1)])
