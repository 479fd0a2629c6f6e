"""Cost of solving for the rates of co-located batches, and of replaying with phases.

Solvers and models: time to find all rates anew for 2, 8 and 64 active batches of six kinds, and how it grows; replay
asks again only when it meets a set of loads for the first time. Units: time per change (a batch starts, ends or enters
its next phase) with that many active.

    python benchmarks/solvers.py

Replay: `roofline` with three phases per batch beside `streams`, the same requests on a busy GPU. The two alternate, and
the figure is a ratio, as machines are noisy.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.device import execution_model
from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.contention import Blocks, GpuletFit, Igniter, KernelBlocks, ResourcePhase, Sharing
from stratsim.model.igniter import IgniterGpu, IgniterModel
from stratsim.model.kernel_queue import KernelQueue
from stratsim.model.parts import Device, Features, Link
from stratsim.model.profile import Pair
from stratsim.model.workload import Workload
from stratsim.policy.base import DropMode
from stratsim.policy.queueing import Fifo
from stratsim.rng import Streams
from stratsim.solve import capped_weighted, max_min, max_min_demands
from stratsim.testing import make_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.model.profile import Profile

ACTIVE = (2, 8, 64)
MODELS = ("a", "b", "c", "d", "e", "f")
FLUID = ("streams", "kernel-queue", "roofline", "pairwise", "pairwise(combine=max)", "gpulet", "igniter")
UNITS = ("streams", "roofline", "block-priority")


def main() -> None:
    """Print the tables."""
    options = _options()
    profile = make_machine()
    print(f"{'us to solve, active batches:':32}{_head()}")
    for name, solve in {**solvers(), **{name: model_rates(name, profile) for name in FLUID}}.items():
        print(_row(name, [time_us(partial(solve, n)) for n in ACTIVE]))
    print(f"\n{'us per change, active batches:':32}{_head()}")
    for name in UNITS:
        print(_row(name, [change_us(name, profile, n) for n in ACTIVE]))
    print("\nreplay, requests per second, busy GPU with four slots")
    compare_replays(profile, options.requests, options.repeats)


def solvers() -> dict[str, Callable[[int], object]]:
    """Return the solvers for n users with random figures."""
    rng = np.random.default_rng(1)
    demand, weight = rng.uniform(0.1, 1.0, 64).tolist(), rng.uniform(0.5, 9.0, 64).tolist()
    rows = [tuple(row) for row in rng.uniform(0.0, 1.0, (64, 4)).tolist()]
    return {
        "solve.capped_weighted": lambda n: capped_weighted(demand[:n], weight[:n]),
        "solve.max_min_demands (4)": lambda n: max_min_demands(rows[:n], (1.0, 1.0, 1.0, 1.0)),
        "solve.max_min (shared uplink)": lambda n: max_min([(0, i + 1) for i in range(n)], [25e9] + [16e9] * n),
    }


def model_rates(name: str, profile: Profile) -> Callable[[int], object]:
    """Return an execution model's rates for n batches."""
    model: Any = execution_model(name, profile.for_hardware(), 4)
    kinds = [model.work(key, 1)[0].load for key in MODELS]
    return lambda n: model.rates(_cycle(kinds, n))


def time_us(call: Callable[[], object], seconds: float = 0.05) -> float:
    """Return the best of five means."""
    count = max(1, int(seconds / 5 / max(_clock(call, 3), 1e-7)))
    return min(_clock(call, count) for _ in range(5)) * 1e6


