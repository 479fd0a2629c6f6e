"""The executor against a server whose times are known: the log, the decisions, and every way to end."""

import dataclasses

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import PolicyError, ServerError
from stratsim.live import Plan, execute
from stratsim.model.cluster import Cluster
from stratsim.model.request import Status
from stratsim.model.server import Seen, Stage
from stratsim.policy import Drop, DropMode, Resume, SetTimer, Start, Suspend, Wake
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf
from stratsim.results import invariants, summarize, write_results
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": {1: 0.25, 2: 0.375, 4: 0.5}, "b": {1: 0.125}}, bytes_in=8, bytes_out=4)
SOLO = PROFILE.for_scheduler()
ROWS = [(0.0, "a"), (0.125, "b"), (0.125, "a"), (0.25, "b"), (2.0, "a", "high", 2.5)]


def latency_s(work):
    return SOLO.latency_s(work.model, work.size)


def plan(rows=ROWS, **options):
    workload = make_workload(rows, profile=PROFILE)
    largest = {"a": 4, "b": 1}
    return Plan(
        workload, SOLO, largest, **({"slots": 1, "prefetch": 0, "lead_s": 0.0, "drop": DropMode.NEVER} | options)
    )


@pytest.fixture
def serve(fake_server):
    def run(policy, rows=ROWS, *, server=None, first_batch=0, **options):
        planned = plan(rows, **options)
        return execute(
            planned, policy, "p", server or fake_server(latency_s, slots=planned.slots), first_batch=first_batch
        )

    return run


def same(mine, theirs):
    """Assert that two tables hold the same, to the last bit."""
    for name in theirs.__slots__:
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)


def test_fifo_worked_out_by_hand(serve):
    """a runs 0 to .25; the b of .125 is next (to .375), then a (to .625), b (to .75), and a at 2."""
    ran = serve(Fifo(max_batch=1, drop="never"))
    assert ran.stopped is None
    batches = ran.result.batches
    assert batches.dispatch_s.tolist() == [0.0, 0.25, 0.375, 0.625, 2.0]
    assert batches.execution_end_s.tolist() == [0.25, 0.375, 0.625, 0.75, 2.25]
    assert batches.solo_s.tolist() == [0.25, 0.125, 0.25, 0.125, 0.25]
    assert ran.result.requests.finish_s.tolist() == [0.25, 0.375, 0.625, 0.75, 2.25]
    assert ran.result.requests.status.tolist() == [Status.MET] * 5


@pytest.mark.parametrize("policy", [Fifo, Edf, PriorityEdf])
@pytest.mark.parametrize("prefetch", [0, 1, 2])
def test_a_device_that_is_as_simulated_gives_the_simulators_tables(serve, policy, prefetch):
    """One slot and free copies: the simulator's answer is the device's."""
    times = np.random.default_rng(3).integers(0, 640, 60) / 64
    rows = [(at, "ab"[k % 2], ("low", "high")[k % 3 == 0], at + 1.0) for k, at in enumerate(sorted(times))]
    ran = serve(policy(max_batch=4), rows, prefetch=prefetch, drop=DropMode.INFEASIBLE)
    simulated = simulate(
        make_workload(rows, profile=PROFILE),
        PROFILE,
        policy(max_batch=4),
        cluster=Cluster(max_concurrency=1, prefetch=prefetch),
    )
    assert ran.stopped is None
    same(ran.result.requests, simulated.requests)
    same(ran.result.batches, simulated.batches)


def test_requests_arrive_at_the_traces_own_times(serve):
    """A trace may begin at any time; the loop begins just before its first arrival."""
    rows = [(100.0, "b"), (100.5, "b")]
    ran = serve(Fifo(drop="never"), rows, lead_s=0.25)
    assert ran.result.requests.finish_s.tolist() == [100.125, 100.625]
    assert ran.result.start_s == 100.0
    assert ran.result.end_s == 100.625
    assert ran.figures.as_dict()["lag_s"] == {"count": 2, "median": 0.0, "p99": 0.0, "max": 0.0}


