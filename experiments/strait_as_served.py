"""Strait's cells of the two H200 grids, replayed by the code that served them (docs/results/fidelity-cards.md).

The policy has changed since, so today's code cannot judge them. What calibration has learned since is put in a part at
a time, in front of the old code, and every replay is made with several seeds of the simulated noise:

    git worktree add ../as-served 829192c
    python experiments/strait_as_served.py replays ../as-served --out results/strait-as-served --jobs 2

Some ten minutes of a core. Writes `replays.jsonl` (a line per replay), and goes on from what is there. Two questions
that today's code can answer, a minute and four:

    python experiments/strait_as_served.py belief       # is the simulated device as hard to predict as the real one?
    python experiments/strait_as_served.py decisions    # what would decisions that take their time change?
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np

HERE = Path(__file__).resolve().parents[1] / "docs" / "figures" / "fidelity-h200"
GRIDS = {"second": HERE, "first": HERE / "first"}
SEEDS = 10
SLOWER_S = 1.5e-4
LIGHT = 0.6
"""Loads up to this are off by less than their noise floors."""
DECISIONS = ((0.0, 0.0), (1e-4, 0.5), (2e-4, 0.8), (4e-4, 0.6))
"""Median and sigma of the time that a decision takes; live polls took 0.4 to 1.3 ms at p99."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What is changed in front of the old code.

    Args:
        factors: Contention by model and size, as the grid's own calibration runs teach it.
        scatter: Of executions, by model, times this; None: as it was, one for all models.
        more_s: What every dispatch takes of the host beside what was measured.
    """

    factors: bool = False
    scatter: float | None = None
    more_s: float = 0.0


VARIANTS = {
    "as reported": Variant(),
    "contention": Variant(factors=True),
    "contention, scatter": Variant(factors=True, scatter=1.0),
    "... and 0.15 ms more": Variant(factors=True, scatter=1.0, more_s=SLOWER_S),
    "... scatter twice": Variant(factors=True, scatter=2.0),
    "... scatter three times": Variant(factors=True, scatter=3.0),
}


# With today's code: what arrived, and what was learned ----------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Write what the old code needs: `cells.json`, the arrivals of each cell, and the profiles unpacked."""
    import gzip

    from stratsim.fidelity.again import learned_profile, read_kept
    from stratsim.fidelity.grid import requests_of

    columns = ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out", "client")
    found = []
    for name, path in GRIDS.items():
        kept = read_kept(path)
        truth = learned_profile(kept).truth
        served = truth.kernel_queue.served if truth.kernel_queue else None
        assert served is not None  # noqa: S101 (a profile of this grid has it)
        profile = folder / f"{name}.json"
        profile.write_bytes(gzip.decompress((path / "calibrated.json.gz").read_bytes()))
        for cell in kept.cells:
            if cell.policy == "strait":
                rate = cell.load * kept.rate_per_s
                count = max(1, round(rate * kept.grid.seconds))
                drawn = requests_of(kept.grid, kept.base, count, rate, f"load-{cell.load:g}")
                file = folder / f"{name}-{cell.load:g}.npz"
                np.savez(file, models=np.array(drawn.models), **{each: getattr(drawn, each) for each in columns})
                found.append(
                    {
                        "grid": name, "load": cell.load, "arrivals": str(file), "profile": str(profile),
                        "seed": kept.grid.seed, "warmup_s": kept.grid.warmup_s, "settings": kept.grid.settings,
                        "live": cell.live["all"], "scatter": dict(truth.noise_cvs),
                        "factors": {model: dict(table) for model, table in served.factors.items()},
                    }
                )  # fmt: skip
    (folder / "cells.json").write_text(json.dumps(found))


# With the old code, which this file is run by a second time -----------------------------------------------------------


