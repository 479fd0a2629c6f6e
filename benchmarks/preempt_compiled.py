"""Policies that preempt, compiled beside the reference: the processor's time of a run, set-up and tables included.

    python benchmarks/preempt_compiled.py                           # minutes
    python benchmarks/preempt_compiled.py --requests 2000 --rounds 3 --policies preempt-gated
    python benchmarks/preempt_compiled.py --write-docs              # puts the table into docs/results/fast-engine.md

On the bundled H200 and on the same as it serves (overheads, speeds and decision times of its host): one GPU, two slots,
its models in equal shares, Poisson arrivals that would keep it busy for 0.9 of the time in batches of one without
co-location, classes and deadlines as the project's default, batches of up to four, drops of what is infeasible.

Both engines take turns, for several rounds; figures are medians, ratios those of the rounds' ratios. What is compiled
is loaded before. Ends with status 1 if both do not give the same bytes.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import apart
import facts
import numpy as np

from stratsim.engine.options import Options
from stratsim.engine.simulation import simulate_with
from stratsim.fast.run import simulate_fast
from stratsim.model.cluster import Cluster
from stratsim.model.codec import load_profile
from stratsim.model.request import Priority
from stratsim.model.workload import Workload
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.rng import Streams
from stratsim.trace.spec import HIGH_SHARE, SLO_FACTORS

if TYPE_CHECKING:
    from stratsim.engine import Result
    from stratsim.model.profile import Profile

PROFILES = ("h200-fp16", "h200-fp16-served")
POLICIES = (
    "preempt-ideal,preempt-gated,preempt-gated(stop=needed),preempt-kernel,preempt-reset,preempt-slack,k-edf,orion"
)
LOAD, BYTES_IN, BYTES_OUT = 0.9, 602_112, 4_000


def main() -> None:
    """Measure what was asked for."""
    options = _options()
    lines = [
        "| profile | policy | requests | pauses | compiled ms | reference ms | reference × compiled |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name in PROFILES:
        profile = load_profile(name)
        for text in options.policies.replace("),", ")|").replace(",", "|").split("|"):
            for count in map(int, options.requests.split(",")):
                lines.append(_row(profile, name, text, count, options.rounds))
                print(lines[-1], flush=True)
    table = "\n".join(lines) + f"\n\n{options.rounds} rounds, medians.\n"
    text = f"{table}\n{facts.in_words(facts.facts(['numba']))}"
    print(text)
    if options.write_docs:
        facts.publish("preempt", text, Path(), facts.PAGE.with_name("fast-engine.md"))


def _row(profile: Profile, name: str, text: str, count: int, rounds: int) -> str:
    workload = make_requests(profile, count)
    taken: dict[str, list[float]] = {"compiled": [], "reference": []}
    (call,) = parse_policies(text)
    options = Options(call.name, Cluster(max_concurrency=2), max_batch=4, drop=DropMode.INFEASIBLE, seed=0)
    for number in range(rounds + 1):
        results = []
        for kind, run in {"compiled": simulate_fast, "reference": simulate_with}.items():
            with apart.Stopwatch() as watch:
                results.append(run(workload, profile, make_policy(call), options))
            if number:  # the first round loads what is compiled
                taken[kind].append(watch.cpu_s)
        _check(*results)
    ratio = statistics.median([one / other for one, other in zip(taken["reference"], taken["compiled"], strict=True)])
    compiled_ms, reference_ms = (statistics.median(each) * 1e3 for each in taken.values())
    pauses = results[0].pauses
    return (
        f"| `{name}` | `{text}` | {count:,} | {0 if pauses is None else len(pauses):,} | {compiled_ms:.1f}"
        f" | {reference_ms:.0f} | {ratio:.3g} |"
    )


def make_requests(profile: Profile, count: int) -> Workload:
    """Return requests for all models of a profile in equal shares, in two classes with deadlines.

    Args:
        profile: Has the models.
        count: How many.
    """
    names = tuple(profile.observable.models)
    solo_s = np.array([profile.observable.models[name].latency_s[1] for name in names])
    streams = Streams(1)
    model = streams.get("models").integers(0, len(names), count)
    arrival_s = np.cumsum(streams.get("arrivals").exponential(solo_s.mean() / LOAD, count))
    high = streams.get("classes").random(count) < HIGH_SHARE
    priority = np.where(high, Priority.HIGH, Priority.LOW).astype(np.int8)
    slack = np.array([SLO_FACTORS[level] for level in Priority])
    return Workload(
        models=names,
        arrival_s=arrival_s,
        model=model.astype(np.int32),
        priority=priority,
        deadline_s=arrival_s + slack[priority] * solo_s[model],
        bytes_in=np.full(count, BYTES_IN),
        bytes_out=np.full(count, BYTES_OUT),
        client=np.full(count, -1, np.int32),
    )


def _check(fast: Result, reference: Result) -> None:
    if fast.engine != "fast":
        raise SystemExit("the compiled run was left to the reference")
    for table in ("batches", "requests", "pauses"):
        for column in getattr(reference, table).__dataclass_fields__:
            ours, theirs = (np.asarray(getattr(getattr(of, table), column)) for of in (fast, reference))
            if ours.tobytes() != theirs.tobytes():
                raise SystemExit(f"{table}.{column} differs")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", default="2000,20000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--policies", default=POLICIES)
    parser.add_argument("--write-docs", action="store_true", help="the table goes to docs/results/fast-engine.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
