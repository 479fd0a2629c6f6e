"""What the host's software adds (`truth.host`), against tables worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from stratsim import simulate
from stratsim.engine.host import pace
from stratsim.errors import ProfileError
from stratsim.model.cluster import Cluster
from stratsim.model.codec import dump_profile, profile_sha256
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.request import Status
from stratsim.model.truth import Decide, Host, Speeds
from stratsim.policy.base import Wake
from stratsim.policy.preempt import KEdf, PreemptGated, PreemptKernel
from stratsim.policy.queueing import Fifo, PriorityEdf
from stratsim.policy.registry import make_policy, parse_policies, registered
from stratsim.results.checks import invariants
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload

ONE_BY_ONE = make_profile({"a": 0.010})
COPYING = make_profile(
    {"a": {1: 0.010, 4: 0.016}, "b": 0.006},
    sharing={"a": Sharing(0.8, 2.0), "b": Sharing(0.7, 1.0)},
    h2d=Link(1e-4, 1e9),
    d2h=Link(1e-4, 1e9),
    bytes_in=1_000_000,
    bytes_out=500_000,
    noise_cv=0.1,
    kernels=10,
)
ARRIVALS = [(0.0, "a"), (0.001, "b", "high", 0.030), (0.0013, "a"), (0.002, "b"), (0.010, "a", "high"), (0.011, "a")]


def with_host(profile, **figures):
    return replace(profile, truth=replace(profile.truth, host=Host(**figures)))


def run(profile, rows, policy=None, *, slots=1, prefetch=1, gpus=1):
    workload = make_workload(rows, profile=profile)
    cluster = Cluster(gpus=gpus, max_concurrency=slots, prefetch=prefetch)
    result = simulate(workload, profile, policy or Fifo(max_batch=1, drop="never"), cluster=cluster)
    assert invariants(result, result.max_concurrency) == []
    return result


def test_dispatches_wait_for_each_other():
    """Three at once, 2 ms each on the host's one thread; two slots each on two GPUs, so that nothing else holds up."""
    result = run(with_host(ONE_BY_ONE, dispatch_s=0.002), [(0.0, "a")] * 3, slots=2, gpus=2)
    assert result.batches.dispatch_s == pytest.approx([0, 0, 0])
    assert result.batches.copy_in_start_s == pytest.approx([0.002, 0.004, 0.006])
    assert result.batches.execution_start_s[:2] == pytest.approx([0.002, 0.004])


def test_a_launch_holds_the_slot():
    """One slot, 3 ms to launch, 10 ms of work: M/D/1 with a service time of 13 ms."""
    result = run(with_host(ONE_BY_ONE, launch_s=0.003), [(0.0, "a"), (0.001, "a"), (0.030, "a")])
    assert result.batches.execution_start_s == pytest.approx([0.003, 0.016, 0.033])
    assert result.batches.execution_end_s == pytest.approx([0.013, 0.026, 0.043])


def test_the_end_is_noticed_late():
    """One slot, no prefetch, 2 ms to notice: the outputs are there at 10 ms, the next dispatch is at 12 ms."""
    result = run(with_host(ONE_BY_ONE, notice_s=0.002), [(0.0, "a"), (0.001, "a")], prefetch=0)
    assert result.batches.dispatch_s == pytest.approx([0, 0.012])
    assert result.batches.execution_start_s == pytest.approx([0, 0.012])
    assert result.requests.finish_s == pytest.approx([0.010, 0.022])


def test_a_slot_goes_on_when_the_end_is_noticed():
    result = run(with_host(ONE_BY_ONE, notice_s=0.002), [(0.0, "a"), (0.001, "a")], prefetch=1)
    assert result.batches.dispatch_s == pytest.approx([0, 0.001])
    assert result.batches.execution_start_s == pytest.approx([0, 0.012])


def test_outputs_are_collected_late():
    """1 ms of copying out, 0.5 ms until it begins; two that end together are copied one after the other."""
    profile = make_profile({"a": 0.010}, bytes_out=1_000_000, d2h=Link(0.0, 1e9), sharing={"a": Sharing(0.5)})
    result = run(with_host(profile, collect_s=0.0005), [(0.0, "a"), (0.0, "a"), (0.001, "a")], slots=2)
    assert result.batches.execution_end_s == pytest.approx([0.010, 0.010, 0.020])
    assert result.batches.copy_out_start_s == pytest.approx([0.0105, 0.0115, 0.0205])
    assert result.requests.finish_s == pytest.approx([0.0115, 0.0125, 0.0215])


def test_all_three_add_up():
    """Dispatch 1 ms, launch 2 ms, notice 4 ms around 10 ms of work, one place: 17 ms from one dispatch to the next."""
    result = run(with_host(ONE_BY_ONE, dispatch_s=0.001, launch_s=0.002, notice_s=0.004), [(0.0, "a")] * 3, prefetch=0)
    assert result.batches.dispatch_s == pytest.approx([0, 0.017, 0.034])
    assert result.requests.finish_s == pytest.approx([0.013, 0.030, 0.047])


