"""The CUDA device's host code, with torch.cuda replaced: events are stamps of the host's clock, work runs at once.

This shows that the code does what it should with streams, events and graphs; what a GPU does is not shown here.
"""

import contextlib
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")

from stratsim.errors import SpecError  # noqa: E402
from stratsim_profiler.device import cuda, works  # noqa: E402
from stratsim_profiler.device.base import Copy, Inference, Stress  # noqa: E402

MODEL = Inference("mlp-wide", 1, "fp32", "graph")
EAGER = Inference("mlp-wide", 1, "fp32", "eager")


class Event:
    def __init__(self, enable_timing):
        assert enable_timing
        self.stamp = None

    def record(self, stream=None):
        self.stamp = time.perf_counter()

    def query(self):
        return self.stamp is not None

    def synchronize(self):
        assert self.stamp is not None

    def elapsed_time(self, end):
        return (end.stamp - self.stamp) * 1e3


class Stream:
    def __init__(self, device, priority=0):
        self.device, self.priority, self.waits = device, priority, []

    def wait_event(self, event):
        self.waits.append(event)

    def synchronize(self):
        pass


class Graph:
    def __init__(self):
        self.stream = None
        self.replays = 0

    def replay(self):
        self.replays += 1
        time.sleep(0.0005)


@pytest.fixture
def fake(monkeypatch):
    """Stands in for torch.cuda, and notes what was asked of it."""
    log = SimpleNamespace(current=[None], captured=[], streams=[])

    def stream_of(device, priority=0):
        log.streams.append(Stream(device, priority))
        return log.streams[-1]

    @contextlib.contextmanager
    def current(stream):
        log.current.append(stream)
        yield
        log.current.pop()

    @contextlib.contextmanager
    def graph(found, stream):
        found.stream = stream
        log.captured.append(stream)
        with current(stream):
            yield

    properties = SimpleNamespace(
        name="Fake GPU", L2_cache_size=1 << 20, total_memory=1 << 30, multi_processor_count=4, major=9, minor=0
    )
    changes = {
        "is_available": lambda: True,
        "device_count": lambda: 2,
        "set_device": lambda _: None,
        "get_device_properties": lambda _: properties,
        "synchronize": lambda _=None: None,
        "memory_reserved": lambda _: 0,
        "empty_cache": lambda: None,
        "_sleep": lambda cycles: time.sleep(1e-4),
        "Event": Event,
        "Stream": stream_of,
        "CUDAGraph": Graph,
        "stream": current,
        "graph": graph,
    }
    for name, value in changes.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(cuda, "_name", lambda _: "cpu")
    monkeypatch.setattr(works, "Sizes", works.Sizes)
    return log


@pytest.fixture
def device(fake):
    found = cuda.CudaDevice(0)
    found._sizes = works.Sizes(16, "fp32", 1 << 12, 1 << 12, 1 << 12)
    yield found
    found.shutdown()


def test_it_says_what_it_is(device):
    assert (device.info.kind, device.info.name, device.info.memory_bytes) == ("cuda", "Fake GPU", 1 << 30)
    assert device.info.modes[0] == "graph"
    assert device.info.dtypes[0] == "fp16"
    assert device.info.peers == 2
    assert (device.info.details["sms"], device.info.details["cache_bytes"]) == (4, 1 << 20)


def test_every_slot_has_one_stream_and_slots_differ(device, fake):
    before = len(fake.streams)
    for slot in (0, 1, 0, 1):
        device.open(MODEL if slot else EAGER, slot)
    assert len(fake.streams) == before + 2
    assert len({id(entry.stream) for entry in device._opened.values()}) == 2


def test_the_graph_is_captured_on_the_slots_stream_with_its_priority(device, fake):
    device.open(MODEL, 2, priority=1)
    (captured,) = fake.captured
    assert captured.priority == -1  # torch counts downwards
    device.open(MODEL, 2)
    assert fake.captured[1].priority == 0
    assert fake.captured[1] is not captured


