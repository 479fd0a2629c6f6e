"""What is imposed on the simulator, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from stratsim import simulate
from stratsim.fidelity.forced import Action, Forced, actions_of
from stratsim.model.cluster import Cluster
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": {1: 0.010, 4: 0.020}, "b": 0.005})
ROWS = [(0.0, "a"), (0.001, "a"), (0.002, "b"), (0.003, "a"), (0.004, "b")]
WORKLOAD = make_workload(ROWS, profile=PROFILE)


def forced(actions, **cluster):
    return simulate(WORKLOAD, PROFILE, Forced(actions), cluster=Cluster(prefetch=5, **cluster))


def test_batches_are_started_when_they_were():
    """The first two together at 7 ms, one between two arrivals, one at an arrival; the last is dropped at 30 ms."""
    actions = [
        Action(0.0025, (2,), 0),
        Action(0.003, (3,), 1),
        Action(0.007, (0, 1), 0),
        Action(0.030, (4,), None, "given up"),
    ]
    result = forced(actions, gpus=2, max_concurrency=1)
    assert result.batches.dispatch_s.tolist() == [0.0025, 0.003, 0.007]
    assert result.batches.gpu.tolist() == [0, 1, 0]
    assert result.requests.batch.tolist() == [2, 2, 0, 1, -1]
    assert result.requests.dropped_s[4] == 0.030
    assert result.reasons == ("given up",)
    assert result.batches.execution_start_s == pytest.approx([0.0025, 0.003, 0.0075])
    assert actions_of(result) == actions


def test_what_was_left_waiting_is_left_waiting():
    result = forced([Action(0.001, (0,), 0)])
    assert len(result.batches) == 1
    assert np.isnan(result.requests.finish_s[1:]).all()


def test_a_dispatch_before_its_members_have_arrived_is_put_off_and_keeps_its_place():
    """A clock that is a little off: at 0.9 ms nobody can take the request of 1 ms."""
    result = simulate(WORKLOAD, PROFILE, Fifo(max_batch=1, drop="never"), cluster=Cluster(prefetch=5))
    dispatch_s = result.batches.dispatch_s.copy()
    dispatch_s[1:3] = [0.0009, 0.0008]
    result = replace(result, batches=replace(result.batches, dispatch_s=dispatch_s))
    actions = actions_of(result)
    assert [action.requests for action in actions] == [(0,), (1,), (2,), (3,), (4,)]
    assert [action.at_s for action in actions] == [0.0, 0.001, 0.002, 0.003, 0.004]
    assert forced(actions).requests.batch.tolist() == result.requests.batch.tolist()