class Watching(Fifo):
    """FIFO that wakes at everything and notes what it sees."""

    wakes = frozenset(Wake)

    def prepare(self, setting):
        super().prepare(setting)
        self.seen = []
        self.done = []

    def decide(self, view):
        (gpu,) = view.gpus
        self.seen.append((round(view.now_s * 1e3, 6), len(gpu.staged), len(gpu.executing)))
        return super().decide(view)

    def on_done(self, batch, view):
        self.done.append((round(view.now_s * 1e3, 6), batch.execution_end_s, batch.copy_out_end_s))


def test_policies_hear_of_everything_late():
    """1 ms in, 10 ms, 1 ms out; each is known 0.5 ms later. A second request waits, as it may not be staged."""
    profile = make_profile(
        {"a": 0.010}, bytes_in=1_000_000, bytes_out=1_000_000, h2d=Link(0.0, 1e9), d2h=Link(0.0, 1e9)
    )
    policy = Watching(max_batch=1, drop="never")
    run(with_host(profile, notice_s=0.0005), [(0.0, "a"), (0.0, "a")], policy, prefetch=0)
    assert (
        policy.seen[:4]
        == [
            (0, 0, 0),
            (1.5, 0, 1),  # the inputs were there at 1, and it has executed since
            (11.5, 0, 0),  # the execution ended at 11
            *policy.seen[3:4],
        ]
    )
    assert policy.done[0] == (12.5, pytest.approx(0.011), pytest.approx(0.012))


def test_nobody_sees_an_end_before_it_is_noticed():
    class Peeking(Fifo):
        def on_arrival(self, request, view):
            super().on_arrival(request, view)
            self.peeked = [batch.execution_end_s for batch in view.gpus[0].executing]

    policy = Peeking(max_batch=1, drop="never")
    run(with_host(ONE_BY_ONE, notice_s=0.004), [(0.0, "a"), (0.012, "a")], policy)
    assert np.isnan(policy.peeked).tolist() == [True]


@pytest.mark.parametrize("policy", [Fifo, PriorityEdf, Watching, PreemptKernel, PreemptGated, KEdf])
@pytest.mark.parametrize(("slots", "gpus"), [(1, 1), (2, 1), (2, 2)])
def test_overheads_of_nothing_change_nothing(policy, slots, gpus):
    """Overheads too small to move any time take the whole detour, and every time stays the same to the bit."""
    nothing = dict.fromkeys(("dispatch_s", "launch_s", "notice_s", "collect_s"), 1e-300)
    if policy is Watching and gpus > 1:
        pytest.skip("it watches one GPU")
    later = [(1 + row[0], row[1], "high", 1.05 + row[0]) for row in ARRIVALS] * 4  # 0 + 1e-300 would not be 0
    plain, hosted = (
        run(profile, later, policy(), slots=slots, gpus=gpus) for profile in (COPYING, with_host(COPYING, **nothing))
    )
    for table in ("requests", "batches"):
        for name in type(getattr(plain, table)).__dataclass_fields__:
            assert np.array_equal(getattr(getattr(plain, table), name), getattr(getattr(hosted, table), name), True), (
                name
            )


