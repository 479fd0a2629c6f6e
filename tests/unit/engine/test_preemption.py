"""Stopping a batch and letting it go on: worked out by hand. Times in seconds; one kernel of a batch of "a" takes 1."""

from dataclasses import replace

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import PolicyError, ProfileError, SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.contention import SharingPhase
from stratsim.model.parts import Link
from stratsim.model.preemption import AtBoundary, ContextSwitch, Gated, Reset
from stratsim.model.profile import Sharing
from stratsim.policy import Policy, Resume, SetTimer, Start, Suspend, Wake
from stratsim.results.checks import invariants
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 10.0, "b": 2.0}, kernels={"a": 10, "b": 2})


class Scripted(Policy):
    """Starts whatever arrives at once, and does what a script says: {time: [(decision, request id), ...]}."""

    wakes = frozenset(Wake)

    def __init__(self, mechanism, script, hold=()):
        self.preemption = mechanism
        self.script = script
        self.hold = hold
        """Requests that are started by the script only."""

    def prepare(self, setting):
        self.left = dict(sorted(self.script.items()))
        self.waiting = []
        self.seen = {}

    def on_arrival(self, request, view):
        self.waiting.append(request)

    def decide(self, view):
        for gpu in view.gpus:
            for batch in (*gpu.executing, *gpu.staged, *gpu.suspended):
                self.seen[batch.requests[0].id] = batch
        for request in [each for each in self.waiting if each.id not in self.hold and view.gpus[0].free_places]:
            self.waiting.remove(request)
            yield Start((request,))
        for at_s in [at_s for at_s in self.left if at_s <= view.now_s]:
            for kind, request_id in self.left.pop(at_s):
                if kind is Start:
                    yield Start((next(r for r in self.waiting if r.id == request_id),))
                    continue
                gpu = view.gpus[0]
                batches = (*gpu.executing, *gpu.staged, *gpu.suspended)
                yield kind(next(batch for batch in batches if batch.requests[0].id == request_id))
        for at_s in self.left:
            yield SetTimer(at_s)


def run(
    mechanism,
    rows,
    script,
    *,
    profile=PROFILE,
    slots=1,
    prefetch=0,
    model="processor-sharing",
    seed=0,
    hold=(),
    **cluster,
):
    machine = Cluster(device_model=model, max_concurrency=slots, prefetch=prefetch, **{"transfers": False, **cluster})
    policy = Scripted(mechanism, script, hold)
    result = simulate(make_workload(rows, profile=profile), profile, policy, cluster=machine, seed=seed)
    assert invariants(result, result.max_concurrency) == []
    return result


def times(result):
    """Start and end of each request's execution."""
    batches = result.batches
    rows = result.requests.batch
    return list(zip(batches.execution_start_s[rows].tolist(), batches.execution_end_s[rows].tolist(), strict=True))


def pauses(result):
    table = result.pauses
    columns = (table.batch, table.suspend_s, table.freed_s, table.stopped_s, table.restart_s, table.lost_s)
    return [pytest.approx(row, nan_ok=True) for row in zip(*(column.tolist() for column in columns), strict=True)]


NAN = float("nan")
ONE = [(0.0, "a")]
TWO = [(0.0, "a"), (3.5, "b")]
STOP_GO = {3.5: [(Suspend, 0)], 7.0: [(Resume, 0)]}


