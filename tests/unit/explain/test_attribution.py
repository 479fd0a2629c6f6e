import pandas as pd
import pytest

from stratsim.device import execution_model
from stratsim.explain.attribution import _shared, attribute
from stratsim.model.contention import SharingPhase
from stratsim.model.profile import Sharing
from stratsim.testing import make_profile

PROFILE = make_profile({"a": 0.010, "b": 0.010, "c": 0.010}, sharing={name: Sharing(0.4, 1.0) for name in "abc"})


def table(*rows):
    """Of rows (model, start, end, solo), milliseconds."""
    columns = ("model", "execution_start_s", "execution_end_s", "solo_s")
    frame = pd.DataFrame([(row[0], *(1e-3 * time for time in row[1:])) for row in rows], columns=list(columns))
    return frame.assign(gpu=0, batch_size=1, priority="high", stopped_s=0.0)


def shares(model, *rows, **columns):
    batches = table(*rows).assign(**columns)
    lost_s = batches["execution_end_s"] - batches["execution_start_s"] - batches["solo_s"]
    made = model and execution_model(model, PROFILE.for_hardware(), 3)
    return attribute(batches, lost_s, made, batches.index)


def test_two_that_share_the_processor():
    # b comes at 4 and takes 6 for its 3; a, with 6 left, does 3 meanwhile and ends at 13
    found = shares("processor-sharing", ("a", 0, 13, 10), ("b", 4, 10, 3))
    assert found.by == {0: {1: pytest.approx(0.003)}, 1: {0: pytest.approx(0.003)}}
    assert not found.other_s


def test_one_after_the_other():
    # a, 10 long, meets b and then c, one second of work each: 2 beside each, and loses half of that
    found = shares("processor-sharing", ("a", 0, 12, 10), ("b", 1, 3, 1), ("c", 5, 7, 1))
    assert found.by[0] == {1: pytest.approx(0.001), 2: pytest.approx(0.001)}


def test_three_that_fit_in_pairs_but_not_together():
    # demands of 0.4: rates of 5/6 together, 1 in pairs. All lose 2 of 12, and each of two others is to blame for half
    found = shares("streams", ("a", 0, 12, 10), ("b", 0, 12, 10), ("c", 0, 12, 10))
    assert found.by[0] == {1: pytest.approx(0.001), 2: pytest.approx(0.001)}


def test_who_came_earlier_counts_no_more():
    # a and b alone together: nothing; c adds the loss, but b is as much to blame: a loses 1/6 of 6 ms beside both
    found = shares("streams", ("a", 0, 10, 9), ("b", 0, 10, 9), ("c", 4, 10, 5))
    assert found.by[0] == {1: pytest.approx(0.0005), 2: pytest.approx(0.0005)}


def test_busy_periods_are_apart_and_gpus_too():
    found = shares(
        "processor-sharing", ("a", 0, 2, 1), ("b", 0, 2, 1), ("a", 10, 11, 1), ("a", 0, 1, 1), gpu=[0, 0, 0, 1]
    )
    assert set(found.by) == {0, 1}


def test_without_a_model_by_overlapped_time():
    found = shares(None, ("a", 0, 13, 10), ("b", 1, 3, 1), ("c", 5, 9, 3))
    assert found.by[0] == {1: pytest.approx(0.001), 2: pytest.approx(0.002)}
    assert found.overlap == {0, 1, 2}


STOPPED = [("a", 0, 15, 10), ("b", 2, 6, 2), ("c", 6, 9, 3)]
"""a shares with b from 2 to 6, is stopped from 6 to 9, in favour of c, and has 6 left at 9."""


def stopped_shares(model, profile=PROFILE, off_s=0.006):
    batches = table(*STOPPED)
    lost_s = pd.Series([0.002 - (0.006 - off_s) / 2, 0.002, 0.0])
    pauses = pd.DataFrame({"batch_id": [0], "off_s": [off_s], "gone_s": [0.006], "on_s": [0.009]})
    made = model and execution_model(model, profile.for_hardware(), 3)
    return attribute(batches, lost_s, made, batches.index, pauses)


def test_who_is_stopped_has_no_company():
    found = stopped_shares("processor-sharing")
    assert found.by == {0: {1: pytest.approx(0.002)}, 1: {0: pytest.approx(0.002)}}
    assert not found.other_s
    assert not found.overlap


def test_who_is_being_stopped_slows_others_but_loses_nothing_itself():
    found = stopped_shares("processor-sharing", off_s=0.005)  # from 5 on what a does does not count
    assert found.by == {0: {1: pytest.approx(0.0015)}, 1: {0: pytest.approx(0.002)}}
    assert not found.other_s


def test_a_stop_in_one_of_several_phases_leaves_the_overlapped_time():
    halves = Sharing(phases=(SharingPhase(0.5, 1.0, 1.0), SharingPhase(0.5, 0.5, 1.0)))
    found = stopped_shares("streams", make_profile(dict.fromkeys("abc", 0.01), sharing=dict.fromkeys("abc", halves)))
    assert found.overlap == {0, 1}
    assert found.by[0] == {1: pytest.approx(0.002)}


def test_a_loss_that_nobody_explains():
    found = shares("processor-sharing", ("a", 0, 13, 10))
    assert found.by == {0: {}}
    assert found.other_s == {0: pytest.approx(0.003)}


def test_shapley_known_answer():
    # the glove game: 0 has a left one, 1 and 2 right ones; a pair is worth 1
    worth = {(): 0.0, (0,): 0.0, (1,): 0.0, (2,): 0.0, (0, 1): 1.0, (0, 2): 1.0, (1, 2): 0.0, (0, 1, 2): 1.0}
    assert _shared(3, worth.__getitem__, 6) == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_of_many_each_counts_by_what_it_costs_alone():
    assert _shared(8, lambda members: float(sum(members)), 6) == pytest.approx(list(range(8)))
    assert _shared(8, lambda members: float(len(members) == 8), 6) == pytest.approx([1 / 8] * 8)
