"""A server in memory with a clock of its own: nothing runs, waiting costs no time, every time is known."""

from __future__ import annotations

import heapq

import pytest

from stratsim.errors import ServerError
from stratsim.model.server import Seen, ServerInfo, Stage

STAGES = tuple(Stage)


class FakeServer:
    """One copy engine each way and `slots` slots; co-located batches do not slow each other.

    Args:
        latency_s: Execution time by model and size.
        slots: How many execute at once.
        copy_s: Time of a copy, whatever its size.
        fails_at_s: When it fails, on its clock; raises `failure`.
        stuck_from_s: From when no batch gets any further.
        late_s: By how much `wait` returns late.
    """

    def __init__(
        self,
        latency_s,
        *,
        slots=1,
        copy_s=0.0,
        fails_at_s=float("inf"),
        failure=None,
        stuck_from_s=float("inf"),
        late_s=0.0,
    ):
        self.info = ServerInfo("fake", "a fake", slots, {"copy_engines": 1})
        self.latency_s = latency_s
        self.copy_s = copy_s
        self.fails_at_s = fails_at_s
        self.failure = failure or ServerError("the device is gone")
        self.stuck_from_s = stuck_from_s
        self.late_s = late_s
        self.now = 0.0
        self.slots = [0.0] * slots
        self.copied_in_s = self.copied_out_s = 0.0
        self.coming = []
        self.loaded = {}
        self.submitted = []
        self.closed = False
        self.waits = 0

    def load(self, models):
        self.loaded = {name: list(sizes) for name, sizes in models.items()}

    def start(self):
        self.now = 0.0

    def now_s(self):
        return self.now

    def submit(self, batch, work):
        self.submitted.append((batch, work))
        start = max(self.now, self.copied_in_s)
        self.copied_in_s = there = start + self.copy_s
        begin = max(there, heapq.heappop(self.slots))
        end = begin + self.latency_s(work)
        heapq.heappush(self.slots, end)
        out = max(end, self.copied_out_s)
        self.copied_out_s = out + self.copy_s
        for order, (stage, at) in enumerate(
            zip(STAGES, (start, there, begin, end, out, out + self.copy_s), strict=True)
        ):
            if at < self.stuck_from_s:
                heapq.heappush(self.coming, (at, batch, order, Seen(batch, stage, at)))

    def poll(self):
        if self.now >= self.fails_at_s:
            raise self.failure
        seen = []
        while self.coming and self.coming[0][0] <= self.now:
            seen.append(heapq.heappop(self.coming)[-1])
        return seen

    def wait(self, until_s):
        self.waits += 1
        assert self.waits < 100_000, "the executor spins"
        next_s = self.coming[0][0] if self.coming else float("inf")
        self.now = max(self.now, min(until_s + self.late_s, next_s, self.fails_at_s))

    def close(self):
        self.closed = True


@pytest.fixture
def fake_server():
    return FakeServer


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """Leave out the full collection before a run: the heap of all tests is large, and time is not what is tested."""
    monkeypatch.setattr("stratsim.live.executor.gc.collect", lambda: 0)
