"""The walk through a GPU's believed future, against tables worked by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.policy.forecast import Forecast, Planned
from stratsim.policy.state import InFlight, Log
from stratsim.solve import capped_weighted
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 1.0})


def sharing(active):
    """Processor sharing."""
    return [1.0 / len(active)] * len(active)


def bully(active):
    """Beside `wide`, everything else runs at a quarter of its speed, and `wide` at full speed."""
    beside_wide = any(model == "wide" for model, _ in active)
    return [1.0 if model == "wide" or not beside_wide else 0.25 for model, _ in active]


def planned(model="a", solo_s=1.0, ready_s=0.0, *, high=True, due_s=math.inf):
    return Planned((model, 1), solo_s, ready_s, 0.0, due_s, high=high)


class Server:
    """The server's log of one GPU, written by hand."""

    def __init__(self, forecast):
        self.log = Log()
        self.log.grow(16)
        self.forecast = forecast
        self.started = 0

    def start(self, at_s, batch):
        request = make_workload([(0.0, "a")], profile=PROFILE)
        self.log.dispatch_s[self.started] = at_s
        self.forecast.start(batch, InFlight(self.log, self.started, _requests(request), 0))
        self.started += 1
        return self.started - 1

    def executes(self, batch_id, start_s, end_s=math.nan):
        self.log.execution_start_s[batch_id] = start_s
        self.log.execution_end_s[batch_id] = end_s

    def update(self, now_s):
        self.log.now_s = now_s
        return self.forecast.update(now_s)


def _requests(workload):
    from stratsim.engine.arrivals import open_loop

    return tuple(request for _, request in open_loop(workload))


def ends(batches):
    return [batch.end_s for batch in batches]


def test_one_batch_ends_after_its_solo_time():
    assert ends(Forecast(2, sharing).walk(5.0, planned())) == [6.0]


def test_a_batch_waits_for_its_input():
    assert ends(Forecast(2, sharing).walk(0.0, planned(ready_s=2.0))) == [3.0]


def test_two_overlap_for_as_long_as_both_execute():
    forecast = Forecast(2, sharing)
    server = Server(forecast)
    first = planned(solo_s=1.0)
    server.executes(server.start(0.0, first), 0.0)
    server.update(0.5)
    # Half of the first is left: both at half speed until it ends at 1.5, then the second alone: 1.5 + 0.5.
    assert ends(forecast.walk(0.5, planned(ready_s=0.5))) == [1.5, 2.0]


def test_the_later_input_joins_half_way():
    forecast = Forecast(2, sharing)
    server = Server(forecast)
    server.executes(server.start(0.0, planned(solo_s=1.0)), 0.0)
    server.update(0.0)
    # Alone until 0.5, then shared: the first ends at 1.5 and the second, half done, at 2.0.
    assert ends(forecast.walk(0.0, planned(ready_s=0.5))) == [1.5, 2.0]


def test_one_slot_serves_one_after_the_other():
    forecast = Forecast(1, sharing)
    server = Server(forecast)
    server.executes(server.start(0.0, planned()), 0.0)
    server.start(0.0, planned())
    server.update(0.25)
    assert ends(forecast.walk(0.25, planned())) == [1.0, 2.0, 3.0]


def test_who_hurts_whom_is_told_apart():
    forecast = Forecast(2, bully)
    server = Server(forecast)
    server.executes(server.start(0.0, planned("narrow")), 0.0)
    server.update(0.5)
    # The narrow one crawls while the wide one runs for a second: 0.5 left, less 0.25, then alone.
    narrow, wide = forecast.walk(0.5, planned("wide"))
    assert wide.end_s == 1.5
    assert narrow.end_s == 1.75


