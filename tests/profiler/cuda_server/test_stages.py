"""When batches copy and execute on a CUDA server, and that the times it tells are those of the device."""

import itertools

import pytest

pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")

from stratsim.model.server import Stage
from stratsim_profiler.serve import cuda_clock
from tests.profiler.cuda_server.serving import BYTES_IN, busy, serve, table, work
from tests.profiler.cuda_server.simulated import BYTES_PER_S, COPY_S, LAUNCH_S, RUN_S, US, Event, Stream


def test_a_batch_alone_takes_what_its_parts_take(make):
    """And at most what the host needs to launch the first of them."""
    one = table(serve(make(), [(0.0, work(size=2))]))[0]
    copy_s = COPY_S + 2 * BYTES_IN / BYTES_PER_S
    inside_s = 4 * COPY_S + 4 * BYTES_IN / BYTES_PER_S  # two tensors in, two out
    within = pytest.approx
    assert one[Stage.COPY_IN_END] - one[Stage.COPY_IN_START] == within(copy_s + LAUNCH_S, abs=0.2 * US)
    assert 0 <= one[Stage.EXECUTION_START] - one[Stage.COPY_IN_END] < 10 * US
    assert 0 <= one[Stage.EXECUTION_END] - one[Stage.EXECUTION_START] - RUN_S["short"] - inside_s < LAUNCH_S + 0.2 * US
    assert 0 <= one[Stage.COPY_OUT_START] - one[Stage.EXECUTION_END] < 10 * US
    assert one[Stage.COPY_OUT_END] - one[Stage.COPY_OUT_START] == within(copy_s + LAUNCH_S, abs=0.2 * US)


def test_an_execution_follows_its_copy_though_the_host_looks_away(make, sim):
    server = make(max_bytes_in=1 << 20)
    server.submit(0, work()._replace(bytes_in=1 << 20))
    sim.host_s += 1.0
    one = table(server.poll())[0]
    assert one[Stage.COPY_IN_END] - one[Stage.COPY_IN_START] == pytest.approx(
        LAUNCH_S + COPY_S + (1 << 20) / BYTES_PER_S, abs=0.2 * US
    )
    assert one[Stage.EXECUTION_START] == pytest.approx(one[Stage.COPY_IN_END], abs=0.2 * US)
    assert one[Stage.EXECUTION_END] < 0.01


def test_copies_in_follow_each_other_in_the_order_of_submission(make):
    seen = serve(make(), [(0.0, work()), (0.0, work()), (0.0, work())])
    rows = table(seen)
    for early, late in itertools.pairwise(sorted(rows)):
        assert rows[late][Stage.COPY_IN_START] >= rows[early][Stage.COPY_IN_END]


def test_a_copy_in_is_told_when_it_has_ended_not_when_a_later_one_has(make, sim):
    server = make(max_bytes_in=1 << 20)
    for number in range(2):
        server.submit(number, work()._replace(bytes_in=1 << 20))
    sim.host_s += 1.2e-3  # the first takes 1.07 ms
    seen = [(one.batch, one.stage) for one in server.poll()]
    assert (0, Stage.COPY_IN_END) in seen
    assert (1, Stage.COPY_IN_START) in seen
    assert (1, Stage.COPY_IN_END) not in seen


def test_a_batch_without_a_slot_gets_the_first_that_is_free(make):
    rows = table(serve(make(), [(0.0, work("long")), (0.0, work()), (0.0, work()), (0.0, work())]))
    start, end = Stage.EXECUTION_START, Stage.EXECUTION_END
    assert 0 <= rows[2][start] - rows[1][end] < 50 * US
    assert 0 <= rows[3][start] - rows[2][end] < 50 * US
    assert rows[3][end] < rows[0][end]


def test_one_slot_executes_one_batch_at_a_time_in_order(make):
    rows = table(serve(make(slots=1), [(0.0, work(size=size)) for size in (1, 2, 4)], places=3))
    for early, late in itertools.pairwise(range(3)):
        assert rows[late][Stage.EXECUTION_START] >= rows[early][Stage.EXECUTION_END]


