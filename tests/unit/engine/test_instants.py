"""One instant: all its events first, in a documented order, then one round of decisions."""

import numpy as np

from stratsim import simulate
from stratsim.engine.clock import Alarm, Clock, Order
from stratsim.model.cluster import Cluster
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy import SetTimer, Wake
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload

TABLE = {1: 0.25, 4: 0.5, 8: 0.75}
PROFILE = make_profile({"a": TABLE, "b": TABLE})


class Logging(Fifo):
    """FIFO that notes what it is told, and when."""

    def __init__(self, **options):
        super().__init__(**options)
        self.log = []

    def on_arrival(self, request, view):
        self.log.append(("arrival", view.now_s, request.id))
        super().on_arrival(request, view)

    def decide(self, view):
        self.log.append(("decide", view.now_s, view.waiting))
        yield from super().decide(view)


def run(rows, policy, **cluster):
    workload = make_workload(rows, profile=PROFILE)
    return simulate(workload, PROFILE, policy, cluster=Cluster(**{"max_concurrency": 1} | cluster))


def test_simultaneous_arrivals_form_batches_of_the_largest_size():
    """Deciding after each arrival would start a batch of 1."""
    result = run([(0.0, "a")] * 12, Fifo(max_batch=8, drop="never"))
    assert result.batches.size.tolist() == [8, 4]


def test_thousands_at_one_instant():
    """More than the engine reads at a time."""
    policy = Logging(max_batch=8, drop="never")
    result = run([(1.0, "a")] * 20_000, policy)
    assert set(result.batches.size.tolist()) == {8}
    assert [entry for entry in policy.log if entry[:2] == ("decide", 1.0)] == [("decide", 1.0, 20_000)]


def test_decisions_are_asked_for_once_per_instant():
    policy = Logging(max_batch=1, drop="never")
    run([(0.0, "a"), (0.0, "b"), (0.0, "a"), (2.0, "b")], policy)
    assert policy.log[:4] == [("arrival", 0.0, 0), ("arrival", 0.0, 1), ("arrival", 0.0, 2), ("decide", 0.0, 3)]
    decided = [at for what, at, _ in policy.log if what == "decide"]
    assert decided == sorted(set(decided))


def test_an_end_and_an_arrival_at_one_instant_make_one_round():
    """The first ends at .25, exactly when the third arrives: one round sees a free place and both requests."""
    policy = Logging(max_batch=4, drop="never")
    result = run([(0.0, "a"), (0.125, "a"), (0.25, "a")], policy, prefetch=0)
    assert policy.log[-2:] == [("arrival", 0.25, 2), ("decide", 0.25, 2)]
    assert result.batches.size.tolist() == [1, 2]


def test_without_requests_nobody_is_asked():
    policy = Logging(drop="never")
    run([(0.0, "a"), (1.0, "a")], policy)
    assert [at for what, at, _ in policy.log if what == "decide"] == [0.0, 1.0]  # not at the ends, .25 and 1.25


def noting(log):
    """A callback that notes its alarm's owner and asks for the end of the instant to be announced."""

    def note(event):
        log.append(event.owner)
        return True

    return note


def play(clock, log, arrivals=(), *, announce_arrivals=True):
    """Run a clock with arrivals at the given times, and note them and the ends of instants."""
    left = list(arrivals)

    def admit(now_s):
        assert now_s == clock.now == left[0]
        log.append((left.pop(0), "arrival"))
        return left[0] if left else float("inf")

    first_s = left[0] if left else float("inf")
    clock.run_merged(first_s, admit, lambda now_s: log.append((now_s, "end")), announce_arrivals=announce_arrivals)
    return log


def test_order_of_events_at_one_instant():
    """Time, then order, then the sequence in which they were scheduled; then arrivals; decisions after all of them."""
    clock, log = Clock(), []
    planned = [(1.0, Order.TIMER), (1.0, Order.CLIENT), (0.5, Order.TIMER), (1.0, Order.REPLY), (1.0, Order.DEVICE)]
    for at_s, order in [*planned, (1.0, Order.CLIENT)]:
        Alarm(clock, order, noting(log), (at_s, order.name)).arm(at_s)
    assert play(clock, log, [0.25, 1.0, 1.0, 2.0]) == [
        (0.25, "arrival"),
        (0.25, "end"),
        (0.5, "TIMER"),
        (0.5, "end"),
        (1.0, "DEVICE"),
        (1.0, "REPLY"),
        (1.0, "CLIENT"),
        (1.0, "CLIENT"),
        (1.0, "TIMER"),
        (1.0, "arrival"),
        (1.0, "arrival"),
        (1.0, "end"),
        (2.0, "arrival"),
        (2.0, "end"),
    ]


