"""`strait` compiled beside `strait` as it is: what a request costs by models and GPUs, and what one decision does.

    python benchmarks/strait_compiled.py                         # a request, beside a plain SimPy loop
    python benchmarks/strait_compiled.py --decisions             # a decision: median, p99, most
    python benchmarks/strait_compiled.py --requests 3000 --rounds 2 --points 1x1,6x1,64x1
    python benchmarks/strait_compiled.py --write-docs            # puts the table into docs/results/fast-engine.md

A point is models x GPUs: the machines of `growth.py`, load 0.7, two slots, two classes with deadlines, batches of one.
The compiled run is made with four times as many requests as well: what each further one costs has no set-up in it.
Decisions are those of the grid of `experiments/fidelity-cpu.toml` (three models of 50 to 250 ms, one slot, batches of
up to four) and of the six models of `strait_speed.py`, timed as a live run times them: from the call until the last
decision is handed over, without what is done with them.

All take turns, for several rounds; figures are medians, ratios those of the rounds' ratios, and what is timed is the
process's own time of a processor, set-up and tables included. Compiled code is compiled, or loaded, before. The memory
is what a process grows by in its first compiled run. Ends with status 1 if both do not decide the same.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apart
import facts
import machines
import numpy as np
import strait_speed
from replay_speed import LOAD, SERVICE_S, plain_loop

from stratsim.engine import simulate
from stratsim.engine.options import Options
from stratsim.engine.simulation import simulate_with
from stratsim.fast.run import simulate_fast
from stratsim.fast.strait.policy import CompiledStrait
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.policy.base import DropMode
from stratsim.policy.strait import Strait
from stratsim.rng import Streams
from stratsim.testing import make_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stratsim.engine import Result
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Decision
    from stratsim.policy.view import View

KINDS = {"reference": Strait, "compiled": lambda: CompiledStrait.of(Strait())}
_LONGER = 4
GRID_S = {"mobilenetv2": 0.05, "distilbert": 0.2, "resnet50": 0.25}
GRID_SHARES = (0.75, 0.125, 0.125)


def main() -> None:
    """Measure what was asked for."""
    if apart.answer(_memory):
        return
    options = _options()
    name, table = "decisions", decisions(options.requests) if options.decisions else ""
    if not options.decisions:
        name, table = "strait", requests(options.points.split(","), options.requests, options.rounds)
    text = f"{table}\n{facts.in_words(facts.facts(['numba']))}"
    print(text)
    if options.write_docs:
        facts.publish(name, text, Path(), facts.PAGE.with_name("fast-engine.md"))


def requests(points: Sequence[str], count: int, rounds: int) -> str:
    """Return a table of what a request costs at each point."""
    kinds = ("plain", "further", *KINDS)
    taken: dict[str, dict[str, list[float]]] = {point: {kind: [] for kind in kinds} for point in points}
    for number in range(rounds + 1):
        for point in points:
            for kind, us in _once(*map(int, point.split("x")), count).items():
                if number:  # the first round loads what is compiled
                    taken[point][kind].append(us)
    lines = [
        (
            "| models | GPUs | compiled µs | × base | further µs | × base | reference µs | plain µs | compiled × plain "
            "| reference × plain | MB |"
        ),
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for point in points:
        own = taken[point]
        us = {kind: statistics.median(found) for kind, found in own.items()}
        models, gpus = point.split("x")
        base = taken[points[0]]
        memory_mb = apart.measure(__file__, models=int(models), gpus=int(gpus), count=count)["memory_mb"]
        lines.append(
            f"| {models} | {gpus} | {us['compiled']:.1f} | {_ratio(own['compiled'], base['compiled'])} |"
            f" {us['further']:.1f} | {_ratio(own['further'], base['further'])} |"
            f" {us['reference']:.0f} | {us['plain']:.1f} |"
            f" {_ratio(own['plain'], own['compiled'])} | {_ratio(own['plain'], own['reference'])} | {memory_mb:.0f} |"
        )
    return "\n".join(lines) + (
        f"\n\n{count:,} requests, {rounds} rounds, medians. Further: each of {(_LONGER - 1) * count:,} requests more."
        " Base: the first row; MB: what a process grows by.\n"
    )


def _ratio(ones: list[float], others: list[float]) -> str:
    return f"{statistics.median([one / other for one, other in zip(ones, others, strict=True)]):.3g}"


def _machine(models: int, gpus: int, count: int) -> tuple[Profile, Workload, Options]:
    profile = machines.many_models(models)
    arrival_s = np.cumsum(Streams(1).get("benchmark").exponential(SERVICE_S / LOAD / gpus, count))
    workload = machines.with_classes(machines.make_requests(arrival_s, profile))
    options = Options(name="strait", cluster=Cluster(gpus=gpus), max_batch=1, drop=DropMode.INFEASIBLE, seed=0)
    return profile, workload, options


def _once(models: int, gpus: int, count: int) -> dict[str, float]:
    """Return microseconds of a request at a point, by what simulates it."""
    profile, workload, options = _machine(models, gpus, count)
    gaps_s = Streams(1).get("benchmark").exponential(SERVICE_S / LOAD, count).tolist()
    taken: dict[str, float] = {}
    results: dict[str, Result] = {}
    for kind, run in {"compiled": simulate_fast, "reference": simulate_with}.items():
        with apart.Stopwatch() as watch:
            results[kind] = run(workload, profile, Strait(), options)
        taken[kind] = watch.cpu_s / count * 1e6
    if results["compiled"].engine != "fast":
        raise SystemExit("the compiled run was left to the reference")
    longer = _machine(models, gpus, _LONGER * count)
    with apart.Stopwatch() as watch:
        simulate_fast(longer[1], longer[0], Strait(), longer[2])
    taken["further"] = (watch.cpu_s * 1e6 - taken["compiled"] * count) / (_LONGER - 1) / count
    with apart.Stopwatch() as watch:
        plain_loop(gaps_s)
    taken["plain"] = watch.cpu_s / count * 1e6
    _check(results)
    return taken


def _memory(models: int, gpus: int, count: int) -> dict[str, float]:
    """Return by how much this process grows in a run: in its second, once all is loaded, of one model before."""
    profile, workload, options = _machine(1, 1, 100)
    simulate_fast(workload, profile, Strait(), options)
    profile, workload, options = _machine(models, gpus, count)
    before = apart.peak_mb()
    simulate_fast(workload, profile, Strait(), options)
    return {"memory_mb": apart.peak_mb() - before}


def _check(results: dict[str, Result]) -> None:
    one, other = results.values()
    for table in ("batches", "requests"):
        for name, column in vars_of(getattr(one, table)):
            if np.asarray(column).tobytes() != np.asarray(getattr(getattr(other, table), name)).tobytes():
                raise SystemExit(f"{table}.{name} differs")


def vars_of(table: Any) -> list[tuple[str, Any]]:
    """Return the columns of a table by name."""
    return [(name, getattr(table, name)) for name in table.__dataclass_fields__]


# One decision ---------------------------------------------------------------------------------------------------------


def decisions(count: int) -> str:
    """Return a table of what decisions cost, where a live run would make them."""
    lines = ["| workload | | decisions | median, µs | p99, µs | most, µs |", "|---|---|--:|--:|--:|--:|"]
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
            lines.append(f"| {name} | {kind} | {len(spent_s):,} | {median:.1f} | {p99:.1f} | {most:.1f} |")
        _check(results)
    return "\n".join(lines) + "\n"


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
    parser.add_argument("--points", default="6x1,1x1,64x1,256x1,6x64,6x256")
    parser.add_argument("--decisions", action="store_true", help="what one decision costs")
    parser.add_argument("--write-docs", action="store_true", help="the table goes to docs/results/fast-engine.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
