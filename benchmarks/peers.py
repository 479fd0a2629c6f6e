"""Speed of stratsim beside other simulators on the same work, and that all give the same answer.

    python benchmarks/peers.py                          # some minutes; a table
    python benchmarks/peers.py --quick                  # a look, in half a minute
    python benchmarks/peers.py --out results/peers      # with CSV, JSON and a figure
    python benchmarks/peers.py --write-docs             # puts them into docs/results/performance.md

The work: customers arrive at one server at random (the same gaps for all, load 0.7), 10 ms each, served in the order of
arrival; or, where they have classes and deadlines, the most urgent first. `queues/` has a module per simulator. Below
them stands what stratsim is for, with the same arrivals at a whole machine: two slots whose batches slow each other,
copies over PCIe, noise; `fifo`, then two classes with deadlines under `priority-edf` and `strait`. No peer simulates
that, so its answer is held to the invariants of every run instead.

Every run has a process of its own; all take turns, for several rounds. A figure is the median of its rounds, a ratio
the median of the rounds' ratios, as machines are noisy. Time is the process's own time of a processor: all run in one
thread, and on a quiet machine it is that of the clock on the wall. A peer that is not installed is left out, and a line
says so; `pip install --group bench` installs all.

Ends with status 1 if answers differ: a wait from what is known (`queues.known_waits`) by more than a nanosecond, the
mean wait from the closed form by more than its 99 % interval, an invariant or the bound on events per request of a
whole machine.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apart
import machines
import numpy as np
import pandas as pd
import queues
from facts import facts, in_words, publish

from stratsim.model.cluster import Cluster
from stratsim.policy.base import DropMode
from stratsim.results.checks import invariants
from stratsim.stats.intervals import Interval, mean_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR_S = 1e-9
"""How far a wait may be from Lindley's: clocks of hours round to a picosecond, and errors add up in a busy period."""
MOST_EVENTS = 3.0
"""Per request in batches of one: its arrival, and its device's one alarm, moved at every start and every end.

`strait` sets timers besides, and still stays below it."""
BATCH = 8
"""The largest batch where there are batches: the default."""
BATCHES = 20
"""Of a run's waits, whose means are taken as independent for the interval of the mean wait."""


TOGETHER = ("simpy", "numba", "ciw", "sched-sim", "salabim")
"""Distributions whose versions are told."""
MACHINES = {
    "fifo": "copies, two slots, co-location, noise, full record",
    "priority-edf": "the same, with two classes, deadlines and drops",
    "fifo, fast": "what `stratsim, fifo` does, compiled",
    "priority-edf, fast": "what `stratsim, priority-edf` does, compiled",
    "fifo, batches": "batches of up to eight, two classes, deadlines and drops, as by default",
    "priority-edf, batches": "batches of up to eight, two classes, deadlines and drops, as by default",
    "fifo, batches, fast": "the same, compiled",
    "priority-edf, batches, fast": "the same, compiled",
    "strait, fast": "what `stratsim, strait` does, decisions compiled",
    "strait": "the same, and predicts interference, learns it, holds batches back",
}
"""What is simulated under each policy on a whole machine."""


def main() -> None:
    """Run the comparison, print its table, and write what was asked for."""
    if apart.answer(measure_one):
        return
    options = _options()
    if (options.out or options.write_docs) and find_spec("matplotlib") is None:
        raise SystemExit("figures need matplotlib: pip install 'stratsim[plots]'")
    names, left_out = choose()
    for line in left_out:
        print(line, flush=True)
    known = facts(TOGETHER) | {"requests": options.requests, "rounds": options.rounds, "left_out": left_out}
    runs = take_turns(names, options.requests, options.rounds)
    table = summarize(runs)
    problems = judge(runs, options.requests)
    print(markdown(table, known, runs))
    if options.out:
        write(options.out, table, runs, known)
    if options.write_docs:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), table, runs, known)
            publish("peers", markdown(table, known, runs), Path(folder))
    if problems:
        raise SystemExit("\n".join(problems))
    print("all give the same answer")


