"""Times that differ by rounding alone are one instant: for completions, arrivals, timers, copies, stops and clients.

0.1 + 0.2 is 0.30000000000000004 and 0.7 + 0.1 is 0.7999999999999999. The rule is that of docs/reference/metrics.md:
times that differ by less than 1e-12 of themselves, counted from the start of the run, are the same.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.engine.clock import Alarm, Clock, Order
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Priority
from stratsim.model.tolerance import resolution_s
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy import SetTimer, Start, Wake
from stratsim.policy.preempt import KEdf, PreemptIdeal, PreemptKernel
from stratsim.policy.queueing import Fifo
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import RunSpec
from stratsim.testing import make_profile, make_workload

CASES = Path(__file__).parents[2] / "cases" / "policies"
ONE = {"max_concurrency": 1, "prefetch": 0, "transfers": False, "drop": "never"}
MS = 1e-3


def replayed(trace, profile, policy):
    """Replay a case through each policy, one batch at a time with free copies; return the results."""
    spec = RunSpec(trace=str(CASES / trace), profile=str(CASES / profile), policy=policy, **ONE)
    return replay(prepare(spec)).results


def milliseconds(times_s):
    return [round(1000 * at_s, 6) for at_s in times_s.tolist()]


@pytest.mark.parametrize("policy", ["preempt-ideal", "preempt-kernel", "k-edf"])
def test_a_batch_that_ends_as_its_rival_arrives_is_not_stopped(policy):
    """Low from 0.1 to 0.3, high arrives at 0.3 and takes 500 ms: nothing is left to stop, so high ends at 0.8."""
    (result,) = replayed("completion_meets_arrival.csv", "lo_200ms_hi_500ms.json", policy)
    assert milliseconds(result.requests.finish_s - result.requests.arrival_s) == [200, 500]
    assert len(result.pauses) == 0


def test_what_waits_when_a_batch_ends_is_batched_together():
    """0.7 alone until 0.8; then the GPU is free and those of 0.75 and 0.8 wait: one batch of two, until 0.9."""
    (result,) = replayed("batch_tie.csv", "batch_100ms.json", "fifo")
    assert milliseconds(result.batches.dispatch_s) == [700, 800]
    assert result.batches.size.tolist() == [1, 2]
    assert milliseconds(result.requests.finish_s - result.requests.arrival_s) == [100, 150, 100]


PROFILE = make_profile({"a": {1: 0.1, 8: 0.1}})


@pytest.mark.parametrize("offset_s", [0.0, 16_384.0, 86_400.0, 1e7, 1.7e9])
def test_ties_far_from_zero(offset_s):
    """The clock's own rounding grows with the time of day, whenever the run began: 100 ms more is a tie even so."""
    rows = [(offset_s + at_s, "a") for at_s in (0.7, 0.75, 0.8)]
    result = simulate(make_workload(rows, profile=PROFILE), PROFILE, Fifo(drop="never"), cluster=Cluster(1, None, 1, 0))
    assert result.batches.size.tolist() == [1, 2]


@given(
    start_ms=st.integers(0, 2_000),
    service_ms=st.integers(1, 500),
    offset_s=st.sampled_from([0, 1, 1_000, 1_000_000]),
)
def test_decimal_grids_have_ties(start_ms, service_ms, offset_s):
    """On a grid of 1 ms: whoever arrives as a batch ends is in the next batch, together with one that waits already.

    Where start + service is another float than the arrival at that millisecond, in one case of eight, two instants
    would make two batches of the one.
    """
    profile = make_profile({"a": {1: service_ms / 1000, 8: service_ms / 1000}})
    end_ms = start_ms + service_ms
    times_s = [offset_s + at_ms / 1000 for at_ms in (start_ms, end_ms - 0.5, end_ms, end_ms)]
    workload = make_workload([(at_s, "a") for at_s in times_s], profile=profile)
    result = simulate(workload, profile, Fifo(drop="never"), cluster=Cluster(1, None, 1, 0))
    assert result.batches.size.tolist() == [1, 3]


