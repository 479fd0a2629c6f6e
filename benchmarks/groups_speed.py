"""One trace over groups of GPUs in two processes against one: speed-up, and that the result is the same.

Eight groups of one GPU, each with as many Poisson arrivals of one model at load 0.7, in batches of one. Both run in
turn; the speed-up is the median of the ratios of wall-clock times, of starting the processes, sending each its
requests and merging the results included. `possible` is what the machine gives two bare processes at that moment
(`sweep_speed.py`): below 2 others work on it, and no speed-up can exceed it. `work` is the processor time of two
processes over that of one: it hardly depends on others, and 2 over it is what two free cores would give at best.

    python benchmarks/groups_speed.py                       # 8 x 50,000 requests, fifo
    python benchmarks/groups_speed.py --policy strait --requests 5000

Asserts what does not depend on the machine: all columns are equal.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from machines import SERVICE_S, DropMode, make_requests, one_model
from sweep_speed import PROCESSES, cpu_s, possible

from stratsim.engine.groups import simulate_groups
from stratsim.model.cluster import Cluster
from stratsim.model.groups import Groups
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.rng import Streams

if TYPE_CHECKING:
    from stratsim.engine import Result

GROUPS = 8
LOAD = 0.7


def main() -> None:
    """Run the comparison and print its table."""
    options = _options()
    count = GROUPS * options.requests
    gaps_s = Streams(1).get("benchmark").exponential(SERVICE_S / LOAD / GROUPS, count)
    run = partial(_run, options.policy, np.cumsum(gaps_s))
    print(f"{GROUPS} x {options.requests:,} requests, {options.policy}")
    print("one process, s   two, s   speed-up   possible   work")
    ratios = []
    for _ in range(options.repeats):
        before_s = cpu_s()
        one, between_s = run(jobs=1), cpu_s()
        two, after_s = run(jobs=PROCESSES), cpu_s()
        if not equal(one, two):
            raise SystemExit("the results differ")
        ratios.append(one.wall_s / two.wall_s)
        work = (after_s - between_s) / (between_s - before_s)
        line = f"{one.wall_s:14.2f} {two.wall_s:8.2f} {ratios[-1]:10.2f} {possible(one.wall_s):10.2f} {work:6.2f}"
        print(line, flush=True)
    print(f"median speed-up {statistics.median(ratios):.2f}")


def _run(policy: str, arrival_s: np.ndarray, jobs: int) -> Result:
    (call,) = parse_policies(policy)
    profile = one_model()
    return simulate_groups(
        make_requests(arrival_s, profile),
        profile,
        partial(make_policy, call),
        Groups(GROUPS),
        cluster=Cluster(gpus=GROUPS),
        name=policy,
        max_batch=1,
        drop=DropMode.INFEASIBLE,
        jobs=jobs,
    )


def equal(one: Result, other: Result) -> bool:
    """Return whether all columns of requests and batches are equal, to the bit."""
    return all(
        np.array_equal(getattr(table, field.name), getattr(same, field.name), equal_nan=True)
        for table, same in ((one.requests, other.requests), (one.batches, other.batches))
        for field in fields(table)
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=50_000, help="of each group")
    parser.add_argument("--policy", default="fifo")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
