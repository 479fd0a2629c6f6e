"""Weights loaded on demand: batches, their copies and their weights, worked out by hand. Times in ms.

Links of 1 GB/s without latency, so a MB is a ms. Weights: a 4 MB, b 3, c 3; inputs 1 MB; executions 10 ms.
"""

import dataclasses
from math import inf, isnan

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import ProfileError, SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.truth import Transfers
from stratsim.policy import Start
from stratsim.policy.queueing import Fifo
from stratsim.results import invariants, summarize
from stratsim.testing import make_profile, make_workload

MS, MB = 1e-3, 10**6
WEIGHTS = {"a": 4 * MB, "b": 3 * MB, "c": 3 * MB}
LINK = Link(0.0, 1e9)


def with_weights(profile, weights=WEIGHTS, **truth):
    models = {
        name: dataclasses.replace(model, weights_bytes=weights.get(name))
        for name, model in profile.observable.models.items()
    }
    return dataclasses.replace(
        profile,
        observable=dataclasses.replace(profile.observable, models=models),
        truth=dataclasses.replace(profile.truth, **truth),
    )


PROFILE = with_weights(make_profile(dict.fromkeys("abc", 10 * MS), bytes_in=MB, h2d=LINK, d2h=LINK))


def run(rows, *, memory=7 * MB, profile=PROFILE, policy=None, **cluster):
    workload = make_workload([(at * MS, *rest) for at, *rest in rows], profile=profile)
    settings = {"device_model": "processor-sharing", "max_concurrency": 1} | cluster
    policy = policy or Fifo(max_batch=1, drop="never")
    result = simulate(workload, profile, policy, cluster=Cluster(memory=memory, **settings))
    assert invariants(result, result.max_concurrency) == []
    return result


def stages(result):
    """Per batch: end of copy-in, start and end of execution."""
    table = result.batches
    columns = (table.copy_in_end_s, table.execution_start_s, table.execution_end_s)
    return [pytest.approx([column[row] / MS for column in columns]) for row in range(len(table))]


def loads(result):
    """(batch, start, end, evicted) per load; None for never."""
    table = result.loads
    found = zip(
        table.batch.tolist(), *(column / MS for column in (table.start_s, table.end_s, table.evicted_s)), strict=True
    )
    return [
        (batch, *[None if isnan(time) else pytest.approx(float(time)) for time in times]) for batch, *times in found
    ]


def test_weights_come_before_the_inputs():
    """a: weights 0-4, input 4-5, execution 5-15. The second needs no weights: input 5-6."""
    result = run([(0, "a"), (0, "a")])
    assert stages(result) == [[5, 5, 15], [6, 15, 25]]
    assert loads(result) == [(0, 0, 4, None)]


def test_weights_that_are_there_cost_nothing():
    """As without memory, once they have been loaded: input 101-102."""
    result = run([(0, "a"), (100, "a"), (101, "b"), (200, "b")])
    assert stages(result)[1] == [101, 101, 111]
    assert stages(result)[3] == [201, 201, 211]
    assert loads(result) == [(0, 0, 4, None), (2, 101, 104, None)]


def test_without_memory_to_manage_nothing_is_loaded():
    result = run([(0, "a"), (0, "b")], memory=None)
    assert stages(result) == [[1, 1, 11], [2, 11, 21]]
    assert result.loads is None
    assert summarize(result)["pcie"][0]["loads"] == 0


def test_the_least_recently_used_makes_room():
    """a and b fill 7 MB. c needs 3: a was used last at 100, so b (used until 41) goes, not a."""
    result = run([(0, "a"), (20, "b"), (90, "a"), (200, "c"), (300, "a"), (400, "b")])
    # b at 20: weights to 23, input to 24, execution to 34.
    assert stages(result)[1] == [24, 24, 34]
    assert loads(result) == [(0, 0, 4, None), (1, 20, 23, 200), (3, 200, 203, 400), (5, 400, 403, None)]
    # At 300 a is there; at 400 c, last used at 214, goes for b, and a, last used at 311, stays.
    assert stages(result)[4] == [301, 301, 311]
    assert stages(result)[5] == [404, 404, 414]


def test_who_finds_no_room_waits_until_batches_leave():
    """a executes 5-15 and b waits for its 10 MB: no room for both. At 15 a goes; weights 15-25, input 25-26."""
    profile = with_weights(PROFILE, {**WEIGHTS, "b": 10 * MB})
    result = run([(0, "a"), (1, "b")], memory=10 * MB, profile=profile)
    assert loads(result) == [(0, 0, 4, 15), (1, 15, 25, None)]
    assert stages(result) == [[5, 5, 15], [26, 26, 36]]
    assert result.batches.dispatch_s[1] == pytest.approx(1 * MS)


def test_who_comes_after_one_that_waits_for_room_waits_behind_it():
    """Two slots. b waits for room; a's weights are there, but the second a must not keep b out for ever.

    At 15 the first a leaves: b loads 15-25, input 25-26, executes 26-36. The second a needs a again, which finds no
    room until b leaves at 36: weights 36-40, input 40-41.
    """
    profile = with_weights(PROFILE, {**WEIGHTS, "b": 10 * MB})
    result = run([(0, "a"), (1, "b"), (2, "a")], memory=10 * MB, profile=profile, max_concurrency=2)
    assert loads(result) == [(0, 0, 4, 15), (1, 15, 25, 36), (2, 36, 40, None)]
    assert stages(result) == [[5, 5, 15], [26, 26, 36], [41, 41, 51]]