class TestMechanisms:
    """One batch of ten kernels, stopped at 3.5, let go at 7."""

    def test_an_ideal_switch_costs_nothing(self):
        result = run(ContextSwitch(latency_s=0.0), ONE, STOP_GO)
        assert times(result) == [(0.0, 13.5)]
        assert pauses(result) == [(0, 3.5, 3.5, 3.5, 7.0, 0.0)]

    def test_a_context_switch_takes_its_latency(self):
        result = run(ContextSwitch(latency_s=0.25), ONE, STOP_GO)
        assert times(result) == [(0.0, 13.5)]
        assert pauses(result) == [(0, 3.5, 3.75, 3.75, 7.0, 0.0)]

    def test_at_a_boundary_the_running_kernel_ends(self):
        result = run(AtBoundary(), ONE, STOP_GO)
        assert times(result) == [(0.0, 13.0)]
        assert pauses(result) == [(0, 3.5, 4.0, 4.0, 7.0, 0.0)]

    def test_a_block_is_a_part_of_a_kernel(self):
        result = run(AtBoundary(share=0.2), ONE, STOP_GO)
        assert pauses(result) == [(0, 3.5, 3.6, 3.6, 7.0, 0.0)]

    def test_exactly_at_a_boundary_nothing_drains(self):
        result = run(AtBoundary(), ONE, {3.0: [(Suspend, 0)], 7.0: [(Resume, 0)]})
        assert pauses(result) == [(0, 3.0, 3.0, 3.0, 7.0, 0.0)]

    def test_a_reset_loses_the_running_kernel(self):
        result = run(Reset(latency_s=0.1), ONE, STOP_GO)
        assert times(result) == [(0.0, pytest.approx(14.0))]
        assert pauses(result) == [(0, 3.5, 3.6, 3.6, 7.0, 0.5)]

    @pytest.mark.parametrize(("cap", "lost"), [(1, 1.5), (2, 2.5), (9, 3.5), (None, 3.5)])
    def test_a_reset_may_lose_kernels_before_it_but_no_more_than_there_are(self, cap, lost):
        result = run(Reset(latency_s=0.0, cap=cap), ONE, STOP_GO)
        assert pauses(result) == [(0, 3.5, 3.5, 3.5, 7.0, lost)]
        assert times(result)[0][1] == pytest.approx(13.5 + lost)

    def test_a_gate_drains_half_to_all_of_the_kernels_in_flight(self):
        script = {3.5: [(Suspend, 0)], 8.0: [(Resume, 0)]}
        drained = [run(Gated(k=4, sync=True), ONE, script, seed=seed).pauses.stopped_s[0] - 3.5 for seed in range(50)]
        assert 2.0 <= min(drained) < 2.2
        assert 3.8 < max(drained) <= 4.0

    def test_what_drains_past_its_end_was_never_stopped(self):
        result = run(AtBoundary(), ONE, {9.5: [(Suspend, 0)], 11.0: []})
        assert times(result) == [(0.0, 10.0)]
        assert pauses(result) == []

    def test_overhead_makes_all_work_longer(self):
        assert times(run(ContextSwitch(latency_s=0.0, overhead=0.1), ONE, STOP_GO)) == [(0.0, pytest.approx(14.5))]

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Gated(k=0),
            lambda: Gated(k=1.5),
            lambda: Gated(sync=1),
            lambda: AtBoundary(share=0.0),
            lambda: Reset(latency_s=-1.0),
            lambda: Reset(cap=-1),
            lambda: ContextSwitch(latency_s=float("inf")),
            lambda: ContextSwitch(overhead=-0.1),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, make):
        with pytest.raises(SpecError):
            make()


