"""The CUDA server, on a simulated CUDA: streams are queues in virtual time, every operation takes a known time.

Host calls take time too, on a virtual clock of the host, and the GPU's clock drifts against it. Copies and runs write
when they end; what each reads and writes, and when, is kept, so that two that meet on the same memory are found.
"""

import contextlib
import gc
import heapq
import itertools
import random
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")

from stratsim.errors import ServerError, SpecError  # noqa: E402
from stratsim.model.server import Stage, Work  # noqa: E402
from stratsim_profiler.device import works  # noqa: E402
from stratsim_profiler.serve import cuda, cuda_clock, cuda_models  # noqa: E402

US = 1e-6
COPY_S, BYTES_PER_S = 20 * US, 1e9
LAUNCH_S = 3 * US
"""What the host needs to enqueue something."""

RUN_S = {"short": 1e-3, "long": 20e-3}
SIZES = (1, 2, 4)
BYTES_IN, BYTES_OUT = 32 + 16, 32 + 16  # of a request of a toy: 8 floats and 2 integers, in and out
ROOM = 4 * BYTES_IN


class Simulation:
    """The host's clock, the GPU's clock, and what was enqueued."""

    def __init__(self):
        self.host_s = 100.0
        self.rate = 1.0
        self.current = None
        self.capturing = None
        self.streams = []
        self.operations = []
        self.pending = []
        self.numbers = itertools.count()
        self.pools = {}
        self.records = []
        self.broken = None
        self.hangs = False
        self.naps = 0

    def perf_counter(self):
        self.host_s += 0.05 * US
        return self.host_s

    def sleep(self, seconds):
        self.naps += 1
        self.host_s += seconds

    def enqueue(self, seconds, reads, writes, effect, name):
        self.host_s += LAUNCH_S
        stream = self.current
        start = max(stream.tail_s, self.host_s)
        stream.tail_s = start + seconds
        where = ([_range(tensor) for tensor in reads], [_range(tensor) for tensor in writes])
        self.operations.append(
            SimpleNamespace(start=start, end=stream.tail_s, name=name, reads=where[0], writes=where[1])
        )
        heapq.heappush(self.pending, (stream.tail_s, next(self.numbers), effect))

    def settle(self):
        """Let happen what has ended by now."""
        while self.pending and self.pending[0][0] <= self.host_s:
            with torch.inference_mode():
                heapq.heappop(self.pending)[2]()

    def synchronize(self, _=None):
        self.host_s = max([self.host_s, *(stream.tail_s for stream in self.streams)])
        self.settle()

    def copy(self, target, source):
        assert target.numel() == source.numel()
        seconds = COPY_S + target.numel() / BYTES_PER_S
        self.enqueue(seconds, [source], [target], lambda: target.copy_(source), "copy")

    def conflicts(self):
        """Return the pairs of operations that met on the same memory, one of them writing."""
        alive, found = [], []
        for late in sorted(self.operations, key=lambda one: one.start):
            alive = [early for early in alive if early.end > late.start + 1e-12]
            found += [(early, late) for early in alive if _meet(early, late)]
            alive.append(late)
        return found


def _range(tensor):
    return tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.element_size()


def _meet(one, other):
    return any(
        a < d and c < b
        for mine, theirs in ((one.writes, other.writes), (one.writes, other.reads), (one.reads, other.writes))
        for a, b in mine
        for c, d in theirs
    )


class Stream:
    def __init__(self, sim):
        self.sim, self.tail_s = sim, 0.0
        sim.streams.append(self)

    def wait_event(self, event):
        self.sim.host_s += 1 * US
        assert event.time_s is not None
        self.tail_s = max(self.tail_s, event.time_s)

    def synchronize(self):
        self.sim.host_s = max(self.sim.host_s, self.tail_s)
        self.sim.settle()

    def query(self):
        if self.sim.broken:
            raise RuntimeError(self.sim.broken)
        return not self.sim.hangs and self.tail_s <= self.sim.host_s


class Event:
    def __init__(self, sim):
        self.sim, self.time_s = sim, None

    def record(self, stream):
        self.sim.host_s += 2 * US
        self.time_s = stream.tail_s = max(stream.tail_s, self.sim.host_s)
        self.sim.records.append((stream, self.time_s))

    def query(self):
        if self.sim.broken:
            raise RuntimeError(self.sim.broken)
        assert self.time_s is not None
        self.sim.host_s += 1 * US
        self.sim.settle()
        return not self.sim.hangs and self.time_s <= self.sim.host_s

    def elapsed_time(self, end):
        assert max(self.time_s, end.time_s) <= self.sim.host_s
        return float(torch.tensor((end.time_s - self.time_s) * self.sim.rate * 1e3, dtype=torch.float32))