def test_a_long_execution_does_not_hold_up_the_copy_out_of_a_later_batch(make):
    rows = table(serve(make(), [(0.0, work("long")), (0.0, work())]))
    assert 0 <= rows[1][Stage.COPY_OUT_START] - rows[1][Stage.EXECUTION_END] < 20 * US
    assert rows[1][Stage.COPY_OUT_END] < rows[0][Stage.EXECUTION_END]


def test_no_slot_has_two_batches_and_all_of_them_work(make):
    rows = table(serve(make(slots=3), busy(2), places=5))
    changes = sorted(
        [(row[Stage.EXECUTION_START], 1) for row in rows.values()]
        + [(row[Stage.EXECUTION_END], -1) for row in rows.values()]
    )
    assert max(itertools.accumulate(change for _, change in changes)) == 3


def test_times_are_those_of_the_device(make, sim):
    """Against the simulation's own record of every event, with a GPU whose clock is 50 ppm fast."""
    sim.rate = 1 + 50 * US
    server = make(spin=False)
    zero = server._clock._zero_s
    jobs = [(at * 10, what) for at, what in busy(3, 300)]
    seen = serve(server, jobs)
    for stream, stages in ((server._in, list(Stage)[:2]), (server._out, list(Stage)[4:])):
        true = [at - zero for found, at in sim.records if found is stream]
        told = [one.time_s for one in seen if one.stage in stages]
        assert len(true) == 2 * len(jobs)
        assert max(abs(a - b) for a, b in zip(true, sorted(told), strict=True)) < 10 * US
    assert server.clock_drift == pytest.approx(-50 * US, abs=5 * US)
    assert server.clock_uncertainty_s < 15 * US


def test_no_stage_is_later_than_the_poll_that_tells_it(make, monkeypatch):
    server = make()
    monkeypatch.setattr(server._clock, "time_s", lambda event: 1e9)
    server.submit(0, work())
    server.wait(server.now_s() + 1)
    seen = server.poll()
    assert seen
    assert all(one.time_s <= server.now_s() for one in seen)
    assert server.clamps == len(seen)


def test_waiting_ends_at_the_time_or_when_a_stage_is_there(make):
    server = make()
    server.wait(0.05)
    assert server.now_s() == pytest.approx(0.05, abs=5 * US)
    server.submit(0, work("long"))
    looks, seen = 0, []
    while Stage.COPY_OUT_END not in seen:
        server.wait(1.0)
        seen += [one.stage for one in server.poll()]
        looks += 1
    assert looks <= len(Stage)
    assert server.now_s() < 0.08


def test_without_a_core_of_its_own_waiting_sleeps(make, sim):
    server = make(spin=False)
    server.wait(server.now_s() + 0.01)
    assert 100 <= sim.naps <= 210


def test_the_clock_keeps_time_for_minutes(sim):
    sim.rate = 1 - 80 * US
    stream, other = Stream(sim), Stream(sim)
    clock = cuda_clock.DeviceClock(stream)
    clock.start()
    clock.start()
    for _ in range(2000):
        sim.host_s += 0.1
        clock.tick()
        event = Event(sim)
        event.record(other)
        sim.host_s += 50 * US
        assert clock.time_s(event) == pytest.approx(event.time_s - clock._zero_s, abs=3 * US)
    assert clock.drift == pytest.approx(80 * US, abs=1 * US)
    assert clock.anchors > 600
    assert clock.uncertainty_s < 3 * US


def test_a_wide_bracket_is_dropped(sim):
    stream = Stream(sim)
    clock = cuda_clock.DeviceClock(stream)
    clock.start()
    before = clock.uncertainty_s
    sim.host_s += 1.0
    stream.tail_s = sim.host_s + 1e-3
    clock.tick()
    assert (clock.anchors, clock.dropped, clock.uncertainty_s) == (1, 1, before)
