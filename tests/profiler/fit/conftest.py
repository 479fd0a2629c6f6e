"""Synthetic samples with a known truth: what a perfect device with a little noise would have measured."""

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest

from stratsim.fit.cells import Cell, Load
from stratsim.fit.sharing import Shares, Terms
from stratsim_profiler.fit.walk import Job, durations
from stratsim_profiler.samples import (
    Colocation,
    Conditions,
    Discarded,
    Header,
    Kernels,
    Model,
    Offset,
    OffsetStream,
    Solo,
    Stream,
    Transfer,
)
from stratsim_profiler.store import Samples

MIB = 2**20


@dataclass
class Bench:
    """A simulated device: measures whatever it is asked to, with log-normal noise, and keeps the records."""

    demand: dict
    weight: dict
    noise: float = 0.0
    seed: int = 0
    terms: Terms = field(default_factory=Terms)
    solo_s: float = 0.01
    alpha_s: float = 10e-6
    bytes_per_s: float = 12e9
    records: list = field(default_factory=list)

    def __post_init__(self):
        self.random = np.random.default_rng(self.seed)
        self.truth = Shares(self.demand, self.weight, self.terms)
        self.loads = sorted(self.demand)

    def _noisy(self, value):
        return float(value * np.exp(self.random.normal(0.0, self.noise))) if self.noise else float(value)

    def alone_s(self, load):
        return self.solo_s * load.batch**0.8

    def cell(self, loads, role="pair", held_out=False):
        """Return one noisy cell as the fit sees it."""
        exact = Cell(tuple(loads), (1.0,) * len(loads), role, "+".join(map(str, loads)), held_out)
        (slowdowns,) = self.truth.slowdowns([exact])
        return Cell(exact.loads, tuple(map(self._noisy, slowdowns)), role, exact.name, held_out)

    def measure(self, loads, role="pair", held_out=False, **conditions):
        cell = self.cell(loads, role, held_out)
        self.records.append(colocation(cell, self.alone_s, Conditions(**conditions)))

    def measure_models(self, launch_bound=()):
        for name in sorted({load.model for load in self.loads}):
            self.records.append(Model("model", name, "zoo", 10**6, 4 * 10**6, 602_112, 4_000, 4e9))
        for load in self.loads:
            times = tuple(self._noisy(self.alone_s(load)) for _ in range(30))
            slow = load in launch_bound
            enqueue = tuple((0.9 if slow else 0.1) * time for time in times)
            self.records.append(Solo("solo", load.model, load.batch, "fp16", "graph", times, enqueue, slow))
            self.records.append(Kernels("kernels", load.model, load.batch, 100, 1e-4, 5e-4, 1e-2))

    def measure_transfers(self, duplex=0.8, engines=1):
        for direction, pinned in itertools.product(("h2d", "d2h"), (True, False)):
            for size in (4096, 65536, MIB, 16 * MIB, 256 * MIB):
                self._copies(direction, pinned, size)
        for direction in ("h2d", "d2h"):
            for count in (2, 3, 4):
                self._concurrent(direction, 64 * MIB, count, engines)
            both = tuple(self.alpha_s + 64 * MIB / (duplex * self.bytes_per_s) for _ in range(9))
            self.records.append(Transfer("copy", direction, True, 64 * MIB, 1, True, None, both))

    def _copy_s(self, size, pinned=True):
        return self.alpha_s + size / (self.bytes_per_s if pinned else self.bytes_per_s / 3)

    def _copies(self, direction, pinned, size):
        times = tuple(self._noisy(self._copy_s(size, pinned)) for _ in range(9))
        self.records.append(Transfer("copy", direction, pinned, size, 1, False, None, times))

    def _concurrent(self, direction, size, count, engines):
        one = self._copy_s(size)
        each = tuple(one * (at + 1 if engines == 1 else count) for at in range(count))
        self.records.append(
            Transfer("copy", direction, True, size, count, False, None, (count * one,) * 9, each_seconds=(each,) * 9)
        )

    def measure_design(self, held_out_pairs=(), triples=(), offsets=0):
        """Run the whole design: copies of one load, cells beside the heaviest, pairs, and what is held out."""
        heavy = max(self.loads, key=lambda load: self.demand[load])
        for load in self.loads:
            for count in (2, 3, 4):
                self.measure((load,) * count, "self")
            if load != heavy:
                self.measure((load, heavy, heavy), "anchor")
                self.measure((load, load, heavy, heavy), "anchor")
        for pair in itertools.combinations(self.loads, 2):
            if pair[0].model != pair[1].model:
                self.measure(pair, "pair", {load.model for load in pair} in [set(held) for held in held_out_pairs])
        for triple in triples:
            self.measure(triple, "triple", held_out=True)
        for _ in range(offsets):
            self.measure_offset()

    def measure_offset(self):
        loads = [self.loads[at] for at in self.random.choice(len(self.loads), 3, replace=False)]
        starts = [0.0, *(float(x) for x in self.random.uniform(0, 0.8, 2) * self.alone_s(loads[0]))]
        jobs = [Job(load, start, self.alone_s(load)) for load, start in zip(loads, starts, strict=True)]
        took = [self._noisy(time) for time in durations(jobs, self.truth.rates)]
        streams = tuple(
            OffsetStream(job.load.model, job.load.batch, job.start_s, job.start_s + time, job.work_s)
            for job, time in zip(jobs, took, strict=True)
        )
        self.records.append(Offset("offset", "+".join(sorted(load.model for load in loads)), streams, "fp16", "graph"))

    def samples(self, kind="cuda"):
        header = Header(
            1,
            "0.1",
            "2026-01-01T00:00:00+00:00",
            {"kind": kind, "name": "Test GPU", "memory_bytes": 16 * 2**30},
            {"driver": "1", "torch": "2"},
            {},
            {},
        )
        return Samples(header, tuple(self.records), "test")


