import numpy as np
import pytest

from stratsim.stats.latency import arrived_latency, latency_figures


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


def test_a_request_without_an_answer_is_infinitely_late():
    # 1 to 100 ms, of which the last 4 were dropped: position 99 q is 49.5, 94.05 and 98.01; the 96 answers end at 95.
    latency = np.arange(1.0, 101.0)
    latency[96:] = np.nan
    figures = arrived_latency(latency[::-1])
    assert figures["p50"] == pytest.approx(50.5)
    assert figures["p95"] == pytest.approx(95.05)
    assert figures["p99"] is None
    # One more: position 94.05 lies between the last answer and a drop.
    latency[95] = np.nan
    assert arrived_latency(latency)["p95"] is None


def test_with_all_answered_both_are_the_same_to_the_bit():
    latency = np.random.default_rng(1).exponential(size=1234)
    of_completed = latency_figures(latency)
    assert arrived_latency(latency) == {name: of_completed[name] for name in ("p50", "p95", "p99")}


def test_what_may_be_overwritten_is_and_has_the_same_figures():
    latency = np.random.default_rng(2).exponential(size=1000)
    latency[::7] = np.nan
    kept, figures, arrived = latency.copy(), latency_figures(latency), arrived_latency(latency)
    assert np.array_equal(latency, kept, equal_nan=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stratsim.stats.latency._BLOCK", 64)
        assert latency_figures(latency, overwrite=True) == figures
        assert arrived_latency(latency, overwrite=True) == arrived
    assert not np.array_equal(latency, kept, equal_nan=True)


@pytest.mark.parametrize("latency", [[], [np.nan]])
def test_without_an_answer_there_is_no_quantile(latency):
    assert set(arrived_latency(np.array(latency, dtype=float)).values()) == {None}
