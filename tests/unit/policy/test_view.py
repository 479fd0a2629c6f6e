"""What policies see of the system, and what queueing policies conclude from it. Times in ms."""

import math

import pytest

from stratsim.model.parts import Link
from stratsim.model.request import Priority, Request
from stratsim.policy import DropMode, GpuView, InFlight, Policy, Setting, View, Wake
from stratsim.policy.queueing import Edf, Fifo
from stratsim.policy.state import GpuState, Log, ServerState
from stratsim.rng import Streams
from stratsim.testing import make_profile

MS = 1e-3
PROFILE = make_profile({"a": 10 * MS, "b": 4 * MS}, bytes_in=1_000_000, h2d=Link(0.0, 1e9))


def batch(model="a", dispatch=0.0, started=None):
    """One batch: what `gpu_with` enters. Dispatched and started in ms."""
    return model, dispatch, started


def requests_of(number, model="a"):
    return (Request(number, model, Priority.LOW, 0.0, math.inf, 1_000_000, 0),)


def gpu_with(*batches, places=9, now=0):
    """What a policy sees of a GPU with these batches in flight, their numbers from 0."""
    return GpuView(state_with(*batches, places=places, now=now))


def state_with(*batches, places=9, now=0):
    log = Log()
    log.grow(len(batches))
    log.now_s = now * MS
    gpu = GpuState(0, places, log)
    for number, (model, dispatch, started) in enumerate(batches):
        log.dispatch_s[number] = dispatch * MS
        if started is not None:
            log.execution_start_s[number] = started * MS
        gpu.batches[number] = requests_of(number, model)
    return gpu


def wait(concurrency, now, *batches):
    policy = Fifo()
    policy.prepare(Setting(PROFILE.for_scheduler(), 1, concurrency, 9, 8, DropMode.NEVER, Streams(0)))
    return policy.expected_wait_s(gpu_with(*batches, now=now), now * MS) / MS


class TestExpectedWait:
    def test_none_while_a_slot_is_free(self):
        assert wait(1, 5) == 0
        assert wait(2, 5, batch(started=0)) == 0

    def test_until_the_running_batch_would_end_alone(self):
        assert wait(1, 4, batch(started=0)) == pytest.approx(6)

    def test_not_negative_where_it_is_overdue(self):
        assert wait(1, 15, batch(started=0)) == 0

    def test_until_the_first_of_two_ends(self):
        assert wait(2, 4, batch(started=0), batch("b", started=3)) == pytest.approx(3)

    def test_those_that_wait_already_come_first(self):
        """C = 1: one runs until 10, a staged one then from 10 to 20: at 4 the wait is 16 (possible with prefetch 2)."""
        assert wait(1, 4, batch(started=0), batch()) == pytest.approx(16)

    def test_an_input_that_is_still_on_its_way(self):
        """Dispatched at 3.5, in at 4.5; the slot frees at 10, it ends at 14: 10 from now."""
        assert wait(1, 4, batch(started=0), batch("b", dispatch=3.5)) == pytest.approx(10)


class TestGpuView:
    def test_when_what_executes_would_end(self):
        """Each from its own start, by model; not what is staged, starts later than now, or waits to go on."""
        state = state_with(batch(started=1), batch("b", started=3), batch(), batch(started=6), now=5)
        gpu = GpuView(state)
        latency_s = {"a": (0.0, 10 * MS), "b": (0.0, 4 * MS)}
        assert gpu.executing_until(latency_s) == pytest.approx([11 * MS, 7 * MS])
        state.returning.add(0)
        assert gpu.executing_until(latency_s) == pytest.approx([7 * MS])

    def test_what_is_on_it_in_order(self):
        gpu = gpu_with(batch(started=0), batch(started=1), batch(), places=4, now=1)
        assert [made.id for made in gpu.executing] == [0, 1]
        assert [made.id for made in gpu.staged] == [2]
        assert (gpu.in_flight, gpu.free_places) == (3, 1)

    def test_executing_is_in_the_order_of_the_starts(self):
        """A batch without input overtakes one that copies."""
        gpu = gpu_with(batch(started=2), batch(started=1), batch(started=2), now=2)
        assert [made.id for made in gpu.executing] == [1, 0, 2]

    def test_a_start_that_has_not_come_is_not_seen(self):
        state = state_with(batch(started=3), now=2)
        gpu = GpuView(state)
        (made,) = gpu.staged
        assert gpu.executing == ()
        assert math.isnan(made.execution_start_s)
        state.log.now_s = 3 * MS
        assert gpu.staged == ()
        assert gpu.executing == (made,)
        assert made.execution_start_s == 3 * MS

    def test_a_batch_is_the_same_object_whenever_it_is_asked_for(self):
        state = state_with(batch(started=1))
        gpu = GpuView(state)
        (staged,) = gpu.staged
        assert gpu.staged[0] is staged
        state.log.now_s = 1 * MS
        assert gpu.executing[0] is staged

    def test_lists_are_copies(self):
        state = state_with(batch(started=0))
        gpu = GpuView(state)
        before = gpu.executing
        state.batches.clear()
        assert len(before) == 1
        assert gpu.executing == ()


