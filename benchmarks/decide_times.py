"""How long policies think before a dispatch: what `truth.host.decide_s` of a profile says.

    python benchmarks/decide_times.py [--profile h200-fp16-served] [--rate 1800] [--policies fifo strait ...]

Every policy serves the same requests in the simulator, and the processor time of its decisions is measured: from the
call to its last answer, without what the engine does in between. A call that starts several batches counts in equal
parts; one that starts none is not counted, as the host of a server does nothing else meanwhile. Printed are the median,
the standard deviation of the logarithm, the mean and the 99th percentile. A live server's decisions take longer where
its processor does other things in between.
"""

from __future__ import annotations

import argparse
import platform
from statistics import NormalDist
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim import simulate
from stratsim.cli.text import table
from stratsim.model.cluster import Cluster
from stratsim.model.codec import load_profile
from stratsim.policy.base import Resume, Start
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.rng import Streams
from stratsim.run.saturation import equal_mix
from stratsim.trace.generate import Poisson, generate
from stratsim.trace.rule import complete

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.policy.base import Decision, Policy

POLICIES = (
    "fifo,priority-fifo,edf,priority-edf,clockwork,triton,nexus,symphony,shepherd,least-slack,lax,preempt-lax,"
    "aware-edf,preempt-gated,preempt-kernel,preempt-reset,preempt-ideal,preempt-slack,orion,k-edf,aware-k-edf,strait,"
    "fewest-late"
)


def timed(policy: Policy) -> list[float]:
    """Make a policy note how long it thinks before each dispatch, seconds; return the notes."""
    found: list[float] = []
    original = policy.decide

    def decide(view: Any) -> Iterator[Decision]:
        spent_ns, starts = 0, 0
        since_ns = thread_time_ns()
        decisions = iter(original(view))
        while True:
            decision = next(decisions, None)
            spent_ns += thread_time_ns() - since_ns
            if decision is None:
                break
            starts += type(decision) in (Start, Resume)
            yield decision
            since_ns = thread_time_ns()
        found.extend([spent_ns / max(starts, 1) / 1e9] * starts)

    policy.decide = decide  # type: ignore[method-assign]
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="h200-fp16-served")
    parser.add_argument("--rate", type=float, default=1800.0, help="requests per second")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--policies", default=POLICIES, help="names, by comma")
    asked = parser.parse_args()
    profile = load_profile(asked.profile)
    trace = generate(Poisson, asked.requests, Streams(1), rate=asked.rate, models=equal_mix(profile, None))
    workload = complete(trace, profile.for_scheduler(), None, resolve=profile.resolve, seed=1)
    rows = []
    for call in parse_policies(asked.policies):
        policy: Policy = make_policy(call)
        found = timed(policy)
        simulate(workload, profile, policy, cluster=Cluster(max_concurrency=2), seed=1)
        times_us = 1e6 * np.array(found)
        logs = np.log(times_us)
        tail = float(np.exp(logs.mean() + NormalDist().inv_cdf(0.99) * logs.std()))
        figures = (np.median(times_us), logs.std(), times_us.mean(), np.quantile(times_us, 0.99), tail)
        rows.append((call.text, str(len(found)), *(f"{figure:.3g}" for figure in figures)))
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {asked.rate:g}/s")
    table(("policy", "dispatches", "median us", "sigma", "mean us", "p99 us", "p99 of the fit"), rows)


if __name__ == "__main__":
    main()