def test_arrivals_are_not_slowed_by_the_server(serve):
    """All are admitted when they are due although the first batch takes until .25."""
    seen = []

    class Logging(Fifo):
        def on_arrival(self, request, view):
            seen.append((request.id, view.now_s))
            super().on_arrival(request, view)

    serve(Logging(max_batch=1, drop="never"))
    assert seen == [(0, 0.0), (1, 0.125), (2, 0.125), (3, 0.25), (4, 2.0)]


def test_lag_is_recorded_and_noted(serve, fake_server):
    ran = serve(Fifo(drop="never"), [(0.5, "b"), (1.5, "b")], server=fake_server(latency_s, late_s=0.0625))
    assert list(ran.figures.lag_s) == [0.0, 0.0625]  # the first is due at once
    assert ran.result.requests.arrival_s.tolist() == [0.5, 1.5]
    assert ran.result.requests.finish_s.tolist() == [0.625, 1.6875]
    (note,) = ran.result.notes
    assert "later than the trace" in note
    assert "max 62.50 ms" in note


def test_a_stage_is_seen_once_it_was_polled(serve, fake_server):
    known = []

    class Looking(Fifo):
        def decide(self, view):
            known.append([(b.id, b.execution_start_s) for b in view.gpus[0].executing])
            return super().decide(view)

    serve(Looking(max_batch=1, drop="never"), [(0.0, "a"), (0.125, "b"), (0.1875, "b")])
    assert known[:3] == [[], [(0, 0.0)], [(0, 0.0)]]


def test_replies_wake_policies_that_ask_for_them(serve, fake_server):
    class Replies(Fifo):
        wakes = frozenset({Wake.ARRIVAL, Wake.COPY_OUT_END})

        def prepare(self, setting):
            super().prepare(setting)
            self.done = []

        def on_done(self, batch, view):
            self.done.append((batch.id, batch.execution_end_s, batch.copy_out_end_s, view.now_s))

    policy = Replies(max_batch=1, drop="never")
    ran = serve(policy, server=fake_server(latency_s, copy_s=0.0625))
    assert ran.stopped is None
    assert policy.done[0] == (0, 0.3125, 0.375, 0.375)
    assert len(policy.done) == 5
    # The second is started by the reply to the first, not by the end of its execution.
    assert ran.result.batches.dispatch_s[1] == 0.375


def test_batch_numbers_count_up_over_runs(serve, fake_server):
    server = fake_server(latency_s)
    first = serve(Fifo(max_batch=1, drop="never"), server=server)
    second = serve(Fifo(max_batch=1, drop="never"), server=server, first_batch=first.batches)
    assert [batch for batch, _ in server.submitted] == list(range(10))
    assert second.result.requests.finish_s.tolist() == first.result.requests.finish_s.tolist()


def test_the_setting_and_the_work_are_what_they_should_be(serve, fake_server):
    server = fake_server(latency_s, slots=2)
    serve(Fifo(max_batch=4, drop="never"), [(0.0, "a"), (0.0, "a"), (0.0, "a")], server=server, slots=2)
    assert [(work.model, work.size, work.bytes_in, work.bytes_out) for _, work in server.submitted] == [
        ("a", 3, 24, 12)
    ]


def test_waiting_for_ever_ends_with_a_note(serve):
    class Idle(Fifo):
        def decide(self, view):
            return ()

    ran = serve(Idle(drop="never"), [(0.0, "a"), (1.0, "b")])
    assert ran.stopped is None
    assert ran.result.requests.status.tolist() == [Status.UNFINISHED] * 2
    assert "left 2 requests waiting for ever" in ran.result.notes[0]


def test_timers_alone_do_not_keep_a_run_alive(serve):
    class Ticking(Fifo):
        def decide(self, view):
            yield SetTimer(view.now_s + 0.5)

    ran = serve(Ticking(drop="never"), [(0.0, "a")], patience_s=5.0)
    assert ran.stopped is None
    assert "waiting for ever" in ran.result.notes[0]