class TestSlots:
    """Who executes meanwhile, on a GPU with one slot."""

    def test_another_waits_for_the_slot_until_the_batch_has_stopped(self):
        """The kernel that runs at 3.5 ends at 4; the other runs 4 to 6; the first goes on at 7."""
        result = run(AtBoundary(), TWO, STOP_GO, prefetch=1)
        assert times(result) == [(0.0, 13.0), (4.0, 6.0)]

    def test_without_sync_it_starts_at_once_beside_what_drains(self):
        """From 3.5 on both execute at half speed; d kernels, 1 to 2, drain by 3.5 + 2d, before the other's end."""
        result = run(Gated(k=2), TWO, {3.5: [(Suspend, 0)], 9.0: [(Resume, 0)]}, prefetch=1)
        stopped_s = float(result.pauses.stopped_s[0])
        drained = (stopped_s - 3.5) / 2
        assert 1.0 <= drained <= 2.0
        assert pauses(result) == [(0, 3.5, 3.5, stopped_s, 9.0, 0.0)]
        assert times(result) == [(0.0, pytest.approx(9.0 + 6.5 - drained)), (3.5, pytest.approx(5.5 + drained))]

    def test_without_sync_it_may_end_without_a_slot(self):
        result = run(Gated(k=8), [(0.0, "a"), (8.0, "b")], {8.0: [(Suspend, 0)], 20.0: []}, prefetch=1)
        assert times(result) == [(0.0, 12.0), (8.0, 12.0)]
        assert pauses(result) == [(0, 8.0, 8.0, NAN, NAN, 0.0)]

    def test_what_is_resumed_goes_before_what_has_not_started(self):
        rows = [(0.0, "a"), (3.0, "b"), (3.0, "b")]
        script = {3.0: [(Suspend, 0)], 4.0: [(Resume, 0)]}
        result = run(ContextSwitch(latency_s=0.0), rows, script, prefetch=2)
        assert times(result) == [(0.0, 12.0), (3.0, 5.0), (12.0, 14.0)]

    def test_while_it_halts_it_cannot_be_called_back(self):
        """Let go at once, it has stopped at 4 and has a slot again there."""
        result = run(ContextSwitch(latency_s=0.5), ONE, {3.5: [(Suspend, 0), (Resume, 0)]})
        assert times(result) == [(0.0, 10.5)]
        assert pauses(result) == [(0, 3.5, 4.0, 4.0, 4.0, 0.0)]

    @pytest.mark.parametrize("mechanism", [AtBoundary(), Gated(k=4, sync=True), Gated(k=4)])
    def test_what_drains_is_called_back_as_if_nothing_had_happened(self, mechanism):
        result = run(mechanism, ONE, {3.5: [(Suspend, 0), (Resume, 0)]})
        assert times(result) == [(0.0, pytest.approx(10.0, rel=1e-12))]
        assert result.paused_s.tolist() == [0.0]

    def test_without_a_slot_it_waits_for_one_while_it_drains(self):
        """Stopped at 3, drained 2 to 4 at half speed beside the other until 7; called back at 3.5 it waits."""
        rows = [(0.0, "a"), (3.0, "b")]
        result = run(Gated(k=4), rows, {3.0: [(Suspend, 0)], 3.5: [(Resume, 0)]}, prefetch=1)
        assert result.pauses.restart_s.tolist() == [7.0]
        assert times(result)[1] == (3.0, pytest.approx(7.0))

    def test_a_staged_batch_does_not_start_until_it_is_resumed(self):
        rows = [(0.0, "b"), (0.0, "a"), (1.0, "b")]
        result = run(ContextSwitch(), rows, {1.0: [(Suspend, 1)], 6.0: [(Resume, 1)]}, prefetch=2)
        assert times(result) == [(0.0, 2.0), (6.0, 16.0), (2.0, 4.0)]
        assert len(result.pauses) == 0

    def test_a_batch_may_be_suspended_while_it_copies(self):
        profile = make_profile({"a": 10.0}, kernels=10, h2d=Link(0.0, 1.0), d2h=Link(0.0, 1.0), bytes_in=2, bytes_out=1)
        script = {1.0: [(Suspend, 0)], 5.0: [(Resume, 0)]}
        result = run(AtBoundary(), ONE, script, profile=profile, transfers=True)
        assert result.batches.copy_in_end_s.tolist() == [2.0]
        assert times(result) == [(5.0, 15.0)]
        script = {1.0: [(Suspend, 0)], 1.5: [(Resume, 0)]}
        assert times(run(AtBoundary(), ONE, script, profile=profile, transfers=True)) == [(2.0, 12.0)]

    def test_a_batch_may_be_stopped_again_and_again(self):
        script = {1.5: [(Suspend, 0)], 3.0: [(Resume, 0)], 4.25: [(Suspend, 0)], 5.0: [(Resume, 0)]}
        result = run(Reset(latency_s=0.0), ONE, script)
        # 1.5 done, 0.5 lost; 1.25 more done, at 2.25: 0.25 lost; 8 left from 5 on.
        assert pauses(result) == [(0, 1.5, 1.5, 1.5, 3.0, 0.5), (0, 4.25, 4.25, 4.25, 5.0, 0.25)]
        assert times(result) == [(0.0, 13.0)]

    def test_while_it_halts_it_slows_others(self):
        """Both at half speed from 3 to 4, when the first has stopped: the other has 1.5 left."""
        rows = [(0.0, "a"), (3.0, "b")]
        result = run(ContextSwitch(latency_s=0.5), rows, {3.5: [(Suspend, 0)], 7.0: [(Resume, 0)]}, slots=2)
        assert times(result) == [(0.0, pytest.approx(13.75)), (3.0, 5.5)]

    @pytest.mark.parametrize(
        ("mechanism", "start"), [(ContextSwitch(latency_s=0.5), 4.0), (AtBoundary(), 4.0), (Gated(k=2), 3.5)]
    )
    def test_nothing_starts_before_what_stops_has_stopped_though_a_slot_is_free(self, mechanism, start):
        script = {3.5: [(Suspend, 0), (Start, 1)], 9.0: [(Resume, 0)]}
        result = run(mechanism, TWO, script, slots=2, hold=(1,))
        assert times(result)[1][0] == start

    def test_while_it_halts_it_does_not_end(self):
        """A tenth of a second before its end it is stopped; the switch takes longer."""
        result = run(ContextSwitch(latency_s=0.5), ONE, {9.9: [(Suspend, 0)], 12.0: [(Resume, 0)]})
        assert times(result) == [(0.0, pytest.approx(12.1))]

    def test_phases_go_on_where_they_were(self):
        """Half of "a" asks for all of the GPU, half for a tenth: beside "c", which asks for 0.9, only one is slow."""
        phases = (SharingPhase(0.5, 1.0, 1.0), SharingPhase(0.5, 0.1, 1.0))
        sharing = {"a": Sharing(phases=phases), "c": Sharing(0.9, 1.0)}
        profile = make_profile({"a": 10.0, "c": 4.0}, kernels=10, sharing=sharing)
        alone = run(ContextSwitch(latency_s=0.0), ONE, {6.0: [(Suspend, 0)], 8.0: [(Resume, 0)]}, profile=profile)
        assert times(alone) == [(0.0, 12.0)]
        beside = run(
            ContextSwitch(latency_s=0.0),
            [(0.0, "a"), (8.0, "c")],
            {6.0: [(Suspend, 0)], 8.0: [(Resume, 0)]},
            profile=profile,
            slots=2,
            model="streams",
        )
        assert times(beside) == [(0.0, pytest.approx(12.0)), (8.0, pytest.approx(12.0))]