@given(copy_ms=st.integers(1, 200), start_ms=st.integers(0, 1_000), service_ms=st.integers(1, 200))
def test_decimal_grids_with_copies(copy_ms, start_ms, service_ms):
    """An input of so many ms, then the execution: the end of it is a tie with the arrivals of that millisecond, too."""
    profile = make_profile(
        {"a": {1: service_ms / 1000, 8: service_ms / 1000}}, bytes_in=1_000_000, h2d=Link(copy_ms / 1000 - 1e-3, 1e9)
    )
    end_ms = start_ms + copy_ms + service_ms
    times_s = [at_ms / 1000 for at_ms in (start_ms, end_ms - 0.5, end_ms)]
    workload = make_workload([(at_s, "a") for at_s in times_s], profile=profile)
    result = simulate(workload, profile, Fifo(drop="never"), cluster=Cluster(1, None, 1, 0))
    assert result.batches.size.tolist() == [1, 2]


@given(
    start_ms=st.integers(0, 1_000),
    service_ms=st.integers(1, 500),
    policy=st.sampled_from([PreemptIdeal, PreemptKernel, KEdf]),
)
def test_decimal_grids_with_preemption(start_ms, service_ms, policy):
    """High arrives in the millisecond in which low ends: nothing is stopped, and both take their own time."""
    profile = make_profile({"lo": service_ms / 1000, "hi": 0.05}, kernels=10)
    end_s = (start_ms + service_ms) / 1000
    rows = [(start_ms / 1000, "lo", "low", 10.0), (end_s, "hi", "high", end_s + 1.0)]
    workload = make_workload(rows, profile=profile)
    result = simulate(workload, profile, policy(drop="never"), cluster=Cluster(1, None, 1, 0))
    assert len(result.pauses) == 0
    assert milliseconds(result.requests.finish_s - result.requests.arrival_s) == [service_ms, 50]


@given(start_ms=st.integers(0, 1_000), service_ms=st.integers(1, 200), batches=st.integers(2, 3))
def test_decimal_grids_with_co_location(start_ms, service_ms, batches):
    """So many that start together share the GPU, and end together after as many times their own time: a tie."""
    profile = make_profile({"a": {1: service_ms / 1000, 8: service_ms / 1000}})
    end_ms = start_ms + batches * service_ms
    times_s = [at_ms / 1000 for at_ms in [start_ms] * batches + [end_ms - 0.5, end_ms]]
    machine = Cluster(1, "processor-sharing", batches, 0)
    rows = [(at_s, "a") for at_s in times_s]
    policy = AsTheyCome(batches)
    result = simulate(make_workload(rows, profile=profile), profile, policy, cluster=machine)
    assert result.batches.size.tolist() == [1] * batches + [2]


class AsTheyCome(Fifo):
    """Starts the first so many requests alone, and what waits later together."""

    def __init__(self, alone):
        super().__init__(drop="never")
        self.alone = alone

    def on_arrival(self, request, view):
        self.requests.append(request)

    def prepare(self, setting):
        super().prepare(setting)
        self.requests = []

    def decide(self, view):
        while self.requests and view.gpus[0].free_places:
            size = 1 if self.alone else len(self.requests)
            self.alone -= self.alone > 0
            batch, self.requests = self.requests[:size], self.requests[size:]
            yield Start(tuple(batch))


def test_a_copy_over_a_shared_link_and_an_arrival():
    """1 MB at 10 MB/s over an uplink, then 0.1 of execution: it ends at 0.1 + 0.1 + 0.1, when another arrives."""
    profile = make_profile({"a": {1: 0.1, 8: 0.1}}, bytes_in=1_000_000, h2d=Link(0.0, 1e7))
    rows = [(0.1, "a"), (0.25, "a"), (0.3, "a")]
    machine = Cluster(1, None, 1, 0, uplink_bytes_per_s=1e7)
    result = simulate(make_workload(rows, profile=profile), profile, Fifo(drop="never"), cluster=machine)
    assert result.batches.size.tolist() == [1, 2]


