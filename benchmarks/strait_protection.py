r"""Does a change of Strait protect high priority as before? The same requests through two versions of the code.

Base cases of study 2: `asymmetric-six` and `rtx3080-disb`, all loads of their base axes, C = 2, 4,000 Poisson requests,
30 % high priority, deadlines of 5 and 10 x solo, result seeds 1101 to 1110.

    python benchmarks/strait_protection.py rows > before.jsonl        # in one version's checkout
    python benchmarks/strait_protection.py rows > after.jsonl         # in the other's
    python benchmarks/strait_protection.py compare before.jsonl after.jsonl

`compare` prints paired differences of violations in percentage points, with 95 % t-intervals over seeds, by cell and
over all cells (the mean over cells of each seed), and ends with status 1 if the upper limit over all, of high priority,
is not below +0.3.

And is what it believes good enough? Strait beside itself with the oracle's belief, at other rates and C:

    policies='strait strait(predictor=oracle)'
    python benchmarks/strait_protection.py rows --cells asymmetric-six:140:{2,3,4} --policies $policies > rows.jsonl
    python benchmarks/strait_protection.py rows --cells h200-fp16:1800:{2,3,4} --requests 6000 --policies $policies \
        >> rows.jsonl
    python benchmarks/strait_protection.py table rows.jsonl

`table` prints violations of both classes, with 95 % t-intervals, and ends with status 1 if in some cell the mean of
high priority is above the upper limit of the oracle's, or that of low priority more than five points above the
oracle's mean.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.codec import load_profile
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.results import summarize
from stratsim.rng import Streams
from stratsim.run.oracle import reveal
from stratsim.run.saturation import equal_mix
from stratsim.stats.intervals import mean_interval, paired_interval
from stratsim.trace.generate import Poisson, generate
from stratsim.trace.rule import complete

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.stats.intervals import Interval

SATURATION_PER_S = {"asymmetric-six": 183.31, "rtx3080-disb": 356.2067}
"""Load 1.0, requests per second, by `stratsim.run.saturation`."""
LOADS = {"asymmetric-six": (0.4, 0.5, 0.6, 0.7, 0.8, 0.95), "rtx3080-disb": (0.5, 0.65, 0.8, 0.95)}
BASE = [f"{name}:{round(SATURATION_PER_S[name] * load, 4)}:2" for name, loads in LOADS.items() for load in loads]
SEEDS = range(1101, 1111)
MOST_PP = 0.3
WARMUP_S = 1.0
MINE, ORACLE = "strait", "strait(predictor=oracle)"
MOST_LOW_PP = 5.0


def main() -> int:
    """Print rows, compare those of two versions, or lay them beside the oracle's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("rows")
    making.add_argument("--cells", nargs="+", default=BASE, help="PROFILE:REQUESTS_PER_S:C")
    making.add_argument("--policies", nargs="+", default=["strait"])
    making.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    making.add_argument("--requests", type=int, default=4000)
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    tabling = commands.add_parser("table")
    tabling.add_argument("rows", type=Path)
    options = parser.parse_args()
    if options.command == "table":
        return table(read(options.rows))
    if options.command == "compare":
        return compare(read(options.before), read(options.after))
    for cell in options.cells:
        for seed in options.seeds:
            for row in rows(cell, seed, options.policies, options.requests):
                print(json.dumps(row), flush=True)
    return 0


def rows(cell: str, seed: int, policies: Sequence[str], requests: int) -> Iterator[dict[str, Any]]:
    """Yield the violations of each policy, %, on the same requests."""
    name, rate, slots = cell.split(":")
    profile = load_profile(name)
    trace = generate(Poisson, requests, Streams(seed), rate=float(rate), models=equal_mix(profile, None))
    workload = complete(trace, profile.for_scheduler(), None, resolve=profile.resolve, seed=seed)
    cluster = Cluster(max_concurrency=int(slots), prefetch=1)
    solo = profile.for_scheduler(cluster.solo_links(profile.observable.pcie))
    for text in policies:
        policy = make_policy(parse_policies(text)[0])
        reveal(policy, profile, None, int(slots))
        result = simulate(workload, profile, policy, cluster=cluster, seed=seed)
        classes = summarize(result, warmup_s=WARMUP_S, profile=solo)["classes"]
        found = {label: 100.0 * classes[label]["violation"] for label in ("high", "low")}
        yield {"cell": cell, "policy": text, "seed": seed, **found}


def read(path: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Return rows by cell, policy and seed."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(row["cell"], row["policy"], row["seed"]): row for row in found}


def compare(before: dict[tuple[str, str, int], Any], after: dict[tuple[str, str, int], Any]) -> int:
    """Print the differences; return 1 if high priority is protected less than before."""
    keys = sorted(before.keys() & after.keys())
    limit = 0.0
    for label in ("high", "low"):
        by_seed: dict[int, list[float]] = {}
        by_cell: dict[tuple[str, str], list[float]] = {}
        for cell, policy, seed in keys:
            difference = after[cell, policy, seed][label] - before[cell, policy, seed][label]
            by_seed.setdefault(seed, []).append(difference)
            by_cell.setdefault((cell, policy), []).append(difference)
        for (cell, policy), differences in by_cell.items():
            show(f"{label:4s} {cell} {policy}", differences)
        high = show(f"{label:4s} all cells", [mean(differences) for differences in by_seed.values()])
        limit = high if label == "high" else limit
    return int(limit >= MOST_PP)


def table(found: dict[tuple[str, str, int], Any]) -> int:
    """Print the violations of Strait and of Strait with the oracle's belief; return 1 where it does not hold."""
    print("| | C | high / low, % | with the oracle's belief | upper end of its high | high, paired difference | |")
    print("|---|---|---|---|---|---|---|")
    failed = 0
    for cell in dict.fromkeys(cell for cell, _, _ in found):
        name, _, slots = cell.split(":")
        high, low = (mean_interval(_over_seeds(found, cell, MINE, label)) for label in ("high", "low"))
        best_high, best_low = (mean_interval(_over_seeds(found, cell, ORACLE, label)) for label in ("high", "low"))
        apart = paired_interval(_over_seeds(found, cell, MINE, "high"), _over_seeds(found, cell, ORACLE, "high"))
        holds = high.mean <= best_high.high and low.mean <= best_low.mean + MOST_LOW_PP
        failed += not holds
        print(
            f"| `{name}` | {slots} | {_text(high)} / {_text(low)} | {_text(best_high)} / {_text(best_low)} "
            f"| {best_high.high:.2f} | {apart.mean:+.2f} ± {apart.half_width:.2f} "
            f"| {'holds' if holds else 'does not hold'} |"
        )
    return int(failed > 0)


def _over_seeds(found: dict[tuple[str, str, int], Any], cell: str, policy: str, label: str) -> list[float]:
    """Return one class's violations of one policy in a cell, in the order of the seeds."""
    return [found[key][label] for key in sorted(found) if key[:2] == (cell, policy)]


def _text(interval: Interval) -> str:
    return f"{interval.mean:.2f} ± {interval.half_width:.2f}"


def show(what: str, differences: Sequence[float]) -> float:
    """Print a mean difference with its interval; return the upper end."""
    found = mean_interval(differences)
    print(f"{what:50s} {found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]")
    return found.high


if __name__ == "__main__":
    sys.exit(main())