def choose() -> tuple[list[str], list[str]]:
    """Return the names of what can run here, and a line for each peer that cannot."""
    missing = {name: queue.missing for name, queue in queues.QUEUES.items() if queue.missing}
    left_out = [
        f"{queues.QUEUES[name].label} is left out, it is not installed: pip install {' '.join(needed)}"
        for name, needed in missing.items()
    ]
    fast = find_spec("numba") is not None
    whole = [name for name in MACHINES if fast or not name.endswith(", fast")]
    return [*(name for name in queues.QUEUES if name not in missing), *whole], left_out


def take_turns(names: list[str], requests: int, rounds: int) -> pd.DataFrame:
    """Run everything in turn, again and again; return a row per run."""
    rows = []
    for number in range(rounds):
        for name in names:
            found = apart.measure(__file__, name=name, requests=requests)
            rows.append({"name": name, "round": number, "requests": requests, **found})
            print(f"round {number + 1} of {rounds}: {label(name):24} {requests / found['cpu_s']:11,.0f} requests/s",
                  file=sys.stderr, flush=True)  # fmt: skip
    return pd.DataFrame(rows)


def label(name: str) -> str:
    """Return what to call a row."""
    return queues.QUEUES[name].label if name in queues.QUEUES else f"stratsim, {name}"


def simulates(name: str) -> str:
    """Return what it does."""
    return queues.QUEUES[name].simulates if name in queues.QUEUES else MACHINES[name]


# One run, in its own process -----------------------------------------------------------------------------------------


def measure_one(name: str, requests: int) -> dict[str, Any]:
    """Return time, memory and answer of one run."""
    return measure_queue(name, requests) if name in queues.QUEUES else measure_machine(name, requests)


def measure_queue(name: str, requests: int) -> dict[str, Any]:
    """Simulate the queue; `difference_s` is from the waits that are known, at most."""
    gaps_s = queues.draw_gaps(requests)
    simulator = queues.load(name)
    before_mb = apart.memory_mb()
    with apart.Stopwatch() as watch:
        waits = simulator.waits(gaps_s)
    found = _figures(watch, before_mb)
    expected = queues.known_waits(name, gaps_s)
    same = len(waits) == requests
    return found | {"difference_s": float(np.abs(waits - expected).max()) if same else math.inf}


def measure_machine(policy: str, requests: int) -> dict[str, Any]:
    """Simulate a whole machine; `broken` says which invariants do not hold."""
    arrival_s = np.cumsum(queues.draw_gaps(requests))
    policy, *others = policy.split(", ")
    fast, largest = "fast" in others, BATCH if "batches" in others else 1
    profile = machines.one_model(largest=largest)
    workload = machines.make_requests(arrival_s, profile)
    drop, how = DropMode.NEVER, {"fast": fast, "max_batch": largest}
    if policy != "fifo" or largest > 1:
        workload, drop = machines.with_classes(workload), DropMode.INFEASIBLE
    if fast:  # compiled, or loaded, before it is timed: that is imported
        few = machines.make_requests(np.cumsum(queues.draw_gaps(2)), profile)
        machines.run(policy, few, profile, Cluster(), drop, **how)
    before_mb = apart.memory_mb()
    with apart.Stopwatch() as watch:
        result = machines.run(policy, workload, profile, Cluster(), drop, **how)
    found = _figures(watch, before_mb)
    broken = invariants(result, Cluster().max_concurrency)
    return found | {"events": result.events / requests, "broken": "; ".join(broken)}


def _figures(watch: apart.Stopwatch, before_mb: float) -> dict[str, float]:
    return {"wall_s": watch.wall_s, "cpu_s": watch.cpu_s, "memory_mb": apart.peak_mb() - before_mb}


# What they say -------------------------------------------------------------------------------------------------------