def test_a_client_and_an_arrival():
    """Served from 0 to 0.1, it thinks until 0.1 + 0.2, and the trace has a request at 0.3: one batch of two."""
    client = ClosedLoopClient("c", "a", Priority.LOW, 0, 0, think_s=0.2, limit=2)
    workload = make_workload([(0.3, "a")], profile=PROFILE, closed_loop=[client])
    result = simulate(workload, PROFILE, Fifo(drop="never"), cluster=Cluster(1, None, 1, 0))
    assert result.batches.size.tolist() == [1, 2]


class Waiting(Fifo):
    """Starts what waits when its timer goes off, 200 ms after the first arrival."""

    wakes = frozenset({Wake.ARRIVAL})

    def prepare(self, setting):
        super().prepare(setting)
        self.timer_s = None

    def decide(self, view):
        if self.timer_s is None:
            self.timer_s = view.now_s + 0.2
            yield SetTimer(self.timer_s)
        elif view.now_s >= self.timer_s:
            yield from super().decide(view)


def test_a_timer_and_an_arrival():
    """Set at 0.1 for 0.1 + 0.2; the arrival at 0.3 comes an ulp before, and goes along."""
    workload = make_workload([(0.1, "a"), (0.3, "a")], profile=PROFILE)
    result = simulate(workload, PROFILE, Waiting(drop="never"), cluster=Cluster(1, None, 1, 0))
    assert result.batches.size.tolist() == [2]


def ends_of_instants(*times_s, arrivals=()):
    """Return when decisions are asked for, with alarms and arrivals at these times."""
    clock, ends, left = Clock(), [], sorted(arrivals)
    for at_s in times_s:
        Alarm(clock, Order.DEVICE, lambda _: True).arm(at_s)

    def admit(now_s):
        while left and left[0] <= now_s:
            left.pop(0)
        return left[0] if left else float("inf")

    clock.run_merged(left[0] if left else float("inf"), admit, ends.append)
    return ends


def test_instants_do_not_chain():
    """From 0 on: 1 and 1 + 0.7e-12 are one instant, 1 + 1.4e-12 is the next, although it is as close to the second."""
    assert ends_of_instants(0.0, 1.0, 1.0 + 0.7e-12, 1.0 + 1.4e-12) == [0.0, 1.0 + 0.7e-12, 1.0 + 1.4e-12]


def test_instants_are_counted_from_the_start_of_the_run():
    """A run that begins at 1e6 s: 1e-12 of the time of day would be 1 us, but only 1 s has passed."""
    assert ends_of_instants(1e6, 1e6 + 1, 1e6 + 1 + 1e-7) == [1e6, 1e6 + 1, 1e6 + 1 + 1e-7]
    assert resolution_s(1e6 + 1, 1e6) < 1e-8


def test_the_clock_has_the_resolution_of_its_time():
    clock = Clock()
    for at_s in (3.0, 1e4 + 1 / 3):
        Alarm(clock, Order.DEVICE, lambda _: True).arm(at_s)
    ends = []
    clock.run_merged(float("inf"), lambda _: float("inf"), lambda now_s: ends.append((now_s, clock.until_s)))
    assert ends == [(at_s, at_s + resolution_s(at_s, 3.0)) for at_s in (3.0, 1e4 + 1 / 3)]


def test_events_come_before_the_arrivals_of_their_instant():
    """The arrival is an ulp earlier, and time does not go back: 0.3 is admitted at 0.1 + 0.2."""
    clock, log, left = Clock(), [], [0.3]
    Alarm(clock, Order.DEVICE, lambda _: bool(log.append(("end", clock.now)))).arm(0.1 + 0.2)

    def admit(now_s):
        log.append(("arrival", now_s))
        left.clear()
        return float("inf")

    clock.run_merged(left[0], admit, lambda _: None)
    assert log == [("end", 0.1 + 0.2), ("arrival", 0.1 + 0.2)]