def test_work_left_is_integrated_over_the_co_runners_there_were():
    forecast = Forecast(2, bully)
    server = Server(forecast)
    narrow = planned("narrow", solo_s=2.0)
    server.executes(server.start(0.0, narrow), 0.0)
    wide = server.start(0.0, planned("wide"))
    server.executes(wide, 1.0, 2.0)
    assert [batch.key[0] for batch in server.update(3.0)] == ["wide"]
    # 1 s alone, 1 s at a quarter, 1 s alone: 2.25 s of 2 s: overdue, the floor is left.
    assert narrow.left_s == 0.05 * 2.0
    assert forecast.overdue == 1


def test_an_overdue_batch_keeps_the_floor_and_is_counted_once_until_it_recovers():
    forecast = Forecast(1, sharing, floor=0.1)
    server = Server(forecast)
    server.executes(server.start(0.0, planned()), 0.0)
    for now_s in (0.5, 1.5, 2.5):
        server.update(now_s)
    assert forecast.overdue == 1
    assert ends(forecast.walk(2.5)) == [2.6]


def test_the_intervals_of_an_ended_batch_cover_its_execution():
    forecast = Forecast(3, sharing)
    server = Server(forecast)
    target = planned("t", solo_s=4.0)
    server.executes(server.start(0.0, target), 1.0)
    server.executes(server.start(0.0, planned("x")), 2.0)
    server.update(2.5)
    server.executes(1, 2.0, 3.0)
    server.executes(server.start(2.5, planned("y")), 2.75, 4.0)
    server.executes(0, 1.0, 6.0)
    ended = server.update(6.0)
    assert [batch.key[0] for batch in ended] == ["x", "y", "t"]
    assert forecast.intervals(target) == [
        (1.0, ()),
        (0.75, (("x", 1),)),
        (0.25, (("x", 1), ("y", 1))),
        (1.0, (("y", 1),)),
        (2.0, ()),
    ]


def test_a_batch_may_start_and_end_between_two_updates():
    forecast = Forecast(2, sharing)
    server = Server(forecast)
    short = planned("s")
    server.executes(server.start(0.0, short), 0.25, 1.25)
    assert server.update(5.0) == [short]
    assert forecast.intervals(short) == [(1.0, ())]
    assert len(forecast) == 0


def test_a_slot_is_taken_over_at_the_instant_it_is_freed():
    forecast = Forecast(1, sharing)
    server = Server(forecast)
    server.executes(server.start(0.0, planned("x")), 0.0, 1.0)
    second = planned("y")
    server.executes(server.start(0.0, second), 1.0, 2.0)
    assert [batch.key[0] for batch in server.update(2.0)] == ["x", "y"]
    assert forecast.intervals(second) == [(1.0, ())]


def test_forgetting_keeps_what_those_that_execute_still_need():
    forecast = Forecast(2, sharing)
    server = Server(forecast)
    server.log.grow(2000)
    for number in range(400):
        server.executes(server.start(number, planned("x")), float(number), number + 1.0)
    long = planned("long", solo_s=100.0)
    batch = server.start(400.0, long)
    server.executes(batch, 400.0)
    server.update(400.0)
    server.executes(server.start(400.0, planned("x")), 401.0, 402.0)
    server.update(403.0)
    forecast.forget()
    server.executes(batch, 400.0, 405.0)
    assert server.update(405.0) == [long]
    assert forecast.intervals(long) == [(1.0, ()), (1.0, (("x", 1),)), (3.0, ())]