def summarize(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per simulator, the fastest first: medians over rounds, and the least and the most of them."""
    speed = runs.assign(per_s=runs["requests"] / runs["cpu_s"]).pivot_table(
        index="round", columns="name", values="per_s"
    )
    ratio = speed.div(speed[queues.PLAIN], axis="index")
    rows = [
        {
            "label": label(name),
            "simulates": simulates(name),
            "machine": name in MACHINES,
            "ours": name in MACHINES or queues.QUEUES[name].ours,
            "requests_per_s": speed[name].median(),
            "least_per_s": speed[name].min(),
            "most_per_s": speed[name].max(),
            "ratio": ratio[name].median(),
            "least_ratio": ratio[name].min(),
            "most_ratio": ratio[name].max(),
            "bytes_per_request": _median(runs, name, "memory_mb") * 1e6 / runs["requests"].iloc[0],
            "difference_s": _median(runs, name, "difference_s"),
        }
        for name in dict.fromkeys(runs["name"])
    ]
    return pd.DataFrame(rows).sort_values(["machine", "requests_per_s"], ascending=[True, False], ignore_index=True)


def _median(runs: pd.DataFrame, name: str, column: str) -> float:
    known = runs.loc[runs["name"] == name, column].dropna()
    return float(known.median()) if len(known) else math.nan


def judge(runs: pd.DataFrame, requests: int) -> list[str]:
    """Return what is wrong with the answers, one line each."""
    problems = []
    for row in runs.itertuples():
        if row.name in MACHINES:
            if row.broken:
                problems.append(f"{label(row.name)}: {row.broken}")
            if row.events > MOST_EVENTS:
                problems.append(f"{label(row.name)}: {row.events:.2f} events per request, more than {MOST_EVENTS}")
        elif not row.difference_s <= NEAR_S:
            problems.append(f"{label(row.name)}: a wait is {row.difference_s:.3g} s from the one that is known")
    mean = mean_wait(queues.lindley(queues.draw_gaps(requests)))
    if queues.mean_wait_s() not in mean:
        problems.append(f"the mean wait is {_interval(mean)}, the closed form says {queues.mean_wait_s() * 1e3:.3f} ms")
    return list(dict.fromkeys(problems))


def mean_wait(waits: NDArray[np.float64]) -> Interval:
    """Return the mean wait with its 99 % interval by batch means, seconds."""
    size = len(waits) // BATCHES
    return mean_interval(waits[: size * BATCHES].reshape(BATCHES, size).mean(axis=1), 0.99)


def _interval(mean: Interval) -> str:
    return f"{mean.mean * 1e3:.3f} ms ({mean.low * 1e3:.3f} to {mean.high * 1e3:.3f})"


def markdown(table: pd.DataFrame, known: dict[str, Any], runs: pd.DataFrame) -> str:
    """Return the table and what must be said about it, as Markdown."""
    lines = [
        "| | simulates | requests/s | × SimPy, processes | bytes/request | largest difference of a wait |",
        "|---|---|--:|--:|--:|--:|",
        *(
            f"| {row.label} | {row.simulates} | {row.requests_per_s:,.0f} | {row.ratio:.3g} "
            f"({row.least_ratio:.3g} to {row.most_ratio:.3g}) | {row.bytes_per_request:,.0f} | {_difference(row)} |"
            for row in table.itertuples()
        ),
    ]
    share = runs["cpu_s"] / runs["wall_s"]
    mean = mean_wait(queues.lindley(queues.draw_gaps(known["requests"])))
    how = (
        f"{known['requests']:,} requests, {known['rounds']} rounds; in brackets the least and the most of the rounds. "
        f"Runs had {share.median():.0%} of a core in the median, {share.min():.0%} at worst. Mean wait "
        f"{_interval(mean)}, 99 % interval by batch means; the closed form says {queues.mean_wait_s() * 1e3:.3f} ms."
    )
    lines += ["", how, "", in_words(known), *known["left_out"]]
    return "\n".join(lines)


def _difference(row: Any) -> str:
    if row.machine:
        return "another system"
    return "none" if row.difference_s == 0 else f"{row.difference_s:.0e} s"


def write(folder: Path, table: pd.DataFrame, runs: pd.DataFrame, known: dict[str, Any]) -> None:
    """Write the table, every run, what is known of the machine, and the figure."""
    from figures import FIGURES

    from stratsim_plots.beside import draw_beside

    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "peers.csv", index=False, lineterminator="\n")
    runs.to_csv(folder / "peers-runs.csv", index=False, lineterminator="\n")
    (folder / "peers.json").write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    draw_beside(folder, ["peers"], FIGURES)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="20,000 requests, 2 rounds")
    parser.add_argument("--out", type=Path, help="folder for CSV, JSON and figure")
    parser.add_argument("--write-docs", action="store_true", help="table and figure go to docs/results/performance.md")
    options = parser.parse_args()
    if options.quick:
        options.requests, options.rounds = 20_000, 2
    if options.requests < 50 * BATCHES:
        parser.error(f"--requests must be at least {50 * BATCHES}")
    return options


if __name__ == "__main__":
    main()
