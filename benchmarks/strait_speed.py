"""Speed of policies that plan with a belief, beside a plain SimPy loop, and what one estimate costs.

One GPU, two slots, device model `streams`, transfers on. Six models: wide kernels (weight 6 to 9) beside narrow ones (1
to 1.5), latencies sub-linear in the batch, batches of up to 8. Poisson arrivals, each model as often as the others, the
project's default share of high priority and default deadlines (5 and 10 times the solo latency). All figures are
synthetic. Two loads: at `busy`, 286 requests/s, something executes on the GPU for 90 % of the time under `strait`
(`gpu[0].utilization` of the summary, asserted: it depends on the policy, as batching does); at `overload` twice as
much arrives as full batches of the same mix, one at a time, complete.

The plain loop is that of `replay_speed.py`, with as many requests. Machines are noisy: all alternate, and the figures
are medians of ratios.

    python benchmarks/strait_speed.py --requests 50000 --repeats 3
    python benchmarks/strait_speed.py --estimate
    python benchmarks/strait_speed.py --gpus 1,8,64

Asserts what does not depend on the machine: events, estimates and questions to the belief per request, and that an
estimate asks the belief at most twice per batch on the GPU. With several GPUs, each with the arrivals of
`replay_speed.py`, that estimates and updates of forecasts per request stay within bounds whatever their number.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import timeit
from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from machines import make_requests, one_model
from replay_speed import LOAD, SERVICE_S, plain_loop

from stratsim.engine import Result, simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.profile import Profile, Sharing
from stratsim.model.request import Priority
from stratsim.model.workload import Workload
from stratsim.policy.base import DropMode
from stratsim.policy.forecast import Forecast, Planned
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.policy.strait import Strait
from stratsim.policy.strait.estimates import Estimates
from stratsim.predict.rls import Rls
from stratsim.results.summary import summarize
from stratsim.rng import Streams
from stratsim.testing import make_profile
from stratsim.trace.spec import HIGH_SHARE, SLO_FACTORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.predict import Active, Predictor

MS = 1e-3
LATENCY_S = {
    "wide-small": {1: 1.2 * MS, 2: 1.6 * MS, 4: 2.6 * MS, 8: 4.6 * MS},
    "wide-medium": {1: 4.0 * MS, 2: 6.6 * MS, 4: 11.8 * MS, 8: 22.0 * MS},
    "wide-large": {1: 7.5 * MS, 2: 13.0 * MS, 4: 24.2 * MS, 8: 46.5 * MS},
    "narrow-small": {1: 1.8 * MS, 2: 2.1 * MS, 4: 2.8 * MS, 8: 4.3 * MS},
    "narrow-medium": {1: 3.0 * MS, 2: 3.6 * MS, 4: 5.0 * MS, 8: 8.0 * MS},
    "narrow-large": {1: 6.0 * MS, 2: 8.5 * MS, 4: 14.0 * MS, 8: 25.0 * MS},
}
SHARING = {
    "wide-small": Sharing(0.95, 9.0),
    "wide-medium": Sharing(0.90, 7.0),
    "wide-large": Sharing(1.00, 6.0),
    "narrow-small": Sharing(0.40, 1.0),
    "narrow-medium": Sharing(0.50, 1.2),
    "narrow-large": Sharing(0.70, 1.5),
}
POLICIES = ("strait", "aware-edf", "priority-edf")
BUSY_PER_S = 286.0
OVERLOAD_PER_S = 2.0 / statistics.mean([table[8] / 8 for table in LATENCY_S.values()])
BUSY = (0.89, 0.91)
"""Within what `strait` must keep the GPU busy for its figure to be one at 90 % utilisation."""


def main() -> None:
    """Measure and print the tables."""
    options = _options()
    if options.estimate:
        estimates(options.repeats)
        return
    if options.gpus:
        scaling([int(number) for number in options.gpus.split(",")], options.requests, options.repeats)
        return
    for name, rate_per_s in (("busy", BUSY_PER_S), ("overload", OVERLOAD_PER_S)):
        print(f"{name}: {rate_per_s:,.0f} requests/s")
        compare(rate_per_s, options.requests, options.repeats, must_be_busy=name == "busy")


def compare(rate_per_s: float, count: int, repeats: int, *, must_be_busy: bool) -> None:
    """Run every policy and the plain loop in turn; print requests per second of wall clock and ratios."""
    gaps_s = Streams(1).get("gaps").exponential(1.0 / rate_per_s, count)
    profile, workload = machine(gaps_s)
    plain_gaps_s = Streams(1).get("benchmark").exponential(SERVICE_S / LOAD, count).tolist()
    plain: list[float] = []
    own: dict[str, list[Result]] = {policy: [] for policy in POLICIES}
    for _ in range(repeats):
        plain.append(plain_loop(plain_gaps_s))
        for policy in POLICIES:
            own[policy].append(replay(policy, profile, workload))
    print(f"  {'plain SimPy':13s} {count / statistics.median(plain):9,.0f} requests/s")
    for policy in POLICIES:
        report(policy, own[policy], plain, must_be_busy=must_be_busy and policy == "strait")
    counted(profile, workload)


def report(policy: str, results: Sequence[Result], plain: Sequence[float], *, must_be_busy: bool) -> None:
    """Print one policy's line."""
    count = len(results[0].requests)
    wall_s = [result.wall_s for result in results]
    ratio = statistics.median(loop_s / own_s for loop_s, own_s in zip(plain, wall_s, strict=True))
    run = summarize(results[0])
    gpu, classes = run["gpu"][0], run["classes"]
    print(
        f"  {policy:13s} {count / statistics.median(wall_s):9,.0f} requests/s   {ratio:5.2f} of the plain loop"
        f"   utilisation {gpu['utilization']:.3f}   batch {gpu['mean_batch_size']:.2f}"
        f"   violation high {classes['high']['violation']:.3f} low {classes['low']['violation']:.3f}",
        flush=True,
    )
    if must_be_busy and not BUSY[0] <= gpu["utilization"] <= BUSY[1]:
        raise SystemExit(f"utilisation {gpu['utilization']:.3f} is not within {BUSY}")


