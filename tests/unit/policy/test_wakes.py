"""At which moments a policy is asked. Times in ms: copy-in 1, execution 10, copy-out 2."""

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.policy import Start, Wake
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload

MS = 1e-3
PROFILE = make_profile({"a": 10 * MS}, bytes_in=1_000_000, bytes_out=2_000_000, h2d=Link(0.0, 1e9), d2h=Link(0.0, 1e9))


def asked(*moments, requests=9, rows=None, **cluster):
    """Return when a policy that starts nothing after its first request was asked, in ms, and what it was told."""

    class Asked(Fifo):
        wakes = frozenset(moments)

        def prepare(self, setting):
            super().prepare(setting)
            self.times, self.done = [], []

        def decide(self, view):
            self.times.append(round(view.now_s / MS, 6))
            if len(self.times) == 1:
                yield Start((self._queues["a"].pop(0)[2],))

        def on_done(self, batch, view):
            assert view.now_s == batch.copy_out_end_s
            stages = (batch.dispatch_s, batch.copy_in_end_s, batch.execution_start_s, batch.execution_end_s)
            self.done.append(tuple(round(at / MS, 6) for at in (*stages, batch.copy_out_end_s)))

    policy = Asked()
    workload = make_workload(rows or [(0.0, "a"), (0.0, "a")], profile=PROFILE)
    simulate(workload, PROFILE, policy, cluster=Cluster(**cluster))
    return policy.times, policy.done


@pytest.mark.parametrize(
    ("moment", "times"),
    [(Wake.COPY_IN_END, [0, 1]), (Wake.EXECUTION_END, [0, 11]), (Wake.COPY_OUT_END, [0, 13])],
)
@pytest.mark.parametrize("uplink", [None, 1e9])
def test_each_moment(moment, times, uplink):
    assert asked(Wake.ARRIVAL, moment, uplink_bytes_per_s=uplink)[0] == times


def test_all_moments():
    assert asked(*Wake)[0] == [0, 1, 11, 13]


def test_arrivals():
    rows = [(0.0, "a"), (3 * MS, "a"), (5 * MS, "a")]
    assert asked(Wake.ARRIVAL, rows=rows)[0] == [0, 3, 5]


def test_on_done_is_told_all_times_and_only_if_asked_for():
    assert asked(Wake.ARRIVAL, Wake.COPY_OUT_END)[1] == [(0, 1, 1, 11, 13)]
    assert asked(Wake.ARRIVAL, Wake.EXECUTION_END)[1] == []


def test_without_transfers_replies_come_with_the_end_of_execution():
    assert asked(*Wake, transfers=False)[0][-1] == 10


def test_a_copy_in_that_takes_no_time_wakes_too():
    """A policy that starts the next batch when the last one's input is in must not stall without transfers."""
    assert asked(Wake.ARRIVAL, Wake.COPY_IN_END, transfers=False)[0] == [0, 0]


def test_a_policy_that_wakes_at_ends_alone_is_never_asked_first():
    """Nothing ever ends before something was started: its requests stay, and the run says so."""

    class AtEnds(Fifo):
        wakes = frozenset({Wake.EXECUTION_END})

    profile = make_profile({"a": 0.02})
    result = simulate(make_workload([(0.0, "a"), (0.02, "a")], profile=profile), profile, AtEnds())
    assert len(result.batches) == 0
    assert "left 2 requests waiting" in result.notes[0]
