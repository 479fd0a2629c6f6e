"""Figures of resamples: those of a run in which each request was there as often as it was drawn."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stratsim.compare.measured import Measured

RUN = SimpleNamespace(policy="fifo", stored=SimpleNamespace(runs=[{"policy": "fifo", "simulated_s": 4.0}]))


def frame(rows):
    columns = ("arrival_s", "priority", "deadline_s", "status", "latency_s", "slowdown")
    return pd.DataFrame(rows, columns=columns)


ROWS = [
    (0.0, "high", 1.0, "met", 0.5, 1.0),
    (1.0, "low", 2.0, "dropped", np.nan, np.nan),
    (2.0, "high", 3.0, "late", 1.5, 3.0),
    (3.0, "low", 4.0, "met", 0.25, 1.25),
    (4.0, "high", 5.0, "met", 0.75, 2.0),
]


def test_a_resample_has_the_figures_of_its_requests_repeated():
    drawn = [3, 1, 2, 1, 0]
    found = Measured(frame(ROWS), RUN, None).resampled(np.array([[1.0] * 5, drawn]))
    repeated = [row for row, times in zip(ROWS, drawn, strict=True) for _ in range(times)]
    again = Measured(frame(repeated), RUN, None).figures()
    for (label, metric), values in found.items():
        if metric != "goodput_per_s":
            assert values[1] == pytest.approx(again[label, metric], nan_ok=True), (label, metric)
    assert found["high", "violation"].tolist() == [1 / 3, 2 / 5]
    assert found["low", "mean_slowdown"].tolist() == [1.25, 1.25]
    # The span grows with the gaps that are drawn: 1 s after each request but the last, 7 s where there were 4.
    assert found["high", "goodput_per_s"].tolist() == [2 / 4.0, 3 / 7.0]


def test_a_resample_without_a_class_has_no_figures_of_it():
    found = Measured(frame(ROWS), RUN, None).resampled(np.array([[1.0, 0.0, 1.0, 0.0, 1.0]]))
    assert {metric for (label, metric), values in found.items() if label == "low" and not np.isnan(values[0])} == {
        "goodput_per_s"
    }
    assert found["low", "goodput_per_s"][0] == 0


def test_percentiles_of_all_arrived_count_a_drop_as_infinitely_late():
    """Low: 0.25 s and a drop. Its median lies between them; with the answered one three times it does not."""
    found = Measured(frame(ROWS), RUN, None).resampled_arrived(np.array([[1.0] * 5, [1, 1, 1, 3, 1]]))
    assert found["low", "p50_arrived_s"].tolist() == [np.inf, 0.25]
    assert found["low", "p99_arrived_s"].tolist() == [np.inf, np.inf]
    assert found["high", "p50_arrived_s"].tolist() == [0.75, 0.75]
    assert found["high", "p95_arrived_s"].tolist() == pytest.approx([0.75 + 0.9 * 0.75] * 2)
