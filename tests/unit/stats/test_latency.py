import numpy as np
import pytest

from stratsim.stats.latency import latency_figures


def test_quantiles_interpolate_linearly_between_order_statistics():
    # 0 to 100: position (n - 1) q = 100 q
    figures = latency_figures(np.arange(101.0)[::-1])
    assert figures == {"p50": 50, "p95": 95, "p99": 99, "mean": 50}
    # 1 and 2: position q between them
    assert latency_figures(np.array([1.0, 2.0]))["p95"] == pytest.approx(1.95, rel=1e-15)


def test_what_did_not_happen_is_left_out():
    assert latency_figures(np.array([np.nan, 3.0, np.nan])) == {"p50": 3, "p95": 3, "p99": 3, "mean": 3}


@pytest.mark.parametrize("latency", [[], [np.nan]])
def test_no_completed_request_has_no_figure(latency):
    assert set(latency_figures(np.array(latency, dtype=float)).values()) == {None}


def test_values_are_plain_floats():
    assert {type(value) for value in latency_figures(np.array([0.5])).values()} == {float}