class Graph:
    def __init__(self, sim):
        self.sim, self.toys, self.pool = sim, [], None

    def replay(self):
        self.sim.host_s += 20 * US
        others = [
            out for graph in self.sim.pools[self.pool] if graph is not self for toy in graph.toys for out in toy[3]
        ]
        for seconds, inputs, effect, outputs in self.toys:

            def both(effect=effect):
                effect()
                for out in others:  # scratch memory of one graph may be another's outputs
                    out.fill_(99)

            self.sim.enqueue(seconds, inputs, [*outputs, *others], both, "run")


class Toy:
    """Two inputs, two outputs: `2 x + sum of ids` and `ids + 1`."""

    def __init__(self, sim, model):
        self.sim, self.model = sim, model

    def __call__(self, x, ids):
        outs = torch.empty_like(x), torch.empty_like(ids)

        def effect():
            for out, value in zip(outs, answer(x, ids), strict=True):
                out.copy_(value)

        run = (RUN_S[self.model], [x, ids], effect, outs)
        if self.sim.capturing:
            self.sim.capturing.toys.append(run)
        else:
            self.sim.enqueue(run[0], run[1], outs, effect, "run")
        return {"scores": outs[0], "rest": [outs[1]]}


def answer(x, ids):
    return 2 * x + ids.sum(1, keepdim=True), ids + 1


@pytest.fixture
def sim(monkeypatch):
    found = Simulation()

    @contextlib.contextmanager
    def current(stream):
        before, found.current = found.current, stream
        yield
        found.current = before

    @contextlib.contextmanager
    def graph(made, pool, stream):
        found.capturing, made.pool = made, pool
        found.pools.setdefault(pool, []).append(made)
        with current(stream):
            yield
        found.capturing = None

    properties = SimpleNamespace(
        name="Fake GPU", L2_cache_size=1 << 20, total_memory=1 << 30, multi_processor_count=4, major=9, minor=0
    )
    changes = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "set_device": lambda _: None,
        "get_device_properties": lambda _: properties,
        "synchronize": found.synchronize,
        "empty_cache": lambda: None,
        "Event": lambda enable_timing: Event(found),
        "Stream": lambda _: Stream(found),
        "CUDAGraph": lambda: Graph(found),
        "stream": current,
        "graph": graph,
        "graph_pool_handle": lambda: len(found.pools) + 1,
    }
    for name, value in changes.items():
        monkeypatch.setattr(torch.cuda, name, value)
    clock = SimpleNamespace(perf_counter=found.perf_counter, sleep=found.sleep)
    monkeypatch.setattr(cuda, "time", clock)
    monkeypatch.setattr(cuda_clock, "time", clock)
    monkeypatch.setattr(cuda, "_name", lambda _: "cpu")
    for module in (cuda, cuda_models):
        monkeypatch.setattr(module, "copy", found.copy)
        monkeypatch.setattr(module, "pinned", lambda size: torch.zeros(size, dtype=torch.uint8))
    example = (torch.randn(1, 8), torch.randint(0, 9, (1, 2)))
    monkeypatch.setattr(works, "ready", lambda model, dtype, device: (Toy(found, model), example))
    return found


@pytest.fixture
def make(sim):
    """Return a function that makes a loaded server whose clock runs."""
    made = []

    def server(slots=2, places=None, **options):
        room = {"max_bytes_in": ROOM, "max_bytes_out": ROOM}
        made.append(cuda.CudaServer(None, slots=slots, places=places or slots + 2, dtype="fp32", **{**room, **options}))
        made[-1].load(dict.fromkeys(RUN_S, SIZES))
        made[-1].start()
        sim.operations.clear()
        sim.records.clear()
        return made[-1]

    yield server
    for one in made:
        one.close()


def work(model="short", size=1):
    return Work(model, size, size * BYTES_IN, size * BYTES_OUT)


def serve(server, jobs, places=4):
    """Serve batches as an executor does; return what was seen, in order."""
    waiting, seen, ended = list(enumerate(jobs)), [], 0
    while ended < len(jobs):
        held = len(jobs) - len(waiting) - sum(one.stage is Stage.EXECUTION_END for one in seen)
        if waiting and waiting[0][1][0] <= server.now_s() and held < places:
            number, (_, what) = waiting.pop(0)
            server.submit(number, what)
            continue
        found = server.poll()
        seen += found
        ended += sum(one.stage is Stage.COPY_OUT_END for one in found)
        server.wait(waiting[0][1][0] if waiting and held < places else server.now_s() + 1e-3)
    return seen