def test_eager_mode_captures_nothing(device, fake):
    device.open(EAGER, 0)
    assert fake.captured == []


def test_stressors_are_captured_but_those_of_the_host(device, fake):
    for resource in ("compute", "dram", "l2"):
        device.open(Stress(resource), 0)
    assert len(fake.captured) == 3
    device.open(Stress("empty"), 0)
    assert len(fake.captured) == 3


def test_a_level_below_one_rests_between_bursts(device):
    lane = device.open(Stress("compute", 0.5), 0)
    assert device.fire([lane], [0.0])[0].seconds > 0


def test_a_backlog_keeps_every_stream_fed(device):
    lanes = [device.open(MODEL, 0), device.open(EAGER, 1)]
    spans = device.backlog(lanes, 0.1)
    for lane, found in zip(lanes, spans, strict=True):
        assert len(found) >= 3, lane
        assert all(a.end_s <= b.start_s for a, b in pairwise(found))
        assert all(span.enqueue_s > 0 for span in found)
    assert spans[0][-1].end_s >= 0.05


def test_the_queue_is_deep_enough_for_short_work_and_not_deeper_for_long(device):
    entry = device._opened[device.open(MODEL, 0)]
    depths = {}
    for typical_s in (1e-5, 1e-3, 1.0):
        entry.typical_s = typical_s
        depths[typical_s] = entry.depth
    assert depths == {1e-5: 64, 1e-3: 10, 1.0: 3}


def test_lanes_that_start_together_wait_for_one_event(device):
    lanes = [device.open(MODEL, slot) for slot in range(3)]
    spans = device.fire(lanes, [0.0] * 3)
    waits = [device._opened[lane].stream.waits for lane in lanes]
    assert [len(found) for found in waits] == [1, 1, 1]
    assert len({id(found[0]) for found in waits}) == 1
    assert len(spans) == 3


def test_offsets_are_kept_by_the_hosts_clock(device):
    lanes = [device.open(MODEL, slot) for slot in range(2)]
    first, second = device.fire(lanes, [0.02, 1e-6])
    assert first.start_s - second.start_s >= 0.015
    assert second.end_s > second.start_s


def test_caches_are_flushed_before_and_not_within(device):
    lane = device.open(MODEL, 0)
    before = int(device._flush[0])
    device.fire([lane], [0.0], flush=True)
    device.fire([lane], [0.0])
    assert int(device._flush[0]) == before + 1


@pytest.mark.parametrize("direction", ["h2d", "d2h"])
def test_copies(device, direction):
    lane = device.open(Copy(direction, 4096, pinned=False), 0)
    assert device.fire([lane], [0.0])[0].seconds >= 0


def test_a_copy_to_another_gpu_has_a_stream_there_and_its_own_zero(device):
    lane = device.open(Copy("h2d", 4096, pinned=False, peer=1), 1)
    assert device._opened[lane].stream.device == 1
    assert device.fire([lane], [0.0])[0].start_s == 0.0


def test_closing_forgets_the_lane(device):
    lane = device.open(MODEL, 0)
    device.close(lane)
    assert device._opened == {}


def test_a_full_memory_is_said_in_one_line(device, monkeypatch):
    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    monkeypatch.setattr(works, "inference", full)
    with pytest.raises(MemoryError, match=r"^mlp-wide: CUDA out of memory\. Tried to allocate 2 GiB$"):
        device.open(MODEL, 0)
    assert device._opened == {}


def test_an_unknown_dtype_is_refused(device):
    with pytest.raises(SpecError, match="dtype 'int8' must be one of fp32, fp16, bf16"):
        device.open(Inference("mlp-wide", 1, "int8", "eager"), 0)


def test_without_a_gpu_there_is_no_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SpecError, match=r"device cuda:0: torch .* finds no CUDA GPU"):
        cuda.CudaDevice(0)


def test_a_gpu_that_is_not_there(fake):
    with pytest.raises(SpecError, match="device cuda:2: this machine has 2 GPUs"):
        cuda.CudaDevice(2)