def replay(policy: str, profile: Profile, workload: Workload) -> Result:
    """Run one policy."""
    (call,) = parse_policies(policy)
    return simulate(workload, profile, make_policy(call), cluster=Cluster(), max_batch=8)


def machine(gaps_s: np.ndarray) -> tuple[Profile, Workload]:
    """Return the profile and the arrivals."""
    link = Link(alpha_s=10e-6, bytes_per_s=12e9)
    bytes_in, bytes_out = 602_112, 4_000
    profile = make_profile(
        LATENCY_S, sharing=SHARING, h2d=link, d2h=link, bytes_in=bytes_in, bytes_out=bytes_out, noise_cv=0.02
    )
    count, streams = len(gaps_s), Streams(1)
    model = streams.get("models").integers(0, len(LATENCY_S), count).astype(np.int32)
    priority = np.where(streams.get("classes").random(count) < HIGH_SHARE, Priority.HIGH, Priority.LOW)
    alone_s = np.array([table[1] + link.copy_s(bytes_in) + link.copy_s(bytes_out) for table in LATENCY_S.values()])
    slack = np.array([SLO_FACTORS[level] for level in Priority])
    arrival_s = np.cumsum(gaps_s)
    return profile, Workload(
        models=tuple(LATENCY_S),
        arrival_s=arrival_s,
        model=model,
        priority=priority.astype(np.int8),
        deadline_s=arrival_s + slack[priority] * alone_s[model],
        bytes_in=np.full(count, bytes_in),
        bytes_out=np.full(count, bytes_out),
        client=np.full(count, -1, np.int32),
    )


# Counts ---------------------------------------------------------------------------------------------------------------

COUNTED = {"walk": Forecast, "predict": Rls, "update": Estimates}
MOST = {"events": 2.5, "walk": 2.2, "predict": 4.2, "update": 1.3}
"""Per request, whatever the load: what the design of `strait` promises."""


def counted(profile: Profile, workload: Workload) -> None:
    """Replay once more with calls counted, print how many there are per request, and hold them to their bounds."""
    count: Counter[str] = Counter()
    with contextlib.ExitStack() as patched:
        for name, owner in COUNTED.items():
            call = _counting(count, name, getattr(owner, name))
            patched.enter_context(mock.patch.object(owner, name, call))
        count["events"] = replay("strait", profile, workload).events
    per_request = {name: count[name] / len(workload) for name in MOST}
    print("  strait, per request: " + ", ".join(f"{name} {number:.2f}" for name, number in per_request.items()))
    for name, number in per_request.items():
        if number > MOST[name]:
            raise SystemExit(f"{number:.2f} {name} per request, more than {MOST[name]}")


