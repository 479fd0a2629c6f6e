"""How long a newcomer lasts behind batches in flight, worked out by hand. Times in ms, as they are for `Newcomers`."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.policy.base import DropMode, Setting
from stratsim.policy.forecast import Forecast, Planned
from stratsim.policy.strait.estimates import Estimates
from stratsim.policy.strait.newcomers import Behind
from stratsim.predict import Predictor, make_transfer_predictor
from stratsim.rng import Streams
from stratsim.testing import make_profile


class Shares(Predictor):
    """The GPU is shared out evenly."""

    def rate(self, target, others):
        return 1.0 / (1 + len(others))


def estimates(floor=0.0, slots=3):
    profile = make_profile({"a": 10.0, "b": 10.0, "n": 4.0}).for_scheduler()
    setting = Setting(profile, 1, slots, 1, 8, DropMode.INFEASIBLE, Streams(0))
    belief, transfers = Shares().fit(profile), make_transfer_predictor("no-transfers").fit(profile)
    made = Estimates(setting, belief, transfers, margin=0.0, floor=floor, refresh=1)
    made.newcomers.expect("n")
    return made


@pytest.mark.parametrize(
    ("ends", "start", "lasts"),
    [
        ((), 0.0, 4.0),  # alone
        ((10.0,), 0.0, 8.0),  # beside one that has 10 left: half speed to its end
        ((2.0,), 0.0, 6.0),  # that one has 2 left: until 4 both do 2, then 2 alone
        ((10.0,), 9.0, 5.0),  # started at 9, when it has 1 left: until 11 both do 1, then 3 alone
        ((10.0,), 12.0, 4.0),  # it has gone by then
        # Two others, alone to the end: a has (4 - 0) / 2 = 2 left, b 2 + (6 - 4) = 4. With the newcomer, at a third of
        # the speed each, a ends after 6, when b and it have 2 left; both end 4 later.
        ((4.0, 6.0), 0.0, 10.0),
    ],
)
def test_a_newcomer_lasts(ends, start, lasts):
    beside = (("a", 1), ("b", 1))[: len(ends)]
    behind = Behind(0.0, 0.0, 0.0, beside, ends)
    assert estimates().newcomers.lasts_s(behind, "n", start) == pytest.approx(lasts, rel=1e-12)
    assert estimates().newcomers.fits(behind, "n", start, lasts * (1 + 1e-9))
    assert not estimates().newcomers.fits(behind, "n", start, lasts * (1 - 1e-9))


@pytest.mark.parametrize(
    ("slots", "longest", "late_for"),
    [
        # Alone it takes 4; the other goes on for 10. Behind it, in one slot, it can wait for 2: until 8 it is late.
        (1, 6.0, 8.0),
        (1, 14.0, 0.0),
        (1, 3.0, 0.0),  # late even alone: nothing to do with the other
        # Beside it, both at half speed: with 6 it can bear 4 of that, when the other does 2; so until 8 it is late.
        (2, 6.0, 8.0),
        (2, 7.0, 7.0),
        (2, 8.0, 0.0),  # as long as it takes beside the other from beginning to end
        (2, 3.0, 0.0),
    ],
)
def test_for_how_long_a_request_that_comes_would_be_late(slots, longest, late_for):
    newcomers = estimates(slots=slots).newcomers
    assert newcomers.late_for_s(("a", 1), 10.0, "n", longest) == pytest.approx(late_for)


def test_its_start_waits_for_a_slot_and_for_its_input():
    behind = Behind(dispatch_s=5.0, slot_s=7.0, copy_free_s=3.0, beside=())
    assert [behind.start_s(copy) for copy in (0.0, 1.0, 4.0)] == [7.0, 7.0, 9.0]


@given(
    floor=st.sampled_from([0.0, 0.05, 0.5]),
    slots=st.integers(1, 3),
    left=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=3),
    ready_s=st.floats(0.0, 8.0),
)
def test_what_surely_ends_later_does(floor, slots, left, ready_s):
    """Of batches of 10 each at least the floor is left; a newcomer of 4 comes when its input is there."""
    made, left = estimates(floor, slots), left[:slots]
    forecast = Forecast(slots, made.rates, floor)
    forecast.executing += [Planned(("a", 1), 10.0, 0.0, 0.0, inf, high=True) for _ in left]
    for planned, share in zip(forecast.executing, left, strict=True):
        planned.left_s = 10.0 * (floor + share * (1.0 - floor))
    alone, here = (Planned(("n", 1), 4.0, ready_s, 0.0, inf, high=True) for _ in range(2))
    Forecast(slots, made.rates, floor).walk(0.0, alone)
    forecast.walk(0.0, here)
    surely = made._surely_later((("a", 1),) * len(left), alone, 0.0)
    assert surely == (10.0 * floor > ready_s)
    if surely:
        assert here.end_s > alone.end_s
