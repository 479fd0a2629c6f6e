"""Empirical Bayes, worked out by hand."""

import numpy as np
import pytest

from stratsim.stats.shrinkage import shrink


def test_one_family_by_hand():
    """Groups of four values about 0, 1 and 2, each with variance 4/3.

    Variance of a mean v = 1/3; about the common mean 1 the squares sum to 2, so Q = 2 / v = 6, degrees 2, and the scale
    is 9 - 27/9 = 6: between t = (6 - 2) / 6 = 2/3. A third of each distance to the family is taken off: v/(v+t) = 1/3.
    """
    spread = np.array([-1.0, -1.0, 1.0, 1.0])
    found = shrink({("m", size): (size + spread).tolist() for size in (0, 1, 2)})
    assert found.within == pytest.approx(4 / 3)
    assert found.between_groups == pytest.approx(2 / 3)
    assert found.between_families == 0
    assert [found.of("m", size).mean for size in (0, 1, 2)] == pytest.approx([1 / 3, 1, 5 / 3])
    # One family: nothing is known of others, so its mean has no variance of its own: t v / (t + v) = 2/9 is left.
    assert found.of("m", 0).sd == pytest.approx(np.sqrt(2 / 9))
    unseen = found.of("m", 99)
    assert (unseen.mean, unseen.sd) == pytest.approx((1, np.sqrt(2 / 3)))


def test_little_evidence_goes_to_the_family_and_much_stays():
    rng = np.random.default_rng(0)
    values = {("m", size): (0.1 * size + rng.normal(0, 0.05, 400)).tolist() for size in range(5)}
    values["m", 9] = [1.0]
    found = shrink(values)
    assert found.of("m", 4).mean == pytest.approx(0.4, abs=0.01)
    full = np.mean([found.of("m", size).mean for size in range(5)])
    assert abs(found.of("m", 9).mean - full) < abs(1.0 - full)
    assert found.of("m", 9).sd > 3 * found.of("m", 4).sd


def test_without_differences_all_are_the_mean_of_all():
    values = {(family, member): [0.9, 1.1] for family in "ab" for member in (1, 2)}
    found = shrink(values)
    assert found.between_groups == found.between_families == 0
    assert {round(each.mean, 12) for each in found.groups.values()} == {1.0}
    assert found.of("unseen", 1).mean == pytest.approx(1.0)


def test_families_are_drawn_to_all():
    """A family of one poor group is estimated by the others; one of much evidence keeps its own mean."""
    rng = np.random.default_rng(1)
    values = {
        (family, 1): (mean + rng.normal(0, 0.1, 200)).tolist() for family, mean in (("a", 0.0), ("b", 0.2), ("c", 0.4))
    }
    values["d", 1] = [3.0]
    found = shrink(values)
    assert found.of("b", 1).mean == pytest.approx(0.2, abs=0.03)
    assert found.of("d", 1).mean < 3.0
    assert found.overall.sd > found.families["b"].sd


def test_estimates_are_better_than_means_where_groups_are_small():
    """Over 200 sets of 20 groups of three values the mean squared error falls: James and Stein's result."""
    rng = np.random.default_rng(2)
    plain, drawn = 0.0, 0.0
    for _ in range(200):
        true = rng.normal(0, 0.05, 20)
        values = {("m", group): (true[group] + rng.normal(0, 0.1, 3)).tolist() for group in range(20)}
        found = shrink(values)
        plain += sum((np.mean(values["m", group]) - true[group]) ** 2 for group in range(20))
        drawn += sum((found.of("m", group).mean - true[group]) ** 2 for group in range(20))
    assert drawn < 0.6 * plain