def replay(task: tuple[dict[str, Any], str, int]) -> dict[str, Any]:
    """Return how far a cell's figures are off in one replay; violations in percentage points."""
    cell, name, seed = task
    variant = VARIANTS[name]
    old = {each: import_module(f"stratsim.{each}") for each in _OLD}
    profile = old["model.codec"].load_profile(cell["profile"])
    if variant.more_s:
        host = replace(profile.truth.host, dispatch_s=profile.truth.host.dispatch_s + variant.more_s)
        profile = replace(profile, truth=replace(profile.truth, host=host))
    _put_factors(old["device.execution.kernel_queue"], cell["factors"] if variant.factors else {})
    _put_scatter(old, cell["scatter"] if variant.scatter else {}, variant.scatter or 1.0)
    arrivals = dict(np.load(cell["arrivals"]))
    workload = old["model.workload"].Workload(models=tuple(arrivals.pop("models").tolist()), **arrivals)
    spec = old["experiment.spec"].make_spec(cell["settings"])
    result = old["engine"].simulate(
        workload, profile, old["policy.strait"].Strait(), cluster=spec.cluster(), max_batch=spec.max_batch,
        drop=old["policy.base"].DropMode(spec.drop), seed=cell["seed"] + seed, name="strait",
    )  # fmt: skip
    requests = result.requests
    first_s, last_s = old["stats.deadlines"].measuring_window(requests.arrival_s, requests.deadline_s, cell["warmup_s"])
    inside = (requests.arrival_s >= first_s) & (requests.arrival_s <= last_s)
    figures, live = old["fidelity.end_to_end"].figures(result, inside)["all"], cell["live"]
    off = {each: 100 * (figures[each] / live[each] - 1) for each in ("p50", "p95")}
    off["violation"] = 100 * (figures["violation"] - live["violation"])
    return {"grid": cell["grid"], "load": cell["load"], "variant": name, "seed": seed, **off}


_OLD = (
    *("engine", "engine.arrivals", "experiment.spec", "fidelity.end_to_end", "device.execution.kernel_queue"),
    *("device.noise", "model.codec", "model.workload", "policy.base", "policy.strait", "stats.deadlines"),
)
"""Modules of the old code."""


@dataclass(frozen=True, slots=True, eq=False)
class _Load:
    """A kernel queue's load, and by what its rate beside others is divided."""

    length_s: float
    hold_s: float
    factor: float


def _put_factors(module: Any, factors: dict[str, dict[str, float]]) -> None:
    if not hasattr(module, "as_it_was"):
        module.as_it_was = module.KernelQueue._phases

    def phases(self: Any, model: str, size: int) -> Any:
        (phase,) = module.as_it_was(self, model, size)
        factor = factors.get(model, {}).get(str(size), 1.0)
        return (module.Phase(1.0, _Load(phase.load.length_s, phase.load.hold_s, factor)),)

    def rates(self: Any, active: list[_Load]) -> list[float]:
        own = self._parameters
        lengths, holds = [load.length_s for load in active], [load.hold_s for load in active]
        found: list[float] = module.kernel_queue(lengths, holds, own.residual, own.gap_s)
        if len(active) == 1:
            return found
        return [min(1.0, rate / load.factor) for rate, load in zip(found, active, strict=True)]

    module.KernelQueue._phases = phases
    module.KernelQueue.rates = rates


def _put_scatter(old: dict[str, Any], scatter: dict[str, float], times: float) -> None:
    def columns(self: Any, workload: Any) -> Any:
        factors = np.ones(len(workload))
        for code, model in enumerate(workload.models):
            rows = np.flatnonzero(workload.model == code)
            noise = old["device.noise"].LogNormal(times * scatter[model]) if model in scatter else self._noise
            factors[rows] = noise.factors(self._streams.get("noise", model), len(rows))
        return factors

    old["engine.arrivals"].NoiseFactors._columns = columns


def replay_all(folder: Path, jobs: int) -> None:
    """Make the replays that are not there yet."""
    cells = json.loads((folder / "cells.json").read_text())
    path = folder / "replays.jsonl"
    done = {(row["grid"], row["load"], row["variant"], row["seed"]) for row in _rows(path)}
    tasks = [
        (cell, name, seed)
        for seed in range(SEEDS)
        for cell in cells
        for name in VARIANTS
        if (cell["grid"], cell["load"], name, seed) not in done
    ]
    with ProcessPoolExecutor(jobs) as pool, path.open("a") as out:
        for row in pool.map(replay, tasks):
            print(json.dumps(row), file=out, flush=True)