def _counting(count: Counter[str], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def counts(*args: Any, **options: Any) -> Any:
        count[name] += 1
        return call(*args, **options)

    return counts


# Several GPUs ---------------------------------------------------------------------------------------------------------

MOST_PER_GPU = {"walk": 3.0, "update": 3.5}
"""Per request, whatever the number of GPUs: estimates, and updates of single forecasts."""


def scaling(numbers: Sequence[int], count: int, repeats: int) -> None:
    """Print what a request costs with more and more GPUs, and hold counts to bounds."""
    print("GPUs   us per request   walks   updates of a forecast")
    for gpus in numbers:
        gaps_s = Streams(1).get("benchmark").exponential(SERVICE_S / LOAD / gpus, count)
        profile = one_model()
        workload = make_requests(np.cumsum(gaps_s), profile)
        wall_s = [_on_gpus(gpus, profile, workload).wall_s for _ in range(repeats)]
        calls: Counter[str] = Counter()
        with contextlib.ExitStack() as patched:
            for name in MOST_PER_GPU:
                call = _counting(calls, name, getattr(Forecast, name))
                patched.enter_context(mock.patch.object(Forecast, name, call))
            _on_gpus(gpus, profile, workload)
        per_request = {name: calls[name] / count for name in MOST_PER_GPU}
        walks, updates = per_request.values()
        print(f"{gpus:4d} {statistics.median(wall_s) / count * 1e6:16.1f} {walks:7.2f} {updates:9.2f}", flush=True)
        for name, number in per_request.items():
            if number > MOST_PER_GPU[name]:
                raise SystemExit(f"{number:.2f} {name} per request, more than {MOST_PER_GPU[name]}")


def _on_gpus(gpus: int, profile: Profile, workload: Workload) -> Result:
    (call,) = parse_policies("strait")
    return simulate(workload, profile, make_policy(call), cluster=Cluster(gpus=gpus), max_batch=1, drop=DropMode.NEVER)


# One estimate ---------------------------------------------------------------------------------------------------------

CALLS = 500
MOST_QUESTIONS = 2
"""To the belief, per batch on the GPU: an interval ends when a batch joins or leaves."""


def estimates(repeats: int) -> None:
    """Print what one estimate costs beside more and more batches, and hold its questions to their bound."""
    profile, _ = machine(np.ones(1))
    print("co-runners   questions   us, belief remembered   us, belief asked anew")
    for beside in (0, 1, 2, 3, 5, 7, 11, 15):
        questions, known_s, anew_s = estimate(Strait().belief.fit(profile.for_scheduler()), beside, repeats)
        print(f"{beside:10d} {questions:11d} {known_s * 1e6:23.1f} {anew_s * 1e6:23.1f}", flush=True)
        if questions > MOST_QUESTIONS * (beside + 1):
            raise SystemExit(f"{questions} questions beside {beside}, more than {MOST_QUESTIONS} per batch")


def estimate(belief: Predictor, beside: int, repeats: int) -> tuple[int, float, float]:
    """Return questions to the belief, and seconds per estimate, of a candidate beside others that execute."""
    names, asked = list(LATENCY_S), []

    def rates(active: Active) -> Sequence[float]:
        asked.append(active)
        return belief.predict(active)

    forecast, counting = Forecast(beside + 1, belief.predict), Forecast(beside + 1, rates)
    others = [Planned((names[i % 6], 1 + i // 6), (5 + i) * MS, 0.0, 0.0, inf, high=True) for i in range(beside)]
    forecast.executing, counting.executing = others, others
    candidate = Planned((names[0], 8), 7.3 * MS, 2.1 * MS, 0.0, inf, high=True)

    def anew() -> None:
        belief._memory = {}
        forecast.walk(0.0, candidate)

    counting.walk(0.0, candidate)
    known_s = min(timeit.repeat(lambda: forecast.walk(0.0, candidate), number=CALLS, repeat=repeats)) / CALLS
    return len(asked), known_s, min(timeit.repeat(anew, number=CALLS, repeat=repeats)) / CALLS


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--gpus", help="what a request costs with so many GPUs: 1,8,64")
    parser.add_argument("--estimate", action="store_true", help="what one estimate costs, by co-runners")
    return parser.parse_args()


if __name__ == "__main__":
    main()
