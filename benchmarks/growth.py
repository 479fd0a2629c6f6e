"""How cost grows: time per request and memory against requests, GPUs, models, waiting requests and slots.

    python benchmarks/growth.py                         # a quarter of an hour; results/growth
    python benchmarks/growth.py --quick                 # a look, in two minutes: a tenth of the requests, once each
    python benchmarks/growth.py --full                  # ten million requests as well: twice as long, and gigabytes
    python benchmarks/growth.py --write-docs            # puts figure and table into docs/results/growth.md

One figure is changed at a time; the others stay at one GPU, one model, two slots, load 0.7, and 100,000 requests
(`strait`: 10,000). `strait` is left out at the far ends, where a point would take minutes or more memory than there is.
Batches of one, so that a request costs a whole batch.

    requests   how many are replayed
    gpus       each with a load of 0.7
    models     each asked for as often as another, with a weight of its own against those beside it
    queue      bursts at twice the saturation until so many wait, then silence until all are served; twice the requests
    slots      as many batches may execute at once; each can use its share of the GPU and no more, so that they are used

Deadlines are the project's default ones, except with `queue`: there they are too far for any request to be given up.

Every point is measured in a process of its own, whose peak of memory is counted from before the replay begins. Time is
the process's own time of a processor. All points of a policy follow each other, round after round, and how much more
one costs than another is the median of the rounds' ratios: a machine that is slow for a minute is slow for both. The
rows go to growth-runs.csv as they come; what is there already is not measured again, unless `--fresh`. Rows of other
code or of another machine are never continued.

Ends with status 1 if what does not depend on the machine is broken: more events per request than the design allows, a
different number when a point is repeated, or a queue that did not get as long as it should.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import apart
import machines
import numpy as np
import pandas as pd
from facts import PAGE, facts, in_words, publish

from stratsim.model.cluster import Cluster
from stratsim.policy.base import DropMode
from stratsim.rng import Streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_EVENTS = 3.0
"""Per request in batches of one: its arrival, and its device's one alarm, moved at every start and every end.

`strait` sets timers besides, and still stays below it."""
LOAD = 0.7
QUICK = 10
"""By how much `--quick` divides the requests of a point."""


class Sizes(NamedTuple):
    """How much of a policy is measured."""

    usual: int
    """Requests of a point."""
    requests: int
    """The most requests; `--full` multiplies them by ten."""
    gpus: int = 1024
    models: int = 256
    queue: int = 100_000
    slots: int = 16


POLICIES = {
    "fifo": Sizes(100_000, 1_000_000),
    "priority-edf": Sizes(100_000, 1_000_000),
    "strait": Sizes(10_000, 100_000, gpus=256, models=64, queue=10_000),
}
AXES: dict[str, tuple[int, ...]] = {
    "requests": (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    "queue": (100, 1_000, 10_000, 100_000),
    "gpus": (1, 4, 16, 64, 256, 1024),
    "models": (1, 4, 16, 64, 256),
    "slots": (1, 2, 4, 8, 16),
}
IN_WORDS = {"requests": "requests", "gpus": "GPUs", "models": "models", "queue": "waiting", "slots": "slots"}
COLUMNS = (
    *("axis", "value", "policy", "round", "requests", "wall_s", "cpu_s", "before_mb", "peak_mb", "events"),
    "longest_queue",
)


class Point(NamedTuple):
    """One measurement."""

    axis: str
    value: int
    policy: str
    round: int
    requests: int

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from others, as the CSV has it."""
        return tuple(str(field) for field in self)