def _clock(call: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count


def change_us(name: str, profile: Profile, active: int, changes: int = 2000) -> float:
    """Return the time per change of a unit that is kept at `active` batches: one starts, ends or enters a phase."""
    model = execution_model(name, profile.for_hardware(), 4)
    work = _cycle([model.work(key, 1) for key in MODELS], active)
    unit = model.unit()
    for key in range(active):
        unit.add(0.0, key, 1.0 + key / active, work[key])  # of different lengths, so that they do not end together
    best = float("inf")
    for _ in range(5):
        began, done = time.perf_counter(), 0
        while done < changes:
            now_s = unit.next_s
            done += 1
            for ended in unit.complete(now_s):
                unit.add(now_s, ended.key, 1.0 + ended.key / active, work[ended.key])
                done += 1
        best = min(best, (time.perf_counter() - began) / done)
    return best * 1e6


def compare_replays(profile: Profile, count: int, repeats: int) -> None:
    """Print the speed of both device models on the same requests, alternately."""
    workload = make_requests(count)
    ratios = []
    for _ in range(repeats):
        streams, roofline = (
            count / simulate(workload, profile, Fifo(), cluster=_cluster(name), max_batch=1, drop=DropMode.NEVER).wall_s
            for name in ("streams", "roofline")
        )
        ratios.append(roofline / streams)
        print(f"  streams {streams:9,.0f}   roofline, three phases {roofline:9,.0f}   ratio {ratios[-1]:.2f}")
    print(f"  median ratio {statistics.median(ratios):.2f}")


def _cluster(device_model: str) -> Cluster:
    return Cluster(device_model=device_model, max_concurrency=4)


def make_requests(count: int) -> Workload:
    """Return Poisson arrivals of all models at a load of about 0.7."""
    gaps_s = Streams(1).get("benchmark").exponential(0.010 / 0.7, count)
    return Workload(
        models=MODELS,
        arrival_s=np.cumsum(gaps_s),
        model=(np.arange(count) % len(MODELS)).astype(np.int32),
        priority=np.zeros(count, np.int8),
        deadline_s=np.full(count, np.inf),
        bytes_in=np.full(count, 602_112),
        bytes_out=np.full(count, 4_000),
        client=np.full(count, -1, np.int32),
    )


def make_machine() -> Profile:
    """Return a profile of six models with the parameters of every device model; all figures are made up."""
    link = Link(10e-6, 12e9)
    profile = make_profile(
        dict.fromkeys(MODELS, 0.010),
        sharing={name: Sharing(1.0, 1.0 + place) for place, name in enumerate(MODELS)},
        h2d=link,
        d2h=link,
        bytes_in=602_112,
        bytes_out=4_000,
        noise_cv=0.003,
    )
    models = {
        name: replace(model, features={1: Features(0.6, 0.5, 0.4)}) for name, model in profile.observable.models.items()
    }
    kernels = tuple(KernelBlocks(0.05, 40 + 8 * place) for place in range(20))
    of_a_model = IgniterModel((0.004, 8.7, 23.7, 0.06, 0.35), 20, 0.03, 0.002, 0.003, 2.0, 0.02, 37.0)
    truth = replace(
        profile.truth,
        roofline={name: {1: _phases(place)} for place, name in enumerate(MODELS)},
        blocks=Blocks(80, {name: {1: kernels} for name in MODELS}),
        gpulet=GpuletFit(0.1, 0.7, 0.35, 0.9, 0.9),
        igniter=Igniter(IgniterGpu(1530.0, 300.0, 53.5, -1.0, 0.005, -0.009), dict.fromkeys(MODELS, of_a_model)),
        kernel_queue=KernelQueue(0.5, {name: {1: 1e-4 * (1 + place)} for place, name in enumerate(MODELS)}),
    )
    return replace(
        profile,
        device=Device("GPU", l2_bytes=40 << 20),  # no memory bandwidth: copies are not followed, as under `streams`
        observable=replace(profile.observable, models=models),
        pairs=tuple(Pair(one, 1, other, 1, 1.7) for one in MODELS for other in MODELS),
        truth=truth,
    )


def _phases(place: int) -> tuple[ResourcePhase, ...]:
    memory = ResourcePhase(0.3, 0.2, 0.9, 0.5, 0.3, 10 << 20, 0.1)
    compute = ResourcePhase(0.5 - 0.02 * place, 0.9, 0.2, 0.3, 0.8)
    return memory, compute, ResourcePhase(0.2 + 0.02 * place, 0.5, 0.6, 0.2, 0.4)


def _cycle(items: Sequence[Any], count: int) -> list[Any]:
    return [items[i % len(items)] for i in range(count)]


def _head() -> str:
    return "".join(f"{n:>9}" for n in ACTIVE) + f"{'8 / 2':>9}{'64 / 8':>9}"


def _row(name: str, times: Sequence[float]) -> str:
    two, eight, many = times
    return f"{name:32}" + "".join(f"{value:9.2f}" for value in times) + f"{eight / two:9.1f}{many / eight:9.1f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