def test_timers_wake(serve):
    class Later(Fifo):
        def decide(self, view):
            if view.now_s < 1.0:
                yield SetTimer(1.0)
            else:
                yield from super().decide(view)

    ran = serve(Later(drop="never"), [(0.0, "b")])
    assert ran.result.batches.dispatch_s.tolist() == [1.0]


class Once(Fifo):
    """Takes one given decision at the second request."""

    def __init__(self, make):
        super().__init__(max_batch=1, drop="never")
        self._make = make

    def decide(self, view):
        if any(request.id == 2 for request in view._waiting.values()):
            yield self._make(list(view._waiting.values()), view)
        yield from super().decide(view)


ILLEGAL = {
    "an empty batch": lambda waiting, view: Start(()),
    "there is no GPU 7": lambda waiting, view: Start((waiting[0],), 7),
    "takes a tuple of requests": lambda waiting, view: Start(waiting[0]),
    "a batch of two models": lambda waiting, view: Start((waiting[1], waiting[0])),
    "is not waiting": lambda waiting, view: Drop(waiting[0]._replace(id=99), "x"),
    "must lie in the future": lambda waiting, view: SetTimer(view.now_s),
    "not a decision": lambda waiting, view: "start",
    "cannot preempt": lambda waiting, view: Suspend(None),
    "Suspend and Resume": lambda waiting, view: Resume(None),
}


@pytest.mark.parametrize("message", ILLEGAL)
def test_illegal_decisions_end_the_run_and_keep_what_was_measured(serve, message):
    rows = [(0.0, "a"), (1.0, "b"), (1.0, "a"), (5.0, "a")]
    ran = serve(Once(ILLEGAL[message]), rows)
    assert isinstance(ran.stopped, PolicyError)
    assert message in str(ran.stopped)
    assert "t=1 s" in str(ran.stopped)
    assert ran.result.requests.status.tolist() == [Status.MET, Status.UNFINISHED, Status.UNFINISHED]
    assert invariants(ran.result, 1, measured=True) == []


def test_the_messages_are_the_simulators(serve):
    rows = [(0.0, "a"), (1.0, "b"), (1.0, "a"), (5.0, "a")]
    for message in list(ILLEGAL)[:7]:
        ran = serve(Once(ILLEGAL[message]), rows)
        with pytest.raises(PolicyError) as simulated:
            simulate(
                make_workload(rows, profile=PROFILE),
                PROFILE,
                Once(ILLEGAL[message]),
                cluster=Cluster(max_concurrency=1, prefetch=0),
                name="p",
            )
        assert str(ran.stopped) == str(simulated.value)


def test_more_batches_than_places_are_refused(serve):
    class Greedy(Fifo):
        def decide(self, view):
            for request in list(view._waiting.values()):
                yield Start((request,))

    ran = serve(Greedy(drop="never"), [(0.0, "a"), (0.0, "a")])
    assert "has no free place" in str(ran.stopped)


def test_a_batch_beyond_what_was_loaded_says_so(serve, fake_server):
    class All(Fifo):
        def decide(self, view):
            yield Start(tuple(view._waiting.values()))

    ran = serve(All(drop="never"), [(0.0, "a")] * 5)
    assert "profiled up to 4" in str(ran.stopped)
    smaller = dataclasses.replace(plan([(0.0, "a")] * 3), largest={"a": 2, "b": 1})
    ran = execute(smaller, All(drop="never"), "p", fake_server(latency_s))
    assert "loaded up to 2" in str(ran.stopped)


def test_a_policy_that_raises_is_blamed(serve):
    class Broken(Fifo):
        def on_arrival(self, request, view):
            if request.id == 1:
                raise ZeroDivisionError("oops")
            super().on_arrival(request, view)

    ran = serve(Broken(drop="never"))
    assert isinstance(ran.stopped, PolicyError)
    assert "ZeroDivisionError: oops" in str(ran.stopped)
    assert "test_executor.py" in str(ran.stopped)


