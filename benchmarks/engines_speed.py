"""How much sooner is a run on the fast engine than on SimPy? The same requests through both, in turns; CPU time.

    python benchmarks/engines_speed.py                                            # aware-edf, strait, triton: minutes
    python benchmarks/engines_speed.py --requests 2000 --policies "edf" "native"  # any policies that it covers

`asymmetric-six`, batches of up to eight, two slots, Poisson requests at 0.65 of saturation: a run as in study 2. What
is timed is the whole run in a process that has made one before: set-up and tables are in it, requests are not.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import TYPE_CHECKING

from stratsim.engine.options import Options
from stratsim.model.cluster import Cluster
from stratsim.model.codec import load_profile
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.rng import Streams
from stratsim.run.engine import Engine, EngineName
from stratsim.run.oracle import reveal
from stratsim.run.saturation import equal_mix
from stratsim.trace.generate import Poisson, generate
from stratsim.trace.rule import complete

if TYPE_CHECKING:
    from stratsim.model.workload import Workload

POLICIES = (
    "aware-edf(predictor=constant(slowdown=2),infeasible=alone)",
    "aware-edf(predictor=ewma-pairs,infeasible=alone,margin=0.9)",
    "aware-edf",
    "aware-edf(predictor=rls(form=additive),infeasible=alone,margin=0.9)",
    "strait",
    "strait(predictor=constant(slowdown=2))",
    "strait(predictor=oracle)",
    "priority-edf",
    "triton",
    "triton(preferred=[4],max_queue_delay_s=0.005)",
    "triton(instances=2,priority_levels=2,timeout_s=0.05)",
)
RATE_PER_S, SEED = 0.65 * 183.31, 1101
ENGINES: tuple[EngineName, ...] = ("simpy", "fast")
PROFILE = load_profile("asymmetric-six")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policies", nargs="+", default=POLICIES)
    parser.add_argument("--requests", nargs="+", type=int, default=[2_000, 20_000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| policy | requests | simpy, ms | fast, ms | × |\n|---|--:|--:|--:|--:|")
    for policy in options.policies:
        for count in options.requests:
            workload = requests(count)
            cpu_s("fast", policy, workload)
            spent = [[cpu_s(engine, policy, workload) for engine in ENGINES] for _ in range(options.rounds)]
            simpy_ms, fast_ms = (1e3 * median(column) for column in zip(*spent, strict=True))
            ratio = median(simpy / fast for simpy, fast in spent)
            print(f"| `{policy}` | {count:,} | {simpy_ms:.0f} | {fast_ms:.1f} | {ratio:.1f} |", flush=True)


def requests(count: int) -> Workload:
    """Return so many requests."""
    trace = generate(Poisson, count, Streams(SEED), rate=RATE_PER_S, models=equal_mix(PROFILE, None))
    return complete(trace, PROFILE.for_scheduler(), None, resolve=PROFILE.resolve, seed=SEED)


def cpu_s(engine: EngineName, text: str, workload: Workload) -> float:
    """Return what a run takes."""
    policy = make_policy(parse_policies(text)[0])
    reveal(policy, PROFILE)
    cluster = Cluster(max_concurrency=2, prefetch=1)
    options = Options(name=text, cluster=cluster, max_batch=8, drop=DropMode.INFEASIBLE, seed=SEED)
    began_s = time.process_time()
    result = Engine(engine)(workload, PROFILE, policy, options)
    spent_s = time.process_time() - began_s
    if result.engine != engine:
        raise SystemExit(f"{text}: {result.not_fast}")
    return spent_s


if __name__ == "__main__":
    main()