def test_the_commitment_is_what_the_last_walk_believed():
    forecast = Forecast(1, sharing)
    server = Server(forecast)
    batch = planned()
    server.start(0.0, batch)
    forecast.walk(0.0)
    forecast.commit(0.0)
    forecast.walk(0.0, planned())
    assert (batch.asked_s, batch.expected_s) == (0.0, 1.0)


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_the_walk_is_what_the_simulated_device_does(slots):
    """With the device's own rates the forecast is exact: simulated ends of a burst, predicted at its dispatch."""
    from stratsim import simulate
    from stratsim.model.cluster import Cluster
    from stratsim.model.profile import Sharing
    from stratsim.policy import Policy, Start

    shares = {"a": Sharing(0.8, 5.0), "b": Sharing(0.6, 1.0), "c": Sharing(0.9, 2.0)}
    solo = {"a": 1.0, "b": 2.0, "c": 0.75}
    profile = make_profile(solo, sharing=shares)

    def rates(active):
        return capped_weighted([shares[m].demand for m, _ in active], [shares[m].weight for m, _ in active])

    class Burst(Policy):
        def prepare(self, setting):
            self.waiting = []

        def on_arrival(self, request, view):
            self.waiting.append(request)

        def decide(self, view):
            while self.waiting:
                yield Start((self.waiting.pop(0),))

    order = ["a", "b", "c", "b", "a"]
    workload = make_workload([(0.0, model) for model in order], profile=profile)
    cluster = Cluster(max_concurrency=slots, prefetch=len(order))
    simulated = simulate(workload, profile, Burst(), cluster=cluster).batches.execution_end_s.tolist()

    forecast = Forecast(slots, rates)
    for model in order:
        forecast.staged.append(planned(model, solo_s=solo[model]))
    assert ends(forecast.walk(0.0)) == pytest.approx(simulated, rel=1e-12)


WORK = st.floats(1e-4, 1.0)
READY = st.floats(-0.5, 1.5)
SHARE = st.floats(0.02, 1.0)


def pair_ends(left_s, solo_s, ready_s, first_rate, rate):
    """The closed form for a batch that executes since before time 0 and one that joins it: when each ends."""
    joins_s = max(ready_s, 0.0)
    if left_s <= joins_s:
        return left_s, joins_s + solo_s
    left_s -= joins_s
    first_s, needs_s = left_s / first_rate, solo_s / rate
    if first_s <= needs_s:
        return joins_s + first_s, joins_s + first_s + (solo_s - first_s * rate)
    return joins_s + needs_s + (left_s - needs_s * first_rate), joins_s + needs_s


@given(left_s=WORK, solo_s=WORK, ready_s=READY, rates=st.tuples(SHARE, SHARE), candidate=st.booleans())
def test_two_batches_end_by_the_closed_form(left_s, solo_s, ready_s, rates, candidate):
    """To the last bit, whether the second is staged or a candidate."""
    forecast = Forecast(2, lambda _: rates)
    forecast.executing.append(planned("a", solo_s=left_s))
    other = planned("b", solo_s=solo_s, ready_s=ready_s)
    if not candidate:
        forecast.staged.append(other)
    walked = ends(forecast.walk(0.0, other if candidate else None))
    assert walked == list(pair_ends(left_s, solo_s, ready_s, *rates))


@given(
    steps=st.lists(st.floats(0.0, 0.4), max_size=12),
    solo=st.lists(WORK, min_size=1, max_size=3),
    ends_at=st.integers(0, 12),
)
def test_catching_up_is_to_have_been_updated(steps, solo, ends_at):
    """Work left, what is overdue, and what is forecast: in one step as in many, but for rounding."""
    found = []
    for lazy in (False, True):
        forecast = Forecast(3, sharing, 0.1)
        server = Server(forecast)
        batches = [planned(solo_s=solo_s) for solo_s in solo]
        for batch in batches:
            server.executes(server.start(0.0, batch), 0.0)
        server.update(0.0)
        now_s = 0.0
        for number, step_s in enumerate(steps):
            now_s += step_s
            if number == ends_at:
                server.executes(0, 0.0, now_s - 0.5 * step_s)
            if number == ends_at or not lazy:
                server.update(now_s)
        if lazy:
            forecast.catch_up(now_s)
            forecast.catch_up(now_s - 1.0)  # it is there already
        found.append([*ends(forecast.walk(now_s, planned())), *[batch.left_s for batch in batches]])
    assert found[0] == pytest.approx(found[1], rel=1e-12, abs=1e-12)