# The table ------------------------------------------------------------------------------------------------------------


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def show(path: Path) -> None:
    """Print means over seeds with 95 % t intervals."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(path):
        groups[row["grid"], row["load"], row["variant"]].append(row)
    print("| grid | load | with | p50, % | p95, % | violations, points |\n|---|---|---|---|---|---|")
    for key, rows in groups.items():
        print("|", " | ".join(map(str, key)), "|", _means(rows), "|")


def _means(rows: list[dict[str, Any]]) -> str:
    from stratsim.stats.intervals import mean_interval

    found = [mean_interval([row[name] for row in rows]) for name in ("p50", "p95", "violation")]
    return " | ".join([f"{each.mean:+.1f} ± {each.half_width:.1f}" for each in found])


@click.group(help=__doc__.replace("\n\n    ", "\n\n\b\n    "))
def main() -> None:
    """Answer one of the three questions."""


@main.command()
@click.argument("old", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder for the replays.")
@click.option("--jobs", default=1, help="Processes.")
@click.option("--by-old-code", is_flag=True, hidden=True, help="This is the process with the old code.")
def replays(old: Path, out: Path, jobs: int, *, by_old_code: bool) -> None:
    """Replay with the code in the folder OLD, and print the table."""
    if by_old_code:
        replay_all(out, jobs)
        return
    out.mkdir(parents=True, exist_ok=True)
    prepare(out)
    again = [sys.executable, __file__, "replays", str(old), "--out", str(out), "--jobs", str(jobs), "--by-old-code"]
    subprocess.run(again, check=True, env={**os.environ, "PYTHONPATH": str(old.resolve())})  # noqa: S603 (this file)
    show(out / "replays.jsonl")


@main.command()
def belief() -> None:
    """Judge rls on the calibration runs, live and simulated with what was learned from them."""
    from stratsim.compare.log import read_log
    from stratsim.compare.prequential import score
    from stratsim.fidelity.again import learned_profile, read_kept
    from stratsim.fidelity.levels import free_replay
    from stratsim.predict import make_predictor

    print("| run | | error of rls, % | standard deviation, % |\n|---|---|---|---|")
    for name, path in GRIDS.items():
        kept = read_kept(path)
        profile = learned_profile(kept)
        known = profile.for_scheduler()
        for run in kept.calibration:
            for what, result in (("live", run.result), ("simulated", free_replay(run, profile))):
                log = read_log(result, known).asked_at_start()
                scores = score(log, known, {"rls": make_predictor("rls")}, 2, kinds=("realised",))
                ratio = np.array([each.actual_s / each.predicted_s for each in scores.predictions[100:]])
                error = 100 * np.abs(1 / ratio - 1).mean()
                print(f"| {name}, {run.directory.name} | {what} | {error:.1f} | {100 * ratio.std():.1f} |", flush=True)


@main.command()
@click.option("--seeds", default=4, help="Of the simulated noise.")
def decisions(seeds: int) -> None:
    """Replay today's strait with decisions that hold the host."""
    from stratsim.fidelity.again import learned_profile, read_kept, replay_again
    from stratsim.model.truth import Decide

    print("| grid | load | a decision takes | p50, % | p95, % | violations, points |\n|---|---|---|---|---|---|")
    for name, path in GRIDS.items():
        kept = read_kept(path)
        profile = learned_profile(kept)
        assert profile.truth.host is not None  # noqa: S101 (it is measured in every grid)
        for cell in (each for each in kept.cells if each.policy == "strait" and each.load > LIGHT):
            for median_s, sigma in DECISIONS:
                times = {"strait": Decide(median_s, sigma)} if median_s else {}
                host = replace(profile.truth.host, decide_s=times)
                slower = replace(profile, truth=replace(profile.truth, host=host))
                found = [
                    {off.figure: off.value for off in replay_again(kept, cell, slower, kept.grid.seed + seed)
                     if off.label == "all"}
                    for seed in range(seeds)
                ]  # fmt: skip
                rows = [{**row, "p50": 100 * row["p50"], "p95": 100 * row["p95"]} for row in found]
                print("|", name, "|", cell.load, "|", f"{1e3 * median_s:g} ms |", _means(rows), "|", flush=True)


if __name__ == "__main__":
    main()
