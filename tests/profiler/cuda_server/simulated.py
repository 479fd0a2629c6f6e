"""A simulated CUDA: streams are queues in virtual time, every operation takes a known time.

Host calls take time too, on a virtual clock of the host, and the GPU's clock drifts against it. Copies and runs write
when they end; what each reads and writes, and when, is kept, so that two that meet on the same memory are found.
"""

import contextlib
import heapq
import itertools
from types import SimpleNamespace

import torch

from stratsim_profiler.device import works
from stratsim_profiler.serve import cuda, cuda_clock, cuda_models

US = 1e-6
COPY_S, BYTES_PER_S = 20 * US, 1e9
LAUNCH_S = 3 * US
"""What the host needs to enqueue something."""

RUN_S = {"short": 1e-3, "long": 20e-3}


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


def install(monkeypatch):
    """Put a simulated GPU and clock in the place of the real ones until the test is over; return the simulation."""
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
