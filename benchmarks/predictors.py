"""What a belief costs: a prediction that is remembered, one made anew, and an observation.

Every policy that plans with a belief asks it several times per batch and tells it of every batch that ends, so that is
what limits how fast such a policy can be simulated. Machines differ and are noisy, so each figure is also given as a
ratio to one yardstick that runs right beside it: a binary-heap push and pop of a tuple, as an event queue does.

    python benchmarks/predictors.py --models 6 --repeats 5

Columns: `again` asks what was asked since the last observation (a look-up), `anew` asks after an observation, for all
three batches of a set, `observe` learns from a batch that met two others in turn.
"""

from __future__ import annotations

import argparse
import timeit
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from stratsim.model.parts import Features, Link
from stratsim.model.profile import Pair, SchedulerModel, SchedulerProfile
from stratsim.predict import Observation, Predictor, make_predictor

if TYPE_CHECKING:
    from collections.abc import Callable

BELIEFS = (
    "solo",
    "constant",
    "gpulet",
    "ewma-features",
    "ewma-pairs",
    "sgd",
    "nlms",
    "rls",
    "rls(half_life_s=10)",
    "rls(pair_variance=0)",
)
CALLS = 2_000


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    profile = made_profile(options.models)
    print(f"{'belief':22s} {'again':>16s} {'anew':>16s} {'observe':>16s}   microseconds (ratio to a heap push and pop)")
    for name in BELIEFS:
        yard_s, *costs = measure(make_predictor(name).fit(profile), options.repeats)
        cells = "".join(f"{cost * 1e6:9.2f} ({cost / yard_s:4.1f})" for cost in costs)
        print(f"{name:22s} {cells}", flush=True)


def measure(belief: Predictor, repeats: int) -> tuple[float, float, float, float]:
    """Return seconds per call: the yardstick, a remembered prediction, one made anew, an observation."""
    active = (("m0", 1), ("m1", 2), ("m2", 1))
    batches = [observation(i) for i in range(CALLS)]
    heap = [(float(i), i) for i in range(50)]

    def yard() -> None:
        heappush(heap, (heappop(heap)[0] + 25.5, 0))

    def anew() -> None:
        belief._memory.clear()
        belief.predict(active)

    def observe() -> None:
        for batch in batches:
            belief.observe(batch)

    observed = []
    for _ in range(repeats):
        belief.fit(belief.profile_)
        observed.append(timeit.timeit(observe, number=1) / CALLS)
    belief.predict(active)
    return (
        best(yard, repeats),
        best(lambda: belief.predict(active), repeats),
        best(anew, repeats),
        min(observed),
    )


def best(call: Callable[[], object], repeats: int) -> float:
    """Return the seconds per call of the fastest repetition."""
    return min(timeit.repeat(call, number=CALLS, repeat=repeats)) / CALLS


def made_profile(models: int) -> SchedulerProfile:
    """Return a synthetic profile with features and all pairs."""
    names = [f"m{i}" for i in range(max(models, 3))]
    entries = {
        name: SchedulerModel(
            name, (0.01,) * 9, 0, 0, features={1: Features(0.1 + 0.5 * i / models, 0.6 - 0.4 * i / models, 0.3)}
        )
        for i, name in enumerate(names)
    }
    pairs = tuple(
        Pair(own, 1, other, 1, 1.2 + 0.1 * ((i + 2 * j) % 5))
        for i, own in enumerate(names)
        for j, other in enumerate(names)
    )
    link = Link(10e-6, 12e9)
    return SchedulerProfile("benchmark", entries, link, link, pairs)


def observation(index: int) -> Observation:
    """Return a batch of 10 ms that was alone at first, then met two others in turn."""
    names = [f"m{(index * step) % 3}" for step in (1, 2, 4)]
    beside = ((0.002, ()), (0.006, ((names[1], 1),)), (0.004 + 0.0001 * (index % 7), ((names[2], 2),)))
    return Observation((names[0], 1), 0.010, sum([length for length, _ in beside]), beside, 0.005 * index)


if __name__ == "__main__":
    main()