class TestView:
    """What a policy sees: decisions and times, nothing of progress."""

    def test_suspended_batches_hold_no_place(self):
        found = []

        class Look(Scripted):
            def decide(self, view):
                yield from super().decide(view)
                gpu = view.gpus[0]
                found.append((view.now_s, gpu.in_flight, gpu.free_places, len(gpu.suspended), len(gpu.stopping)))

        policy = Look(AtBoundary(), {3.5: [(Suspend, 0)], 7.0: [(Resume, 0)]})
        machine = Cluster(device_model="exclusive", prefetch=0, transfers=False)
        simulate(make_workload(ONE, profile=PROFILE), PROFILE, policy, cluster=machine)
        assert list(dict.fromkeys(found)) == [
            (0.0, 1, 0, 0, 0),
            (3.5, 0, 1, 1, 1),
            (4.0, 0, 1, 1, 0),
            (7.0, 1, 0, 0, 0),
            (13.0, 0, 1, 0, 0),
        ]
        assert policy.seen[0].paused_s == 3.0

    def test_the_wait_for_a_slot_after_a_resume_shows_as_staged(self):
        states = {}

        class Look(Scripted):
            def decide(self, view):
                yield from super().decide(view)
                gpu = view.gpus[0]
                states[view.now_s] = [[b.requests[0].id for b in stage] for stage in (gpu.executing, gpu.staged)]

        script = {3.0: [(Suspend, 0)], 4.0: [(Resume, 0)], 6.0: []}
        policy = Look(ContextSwitch(latency_s=0.0), script)
        machine = Cluster(device_model="exclusive", prefetch=1, transfers=False)
        simulate(make_workload([(0.0, "a"), (3.0, "b")], profile=PROFILE), PROFILE, policy, cluster=machine)
        assert states[4.0] == [[1], [0]]
        assert policy.seen[0].paused_s == 2.0


