"""Speed and memory of the replay, beside a plain SimPy loop doing an easier job, in one run.

Ours: `fifo` on one GPU, device model `streams`, transfers on, load 0.7, batches of 1, no drops: copies, slots,
co-location and the full record of every request. The plain loop: an M/D/1 queue, one SimPy process per customer, as
SimPy's manual would write it: a resource, a timeout, no record. Machines are noisy, so the two alternate and the figure
is a ratio.

    python benchmarks/replay_speed.py --requests 1000000 --repeats 3

Asserts what does not depend on the machine: the number of events per request.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import simpy

from stratsim.engine import Result, simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.profile import Profile, Sharing
from stratsim.model.workload import Workload
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.rng import Streams
from stratsim.testing import make_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE_S = 0.010
LOAD = 0.7
MOST_EVENTS = 2.5
"""Per request: arrival, end of execution, and a dead event for every second co-location."""


def main() -> None:
    """Run the comparison and print its table."""
    options = _options()
    gaps_s = Streams(1).get("benchmark").exponential(SERVICE_S / LOAD, options.requests)
    profile, workload = one_model(gaps_s)
    rows = []
    for _ in range(options.repeats):
        plain_s = plain_loop(gaps_s.tolist())
        result = ours(workload, profile, options.policy)
        rows.append((options.requests / plain_s, options.requests / result.wall_s))
        print(
            f"plain SimPy {rows[-1][0]:9,.0f} requests/s   {options.policy} {rows[-1][1]:9,.0f} requests/s", flush=True
        )
    events = result.events / options.requests
    if options.policy == "fifo" and events > MOST_EVENTS:
        raise SystemExit(f"{events:.2f} events per request, more than {MOST_EVENTS}")
    ratio = statistics.median(own / plain for plain, own in rows)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"median ratio {ratio:.2f}   events per request {events:.2f}   peak memory {peak_mb:,.0f} MB")


def plain_loop(gaps_s: list[float]) -> float:
    """Simulate an M/D/1 queue with one process per customer; return the wall-clock time."""
    env = simpy.Environment()
    server = simpy.Resource(env, capacity=1)

    def customer() -> Iterator[simpy.Event]:
        with server.request() as turn:
            yield turn
            yield env.timeout(SERVICE_S)

    def source() -> Iterator[simpy.Event]:
        for gap_s in gaps_s:
            yield env.timeout(gap_s)
            env.process(customer())

    env.process(source())
    began = time.perf_counter()
    env.run()
    return time.perf_counter() - began


def ours(workload: Workload, profile: Profile, policy: str) -> Result:
    """Replay the same arrivals."""
    (call,) = parse_policies(policy)
    return simulate(workload, profile, make_policy(call), cluster=Cluster(), max_batch=1, drop=DropMode.NEVER)


def one_model(gaps_s: np.ndarray) -> tuple[Profile, Workload]:
    """Return a profile with one model, and arrivals that never expire."""
    link = Link(alpha_s=10e-6, bytes_per_s=12e9)
    profile = make_profile(
        {"model": SERVICE_S},
        sharing={"model": Sharing(1.0, 1.0)},
        h2d=link,
        d2h=link,
        bytes_in=602_112,
        bytes_out=4_000,
        noise_cv=0.003,
    )
    count = len(gaps_s)
    workload = Workload(
        models=("model",),
        arrival_s=np.cumsum(gaps_s),
        model=np.zeros(count, np.int32),
        priority=np.zeros(count, np.int8),
        deadline_s=np.full(count, np.inf),
        bytes_in=np.full(count, 602_112),
        bytes_out=np.full(count, 4_000),
        client=np.full(count, -1, np.int32),
    )
    return profile, workload


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--policy", default="fifo")
    return parser.parse_args()


if __name__ == "__main__":
    main()
