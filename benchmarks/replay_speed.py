"""Speed and memory of the replay under any policy, beside a plain SimPy loop doing an easier job, in one run.

Ours: one GPU, device model `streams`, transfers on, load 0.7, batches of 1, no drops: copies, slots, co-location and
the full record of every request. The plain loop: an M/D/1 queue, one SimPy process per customer, as its manual would
write it: a resource, a timeout, no record but the wait. Machines are noisy, so the two alternate and the figure is a
ratio. `peers.py` sets more simulators beside it.

    python benchmarks/replay_speed.py --requests 1000000 --repeats 3

Asserts what does not depend on the machine: the number of events per request.
"""

from __future__ import annotations

import argparse
import statistics

import apart
import machines
import numpy as np
from queues import LOAD, SERVICE_S, draw_gaps, simpy_process

from stratsim.model.cluster import Cluster
from stratsim.policy.base import DropMode

__all__ = ["LOAD", "SERVICE_S", "plain_loop"]

MOST_EVENTS = 2.5
"""Per request: arrival, end of execution, and a dead event for every second co-location."""


def main() -> None:
    """Run the comparison and print its table."""
    options = _options()
    gaps_s = draw_gaps(options.requests)
    profile = machines.one_model()
    workload = machines.make_requests(np.cumsum(gaps_s), profile)
    rows = []
    for _ in range(options.repeats):
        plain_s = plain_loop(gaps_s)
        result = machines.run(options.policy, workload, profile, Cluster(), DropMode.NEVER)
        rows.append((options.requests / plain_s, options.requests / result.wall_s))
        print(
            f"plain SimPy {rows[-1][0]:9,.0f} requests/s   {options.policy} {rows[-1][1]:9,.0f} requests/s", flush=True
        )
    events = result.events / options.requests
    if options.policy == "fifo" and events > MOST_EVENTS:
        raise SystemExit(f"{events:.2f} events per request, more than {MOST_EVENTS}")
    ratio = statistics.median(own / plain for plain, own in rows)
    print(f"median ratio {ratio:.2f}   events per request {events:.2f}   peak memory {apart.peak_mb():,.0f} MB")


def plain_loop(gaps_s: list[float] | machines.Times) -> float:
    """Simulate an M/D/1 queue with one process per customer; return the wall-clock time."""
    with apart.Stopwatch() as watch:
        simpy_process.waits(np.asarray(gaps_s))
    return watch.wall_s


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--policy", default="fifo")
    return parser.parse_args()


if __name__ == "__main__":
    main()