def colocation(cell, alone_s, conditions=None):
    streams = tuple(
        Stream(
            load.model, load.batch, (alone_s(load) * slow,) * 20, (alone_s(load),) * 5, (alone_s(load),) * 5, 20, 1.0
        )
        for load, slow in zip(cell.loads, cell.slowdowns, strict=True)
    )
    group = "+".join(sorted(cell.models))
    return Colocation(
        cell.name,
        cell.role,
        cell.held_out,
        group,
        streams,
        1.0,
        0.2,
        "fp16",
        "graph",
        conditions=conditions or Conditions(),
    )


def random_bench(models=8, seed=0, noise=0.0, demand=(0.2, 0.9), weight=(1.0, 10.0), **options):
    random = np.random.default_rng(seed)
    loads = [Load(f"m{at}", 1) for at in range(models)]
    drawn = np.exp(random.uniform(*np.log(weight), models))
    return Bench(
        dict(zip(loads, random.uniform(*demand, models).tolist(), strict=True)),
        dict(zip(loads, drawn.tolist(), strict=True)),
        noise=noise,
        seed=seed + 1000,
        **options,
    )


@pytest.fixture
def make_bench():
    """Return a function that makes a simulated device with random parameters."""
    return random_bench


@pytest.fixture
def bench_class():
    return Bench


@pytest.fixture(scope="session")
def full_bench():
    """A device with five models, everything measured with 2 % noise."""
    bench = random_bench(5, seed=5, noise=0.02, demand=(0.3, 0.9))
    bench.measure_models()
    bench.measure_transfers()
    loads = bench.loads
    bench.measure_design([("m0", "m1"), ("m2", "m3")], [loads[:3], loads[2:]], offsets=8)
    for load in loads:
        for kind, level in itertools.product(("compute", "dram"), ("0.50", "1.00")):
            add_stressor(bench, load, f"stress:{kind}:{level}", 1.2, 1.0 + float(level) * 0.5)
    bench.records.append(Discarded("pair m0", "thermal", "too hot"))
    return bench


def add_stressor(bench, load, name, model_slowdown, stressor_slowdown):
    cell = Cell((load, Load(name, 1)), (model_slowdown, stressor_slowdown), "stressor", f"{load} {name}")
    bench.records.append(colocation(cell, lambda _: 0.01))


@pytest.fixture(scope="session")
def full_fit(full_bench):
    from stratsim_profiler.fit import fit_samples

    return fit_samples(full_bench.samples())
