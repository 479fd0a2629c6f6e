"""Throughput of a sweep in two processes against one, and what the machinery costs beside the runs, in one go.

The same sweep (Poisson arrivals, fifo and edf) runs with `--jobs 1` and with `--jobs 2`, in turn, into empty folders.
The speed-up is the ratio of the wall-clock times, starting the processes and sorting the table included. The overhead
is processes times wall-clock time over the runs' own time (`timings.csv`), minus 1. It is also given without the time
before the first row, which does not grow with the runs.

    python benchmarks/sweep_speed.py                                # 200 runs of 20,000 requests
    python benchmarks/sweep_speed.py --runs 20 --requests 5000      # a quick look

Machines are noisy and shared: `cpu` is the share of the wall-clock time that the processes really had a core each, and
`possible` the speed-up that two bare processes get from this machine at that moment, without any sweep. Asserts what
does not depend on the machine: both tables are the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from stratsim.sweep import How, make_sweep, run_sweep

PROCESSES = 2
LOADS = (0.5, 0.7)
POLICIES = ("fifo", "edf")


class Timed(NamedTuple):
    """One sweep."""

    wall_s: float
    ready_s: float
    """Until its first row: the start of the processes and a run."""
    runs_s: float
    """The runs' own time, all together."""
    cpu_s: float
    """What its processes had of a core."""
    table: bytes


def main() -> None:
    """Run the comparison and print its tables."""
    options = _options()
    data = _data(options.runs, options.requests)
    print(f"{options.runs} runs of {options.requests} requests; load average {os.getloadavg()[0]:.2f}")
    print("processes   runs/s   wall s   overhead   beyond start   cpu")
    speedups = []
    for _ in range(options.repeats):
        timed = {count: _sweep(data, count) for count in (1, PROCESSES)}
        for count, each in timed.items():
            print(_line(count, options.runs, each), flush=True)
        if timed[1].table != timed[PROCESSES].table:
            raise SystemExit("the tables differ")
        most = possible(timed[1].runs_s / options.runs * 4)
        speedups.append((timed[1].wall_s / timed[PROCESSES].wall_s, most))
        print(f"speed-up {speedups[-1][0]:.2f}, possible {most:.2f}", flush=True)


def _line(count: int, runs: int, each: Timed) -> str:
    overhead = each.wall_s * count / each.runs_s - 1
    first_s = each.runs_s / runs
    steady = (each.wall_s - each.ready_s + first_s) * count / each.runs_s - 1
    share = each.cpu_s / (each.wall_s * count)
    return f"{count:9d} {runs / each.wall_s:8.2f} {each.wall_s:8.1f} {overhead:9.1%} {steady:13.1%} {share:6.0%}"


def _sweep(data: dict[str, Any], processes: int) -> Timed:
    """Run the sweep in so many processes; one is this process."""
    rows_s: list[float] = []
    before_s = cpu_s()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        how = How(processes, progress=lambda *_: rows_s.append(time.perf_counter() - began))
        run_sweep(make_sweep(data), data, out, how)
        wall_s = time.perf_counter() - began
        with (out / "timings.csv").open(newline="") as file:
            runs_s = sum(float(row["wall_s"]) for row in csv.DictReader(file))
        return Timed(wall_s, rows_s[0], runs_s, cpu_s() - before_s, (out / "results.csv").read_bytes())


def possible(seconds: float) -> float:
    """Return how many times faster two bare processes count than one: 2 on two free cores."""
    rounds = int(2e7 * seconds / 1.0) + 1
    alone_s = _counting(1, rounds)
    return 2 * alone_s / _counting(2, rounds)


def _counting(processes: int, rounds: int) -> float:
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        pool.map(_count, [1] * processes, chunksize=1)
        began = time.perf_counter()
        pool.map(_count, [rounds] * processes, chunksize=1)
        return time.perf_counter() - began


def _count(rounds: int) -> int:
    total = 0
    for value in range(rounds):
        total += value
    return total


def _data(runs: int, requests: int) -> dict[str, Any]:
    per_seed = len(LOADS) * len(POLICIES)
    if runs % per_seed:
        raise SystemExit(f"--runs must be a multiple of {per_seed}")
    return {
        "title": "benchmark",
        "sweep": {"seeds": list(range(runs // per_seed))},
        "arrivals": {"requests": requests},
        "axes": {"load": list(LOADS), "policy": list(POLICIES)},
    }


def cpu_s() -> float:
    """Return the processor time of this process and its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
