"""Stopping batches where the host's software takes time, worked out by hand. Times in seconds; kernels of "a" take 1.

Source of the rules: our choice, in docs/explanation/preemption.md. Launching takes 0.5, and what the device has done
is known 0.25 later, unless a case says otherwise.
"""

from dataclasses import replace

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.preemption import AtBoundary, ContextSwitch, Reset, Throttled
from stratsim.model.truth import Host
from stratsim.policy import Policy, Resume, SetTimer, Start, Suspend, Wake
from stratsim.results.checks import invariants
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 10.0, "b": 2.0}, kernels={"a": 10, "b": 2})


class Scripted(Policy):
    """Starts requests as places are free, and suspends or resumes request 0 at the times of a script."""

    wakes = frozenset(Wake)

    def __init__(self, mechanism, script):
        self.preemption = mechanism
        self.script = script

    def prepare(self, setting):
        self.left, self.waiting, self.batch = dict(self.script), [], None
        self.seen = []

    def on_arrival(self, request, view):
        self.waiting.append(request)

    def decide(self, view):
        (gpu,) = view.gpus
        self.seen.append((view.now_s, len(gpu.executing), len(gpu.stopping), gpu.free_places))
        for batch in (*gpu.executing, *gpu.staged):
            self.batch = batch if batch.requests[0].id == 0 else self.batch
        for at_s in [at_s for at_s in self.left if at_s <= view.now_s]:
            yield self.left.pop(at_s)(self.batch)
        while self.waiting and gpu.free_places:
            yield Start((self.waiting.pop(0),))
        for at_s in self.left:
            yield SetTimer(at_s)


def run(mechanism, rows, script, *, slots=1, prefetch=0, **host):
    host = {"launch_s": 0.5, "notice_s": 0.25} | host
    profile = replace(PROFILE, truth=replace(PROFILE.truth, host=Host(**host)))
    policy = Scripted(mechanism, script)
    machine = Cluster(1, "processor-sharing", slots, prefetch, transfers=False)
    result = simulate(make_workload(rows, profile=profile), profile, policy, cluster=machine)
    assert invariants(result, result.max_concurrency) == []
    return result, policy


def times(result):
    """Start and end of each request's execution."""
    batches = result.batches
    rows = result.requests.batch
    return [
        pytest.approx(pair) for pair in zip(batches.execution_start_s[rows], batches.execution_end_s[rows], strict=True)
    ]


def pauses(result):
    table = result.pauses
    columns = (table.suspend_s, table.freed_s, table.stopped_s, table.restart_s, table.lost_s)
    return [pytest.approx(row, nan_ok=True) for row in zip(*(column.tolist() for column in columns), strict=True)]


def test_a_stop_at_a_boundary_and_a_launch_to_go_on():
    """a executes from 0.5. Suspended at 3.75, with 3.25 done, it stops at 4.5, as the host knows at 4.75.

    It launches b, which executes from 5.25 to 7.25, known at 7.5. Resumed at 8, a is launched again: 6 more from 8.5.
    """
    script = {3.75: Suspend, 8.0: Resume}
    result, _ = run(AtBoundary(), [(0.0, "a"), (3.75, "b")], script)
    assert times(result) == [(0.5, 14.5), (5.25, 7.25)]
    assert pauses(result) == [(3.75, 4.75, 4.5, 8.5, 0.0)]


def test_the_policy_hears_of_a_stop_as_late_as_of_an_end():
    """Asked at 4.75, when the stop of 4.5 is known: nothing is stopping any more. It is not asked at 4.5."""
    _, policy = run(AtBoundary(), [(0.0, "a"), (3.75, "b")], {3.75: Suspend, 8.0: Resume})
    asked = [at_s for at_s, *_ in policy.seen]
    assert 4.75 in asked
    assert 4.5 not in asked
    assert next(stopping for at_s, _, stopping, _ in policy.seen if at_s == 4.75) == 0


def test_a_context_switch():
    """Suspended at 3.5 with 3 done; the switch takes 0.5, until 4, known at 4.25; b executes from 4.75 to 6.75."""
    result, _ = run(ContextSwitch(latency_s=0.5), [(0.0, "a"), (3.5, "b")], {3.5: Suspend, 8.0: Resume})
    assert times(result) == [(0.5, 15.5), (4.75, 6.75)]
    assert pauses(result) == [(3.5, 4.25, 4.0, 8.5, 0.0)]