class TestErrors:
    """What is illegal is said in one line."""

    @pytest.mark.parametrize(
        ("script", "message"),
        [
            ({1.0: [(Resume, 0)]}, "batch 0 is not suspended"),
            ({1.0: [(Suspend, 0), (Suspend, 0)]}, "batch 0 is not executing or staged"),
            ({1.0: [(Suspend, 0)]}, "left 1 batches suspended for ever"),
        ],
    )
    def test_an_illegal_decision_is_named(self, script, message):
        with pytest.raises(PolicyError, match=message):
            run(ContextSwitch(), ONE, script)

    def test_a_resume_needs_a_place(self):
        with pytest.raises(PolicyError, match="GPU 0 has no free place"):
            run(ContextSwitch(), TWO, {3.5: [(Suspend, 0)], 4.0: [(Resume, 0)]})

    def test_a_policy_without_a_mechanism_cannot_preempt(self):
        with pytest.raises(PolicyError, match="without an attribute `preemption` cannot preempt"):
            run(None, ONE, STOP_GO)

    def test_what_is_no_batch_is_refused(self):
        class Wrong(Scripted):
            def decide(self, view):
                yield from super().decide(view)
                yield Suspend(self.seen)

        with pytest.raises(PolicyError, match="Suspend takes a batch that is in flight"):
            simulate(make_workload(ONE, profile=PROFILE), PROFILE, Wrong(ContextSwitch(), {}))

    def test_a_device_model_that_cannot_says_which_can(self):
        with pytest.raises(SpecError, match=r"'block-priority' cannot show; these can: streams, kernel-queue"):
            run(ContextSwitch(), ONE, {}, model="block-priority", profile=_with_sms(PROFILE))

    def test_a_profile_without_kernels_is_refused(self):
        profile = make_profile({"a": 10.0})
        with pytest.raises(ProfileError, match=r"lacks observable\.models\.a\.kernels, which .*Gated.* needs"):
            run(Gated(), ONE, {}, profile=profile)
        assert times(run(ContextSwitch(latency_s=0.0), ONE, STOP_GO, profile=profile)) == [(0.0, 13.5)]

    def test_weights_on_demand_need_room_for_all(self):
        profile = make_profile({"a": 10.0, "b": 2.0})
        models = {name: replace(model, weights_bytes=5) for name, model in profile.observable.models.items()}
        profile = replace(profile, observable=replace(profile.observable, models=models))
        workload = make_workload([(0.0, "a"), (1.0, "b")], profile=profile)
        policy = Scripted(ContextSwitch(), {})
        with pytest.raises(SpecError, match=r"the memory must hold the weights of all models.*; it has 9 bytes"):
            simulate(workload, profile, policy, cluster=Cluster(memory=9.0))
        assert len(simulate(workload, profile, policy, cluster=Cluster(memory=10.0)).batches) == 2


def _with_sms(profile):
    return replace(profile, device=replace(profile.device, sms=80))


def test_a_draw_depends_on_nothing_but_the_batch_and_the_number_of_its_stops():
    """Another batch that is stopped before it moves nothing."""
    rows = [(0.0, "a"), (0.0, "a")]
    alone = run(Gated(k=4, sync=True), rows, {1.0: [(Suspend, 1)], 9.0: [(Resume, 1)]}, slots=2)
    script = {0.5: [(Suspend, 0)], 1.0: [(Suspend, 1)], 9.0: [(Resume, 1), (Resume, 0)]}
    both = run(Gated(k=4, sync=True), rows, script, slots=2)
    work = [_drained(each, 1) for each in (alone, both)]
    assert work[0] == pytest.approx(work[1])


def _drained(result, batch):
    """Solo work between the suspension and the stop: at half speed while two execute, at full speed alone."""
    table = result.pauses
    row = int(np.flatnonzero(table.batch == batch)[0])
    begin, end = table.suspend_s[row], table.stopped_s[row]
    other = result.stretches()
    both = [max(0.0, min(end, b) - max(begin, a)) for i, a, b in zip(*other, strict=True) if i != batch]
    return end - begin - sum(both) / 2
