"""Intervals from recent errors, and how they are judged: by hand, and against what is exact."""

import numpy as np
import pytest

from stratsim.compare.prequential import Prediction
from stratsim.rng import Streams
from study_1.coverage import LEAST, RECENT, Band, own_band, recent_band


def batches(actual_s, model="a", predicted_s=10.0, kind="realised"):
    """Batches of 10 s alone that were predicted to take 10 s."""
    return [
        Prediction("it", kind, i, i, model, 1, "b", predicted_s, float(each), 10.0, 0.0, float(i))
        for i, each in enumerate(actual_s)
    ]


def test_what_covers_and_what_it_costs():
    """From 8 to 12 s, alone 10: one inside, one missed by 1 s, twenty times of which is added to the width of 0.4."""
    band = Band(np.array([8.0, 8.0]), np.array([12.0, 12.0]), np.array([9.0, 13.0]), np.array([10.0, 10.0]))
    assert band.covered.tolist() == [1.0, 0.0]
    assert band.width == pytest.approx([0.4, 0.4])
    assert band.score == pytest.approx([0.4, 0.4 + 20 * 0.1])


def test_a_beliefs_own_interval_lies_between_its_quantiles():
    low, high = batches([20.0], predicted_s=15.0, kind="q05"), batches([20.0], predicted_s=25.0, kind="q95")
    band = own_band({"realised": batches([20.0]), "q05": low, "q95": high})
    assert (band.low_s.tolist(), band.high_s.tolist(), band.covered.tolist()) == ([15.0], [25.0], [1.0])
    assert own_band({"realised": batches([20.0])}) is None


def test_there_is_no_interval_before_anything_is_known():
    band = recent_band(batches([11.0] * (LEAST + 2)))
    assert np.isnan(band.covered[:LEAST]).all()
    assert band.covered[LEAST:].tolist() == [1.0, 1.0]
    assert (band.low_s[-1], band.high_s[-1]) == (11.0, 11.0)


def test_the_ends_are_order_statistics_of_the_last_batches():
    """Of 200 ratios the 10th and the 191st: one more lies between them with probability 181 / 201."""
    actual = np.arange(1, RECENT + 1, dtype=float)
    band = recent_band(batches([*[1000.0] * 50, *actual, 5.0]))
    assert (band.low_s[-1], band.high_s[-1]) == (10.0, 191.0)


def test_a_model_that_is_rarely_seen_counts_with_all_others():
    rare = batches([30.0], model="rare")[0]._replace(batch=40, end_s=40.0)
    band = recent_band([*batches(range(1, LEAST + 1)), rare])
    assert (band.low_s[-1], band.high_s[-1]) == (1.0, LEAST)


def test_batches_that_are_alike_are_covered_as_often_as_is_said():
    actual = np.exp(0.2 * Streams(1).get("coverage").normal(size=5000))
    covered = recent_band(batches(actual)).covered
    assert np.nanmean(covered) == pytest.approx(181 / 201, abs=0.015)