@pytest.mark.parametrize("name", registered())
@pytest.mark.parametrize("slots", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_every_policy(name, slots):
    """Those that preempt, too: whatever they stop, every stage of a batch takes its overhead."""
    policy = make_policy(parse_policies(name)[0])
    profile = with_host(COPYING, dispatch_s=0.0004, launch_s=0.0007, notice_s=0.0003, collect_s=0.0002)
    result = run(profile, [(0.004 * n, "ab"[n % 2], "high", 0.004 * n + 0.1) for n in range(200)], policy, slots=slots)
    batches = result.batches
    assert (result.requests.status != Status.UNFINISHED).all()
    assert (batches.copy_in_start_s - batches.dispatch_s >= 0.0004 - 1e-9).all()
    assert (batches.execution_start_s - batches.copy_in_end_s >= 0.0007 - 1e-9).all()
    assert (batches.copy_out_start_s - batches.execution_end_s >= 0.0002 - 1e-9).all()


def test_zero_is_no_overhead():
    """Without overheads the engine takes its fast path: as many events as without the section."""
    plain, zero = (run(profile, ARRIVALS, slots=2) for profile in (COPYING, with_host(COPYING)))
    assert plain.events == zero.events


def test_memory_and_overheads():
    """Weights on demand still come before the inputs, and go when the end is noticed."""
    profile = with_host(COPYING, dispatch_s=0.001, launch_s=0.001, notice_s=0.001)
    models = {name: replace(entry, weights_bytes=1_000_000) for name, entry in profile.observable.models.items()}
    profile = replace(profile, observable=replace(profile.observable, models=models))
    workload = make_workload([(0.0, "a"), (0.0, "b")], profile=profile)
    result = simulate(workload, profile, Fifo(drop="never"), cluster=Cluster(memory=1_000_000))
    assert invariants(result, 2) == []
    assert result.loads.start_s[0] == pytest.approx(0.001)
    assert result.loads.start_s[1] == pytest.approx(result.batches.execution_end_s[0] + 0.001)


@pytest.mark.parametrize("name", ["dispatch_s", "launch_s", "notice_s", "collect_s"])
@pytest.mark.parametrize("value", [-1e-6, float("nan"), float("inf")])
def test_impossible_overheads(name, value):
    with pytest.raises(ProfileError, match=name):
        Host(**{name: value})


def test_profiles_without_the_section_are_unchanged():
    assert "host" not in dump_profile(make_profile({"a": 0.01}, h2d=Link(0.0, 1.0), d2h=Link(0.0, 1.0)))
    linked = make_profile({"a": 0.01}, h2d=Link(0.0, 1.0), d2h=Link(0.0, 1.0))
    assert profile_sha256(linked) != profile_sha256(with_host(linked, notice_s=0.001))


def test_a_policy_that_thinks_holds_the_host():
    """Two arrive together and one 1 ms later; thinking takes 4 ms and a dispatch 2, one after the other.

    The first two are thought of at once: 4 + 2 and then 2; the third begins at 8 and needs 6 more.
    """
    thinking = with_host(ONE_BY_ONE, dispatch_s=0.002, decide_s={"fifo": Decide(0.004)})
    workload = make_workload([(0.0, "a"), (0.0, "a"), (0.001, "a")], profile=ONE_BY_ONE)
    cluster = Cluster(gpus=2, max_concurrency=2)
    policy = Fifo(max_batch=1, drop="never")
    result = simulate(workload, thinking, policy, cluster=cluster, name="fifo(max_batch=1)")
    assert result.batches.copy_in_start_s == pytest.approx([0.006, 0.008, 0.014])
    other = simulate(workload, thinking, policy, cluster=cluster, name="edf")
    assert other.batches.copy_in_start_s == pytest.approx([0.002, 0.004, 0.006])


def test_thoughts_scatter_log_normally():
    thinking = with_host(ONE_BY_ONE, decide_s={"fifo": Decide(0.001, 0.5)})
    rows = [(0.1 * row, "a") for row in range(4000)]
    workload = make_workload(rows, profile=ONE_BY_ONE)
    policy = Fifo(max_batch=1, drop="never")
    result = simulate(workload, thinking, policy, cluster=Cluster(max_concurrency=1), name="fifo")
    logs = np.log((result.batches.copy_in_start_s - result.batches.dispatch_s) / 0.001)
    assert logs.mean() == pytest.approx(0, abs=4 * 0.5 / 4000**0.5)
    assert logs.std() == pytest.approx(0.5, rel=0.05)


@pytest.mark.slow
def test_a_host_of_two_speeds_spends_its_time_in_both():
    """A quarter of the time slow, 0.5 s at a time: over 4000 s the share has a standard deviation of 0.8 %."""
    at = pace(Host(speeds=Speeds(0.5, 2.0, fast_s=1.5, slow_s=0.5)), Streams(3))
    times_s = np.arange(0, 4000, 0.01)
    factors = np.array([at(now_s) for now_s in times_s.tolist()])
    assert set(factors.tolist()) == {0.5, 2.0}
    assert (factors == 2.0).mean() == pytest.approx(0.25, abs=0.03)
    stays = np.diff(np.flatnonzero(np.diff(factors) != 0)) * 0.01
    assert stays[::2].mean() + stays[1::2].mean() == pytest.approx(2.0, rel=0.1)


def test_the_speed_is_a_function_of_time_and_not_of_questions():
    host = Host(speeds=Speeds(0.5, 2.0, 0.3, 0.3))
    forward, backward = pace(host, Streams(1)), pace(host, Streams(1))
    times_s = np.arange(0, 20, 0.1).tolist()
    assert [forward(now_s) for now_s in times_s] == [backward(now_s) for now_s in reversed(times_s)][::-1]


def test_speed_multiplies_dispatches_and_launches():
    """Equal speeds are a factor, whatever the state."""
    rows = [(0.0, "a"), (0.001, "a"), (0.030, "a")]
    figures = {"dispatch_s": 0.002, "launch_s": 0.003}
    twice = run(with_host(ONE_BY_ONE, **figures, speeds=Speeds(2.0, 2.0, 1.0, 1.0)), rows)
    plain = run(with_host(ONE_BY_ONE, **{name: 2 * time_s for name, time_s in figures.items()}), rows)
    assert twice.batches.execution_start_s == pytest.approx(plain.batches.execution_start_s)


@pytest.mark.parametrize("wrong", [{"fast": 2.0, "slow": 1.0}, {"fast_s": 0.0}])
def test_no_such_speeds(wrong):
    with pytest.raises(ProfileError):
        Speeds(**{"fast": 0.5, "slow": 2.0, "fast_s": 1.0, "slow_s": 1.0, **wrong})
