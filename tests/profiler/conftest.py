"""A device whose times are known: lanes share it by processor sharing, copies take 10 us and 10 GB/s."""

from __future__ import annotations

import itertools
import time

import pytest

from stratsim_profiler.device.base import Copy, DeviceInfo, KernelTable, Lane, Span, Stress
from stratsim_profiler.environment import Monitor, NoProbe, Reading
from stratsim_profiler.measure.bench import Bench
from stratsim_profiler.samples import Phase
from stratsim_profiler.settings import Settings

CPU = DeviceInfo("cpu", "a fake", 1 << 30, False, ("eager",), ("fp32",))


class FakeDevice:
    """Runs nothing and takes no time.

    Args:
        solo_s: Time of each model per request of a batch.
        capacity: How many lanes run at full speed.
        enqueue_share: Host time of an iteration, as a share of its own time.
        lane_bytes: What each lane holds.
        memory_lanes: How many lanes can be open.
    """

    def __init__(self, solo_s=None, capacity=1.0, enqueue_share=0.0, lane_bytes=1, memory_lanes=100, info=CPU):
        self.info = info
        self.slots = 4
        self.solo_s = solo_s or {}
        self.capacity = capacity
        self.enqueue_share = enqueue_share
        self.lane_bytes = lane_bytes
        self.memory_lanes = memory_lanes
        self.open_lanes = []
        self.log = []
        self.gap_s = 0.0
        self.speed = itertools.repeat(1.0)
        self.reader = NoProbe("nothing to read")

    def probe(self):
        return self.reader

    def open(self, work, slot, priority=0):
        if len(self.open_lanes) >= self.memory_lanes:
            raise MemoryError(f"{work.name}: full")
        lane = Lane(work, slot, priority, self.lane_bytes)
        self.open_lanes.append(lane)
        return lane

    def close(self, lane):
        self.open_lanes.remove(lane)

    def seconds(self, work):
        if isinstance(work, Copy):
            return 1e-5 + work.size_bytes / 1e10
        if isinstance(work, Stress):
            return 0.001
        return self.solo_s.get(work.model, 0.01) * work.batch

    def fire(self, lanes, offsets_s, *, flush=False):
        self.log.append(("fire", len(lanes), flush))
        slow = max(1.0, len(lanes) / self.capacity) if not any(offset > 1e-3 for offset in offsets_s) else 1.0
        return tuple(
            Span(offset, offset + self.seconds(lane.work) * slow, self.seconds(lane.work) * self.enqueue_share)
            for lane, offset in zip(lanes, offsets_s, strict=True)
        )

    def backlog(self, lanes, seconds):
        self.log.append(("backlog", tuple(lane.work.name for lane in lanes)))
        slow = max(1.0, len(lanes) / self.capacity) / next(self.speed)
        return tuple(tuple(self.iterations(self.seconds(lane.work) * slow, seconds)) for lane in lanes)

    def iterations(self, each_s, seconds):
        start = 0.0
        while start < seconds:
            yield Span(start, start + each_s)
            start += each_s + self.gap_s

    def kernels(self, lane, iterations):
        return KernelTable(3, 1e-3, 2e-3, 3e-3, (Phase("convolution", 3e-3, 3),))

    def shutdown(self):
        self.log.append(("shutdown",))


class FakeProbe:
    """Reads what it is told to."""

    def __init__(self, **reading):
        self.warnings = ()
        self.reading = reading
        self.closed = False

    def facts(self):
        return {"other_processes": []}

    def read(self):
        return Reading(time.perf_counter(), **self.reading)

    def close(self):
        self.closed = True


@pytest.fixture
def fake_device():
    """The class of fake devices."""
    return FakeDevice


@pytest.fixture
def fake_probe():
    """The class of fake probes."""
    return FakeProbe


@pytest.fixture
def bench_on():
    """Return a function that makes a bench of a device; no thread reads anything, the monitor is read once."""

    def make(device, probe=None, settings=None, mode="eager"):
        monitor = Monitor(probe or device.probe())
        monitor.between = lambda start, end: (monitor.probe.read(),)
        return Bench(device, monitor, settings or Settings(), "fp32", mode)

    return make