class TestInFlight:
    def made(self, number=0, requests=None):
        log = Log()
        log.grow(number + 1)
        log.dispatch_s[number] = 0.0
        return log, InFlight(log, number, requests or requests_of(number), 0)

    def test_what_has_not_happened_is_nan(self):
        _, made = self.made(7)
        times = (
            made.copy_in_start_s,
            made.copy_in_end_s,
            made.execution_start_s,
            made.execution_end_s,
            made.copy_out_start_s,
            made.copy_out_end_s,
        )
        assert all(math.isnan(at) for at in times)
        assert (made.id, made.size, made.dispatch_s) == (7, 1, 0.0)
        assert repr(made) == "InFlight(id=7, model='a', size=1, gpu=0)"

    def test_what_is_entered_ahead_of_time_is_nan_until_then(self):
        log, made = self.made()
        log.copy_in_start_s[0], log.copy_in_end_s[0], log.execution_start_s[0] = 1.0, 2.0, 3.0
        seen = []
        for log.now_s in (1.5, 2.0, 3.0):
            times = (made.copy_in_start_s, made.copy_in_end_s, made.execution_start_s)
            seen.append([at for at in times if not math.isnan(at)])
        assert seen == [[], [1.0, 2.0], [1.0, 2.0, 3.0]]

    def test_the_most_urgent_class_among_its_requests(self):
        requests = tuple(
            Request(i, "a", priority, 0.0, math.inf, 0, 0) for i, priority in enumerate((Priority.LOW, Priority.HIGH))
        )
        _, made = self.made(0, requests)
        assert (made.priority, made.model, made.size) == (Priority.HIGH, "a", 2)

    @pytest.mark.parametrize("name", ["size", "dispatch_s", "execution_start_s", "copy_out_end_s"])
    def test_it_is_read_only(self, name):
        _, made = self.made()
        with pytest.raises(AttributeError):
            setattr(made, name, 1)


class TestLeastLoaded:
    def load(self, state, gpu_id, change):
        batches = state.gpus[gpu_id].batches
        if change > 0:
            batches[len(batches)] = requests_of(0)
        else:
            batches.popitem()
        state.changed(state.gpus[gpu_id])

    def test_the_lowest_id_among_equals(self):
        assert View(ServerState(3, 2, Log())).least_loaded().id == 0

    def test_the_fewest_in_flight(self):
        state = ServerState(3, 2, Log())
        view = View(state)
        for gpu_id, expected in ((0, 1), (1, 2), (2, 0), (0, 1)):
            self.load(state, gpu_id, 1)
            assert view.least_loaded().id == expected
        self.load(state, 2, -1)
        assert view.least_loaded().id == 2

    def test_none_if_all_are_full(self):
        for gpus in (1, 2):
            state = ServerState(gpus, 1, Log())
            view = View(state)
            for gpu_id in range(gpus):
                self.load(state, gpu_id, 1)
            assert view.least_loaded() is None
            self.load(state, gpus - 1, -1)
            assert view.least_loaded().id == gpus - 1

    def test_it_stays_small_where_nobody_asks(self):
        state = ServerState(2, 10, Log())
        view = View(state)
        for _ in range(1000):
            self.load(state, 0, 1)
            self.load(state, 0, -1)
        assert len(state.least_loaded) <= 8 * 2 + 1
        self.load(state, 0, 1)
        assert view.least_loaded().id == 1


def test_a_policy_may_match_the_protocol_without_subclassing():
    class Mine:
        wakes = frozenset({Wake.ARRIVAL})

        def prepare(self, setting): ...
        def on_arrival(self, request, view): ...
        def on_done(self, batch, view): ...
        def decide(self, view):
            return ()

    assert isinstance(Mine(), Policy)
    assert isinstance(Edf(), Policy)
    assert not isinstance(object(), Policy)


def test_default_wakes():
    assert Policy.wakes == frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})


def test_what_changed_is_said_once():
    state = ServerState(3, 2, Log())
    view = View(state)
    assert not view.take_changed()
    for number in (2, 0, 2):
        state.changed(state.gpus[number])
    assert sorted(view.take_changed()) == [0, 2]
    assert not view.take_changed()
    state.changed(state.gpus[1])
    assert list(view.take_changed()) == [1]
