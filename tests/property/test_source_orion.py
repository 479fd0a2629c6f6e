"""Orion against two loops: one of kernels, written from its source, and one of batches, which have slots as here.

The source: eth-easl/orion, src/scheduler/scheduler_eval.cpp, `busy_wait_profile`, and roofline_analysis.py. It knows
kernels and streams, but no slots and no batches. So the loop of kernels gives every low-priority request a client of
its own and a slot, and is compared by when requests start, within what is launched at once. The loop of batches adds
what is ours: slots, deadlines that decide who goes first, stopping whole batches; kernels are so short there that what
is in flight at a stop hardly counts.
"""

import os
import random
from dataclasses import replace

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Features
from stratsim.model.profile import Sharing
from stratsim.policy.preempt import Orion
from stratsim.testing import make_profile, make_workload

pytestmark = pytest.mark.slow  # hundreds of random runs, each simulated twice


US = 1e-6
RUNS = 300
MOST = int(os.environ.get("STRATSIM_SOURCES", "900"))
"""Runs of `make test-slow`; STRATSIM_SOURCES=3000 makes so many, minutes."""


def random_features(draw):
    """Return (compute, memory) of a model, or None if they are not known; which is larger decides its class."""
    return draw.choice([None, (0.3, 0.1), (0.07, 0.02), (0.1, 0.3), (0.004, 0.03)])


def is_bound_by(features):
    if features is None:
        return -1
    compute, memory = features
    return 1 if compute / memory > 1 else 0  # intensity / ridge


def may_run_beside(low, high):
    return low == -1 or high == -1 or low != high


def by_policy(models, rows, slots, most):
    """Return the start of each request's execution, us. Models: name to (latency, kernels, features)."""
    base = make_profile(
        {name: latency * US for name, (latency, *_) in models.items()},
        kernels={name: kernels for name, (_, kernels, _) in models.items()},
        sharing=dict.fromkeys(models, Sharing(1 / (slots + 1), 1.0)),  # nobody slows anybody
    )
    described = {
        name: replace(model, features={1: Features(*models[name][2])} if models[name][2] else {})
        for name, model in base.observable.models.items()
    }
    profile = replace(base, observable=replace(base.observable, models=described))
    workload = make_workload([(at * US, name, level, due * US) for at, name, level, due in rows], profile=profile)
    cluster = Cluster(device_model="streams", max_concurrency=slots, prefetch=0, transfers=False)
    policy = Orion(most_s=most * US, max_batch=1, drop="never")
    result = simulate(workload, profile, policy, cluster=cluster)
    return [at / US for at in result.batches.execution_start_s[result.requests.batch].tolist()]


# Kernels ------------------------------------------------------------------------------------------------------------

KERNEL, MOST = 5, 160