def main() -> None:
    """Measure what is missing, judge, draw."""
    if apart.answer(measure_one):
        return
    options = _options()
    if find_spec("matplotlib") is None:
        raise SystemExit("figures need matplotlib: pip install 'stratsim[plots]'")
    wanted = points(options.rounds, full=options.full, quick=options.quick)
    log = Log(options.out, facts(), fresh=options.fresh)
    measure_all([point for point in wanted if point.key not in log.done], log)
    rows = log.read(wanted)
    problems = judge(rows)
    print(finish(options.out, rows, log.known))
    if options.write_docs:
        publish("growth", markdown(summarize(rows), log.known, rows), options.out, PAGE.with_name("growth.md"))
    if problems:
        raise SystemExit("\n".join(problems))
    print(f"never more than {MOST_EVENTS:g} events per request; equal in all rounds")


def points(rounds: int, *, full: bool = False, quick: bool = False) -> list[Point]:
    """Return everything to measure: what is compared is near in time, and a busy minute spoils one round only."""
    return [
        Point(axis, value, policy, number, requests)
        for number in range(rounds)
        for policy in POLICIES
        for axis, values in AXES.items()
        for value in values
        if (requests := size(axis, value, policy, full=full, quick=quick))
    ]


def size(axis: str, value: int, policy: str, *, full: bool = False, quick: bool = False) -> int:
    """Return how many requests a point has; 0: it is left out."""
    sizes = POLICIES[policy]
    usual = sizes.usual // QUICK if quick else sizes.usual
    if axis == "requests":
        most = usual if quick else sizes.requests * (10 if full else 1)
        return value if value <= most else 0
    if value > getattr(sizes, axis):
        return 0
    return 2 * usual - 2 * usual % (2 * value) if axis == "queue" else usual  # whole bursts


# One point, in its own process ---------------------------------------------------------------------------------------


def measure_one(axis: str, value: int, policy: str, requests: int) -> dict[str, Any]:
    """Return time, memory and counts of one point."""
    at = {"gpus": 1, "models": 1, "slots": 2, axis: value}
    profile = machines.many_models(at["models"], demand=1.0 / value if axis == "slots" else 1.0)
    capacity = at["gpus"] * (value if axis == "slots" else 1) / machines.SERVICE_S
    arrival_s = bursts(requests, value, capacity) if axis == "queue" else poisson(requests, LOAD * capacity)
    workload = machines.make_requests(arrival_s, profile)
    if policy != "fifo":
        workload = machines.with_classes(workload, arrival_s[-1] + 1.0 if axis == "queue" else None)
    cluster = Cluster(gpus=at["gpus"], max_concurrency=at["slots"])
    drop = DropMode.NEVER if policy == "fifo" else DropMode.INFEASIBLE
    before_mb = apart.memory_mb()
    with apart.Stopwatch() as watch:
        result = machines.run(policy, workload, profile, cluster, drop)
    return {
        "wall_s": watch.wall_s,
        "cpu_s": watch.cpu_s,
        "before_mb": before_mb,
        "peak_mb": apart.peak_mb(),
        "events": result.events,
        "longest_queue": machines.longest_queue(result),
    }


def poisson(count: int, rate_per_s: float) -> machines.Times:
    """Return Poisson arrivals, seconds, shape (count,)."""
    return np.cumsum(Streams(1).get("benchmark").exponential(1.0 / rate_per_s, count))


