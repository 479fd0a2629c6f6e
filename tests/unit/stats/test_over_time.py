"""Windows of a run, worked out by hand: what counts where."""

import itertools

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.stats.over_time import MOST_WINDOWS, WINDOW_COLUMNS, Life, edges, over_time, within_s

NAN = float("nan")


def life(**changes):
    """A run of 5 s on two GPUs.

    Requests: high at 0 is started at 0; low at 1 waits until 3; high at 2, on an edge, is dropped at 2.5; low at 4.5
    still waits at the end. Batches: on GPU 0 one from 0 to 3 beside one from 1 to 2; on GPU 1 one from 3 to 4.
    """
    found = {
        "arrival_s": np.array([0.0, 1.0, 2.0, 4.5]),
        "left_s": np.array([0.0, 3.0, 2.5, NAN]),
        "high": np.array([True, False, True, False]),
        "violated": np.array([False, True, True, True]),
        "dropped": np.array([False, False, True, False]),
        "begun_s": np.array([0.0, 1.0, 3.0]),
        "size": np.array([1, 4, 2]),
        "executing": [
            (np.array([0.0, 1.0]), np.array([3.0, 2.0])),
            (np.array([3.0, NAN]), np.array([4.0, NAN])),
        ],
        "start_s": 0.0,
        "end_s": 5.0,
    }
    return Life(**(found | changes))


TABLE = {name: column.tolist() for name, column in over_time(life(), 2.0).items()}


class TestByHand:
    def test_windows_begin_with_the_run_and_the_last_one_is_cut(self):
        assert TABLE["from_s"] == [0, 2, 4]
        assert TABLE["to_s"] == [2, 4, 5]

    def test_a_request_counts_in_the_window_of_its_arrival_and_an_edge_belongs_to_the_later_one(self):
        assert TABLE["high_arrived"] == [1, 1, 0]
        assert TABLE["low_arrived"] == [1, 0, 1]

    def test_so_does_its_violation_though_it_happens_later(self):
        assert TABLE["low_violated"] == [1, 0, 1]
        assert TABLE["high_violated"] == [0, 1, 0]
        assert TABLE["high_dropped"] == [0, 1, 0]
        assert TABLE["low_dropped"] == [0, 0, 0]

    def test_the_queue_is_the_mean_number_that_waits(self):
        """[0, 2): one from 1 on. [2, 4): one until 3, one until 2.5. [4, 5): one from 4.5 on."""
        assert TABLE["queue"] == [1.0 / 2, 1.5 / 2, 0.5 / 1]

    def test_utilization_is_by_overlap_and_counts_batches_beside_each_other_once(self):
        """GPU 0 is busy for 2, 1 and 0 s, GPU 1 for 0, 1 and 0 s."""
        assert TABLE["utilization"] == [(2 + 0) / 4, (1 + 1) / 4, 0.0]

    def test_a_batch_counts_where_it_begins_to_execute(self):
        assert TABLE["batches"] == [2, 1, 0]
        assert TABLE["batch_size"][:2] == [2.5, 2.0]
        assert np.isnan(TABLE["batch_size"][2])

    def test_the_columns_are_those_that_are_promised(self):
        assert tuple(TABLE) == WINDOW_COLUMNS


def test_a_window_longer_than_the_run_is_the_run():
    table = over_time(life(), 60.0)
    assert (table["from_s"].tolist(), table["to_s"].tolist()) == ([0.0], [5.0])
    assert table["utilization"].tolist() == [(3 + 1) / 10]


def test_a_request_at_the_end_of_the_run_counts_in_the_last_window():
    table = over_time(life(arrival_s=np.array([0.0, 1.0, 2.0, 5.0])), 2.5)
    assert table["low_arrived"].tolist() == [1, 1]


def test_rounding_makes_no_window_of_its_own():
    assert edges(0.0, 0.1 * 3, 0.1).tolist() == [0.0, 0.1, 0.2, 0.1 * 3]
    assert len(edges(0.0, 0.30001, 0.1)) == 5


def test_the_time_of_day_does_not_cost_digits():
    shifted = over_time(
        life(
            arrival_s=np.array([0.0, 1.0, 2.0, 4.5]) + 1e9,
            left_s=np.array([0.0, 3.0, 2.5, NAN]) + 1e9,
            begun_s=np.array([0.0, 1.0, 3.0]) + 1e9,
            executing=[(start + 1e9, end + 1e9) for start, end in life().executing],
            start_s=1e9,
            end_s=1e9 + 5,
        ),
        2.0,
    )
    for name in WINDOW_COLUMNS[2:]:
        assert np.array_equal(shifted[name], over_time(life(), 2.0)[name], equal_nan=True), name


def test_a_run_without_length_has_one_window_and_no_means():
    empty = np.empty(0)
    nothing = life(begun_s=empty, size=np.empty(0, int), executing=[(empty, empty)], start_s=0.0, end_s=0.0)
    table = over_time(nothing._replace(arrival_s=np.zeros(4), left_s=np.zeros(4)), 1.0)
    assert table["high_arrived"].tolist() == [2]
    assert np.isnan(table["queue"]).all()
    assert np.isnan(table["utilization"]).all()


def test_overlaps_of_random_intervals_are_those_of_a_loop():
    rng = np.random.default_rng(3)
    start = rng.uniform(0, 10, 200)
    end = start + rng.exponential(2.0, 200)
    at = np.array([0.0, 1.5, 1.7, 4.0, 9.0, 12.0])
    expected = [
        sum(max(0.0, min(e, b) - max(s, a)) for s, e in zip(start, end, strict=True)) for a, b in itertools.pairwise(at)
    ]
    assert within_s(start, end, at) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("width", [0.0, -1.0, NAN, float("inf")])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(SpecError, match="windows must be > 0 s and finite"):
        edges(0.0, 1.0, width)


@pytest.mark.parametrize("width", [0.5 / MOST_WINDOWS, 1e-320])
def test_more_windows_than_anybody_looks_at_are_refused_with_the_way_out(width):
    with pytest.raises(SpecError, match="give 1e-05 s or more"):
        edges(np.float64(0.0), np.float64(1.0), width)