def table(seen):
    """Return the times of each batch's stages."""
    found = {}
    for one in seen:
        found.setdefault(one.batch, {})[one.stage] = one.time_s
    return found


def feed(server, model, size, seed):
    """Give the next batch inputs of its own; return the bytes of the outputs that it must have."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 8, generator=generator)
    ids = torch.randint(0, 1000, (size, 2), generator=generator)
    source = torch.zeros(ROOM, dtype=torch.uint8)
    raw = torch.cat([cuda_models.as_bytes(x), cuda_models.as_bytes(ids)])
    source[: raw.numel()] = raw
    server.sources[model, size] = source
    return torch.cat([cuda_models.as_bytes(part) for part in answer(x, ids)])


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


def busy(seed, count=150):
    """Batches of all kinds, about as many as two slots can do."""
    draw = random.Random(seed)
    arrivals = itertools.accumulate(draw.expovariate(1 / 1e-3) for _ in range(count))
    return [(at, work("long" if draw.random() < 0.1 else "short", draw.choice(SIZES))) for at in arrivals]


def checked(server, jobs):
    """Serve batches with inputs of their own; return what was seen, and which batches got wrong outputs or none."""
    expected, wrong = {}, []
    submit = server.submit

    def fed(number, what):
        expected[number] = feed(server, what.model, what.size, number)
        submit(number, what)

    def check(number, got):
        if not torch.equal(got, expected.pop(number)):
            wrong.append(number)

    server.submit, server.on_output = fed, check
    return serve(server, jobs), [*wrong, *expected]


@pytest.mark.parametrize("mode", ["graph", "eager"])
def test_every_batch_gets_its_own_outputs_and_nothing_is_overwritten_in_use(make, sim, mode):
    seen, wrong = checked(make(mode=mode), busy(1))
    assert wrong == []
    assert sim.conflicts() == []
    stages = {}
    for one in seen:
        stages.setdefault(one.batch, []).append(one)
    for found in stages.values():
        assert [one.stage for one in found] == list(Stage)
        assert all(a.time_s <= b.time_s for a, b in itertools.pairwise(found))


def same_place(server):
    server._places = [server._places[0]] * len(server._places)


def same_output(server):
    server._outputs = [server._outputs[0]] * len(server._outputs)


@pytest.mark.parametrize("damage", [same_place, same_output])
def test_shared_buffers_would_be_found(make, sim, damage):
    server = make()
    damage(server)
    _, wrong = checked(server, busy(1))
    assert wrong or sim.conflicts()


def test_outputs_are_not_safe_where_the_graph_leaves_them(make, monkeypatch):
    """The reason for moving them aside, and that the simulation would tell."""
    server = make(slots=1)
    expected = feed(server, "short", 1, 7)
    server.submit(0, work())
    server.submit(1, work("long"))
    while server._flying:
        server.poll()
    left = torch.cat([cuda_models.as_bytes(part) for part in server._slots[0].engines["short", 1].keep[-1]])
    assert not torch.equal(left, expected)


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


def test_waiting_for_nothing_is_refused(make):
    with pytest.raises(ServerError, match="nothing is in flight"):
        make().wait(float("inf"))


def test_outputs_that_pile_up_get_buffers_of_their_own(make):
    server = make(slots=1, places=1)
    spare = len(server._outputs)
    taken, server._outputs = server._outputs, []
    serve(server, [(0.0, work())], places=1)
    assert server.grown == 1
    assert (len(server._outputs), len(taken)) == (1, spare)


def test_copies_are_cut_to_what_both_sides_have(make):
    """Fewer bytes than the inputs leave the rest of them as it was; fewer than the outputs leave the rest behind."""
    server = make()
    got = []
    server.on_output = lambda number, found: got.append(found.clone())
    expected = feed(server, "short", 1, 5)
    serve(
        server,
        [(0.0, work()), (0.1, work()._replace(bytes_in=0, bytes_out=10)), (0.2, work()._replace(bytes_out=ROOM))],
    )
    assert torch.equal(got[0], expected)
    assert got[1].numel() == 10
    assert torch.equal(got[2][:BYTES_OUT], expected)
    assert got[2].numel() == ROOM


def test_it_says_what_it_is(make):
    server = make(slots=3)
    assert (server.info.kind, server.info.name, server.info.slots) == ("cuda", "Fake GPU", 3)
    details = server.info.details
    assert (details["dtype"], details["mode"], details["sms"]) == ("fp32", "graph", 4)
    assert details["clock_uncertainty_s"] == server.clock_uncertainty_s > 0


def test_weights_are_the_slots_and_memory_is_its_graphs(make, sim, monkeypatch):
    built = []
    ready = works.ready
    monkeypatch.setattr(works, "ready", lambda *wanted: built.append(wanted) or ready(*wanted))
    make()
    assert sorted(model for model, *_ in built) == ["long", "long", "short", "short"]
    assert sorted(len(graphs) for graphs in sim.pools.values()) == [6, 6]


def test_no_collection_pauses_a_server(make):
    assert gc.isenabled()
    server = make()
    assert not gc.isenabled()
    server.close()
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (Work("other", 1, 1, 1), "batch 0: other x 1 is not loaded"),
        (Work("short", 3, 1, 1), "batch 0: short x 3 is not loaded"),
        (Work("short", 1, ROOM + 1, 1), f"batch 0: {ROOM + 1} bytes in and 1 out, the buffers have {ROOM} and {ROOM}"),
        (Work("short", 1, 1, ROOM + 1), f"batch 0: 1 bytes in and {ROOM + 1} out, the buffers have {ROOM} and {ROOM}"),
    ],
)
def test_what_cannot_be_served_is_refused(make, what, message):
    with pytest.raises(ServerError, match=message):
        make().submit(0, what)


def test_too_many_batches_are_refused(make):
    server = make(slots=1, places=2)
    server.submit(0, work())
    server.submit(1, work())
    with pytest.raises(ServerError, match="batch 2: all places are taken"):
        server.submit(2, work())


def test_an_error_of_the_gpu_is_said_in_one_line_and_closing_is_quiet(make, sim):
    server = make()
    server.submit(0, work())
    sim.broken = "CUDA error: an illegal memory access was encountered\nmore"
    for call in (server.poll, lambda: server.wait(9.0)):
        with pytest.raises(ServerError, match=r"^cpu: CUDA error: an illegal memory access was encountered$"):
            call()
    server.close()
    server.close()
    assert cuda._LOST.pop() is server


def test_a_gpu_that_is_stuck_is_told_and_left(make, sim, monkeypatch):
    server = make()
    server.submit(0, work())
    sim.hangs = True
    monkeypatch.setattr(cuda, "_STUCK_S", 0.01)
    monkeypatch.setattr(cuda, "_CLOSING_S", 0.01)
    with pytest.raises(ServerError, match=r"nothing has ended for 0.01 s, though 1 batches are there"):
        server.wait(float("inf"))
    server.close()
    assert cuda._LOST.pop() is server


def test_a_full_memory_names_model_and_size(make, monkeypatch):
    server = make()

    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    monkeypatch.setattr(works, "served", full)
    with pytest.raises(ServerError, match=r"^cpu: cannot run short x 4: CUDA out of memory\. Tried to allocate 2 GiB$"):
        server.load({"short": [1, 4]})


def test_a_full_memory_is_found_behind_the_capture_that_it_spoils(make, monkeypatch):
    def spoiled(*_):
        try:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        finally:
            raise RuntimeError("capture was invalidated")

    monkeypatch.setattr(works, "served", spoiled)
    with pytest.raises(ServerError, match="CUDA out of memory"):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype 'int8' must be one of fp32, fp16, bf16"),
        ({"mode": "fast"}, "mode 'fast' must be one of graph, eager"),
        ({"slots": 3, "places": 2}, "not 3 slots and 2 places"),
        ({"index": 1}, "device cuda:1: this machine has 1 GPUs"),
    ],
)
def test_arguments_that_make_no_sense(sim, options, message):
    with pytest.raises(SpecError, match=message):
        cuda.CudaServer(**{"index": 0, "slots": 1, "places": 1, "max_bytes_in": 1, "max_bytes_out": 1, **options})


def test_it_can_be_closed_before_it_has_served(sim):
    server = cuda.CudaServer(0, slots=1, places=1, max_bytes_in=1, max_bytes_out=1)
    server.close()
    assert gc.isenabled()


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


def test_served_inferences_show_their_outputs():
    """On the real thing: inputs can be replaced in place, outputs are contiguous and the module's."""
    module, example = works.ready("bert-small", "fp32", "cpu")
    made = works.served(module, example, 3, "fp32")
    made.inputs[0].copy_(torch.randint(0, 1000, made.inputs[0].shape))
    (found,) = made.run()
    with torch.inference_mode():
        assert torch.equal(found, module(made.inputs[0]))
    assert found.is_contiguous()


def test_outputs_that_are_views_become_contiguous():
    class Tail(torch.nn.Module):
        def forward(self, x):
            return {"a": [x[:, 0], x]}

    made = works.served(Tail(), (torch.randn(1, 3, 4),), 2, "fp32")
    first, whole = made.run()
    assert first.is_contiguous()
    assert torch.equal(first, made.inputs[0][:, 0])
    assert torch.equal(whole, made.inputs[0])
