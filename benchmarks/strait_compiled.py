"""`strait` compiled beside `strait` as it is: what a request costs by models and GPUs, and what one decision does.

    python benchmarks/strait_compiled.py                         # a request, beside a plain SimPy loop
    python benchmarks/strait_compiled.py --decisions             # a decision: median, p99, most
    python benchmarks/strait_compiled.py --requests 3000 --rounds 2 --points 6x1,64x1

A point is models x GPUs: the machines of `growth.py`, load 0.7, two slots, two classes with deadlines, batches of one.
Decisions are those of the grid of `experiments/fidelity-cpu.toml` (three models of 50 to 250 ms, one slot, batches of
up to four) and of the six models of `strait_speed.py`, timed as a live run times them: from the call until the last
decision is handed over, without what is done with them.

All take turns, for several rounds; figures are medians, ratios those of the rounds' ratios, and what is timed is the
process's own time of a processor. Compiled code is compiled, or loaded, before. Ends with status 1 if both do not
decide the same.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Any

import machines
import numpy as np
import strait_speed
from replay_speed import LOAD, SERVICE_S, plain_loop

from stratsim.engine import simulate
from stratsim.fast.strait.policy import CompiledStrait
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.policy.strait import Strait
from stratsim.rng import Streams
from stratsim.testing import make_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stratsim.engine import Result
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Decision
    from stratsim.policy.view import View

KINDS = {"reference": Strait, "compiled": lambda: CompiledStrait.of(Strait())}
GRID_S = {"mobilenetv2": 0.05, "distilbert": 0.2, "resnet50": 0.25}
GRID_SHARES = (0.75, 0.125, 0.125)


def main() -> None:
    """Measure what was asked for."""
    options = _options()
    if options.decisions:
        decisions(options.requests)
        return
    print("models  GPUs   reference   compiled   plain loop, us   compiled of plain   reference of plain")
    for point in options.points.split(","):
        models, gpus = map(int, point.split("x"))
        requests(models, gpus, options.requests, options.rounds)


def requests(models: int, gpus: int, count: int, rounds: int) -> None:
    """Print what a request costs at one point."""
    profile = machines.many_models(models)
    arrival_s = np.cumsum(Streams(1).get("benchmark").exponential(SERVICE_S / LOAD / gpus, count))
    workload = machines.with_classes(machines.make_requests(arrival_s, profile))
    gaps_s = Streams(1).get("benchmark").exponential(SERVICE_S / LOAD, count).tolist()
    taken: dict[str, list[float]] = {"plain": [], **{kind: [] for kind in KINDS}}
    results: dict[str, Result] = {}
    for number in range(rounds + 1):
        for kind, make in KINDS.items():
            began = time.process_time()
            results[kind] = simulate(workload, profile, make(), cluster=Cluster(gpus=gpus), max_batch=1, name="strait")
            if number:  # the first round loads what is compiled
                taken[kind].append((time.process_time() - began) / count * 1e6)
        if number:
            began = time.process_time()
            plain_loop(gaps_s)
            taken["plain"].append((time.process_time() - began) / count * 1e6)
    _check(results)
    us = {kind: statistics.median(found) for kind, found in taken.items()}
    ratios = {
        kind: statistics.median([one / other for one, other in zip(taken["plain"], taken[kind], strict=True)])
        for kind in KINDS
    }
    print(
        f"{models:6d} {gpus:5d} {us['reference']:11.1f} {us['compiled']:10.1f} {us['plain']:16.1f}"
        f" {ratios['compiled']:19.2f} {ratios['reference']:20.2f}",
        flush=True,
    )


def _check(results: dict[str, Result]) -> None:
    one, other = (results[kind] for kind in KINDS)
    for table in ("batches", "requests"):
        for name, column in vars_of(getattr(one, table)):
            if np.asarray(column).tobytes() != np.asarray(getattr(getattr(other, table), name)).tobytes():
                raise SystemExit(f"{table}.{name} differs")


def vars_of(table: Any) -> list[tuple[str, Any]]:
    """Return the columns of a table by name."""
    return [(name, getattr(table, name)) for name in table.__dataclass_fields__]


# One decision ---------------------------------------------------------------------------------------------------------


def decisions(count: int) -> None:
    """Print what decisions cost, where a live run would make them."""
    print("workload          kind        decisions   median, us   p99, us   most, us")
    for name, (profile, workload, slots) in {"CPU grid": _grid(count), "six models": _six(count)}.items():
        results = {}
        for kind, make in KINDS.items():
            for _ in range(2):  # the first loads what is compiled
                policy = make()
                spent_s: list[float] = []
                _time(policy, spent_s)
                cluster = Cluster(max_concurrency=slots)
                results[kind] = simulate(workload, profile, policy, cluster=cluster, max_batch=4, name="strait")
            median, p99, most = np.quantile(spent_s, [0.5, 0.99, 1.0]) * 1e6
            print(f"{name:17s} {kind:9s} {len(spent_s):11,d} {median:12.1f} {p99:9.1f} {most:10.1f}", flush=True)
        _check(results)


def _time(policy: Strait, spent_s: list[float]) -> None:
    """Have a policy's decisions timed, without what is done with them."""
    decide = policy.decide

    def timed(view: View) -> Iterable[Decision]:
        began = time.thread_time()
        found = decide(view)
        spent_s.append(time.thread_time() - began)
        return _each(found, spent_s)

    policy.decide = timed  # type: ignore[method-assign]


def _each(found: Iterable[Decision], spent_s: list[float]) -> Iterator[Decision]:
    iterator = iter(found)
    while True:
        began = time.thread_time()
        decision = next(iterator, None)
        spent_s[-1] += time.thread_time() - began
        if decision is None:
            return
        yield decision


def _grid(count: int) -> tuple[Profile, Workload, int]:
    link = Link(alpha_s=10e-6, bytes_per_s=12e9)
    latency_s = {name: {1: one, 4: 3.4 * one} for name, one in GRID_S.items()}
    profile = make_profile(latency_s, h2d=link, d2h=link, bytes_in=602_112, bytes_out=4_000, noise_cv=0.1)
    mean_s = sum([one * share for one, share in zip(GRID_S.values(), GRID_SHARES, strict=True)])
    arrival_s = np.cumsum(Streams(1).get("benchmark").exponential(mean_s / 0.85, count))
    workload = machines.with_classes(machines.make_requests(arrival_s, profile), 1.6 * mean_s)
    workload.model[:] = Streams(1).get("mix").choice(len(GRID_S), count, p=GRID_SHARES)
    return profile, workload, 1


def _six(count: int) -> tuple[Profile, Workload, int]:
    gaps_s = Streams(1).get("gaps").exponential(1.0 / strait_speed.BUSY_PER_S, count)
    return *strait_speed.machine(gaps_s), 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--points", default="1x1,6x1,64x1,256x1,1x64,1x256")
    parser.add_argument("--decisions", action="store_true", help="what one decision costs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
