"""A run is a pure function of its arguments: nothing outlives it, nothing from before reaches it."""

import dataclasses
import gc
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from stratsim import simulate
from stratsim.engine.clock import Clock
from stratsim.engine.copies import Copies
from stratsim.engine.recorder import Recorder
from stratsim.errors import PolicyError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.testing import make_profile, make_workload

POLICIES = [Fifo, PriorityFifo, Edf, PriorityEdf]
TABLE = {1: 0.010, 2: 0.014, 4: 0.022}
PROFILE = make_profile(
    {"a": TABLE, "b": TABLE, "c": TABLE}, sharing={"a": Sharing(0.6, 3.0), "b": Sharing(0.9)}, noise_cv=0.05
)
ROWS = [(0.004 * i, "abc"[i * i % 3], ("high", "low", "low")[i % 3], 0.004 * i + 0.08) for i in range(150)]


def digest(policy=PriorityEdf, seed=3):
    """Return a checksum of both tables of a run, to the last bit."""
    result = simulate(make_workload(ROWS, profile=PROFILE), PROFILE, policy(), cluster=Cluster(gpus=2), seed=seed)
    total = hashlib.sha256()
    for table in (result.requests, result.batches):
        for name in type(table).__dataclass_fields__:
            total.update(np.ascontiguousarray(getattr(table, name)).tobytes())
    total.update(repr((result.events, result.end_s, result.reasons, result.notes)).encode())
    return total.hexdigest()


@pytest.mark.parametrize("policy", POLICIES)
def test_equal_arguments_give_equal_bits(policy):
    assert digest(policy) == digest(policy)


def test_another_seed_gives_other_bits():
    assert digest(seed=3) != digest(seed=4)


def test_what_ran_before_does_not_matter():
    first = digest()
    digest(Fifo, seed=9)
    with pytest.raises(PolicyError):
        simulate(make_workload(ROWS, profile=PROFILE), PROFILE, _Failing())
    np.random.default_rng(0).random(10)
    assert digest() == first


class _Failing(Fifo):
    def decide(self, view):
        raise ValueError("on purpose")


def test_two_runs_inside_each_other():
    """A policy that simulates what would happen, as a planner may, disturbs nothing."""

    class Planning(PriorityEdf):
        def prepare(self, setting):
            super().prepare(setting)
            digest(Fifo)

    expected = digest(PriorityEdf)
    assert digest(Planning) == expected


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_the_hash_seed_does_not_matter(hash_seed):
    """Sets and dicts of strings must decide nothing."""
    code = (
        "import importlib.util as u;"
        f"s = u.spec_from_file_location('isolation', {__file__!r});"
        "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.digest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_object_may_be_used_again(policy):
    workload = make_workload(ROWS, profile=PROFILE)
    used = policy()
    first = simulate(workload, PROFILE, used)
    assert np.array_equal(first.requests.finish_s, simulate(workload, PROFILE, used).requests.finish_s, equal_nan=True)


def test_the_workload_is_not_written_to():
    workload = make_workload(ROWS, profile=PROFILE)
    for name in ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out", "client"):
        getattr(workload, name).setflags(write=False)
    result = simulate(workload, PROFILE, Fifo())
    assert len(result.requests) == len(ROWS)


def test_progress_is_told_and_changes_nothing():
    rows = [(0.02 * i, "a") for i in range(20_000)]
    workload = make_workload(rows, profile=PROFILE)
    told = []
    with_progress = simulate(workload, PROFILE, Fifo(), progress=lambda done, total: told.append((done, total)))
    without = simulate(workload, PROFILE, Fifo())
    assert np.array_equal(with_progress.requests.finish_s, without.requests.finish_s)
    assert len(told) >= 2
    assert told == sorted(told)
    assert {total for _, total in told} == {20_000}
    assert all(0 <= done <= 20_000 for done, _ in told)


@pytest.mark.parametrize("option", [{}, {"uplink_bytes_per_s": 1e6}, {"memory": 1e9}])
def test_a_run_that_is_over_is_let_go_at_once(option):
    """Its buffers must not live until the next full collection."""
    profile = make_profile({"a": 0.001}, bytes_in=1000, bytes_out=1000, h2d=Link(0.0, 1e8), d2h=Link(0.0, 1e8))
    model = dataclasses.replace(profile.observable.models["a"], weights_bytes=10)
    observable = dataclasses.replace(profile.observable, models={"a": model})
    profile = dataclasses.replace(profile, observable=observable)
    gc.collect()
    gc.disable()
    kinds = (Recorder, Copies, Clock)  # by `type`: `isinstance` asks other libraries' lazy objects for their class
    before = {id(thing) for thing in gc.get_objects() if type(thing) in kinds}  # of other tests' runs
    try:
        simulate(make_workload([(0.0, "a")], profile=profile), profile, Fifo(), cluster=Cluster(gpus=2, **option))
        left = [thing for thing in gc.get_objects() if type(thing) in kinds and id(thing) not in before]
    finally:
        gc.enable()
    assert left == []