def test_a_reset_loses_the_running_kernel():
    """3.25 done at 3.75: a quarter of a kernel is lost; killed at 4, known at 4.25; b 4.75 to 6.75; a from 8.5."""
    result, _ = run(Reset(latency_s=0.25), [(0.0, "a"), (3.75, "b")], {3.75: Suspend, 8.0: Resume})
    assert times(result) == [(0.5, 15.5), (4.75, 6.75)]
    assert pauses(result) == [(3.75, 4.25, 4.0, 8.5, 0.25)]


def test_what_is_being_launched_is_taken_back_at_once():
    """No kernel of a is on the device at 0.25: b has the slot then, executes from 0.75 to 2.75, known at 3."""
    result, _ = run(AtBoundary(), [(0.0, "a"), (0.25, "b")], {0.25: Suspend, 3.5: Resume})
    assert times(result) == [(4.0, 14.0), (0.75, 2.75)]
    assert pauses(result) == []


def test_a_suspension_of_what_has_ended_already_changes_nothing():
    """a ends at 10.5, and the host does not know at 10.6."""
    result, _ = run(AtBoundary(), [(0.0, "a")], {10.6: Suspend})
    assert times(result) == [(0.5, 10.5)]
    assert pauses(result) == []


def test_nor_does_calling_it_back():
    result, _ = run(AtBoundary(), [(0.0, "a"), (10.65, "b")], {10.6: Suspend, 10.62: Resume})
    assert times(result) == [(0.5, 10.5), (11.25, 13.25)]


def test_nor_does_calling_back_what_has_ended_while_it_was_to_stop():
    """Suspended at 10.25, a ends at its last boundary, 10.5, and is called back before the host knows: b goes on."""
    result, _ = run(AtBoundary(), [(0.0, "a"), (10.65, "b")], {10.25: Suspend, 10.62: Resume})
    assert times(result) == [(0.5, 10.5), (11.25, 13.25)]
    assert pauses(result) == []


def test_called_back_while_it_drains_it_needs_no_launch():
    """Suspended at 3.75, called back at 4: it is 0.5 before its boundary, and goes on as if nothing had been."""
    result, _ = run(AtBoundary(), [(0.0, "a")], {3.75: Suspend, 4.0: Resume})
    assert times(result) == [(0.5, 10.5)]
    assert pauses(result) == []


def test_called_back_before_the_host_knows_of_the_stop():
    """Stopped at 4.5, called back at 4.6; the slot is free for it at 4.75, and it goes on at 5.25."""
    result, _ = run(AtBoundary(), [(0.0, "a")], {3.75: Suspend, 4.6: Resume})
    assert times(result) == [(0.5, 11.25)]
    assert pauses(result) == [(3.75, 4.75, 4.5, 5.25, 0.0)]


def test_others_need_not_wait_for_what_drains():
    """Throttled by 0.9: a kernel at most is in flight, and its slot is free at once: b is launched at 3.75."""
    result, _ = run(Throttled(most_s=0.9), [(0.0, "a"), (3.75, "b")], {3.75: Suspend, 9.0: Resume})
    assert result.batches.execution_start_s[1] == pytest.approx(4.25)
    assert result.pauses.suspend_s == result.pauses.freed_s == pytest.approx([3.75])


def test_without_a_notice_the_slot_is_free_with_the_stop():
    """Only launching takes time: b is launched at 4.5, and executes from 5 to 7; a goes on at 8.5."""
    result, _ = run(AtBoundary(), [(0.0, "a"), (3.75, "b")], {3.75: Suspend, 8.0: Resume}, notice_s=0.0)
    assert times(result) == [(0.5, 14.5), (5.0, 7.0)]
    assert pauses(result) == [(3.75, 4.5, 4.5, 8.5, 0.0)]


def test_dispatch_and_collection_take_their_time_as_ever():
    """1 to dispatch, 0.125 to collect: a executes from 1.5 to 11.5, and its outputs are copied from 11.625 on."""
    result, _ = run(AtBoundary(), [(0.0, "a")], {}, dispatch_s=1.0, collect_s=0.125)
    assert times(result) == [(1.5, 11.5)]
    assert result.batches.copy_out_start_s == pytest.approx([11.625])
