"""Quantiles over replications: ranks from published tables, and coverage."""

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.stats.quantiles import quantile_interval


@pytest.mark.parametrize(
    ("n", "ranks"),  # 95 %, median: any table for the sign test
    [(6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (10, (2, 9)), (12, (3, 10)), (20, (6, 15)), (25, (8, 18))],
)
def test_ranks_of_the_median(n, ranks):
    found = quantile_interval(np.arange(1, n + 1))
    assert (found.low, found.high) == ranks
    assert found.mean == (n + 1) / 2
    assert found.n == n


def test_too_few_values_have_no_interval():
    assert quantile_interval([1, 2, 3, 4, 5]) is None
    assert quantile_interval([]) is None
    assert quantile_interval(np.arange(35), 0.9) is None  # 0.9^35 = 0.02503
    assert quantile_interval(np.arange(36), 0.9).high == 35  # 0.9^36 = 0.02253: the largest of 0 to 35


def test_it_covers():
    rng = np.random.default_rng(3)
    hits = sum(np.log(2) in quantile_interval(rng.exponential(size=15)) for _ in range(1500))
    assert 0.94 * 1500 <= hits <= 0.98 * 1500  # 0.9648 exactly, for ranks 4 and 12


@pytest.mark.parametrize(("q", "level"), [(0, 0.9), (1, 0.9), (0.5, 1.0)])
def test_refused(q, level):
    with pytest.raises(SpecError, match="within"):
        quantile_interval([1.0] * 10, q, level)
