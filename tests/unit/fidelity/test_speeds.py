"""Two speeds of a host are found in gaps that have them, and not in others."""

import numpy as np
import pytest

from stratsim.engine.host import pace
from stratsim.fidelity.calibrate.speeds import gaps, two_speeds
from stratsim.fidelity.record import read_runs
from stratsim.model.truth import Host, Speeds
from stratsim.rng import Streams


def drawn(speeds, seed, seconds=120.0, noise=0.1):
    rng = np.random.default_rng(seed)
    at_s = np.sort(rng.uniform(0, seconds, int(200 * seconds)))
    at = pace(Host(speeds=speeds), Streams(seed))
    return at_s, 1e-4 * np.array([at(now_s) for now_s in at_s.tolist()]) * rng.lognormal(0, noise, len(at_s))


def test_two_speeds_are_recovered():
    known = Speeds(0.8, 1.6, fast_s=4.0, slow_s=2.0)
    found = two_speeds([drawn(known, seed) for seed in range(4)])
    assert found.slow / found.fast == pytest.approx(2.0, rel=0.05)
    assert found.fast_s == pytest.approx(4.0, rel=0.4)  # some 80 stays: a standard error of 11 %
    assert found.slow_s == pytest.approx(2.0, rel=0.4)


def test_one_speed_is_one():
    rng = np.random.default_rng(0)
    at_s = np.sort(rng.uniform(0, 60, 12_000))
    assert two_speeds([(at_s, 1e-4 * rng.lognormal(0, 0.3, len(at_s)))]) is None


def test_too_little_to_tell():
    assert two_speeds([drawn(Speeds(0.5, 2.0, 1.0, 1.0), 0, seconds=1.0)]) is None
    assert two_speeds([]) is None


def test_gaps_are_what_the_host_takes(standin):
    device = standin.with_truth(host=Host(launch_s=0.0011, notice_s=0.0007))
    (live,) = read_runs(standin.run(standin.trace(400), device, max_concurrency=1))
    at_s, took_s = gaps(live.result)
    assert len(took_s) > 50
    assert took_s == pytest.approx(0.0018)
    assert (np.diff(at_s) > 0).all()
