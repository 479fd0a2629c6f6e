"""Beliefs about copies: known answers (milliseconds and megabytes at 25 GB/s)."""

import pytest

from stratsim.errors import NotFittedError, SpecError
from stratsim.model.parts import Link
from stratsim.model.profile import SchedulerProfile
from stratsim.predict import Copy, make_transfer_predictor
from stratsim.predict.registry import TRANSFER_PREDICTORS

MB = 1_000_000


def links(alpha_s=0.0, rate=25e9, back=None):
    return SchedulerProfile("made", {}, Link(alpha_s, rate), Link(alpha_s, back or rate))


def ends_ms(text, copies, profile=None):
    found = make_transfer_predictor(text).fit(profile or links()).predict(copies)
    return [pytest.approx(end_s * 1e3) for end_s in found]


def h2d(gpu, megabytes, ready_ms=0.0):
    return Copy(gpu, "h2d", megabytes * MB, ready_ms * 1e-3)


def test_the_shipped_beliefs_are_registered():
    assert list(TRANSFER_PREDICTORS.registered()) == ["alone", "contended", "no-transfers"]


def test_two_gpus_behind_one_uplink_share_it():
    """Max-min: 12.5 GB/s each until the 50 MB are done at 4 ms, then 25 GB/s for the other."""
    assert ends_ms("contended(uplink_bytes_per_s=25e9)", [h2d(0, 100), h2d(1, 50)]) == [6.0, 4.0]


def test_one_engine_serves_in_order():
    assert ends_ms("contended", [h2d(0, 100), h2d(0, 50)]) == [4.0, 6.0]
    assert ends_ms("contended", [h2d(0, 50), h2d(0, 100)])[::-1] == [6.0, 2.0]


def test_engines_do_not_wait_for_each_other():
    """Another GPU, and the other direction, have engines of their own."""
    copies = [h2d(0, 100), h2d(1, 100), Copy(0, "d2h", 100 * MB, 0.0)]
    assert ends_ms("contended", copies) == [4.0, 4.0, 4.0]
    assert ends_ms("contended", copies, links(back=12.5e9)) == [4.0, 4.0, 8.0]


def test_a_copy_pays_alpha_on_its_engine():
    assert ends_ms("contended", [h2d(0, 100), h2d(0, 100)], links(alpha_s=10e-6)) == [4.01, 8.02]
    assert ends_ms("alone", [h2d(0, 100), h2d(0, 100)], links(alpha_s=10e-6)) == [4.01, 4.01]


def test_a_copy_starts_when_it_is_ready():
    assert ends_ms("contended", [h2d(0, 100), h2d(0, 50, ready_ms=10.0)]) == [4.0, 12.0]


def test_a_small_copy_behind_a_large_one():
    """The inversion: 100 MB of low priority are issued 0.1 ms before 0.6 MB of high."""
    assert ends_ms("contended", [h2d(0, 100), h2d(0, 0.6, ready_ms=0.1)]) == [4.0, 4.024]


def test_the_uplink_is_shared_only_while_both_copy():
    """50 MB from 0, 100 MB from 1 ms: 25 MB alone, the other 25 in 2 ms at half rate, then 75 MB in 3 ms."""
    copies = [h2d(0, 50), h2d(1, 100, ready_ms=1.0)]
    assert ends_ms("contended(uplink_bytes_per_s=25e9)", copies) == [3.0, 6.0]


def test_queue_and_uplink_together():
    """GPU 0 has 50 MB twice, GPU 1 has 100 MB: half rate for all, each for 8 ms."""
    copies = [h2d(0, 50), h2d(0, 50), h2d(1, 100)]
    assert ends_ms("contended(uplink_bytes_per_s=25e9)", copies) == [4.0, 8.0, 8.0]


def test_alpha_does_not_occupy_the_uplink():
    """Both join at 1 ms and share from there."""
    profile = links(alpha_s=1e-3)
    assert ends_ms("contended(uplink_bytes_per_s=25e9)", [h2d(0, 100), h2d(1, 50)], profile) == [7.0, 5.0]


def test_an_uplink_wide_enough_changes_nothing():
    copies = [h2d(0, 100), h2d(1, 50), h2d(0, 25)]
    assert ends_ms("contended", copies) == ends_ms("contended(uplink_bytes_per_s=50e9)", copies)


def test_a_single_engine_is_held_up_by_a_narrow_uplink():
    assert ends_ms("contended(uplink_bytes_per_s=12.5e9)", [h2d(0, 100)]) == [8.0]


def test_free_links_and_nothing_to_copy_take_no_time():
    free = links(rate=float("inf"))
    assert ends_ms("contended", [h2d(0, 100, ready_ms=3.0), h2d(1, 0)], free) == [3.0, 0.0]
    assert ends_ms("contended", [h2d(0, 0), h2d(0, 100)], links()) == [0.0, 4.0]
    assert ends_ms("contended", []) == []
    assert ends_ms("contended(uplink_bytes_per_s=25e9)", [h2d(0, 100), h2d(1, 100)], free) == [8.0, 8.0]


def test_no_transfers_and_alone_ignore_each_other():
    copies = [h2d(0, 100), h2d(0, 50, ready_ms=1.0)]
    assert ends_ms("no-transfers", copies) == [0.0, 1.0]
    assert ends_ms("alone", copies) == [4.0, 3.0]


def test_bad_use_is_named():
    with pytest.raises(SpecError, match=r"uplink_bytes_per_s must be a number within \(0, inf\], got 0"):
        make_transfer_predictor("contended(uplink_bytes_per_s=0)")
    with pytest.raises(NotFittedError, match="Contended is not fitted yet"):
        make_transfer_predictor("contended").predict([h2d(0, 1)])
    with pytest.raises(SpecError, match="direction must be 'h2d' or 'd2h', got 'up'"):
        make_transfer_predictor("alone").fit(links()).predict([Copy(0, "up", 1, 0.0)])
    with pytest.raises(SpecError, match="unknown transfer predictor 'contend'; did you mean 'contended'"):
        make_transfer_predictor("contend")


def test_parameters_are_shown():
    assert repr(make_transfer_predictor("contended(uplink_bytes_per_s=5)")) == "Contended(uplink_bytes_per_s=5)"
    assert make_transfer_predictor("alone").get_params() == {}


@pytest.mark.parametrize("text", ["alone", "contended", "no-transfers", "contended(uplink_bytes_per_s=25e9)"])
def test_a_belief_says_whether_copies_of_other_gpus_matter(text):
    own, others = [h2d(1, 50), h2d(1, 20, 1.0)], [h2d(0, 100), h2d(2, 10)]
    belief = make_transfer_predictor(text).fit(links())
    assert belief.shares == (belief.predict([*others, *own])[2:] != belief.predict(own))