def test_an_instant_without_anything_to_tell_is_not_announced():
    clock, log = Clock(), []
    Alarm(clock, Order.DEVICE, lambda event: bool(log.append(event.owner)), "quiet").arm(1.0)
    assert play(clock, log) == ["quiet"]


def test_arrivals_are_announced_on_demand():
    for wanted, announced in ((True, [(1.0, "end"), (2.0, "end")]), (False, [(2.0, "end")])):
        clock, log = Clock(), []
        Alarm(clock, Order.DEVICE, noting(log), "loud").arm(2.0)
        played = play(clock, log, [1.0, 2.0], announce_arrivals=wanted)
        assert [entry for entry in played if "end" in entry] == announced
        assert clock.now == 2.0


def test_an_alarm_can_be_moved_and_disarmed():
    clock, log = Clock(), []
    moved, off, kept = (Alarm(clock, Order.DEVICE, noting(log), name) for name in "mok")
    for alarm in (moved, off, kept):
        alarm.arm(5.0)
    moved.arm(3.0)
    off.arm(float("inf"))
    kept.arm(5.0)
    assert play(clock, log) == ["m", (3.0, "end"), "k", (5.0, "end")]
    assert clock.scheduled == 4  # three, and the one that was moved


def test_an_alarm_can_be_armed_again_from_its_own_callback():
    clock, log = Clock(), []

    def again(event):
        log.append(clock.now)
        if clock.now < 3:
            alarm.arm(clock.now + 1)

    alarm = Alarm(clock, Order.TIMER, again)
    alarm.arm(1.0)
    assert play(clock, log) == [1.0, 2.0, 3.0]


def test_arrivals_happen_at_exactly_their_time():
    """now + (t - now) is not t for most floats: the clock is set, not advanced.

    Batches take 70 ms, so that no execution ends as a request arrives, a rounding later.
    """
    arrival = np.cumsum(np.full(500, 0.1)) + 1 / 3
    policy, profile = Logging(drop="never"), make_profile({"a": 0.07})
    simulate(make_workload([(at, "a") for at in arrival.tolist()], profile=profile), profile, policy)
    assert [at for what, at, _ in policy.log if what == "arrival"] == arrival.tolist()


def test_a_client_and_a_trace_arrive_at_one_instant_in_one_round():
    policy = Logging(max_batch=8, drop="never")
    client = ClosedLoopClient("c", "a", Priority.LOW, 0, 0, start_s=1.0, limit=1)
    workload = make_workload([(1.0, "a"), (1.0, "a")], profile=PROFILE, closed_loop=[client])
    result = simulate(workload, PROFILE, policy)
    assert [entry for entry in policy.log if entry[0] == "decide"] == [("decide", 1.0, 3)]
    assert result.batches.size.tolist() == [3]


class Timed(Logging):
    """Start nothing until the timer goes off, half a second after the first decision."""

    wakes = frozenset({Wake.ARRIVAL})

    def prepare(self, setting):
        super().prepare(setting)
        self.timer_s = None

    def decide(self, view):
        if self.timer_s is None:
            self.timer_s = view.now_s + 0.5
            yield SetTimer(self.timer_s)
        elif view.now_s >= self.timer_s:
            yield from super().decide(view)


def test_a_timer_wakes_its_policy_once():
    policy = Timed(max_batch=8, drop="never")
    result = run([(0.0, "a"), (0.375, "a")], policy)
    assert result.batches.dispatch_s.tolist() == [0.5]
    assert result.batches.size.tolist() == [2]


def test_a_timer_sees_the_arrivals_of_its_instant():
    result = run([(0.0, "a"), (0.5, "a")], Timed(max_batch=8, drop="never"))
    assert result.batches.size.tolist() == [2]


class Idle(Logging):
    """Set a timer a second after each decision, three times, and start everything at once."""

    def decide(self, view):
        yield from super().decide(view)
        if len(self.log) < 6:
            yield SetTimer(view.now_s + 1.0)


def test_a_timer_wakes_even_where_nothing_waits():
    """As long as something may still come: here a second request, at 4.5."""
    policy = Idle(drop="never")
    run([(0.0, "a"), (4.5, "a")], policy)
    decisions = [at for what, at, _ in policy.log if what == "decide"]
    assert decisions[:5] == [0.0, 1.0, 2.0, 3.0, 4.0]


class Periodic(Fifo):
    """Asks to be woken every 10 ms, for ever."""

    def decide(self, view):
        yield from super().decide(view)
        yield SetTimer(view.now_s + 0.01)


def test_timers_alone_do_not_keep_a_run_alive():
    result = run([(0.0, "a"), (2.0, "a")], Periodic())
    assert (result.requests.status == 1).all()
    assert result.end_s < 4