def random_clients(seed):
    """Return models and rows: one high-priority client whose requests do not overlap, low-priority ones of one each."""
    draw = random.Random(seed)
    latency = draw.randrange(2000, 12_000, KERNEL)
    models = {"high": (latency, latency // KERNEL, random_features(draw))}
    rows, at = [], 0
    for _ in range(draw.randint(1, 5)):
        at += draw.randint(0, 8000)
        rows.append((at, "high", "high", at + 50_000))
        at += latency
    for number in range(draw.randint(1, 5)):
        latency = draw.randrange(1000, 20_000, KERNEL)
        models[f"low{number}"] = (latency, latency // KERNEL, random_features(draw))
        rows.append((draw.randint(0, at), f"low{number}", "low", 10**6 + number))
    return models, sorted(rows)


def by_kernels(models, rows):
    """Return when the first kernel of each request is launched, us."""
    busy = [(at, at + models[name][0]) for at, name, level, _ in rows if level == "high"]
    high = is_bound_by(models["high"][2])
    clients = {}  # low priority, until it has launched all: [arrival, may run beside high priority, kernels left]
    for number, (at, name, level, _) in enumerate(rows):
        if level == "low":
            clients[number] = [at, may_run_beside(is_bound_by(models[name][2]), high), models[name][1]]
    starts = [float(at) for at, *_ in rows]
    ends = dict.fromkeys(clients, 0)  # of each stream
    launched_us, large_found, now = 0, False, 0
    started = set()
    while clients:
        if large_found and max(ends.values()) <= now:
            large_found, launched_us = False, 0
        idle = not any(begin <= now < end for begin, end in busy)
        polled = False
        for number, client in () if large_found else list(clients.items()):
            at, beside, _ = client
            if at > now or not (idle or beside):
                continue
            if number not in started:
                started.add(number)
                starts[number] = now
            launched_us += KERNEL
            ends[number] = max(ends[number], now) + KERNEL
            client[2] -= 1
            polled = True
            if not client[2]:
                del clients[number]
            large_found = launched_us > MOST
            if large_found:
                break
        if not polled:
            times = [at for at, *_ in clients.values()] + [end for _, end in busy] + [begin for begin, _ in busy]
            times += [max(ends.values())]
            now = min([at for at in times if at > now])
    return starts


def meanwhile(start, rows):
    """Whether high priority comes while kernels that were in flight at a start may still be."""
    return any(0 <= at - start <= MOST + KERNEL for at, _, level, _ in rows if level == "high")


@pytest.mark.parametrize("seeds", [range(RUNS), pytest.param(range(RUNS, MOST), marks=pytest.mark.slow)], ids=str)
def test_requests_start_when_their_first_kernel_would(seeds):
    for seed in seeds:
        models, rows = random_clients(seed)
        pairs = zip(by_policy(models, rows, slots=len(rows), most=MOST), by_kernels(models, rows), strict=True)
        differ = [start for start, expected in pairs if abs(start - expected) > MOST + KERNEL]
        # A request may wait until what was launched has ended; high priority may come meanwhile.
        assert all(meanwhile(start, rows) for start in differ), seed


# Batches ------------------------------------------------------------------------------------------------------------


def random_batches(seed):
    """Return models, rows and slots: kernels of 10 ns, of which 100 may be launched at once."""
    draw = random.Random(seed)
    models = {}
    for name in ("h1", "h2", "l1", "l2", "l3"):
        latency = draw.randint(1000, 12_000)
        models[name] = (latency, latency * 100, random_features(draw))
    rows = []
    for _ in range(draw.randint(5, 30)):
        at, name = draw.randint(0, 60_000), draw.choice(list(models))
        rows.append((at, name, "high" if name[0] == "h" else "low", at + draw.randint(5000, 200_000)))
    return models, sorted(rows), draw.randint(2, 4)


class Gpu:
    """Slots, and who is in them: numbers of requests."""

    def __init__(self, models, rows, slots):
        self.rows, self.slots = rows, slots
        self.bound = [is_bound_by(models[name][2]) for _, name, *_ in rows]
        self.left = [models[name][0] for _, name, *_ in rows]
        self.running, self.stopped, self.waiting = [], [], []
        self.starts = [None] * len(rows)

    def by_deadline(self, numbers, level):
        return sorted([n for n in numbers if self.rows[n][2] == level], key=lambda n: (self.rows[n][3], n))

    def joins(self, number):
        return all(may_run_beside(self.bound[number], self.bound[n]) for n in self.by_deadline(self.running, "high"))

    def start(self, number, now):
        self.waiting.remove(number)
        self.running.append(number)
        self.starts[number] = now

    def decide(self, now):
        for number in self.by_deadline(self.waiting, "high"):
            if len(self.by_deadline(self.running, "high")) < self.slots:
                self.start(number, now)
        high, low = self.by_deadline(self.running, "high"), self.by_deadline(self.running, "low")
        if high:  # the others make room
            stay = [n for n in low if self.joins(n)][: self.slots - len(high)]
            self.stopped += [n for n in low if n not in stay]
            self.running = high + stay
        for number in self.by_deadline(self.stopped, "low"):
            if len(self.running) < self.slots and self.joins(number):
                self.stopped.remove(number)
                self.running.append(number)
        for number in self.by_deadline(self.waiting, "low"):
            if len(self.running) < self.slots and self.joins(number):
                self.start(number, now)


def by_batches(models, rows, slots):
    """Return the start of each request's execution, us."""
    gpu, now, arrived = Gpu(models, rows, slots), 0, 0
    while True:
        while arrived < len(rows) and rows[arrived][0] <= now:
            gpu.waiting.append(arrived)
            arrived += 1
        gpu.running = [n for n in gpu.running if gpu.left[n] > 0]
        gpu.decide(now)
        steps = [gpu.left[n] for n in gpu.running] + [at - now for at, *_ in rows[arrived : arrived + 1]]
        if not steps:
            return gpu.starts
        now += min(steps)
        for number in gpu.running:
            gpu.left[number] -= min(steps)


@pytest.mark.parametrize("seeds", [range(RUNS), pytest.param(range(RUNS, MOST), marks=pytest.mark.slow)], ids=str)
def test_batches_start_in_the_slots_that_high_priority_leaves(seeds):
    for seed in seeds:
        models, rows, slots = random_batches(seed)
        starts = by_policy(models, rows, slots, most=1)
        # Each stop lets up to 1.01 us of kernels end.
        assert starts == pytest.approx(by_batches(models, rows, slots), abs=2 * len(rows)), seed