@pytest.mark.parametrize("at_s", [0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0, 2.1])
@pytest.mark.parametrize("copy_s", [0.0, 0.0625])
@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ServerError("a worker died"), "a worker died"),
        (MemoryError(), "out of memory"),
        (RuntimeError("CUDA error"), "RuntimeError: CUDA error"),
        (KeyboardInterrupt(), ""),
    ],
)
def test_whatever_ends_a_run_keeps_what_was_measured(serve, fake_server, tmp_path, at_s, copy_s, failure, expected):
    rows = [(0.0, "a"), (0.125, "b"), (0.125, "a", "high", 0.2), (0.25, "b"), (2.0, "a", "high", 2.5)]
    server = fake_server(latency_s, copy_s=copy_s, fails_at_s=at_s, failure=failure)
    ran = serve(Fifo(max_batch=1, drop="never"), rows, server=server, prefetch=1)
    whole = serve(Fifo(max_batch=1, drop="never"), rows, server=fake_server(latency_s, copy_s=copy_s), prefetch=1)
    assert expected in str(ran.stopped)
    assert isinstance(ran.stopped, KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else ServerError)
    assert invariants(ran.result, 1, measured=True) == []
    due = sum(row[0] < at_s for row in rows)
    assert len(ran.result.requests) == due
    finished = [at for at in whole.result.requests.finish_s.tolist() if at < at_s]
    assert [at for at in ran.result.requests.finish_s.tolist() if at == at] == finished
    statuses = ran.result.requests.status
    assert np.count_nonzero(statuses == Status.UNFINISHED) == due - len(finished)
    if due:
        figures = summarize(ran.result, profile=SOLO)
        write_results([ran.result], tmp_path / "partial", manifest={}, summaries=[figures])


def test_no_stage_for_too_long_ends_the_run(serve, fake_server):
    ran = serve(
        Fifo(max_batch=1, drop="never"),
        [(0.0, "a"), *((k / 4, "b") for k in range(400))],
        server=fake_server(latency_s, stuck_from_s=0.3),
        patience_s=3.0,
    )
    assert isinstance(ran.stopped, ServerError)
    assert "no batch has reached a stage for 3 s: 1 in flight, the oldest (1 of 'b')" in str(ran.stopped)
    assert 3.0 < ran.result.end_s < 4.0


@pytest.mark.parametrize(
    "stage", [Seen(0, Stage.EXECUTION_END, 0.0), Seen(5, Stage.COPY_IN_START, 0.0), Seen(0, Stage.COPY_IN_START, 0.0)]
)
def test_a_server_that_tells_nonsense_is_found_out(serve, fake_server, stage):
    class Nonsense(fake_server):
        def poll(self):
            seen = super().poll()
            return [*seen, stage] if any(s.stage is Stage.COPY_IN_END for s in seen) else seen

    ran = serve(
        Fifo(drop="never"),
        server=Nonsense(latency_s, copy_s=0.5)
        if stage.stage is not Stage.EXECUTION_END
        else Nonsense(lambda _: 1.0, copy_s=0.5),
    )
    assert isinstance(ran.stopped, ServerError)
    assert "which cannot be" in str(ran.stopped)


def test_times_that_are_slightly_out_of_order_are_moved_and_counted(serve, fake_server):
    class Early(fake_server):
        def poll(self):
            return [
                s._replace(time_s=s.time_s - 0.001) if s.stage is Stage.COPY_IN_START else s for s in super().poll()
            ]

    ran = serve(Fifo(max_batch=1, drop="never"), server=Early(latency_s))
    assert ran.result.batches.copy_in_start_s.tolist() == ran.result.batches.dispatch_s.tolist()
    assert ran.figures.as_dict()["times_moved"] == {"count": 5, "max_s": pytest.approx(0.001)}


def test_host_figures_have_a_sample_per_call(serve):
    figures = serve(Fifo(max_batch=1, drop="never")).figures
    assert len(figures.submit_s) == 5
    assert len(figures.seen_after_s) == 30
    assert len(figures.decide_s) >= 5
    assert 0 < len(figures.think_s) <= len(figures.decide_s)