def test_each_gpu_has_a_memory_of_its_own():
    """Both load a at once; the second request on GPU 1 finds it there."""

    class Alternate(Fifo):
        def decide(self, view):
            for queue in self._queues.values():
                while queue:
                    request = queue.pop(0)[2]
                    yield Start((request,), request.id % 2)

    result = run([(0, "a"), (0, "a"), (50, "a"), (50, "a")], gpus=2, policy=Alternate())
    assert loads(result) == [(0, 0, 4, None), (1, 0, 4, None)]
    assert stages(result)[3] == [51, 51, 61]


def test_a_batch_without_input_waits_for_weights_all_the_same():
    result = run([(0, "a", "low", inf, 0), (100, "a", "low", inf, 0)])
    assert stages(result) == [[0, 4, 14], [100, 100, 110]]


def test_weights_without_bytes_are_there_at_once():
    profile = with_weights(PROFILE, {**WEIGHTS, "a": 0})
    result = run([(0, "a")], profile=profile)
    assert stages(result) == [[1, 1, 11]]
    assert loads(result) == [(0, 0, 0, None)]


def test_in_chunks_an_input_may_arrive_before_the_weights():
    """Chunks of 1 MB: weights and input take turns: w i w w w. The input is there at 2, the weights at 5."""
    profile = with_weights(PROFILE, transfers=Transfers(chunk_bytes=MB))
    result = run([(0, "a"), (0, "a")], profile=profile)
    assert loads(result) == [(0, 0, 6, None)]
    assert stages(result)[0] == [2, 6, 16]  # the second input took a turn, too: at 3


def test_weights_share_an_uplink_with_inputs():
    """Two GPUs behind 1 GB/s: both load a at half the rate, 0-8; then the inputs, 8-10."""

    class Both(Fifo):
        def decide(self, view):
            for queue in self._queues.values():
                while queue:
                    request = queue.pop(0)[2]
                    yield Start((request,), request.id)

    result = run([(0, "a"), (0, "a")], gpus=2, policy=Both(), uplink_bytes_per_s=1e9)
    assert loads(result) == [(0, 0, 8, None), (1, 0, 8, None)]
    assert stages(result) == [[10, 10, 20], [10, 10, 20]]


def test_without_transfers_loads_take_no_time_but_room():
    result = run([(0, "a"), (0, "b"), (50, "c")], transfers=False)
    assert loads(result) == [(0, 0, 0, 50), (1, 0, 0, None), (2, 50, 50, None)]
    assert stages(result) == [[0, 0, 10], [0, 10, 20], [50, 50, 60]]


def test_loads_count_as_use_of_the_link():
    """20 ms in all: 4 of weights, 2 of inputs, in 25."""
    figures = summarize(run([(0, "a"), (0, "a")]))["pcie"][0]
    assert (figures["loads"], figures["load_bytes"], figures["h2d_bytes"]) == (1, 4 * MB, 2 * MB)
    assert figures["h2d_utilization"] == pytest.approx(6 / 25)


class Watching(Fifo):
    """Notes which models are resident whenever it is asked."""

    def prepare(self, setting):
        super().prepare(setting)
        self.seen = []
        self.memory_bytes = setting.memory_bytes

    def decide(self, view):
        self.seen.append((pytest.approx(view.now_s / MS), sorted(view.gpus[0].resident)))
        yield from super().decide(view)


def test_policies_see_which_models_are_there():
    policy = Watching(max_batch=1, drop="never")
    result = run([(0, "a"), (3, "a"), (20, "b"), (50, "c"), (60, "c")], policy=policy)
    assert policy.seen == [(0, []), (3, []), (20, ["a"]), (50, ["a", "b"]), (60, ["b", "c"])]
    assert policy.memory_bytes == 7 * MB
    assert len(result.loads) == 3


def test_without_memory_to_manage_all_models_are_there():
    policy = Watching(max_batch=1, drop="never")
    run([(0, "a")], policy=policy, memory=None)
    assert policy.seen == [(0, ["a", "b", "c"])]
    assert policy.memory_bytes is None


def test_the_same_run_twice_is_the_same():
    rng = np.random.default_rng(1)
    rows = [
        (float(at), "abc"[code])
        for at, code in zip(np.cumsum(rng.exponential(8, 300)), rng.integers(0, 3, 300), strict=True)
    ]
    one, other = (run(rows, max_concurrency=2) for _ in range(2))
    assert loads(one) == loads(other)
    assert np.array_equal(one.requests.finish_s, other.requests.finish_s)
    assert len(one.loads) > 50


def test_what_cannot_work_is_said_at_the_start():
    with pytest.raises(
        SpecError, match=r"^model 'a' has 4000000 bytes of weights, more than the memory, 3999999 bytes$"
    ):
        run([(0, "a")], memory=3_999_999)
    with pytest.raises(ProfileError, match=r"lacks 'b'$"):
        run([(0, "b")], profile=with_weights(PROFILE, {"a": 1}))
    with pytest.raises(SpecError, match=r"^memory must be a number of bytes or 'device', got 'all'$"):
        Cluster(memory="all")
    with pytest.raises(SpecError, match=r"^memory must be > 0 bytes and finite, got 0$"):
        Cluster(memory=0)
