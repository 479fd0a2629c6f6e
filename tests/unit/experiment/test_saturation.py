"""Load 1.0, against answers known beforehand."""

import pytest

from stratsim.experiment.saturation import saturation
from stratsim.experiment.spec import RunSpec
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.testing import make_profile

SPEC = RunSpec(device_model="streams", max_batch=8)


def test_one_model_one_slot_copies_hidden():
    """max over b of b / l(b): copies, 1 ms for 10 ms of execution, are made while the batch before executes."""
    profile = make_profile(
        {"a": {1: 0.010, 2: 0.012, 4: 0.020, 8: 0.032}}, bytes_in=1000, h2d=Link(0.0, 8e6)
    )  # 8 requests copy for 1 ms
    found = saturation(profile, SPEC, concurrency=(1,), requests=2000)
    assert (found.concurrency, found.max_batch) == (1, 8)
    assert found.rate_per_s == pytest.approx(250, rel=1e-9)
    assert found.solo_load == pytest.approx(2.5, rel=1e-9)


def test_full_batches_are_not_always_the_fastest():
    """l(8) is longer than twice l(4): batches of 4 serve most."""
    profile = make_profile({"a": {1: 0.010, 2: 0.012, 4: 0.020, 8: 0.050}})
    found = saturation(profile, SPEC, concurrency=(1,), requests=2000)
    assert found.max_batch == 4
    assert found.rate_per_s == pytest.approx(200, rel=1e-9)


def test_a_link_that_is_slower_than_the_gpu_sets_the_rate():
    profile = make_profile({"a": {1: 0.010}}, bytes_in=1000, h2d=Link(0.0, 50_000))
    found = saturation(profile, SPEC, concurrency=(1, 2), requests=2000)
    assert found.rate_per_s == pytest.approx(50, rel=1e-9)


def test_batches_that_fit_beside_each_other_add_up():
    """Two of demand 0.5 do not slow each other, three do: C = 2 and C = 3 serve twice as much as C = 1."""
    profile = make_profile({"a": {1: 0.010}}, sharing={"a": Sharing(0.5)})
    one = saturation(profile, SPEC, concurrency=(1,), requests=2000)
    both = saturation(profile, SPEC, concurrency=(1, 2), requests=2000)
    assert one.rate_per_s == pytest.approx(100, rel=1e-9)
    assert (both.concurrency, both.rate_per_s) == (2, pytest.approx(200, rel=1e-9))


def test_a_mix_of_two_models():
    """One slot, no batches: the rate is 1 / the mean time, whatever the order, up to where the measurement is cut."""
    profile = make_profile({"a": 0.010, "b": 0.030})
    found = saturation(profile, RunSpec(device_model="streams", max_batch=1), {"a": 3, "b": 1}, concurrency=(1,))
    assert found.low <= 1 / (0.75 * 0.010 + 0.25 * 0.030) <= found.high
    assert found.high - found.low <= 0.01 * found.rate_per_s


def test_two_gpus_serve_twice_as_much():
    profile = make_profile({"a": {1: 0.010}})
    spec = RunSpec(device_model="streams", max_batch=1, gpus=2)
    assert saturation(profile, spec, concurrency=(1,), requests=2000).rate_per_s == pytest.approx(200, rel=1e-3)