def bursts(count: int, queue: int, capacity_per_s: float) -> machines.Times:
    """Return arrivals, seconds, shape (count,), at twice the capacity until `queue` wait, and silence as long again."""
    number = np.arange(count)
    gap_s = 0.5 / capacity_per_s
    return (number + (number // (2 * queue)) * 2 * queue) * gap_s


# All of them ---------------------------------------------------------------------------------------------------------


class Log:
    """The rows measured so far, in a folder: growth-runs.csv, and beside it growth.json, where they were measured.

    Args:
        folder: Made if it is not there.
        known: What is known of the machine and the code.
        fresh: Forget what is there.

    Raises:
        SystemExit: what is there was measured by other code or on another machine.
    """

    def __init__(self, folder: Path, known: dict[str, Any], *, fresh: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, place = folder / "growth-runs.csv", folder / "growth.json"
        self.known = known
        if fresh or not self.path.exists():
            self.path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
            place.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
        else:
            self.known = _continued(known, json.loads(place.read_text(encoding="utf-8")), folder)
            self._cut_torn_line()
        self.done = {tuple(row[name] for name in Point._fields) for row in self._rows()}

    def _cut_torn_line(self) -> None:
        """Drop what an interruption left of a last line."""
        text = self.path.read_text(encoding="utf-8")
        self.path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")

    def _rows(self) -> Iterable[dict[str, str]]:
        with self.path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)

    def append(self, point: Point, found: dict[str, Any]) -> None:
        """Add a row."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(point._asdict() | found)

    def read(self, wanted: Sequence[Point]) -> pd.DataFrame:
        """Return the rows of these points; there may be others, of another size."""
        frame = pd.read_csv(self.path)
        keys = frame[list(Point._fields)].astype(str).apply(tuple, axis=1)
        return frame[keys.isin({point.key for point in wanted})]


def _continued(known: dict[str, Any], there: dict[str, Any], folder: Path) -> dict[str, Any]:
    for name, value in known.items():
        if name != "date" and there.get(name) != value:
            raise SystemExit(f"{folder} was measured with another {name}: --fresh measures anew, --out elsewhere")
    return there


def measure_all(missing: Sequence[Point], log: Log) -> None:
    """Measure and report how it goes; time left is by requests, as fast as those of the policy so far."""
    spent: dict[str, list[tuple[float, int]]] = {}
    for number, point in enumerate(missing, start=1):
        began = time.perf_counter()
        found = apart.measure(
            __file__, axis=point.axis, value=point.value, policy=point.policy, requests=point.requests
        )
        log.append(point, found)
        spent.setdefault(point.policy, []).append((time.perf_counter() - began, point.requests))
        print(
            f"[{number}/{len(missing)}] {point.axis} {point.value:,} {point.policy}: "
            f"{found['cpu_s'] / point.requests * 1e6:.2f} us/request, {found['peak_mb']:,.0f} MB; "
            f"about {left_s(missing[number:], spent) / 60:.0f} min left",
            file=sys.stderr,
            flush=True,
        )


def left_s(points: Iterable[Point], spent: dict[str, list[tuple[float, int]]]) -> float:
    """Return the time that these points will take, seconds, from what others of the same policy took.

    Args:
        points: Not measured yet.
        spent: Seconds and requests of each measured point, by policy.
    """
    every = [pair for pairs in spent.values() for pair in pairs]
    total = 0.0
    for point in points:
        pairs = spent.get(point.policy, every)
        total += point.requests * sum(seconds for seconds, _ in pairs) / sum(requests for _, requests in pairs)
    return total


# What they say -------------------------------------------------------------------------------------------------------


def judge(rows: pd.DataFrame) -> list[str]:
    """Return what is broken that does not depend on the machine, one line each."""
    problems = []
    for (axis, value, policy), same in rows.groupby(["axis", "value", "policy"]):
        name = f"{axis} {value:,} {policy}"
        if same["events"].nunique() > 1:
            problems.append(f"{name}: {sorted(same['events'])} events in equal runs")
        if (most := (same["events"] / same["requests"]).max()) > MOST_EVENTS:
            problems.append(f"{name}: {most:.2f} events per request, more than {MOST_EVENTS:g}")
        if axis == "queue" and (longest := same["longest_queue"].min()) < 0.9 * value:
            problems.append(f"{name}: only {longest:,} requests waited")
    return problems


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per point: medians over the rounds, and the least and the most of the time."""
    each = rows.assign(us=rows["cpu_s"] / rows["requests"] * 1e6, mb=rows["peak_mb"] - rows["before_mb"])
    groups = each.groupby(["axis", "value", "policy", "requests"], sort=False)
    table = groups.agg(
        us_per_request=("us", "median"),
        least_us=("us", "min"),
        most_us=("us", "max"),
        memory_mb=("mb", "median"),
        peak_mb=("peak_mb", "median"),
        events=("events", "first"),
        longest_queue=("longest_queue", "first"),
    ).reset_index()
    table.insert(7, "bytes_per_request", table["memory_mb"] * 1e6 / table["requests"])
    table["events_per_request"] = table["events"] / table["requests"]
    return table


def finish(folder: Path, rows: pd.DataFrame, known: dict[str, Any]) -> str:
    """Write table and figure; return the table as Markdown."""
    from figures import FIGURES

    from stratsim_plots.beside import draw_beside

    table = summarize(rows)
    table.to_csv(folder / "growth.csv", index=False, lineterminator="\n", float_format="%.6g")
    draw_beside(folder, ["growth"], FIGURES)
    return markdown(table, known, rows)


def markdown(table: pd.DataFrame, known: dict[str, Any], rows: pd.DataFrame) -> str:
    """Return first and last point of every axis, and the longest queue beside load 0.7, as Markdown."""
    lines = [
        "| | policy | µs/request | times | events/request, most | memory, MB | bytes/request |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for axis in AXES:
        for policy in POLICIES:
            line = table[(table["axis"] == axis) & (table["policy"] == policy)]
            if len(line):
                lines.append(_line(f"{_value(line.iloc[0])} to {_value(line.iloc[-1])} {IN_WORDS[axis]}", line, rows))
    for policy in POLICIES:
        line = overload(table, policy)
        if len(line):
            lines.append(_line(f"load {LOAD:g} to {_value(line.iloc[-1])} waiting", line, rows))
    share = rows["cpu_s"] / rows["wall_s"]
    spread = (table["most_us"] / table["least_us"] - 1).median()
    how = (
        f"Medians of {rows['round'].nunique()} rounds, whose slowest was {spread:.0%} above the fastest in the median "
        f"of all points; runs had {share.median():.0%} of a core in the median, {share.min():.0%} at worst."
    )
    return "\n".join([*lines, "", how, "", in_words(known)])


def overload(table: pd.DataFrame, policy: str) -> pd.DataFrame:
    """Return a policy's usual point, of load 0.7, and that of its longest queue."""
    of = table[table["policy"] == policy]
    usual = of[(of["axis"] == "gpus") & (of["value"] == 1)]
    return pd.concat([usual, of[of["axis"] == "queue"].tail(1)]) if len(usual) else usual


def times(rows: pd.DataFrame, first: pd.Series, last: pd.Series) -> pd.Series:
    """Return what a request costs at the last point in units of the first, by round."""
    return _cost(rows, last) / _cost(rows, first)


def _cost(rows: pd.DataFrame, point: pd.Series) -> pd.Series:
    """Return seconds per request, by round."""
    same = rows[(rows[["axis", "value", "policy"]] == point[["axis", "value", "policy"]]).all(axis="columns")]
    return same["cpu_s"].div(same["requests"]).set_axis(same["round"])


def _line(name: str, line: pd.DataFrame, rows: pd.DataFrame) -> str:
    first, last = line.iloc[0], line.iloc[-1]
    ratio = times(rows, first, last)
    return (
        f"| {name} | {last['policy']} | {_three(first['us_per_request'])} to {_three(last['us_per_request'])} "
        f"| {ratio.median():.2f} ({ratio.min():.2f} to {ratio.max():.2f}) | {line['events_per_request'].max():.2f} "
        f"| {first['memory_mb']:,.0f} to {last['memory_mb']:,.0f} | {last['bytes_per_request']:,.0f} |"
    )


def _value(point: pd.Series) -> str:
    return f"{point['value']:,}"


def _three(value: float) -> str:
    """Return a number with three digits, or with all before the point."""
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="up to ten million requests")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests, one round")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--out", type=Path, default=Path("results/growth"), help="folder for CSV, JSON and figure")
    parser.add_argument("--write-docs", action="store_true", help="table and figure go to docs/results/growth.md")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    return options


if __name__ == "__main__":
    main()
