"""Load 1.0, against answers known beforehand."""

import msgspec
import numpy as np
import pytest

from stratsim.engine import simulate
from stratsim.model.codec import load_profile
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.policy.queueing import Fifo
from stratsim.rng import Streams
from stratsim.run.saturation import Saturation, equal_mix, saturation
from stratsim.run.spec import RunSpec
from stratsim.stats.intervals import mean_interval
from stratsim.testing import make_profile
from stratsim.trace.generate import Periodic, generate
from stratsim.trace.rule import complete
from stratsim.trace.spec import WorkloadRule

SPEC = RunSpec(device_model="streams", max_batch=8)


def test_one_model_one_slot_copies_hidden():
    """max over b of b / l(b): copies, 1 ms for 10 ms of execution, are made while the batch before executes."""
    profile = make_profile(
        {"a": {1: 0.010, 2: 0.012, 4: 0.020, 8: 0.032}}, bytes_in=1000, h2d=Link(0.0, 8e6)
    )  # 8 requests copy for 1 ms
    found = saturation(profile, SPEC, limits=Saturation(concurrency=(1,), requests=2000))
    assert (found.concurrency, found.max_batch) == (1, 8)
    assert found.rate_per_s == pytest.approx(250, rel=1e-9)
    assert found.solo_load == pytest.approx(2.5, rel=1e-9)


def test_full_batches_are_not_always_the_fastest():
    """l(8) is longer than twice l(4): batches of 4 serve most."""
    profile = make_profile({"a": {1: 0.010, 2: 0.012, 4: 0.020, 8: 0.050}})
    found = saturation(profile, SPEC, limits=Saturation(concurrency=(1,), requests=2000))
    assert found.max_batch == 4
    assert found.rate_per_s == pytest.approx(200, rel=1e-9)


@pytest.mark.slow
def test_a_link_that_is_slower_than_the_gpu_sets_the_rate():
    profile = make_profile({"a": {1: 0.010}}, bytes_in=1000, h2d=Link(0.0, 50_000))
    found = saturation(profile, SPEC, limits=Saturation(concurrency=(1, 2), requests=2000))
    assert found.rate_per_s == pytest.approx(50, rel=1e-9)


@pytest.mark.slow
def test_batches_that_fit_beside_each_other_add_up():
    """Two of demand 0.5 do not slow each other, three do: C = 2 and C = 3 serve twice as much as C = 1."""
    profile = make_profile({"a": {1: 0.010}}, sharing={"a": Sharing(0.5)})
    one = saturation(profile, SPEC, limits=Saturation(concurrency=(1,), requests=2000))
    both = saturation(profile, SPEC, limits=Saturation(concurrency=(1, 2), requests=2000))
    assert one.rate_per_s == pytest.approx(100, rel=1e-9)
    assert (both.concurrency, both.rate_per_s) == (2, pytest.approx(200, rel=1e-9))


def test_a_mix_of_two_models():
    """One slot, no batches: the rate is 1 / the mean time, whatever the order, up to where the measurement is cut."""
    profile = make_profile({"a": 0.010, "b": 0.030})
    found = saturation(
        profile, RunSpec(device_model="streams", max_batch=1), {"a": 3, "b": 1}, Saturation(concurrency=(1,))
    )
    assert found.low <= 1 / (0.75 * 0.010 + 0.25 * 0.030) <= found.high
    assert found.high - found.low <= 0.01 * found.rate_per_s


def test_two_gpus_serve_twice_as_much():
    profile = make_profile({"a": {1: 0.010}})
    spec = RunSpec(device_model="streams", max_batch=1, gpus=2)
    assert saturation(profile, spec, limits=Saturation(concurrency=(1,), requests=2000)).rate_per_s == pytest.approx(
        200, rel=1e-3
    )


def grown(rate_per_s, seed):
    """Return the backlog at 3/4 of a long run less that at its middle, at a steady rate of arrivals."""
    profile, spec = load_profile("asymmetric-six"), RunSpec(max_concurrency=3)
    shares = equal_mix(profile, None)
    trace = generate(Periodic, 12_000, Streams(seed), rate=rate_per_s, models=shares)
    workload = complete(trace, profile.for_scheduler(), without_deadlines(), resolve=profile.resolve)
    result = simulate(
        workload, profile, Fifo(max_batch=4, drop="never"), cluster=spec.cluster(), max_batch=8, seed=seed
    )
    arrival, finish = result.requests.arrival_s, np.sort(result.requests.finish_s)
    half, late = arrival[-1] / 2, 3 * arrival[-1] / 4
    waiting = [np.searchsorted(arrival, at) - np.searchsorted(finish, at) for at in (half, late)]
    return int(waiting[1] - waiting[0])


def without_deadlines():
    return msgspec.convert({"slo": {"none": True}}, type=WorkloadRule)


@pytest.mark.slow
def test_below_the_backlog_stays_and_above_it_grows():
    """At 8 % above, the excess must pile up: 0.08 of the 3000 requests of a quarter, 240. At 8 % below it must not."""
    point = saturation(load_profile("asymmetric-six"), RunSpec(), limits=Saturation(concurrency=(3,), requests=4000))
    above = mean_interval([grown(1.08 * point.rate_per_s, seed) for seed in range(4)], 0.99)
    below = mean_interval([grown(0.92 * point.rate_per_s, seed) for seed in range(4)], 0.99)
    assert above.low > 0
    assert 0 in below
