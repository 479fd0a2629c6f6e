"""A sample of study 2's runs, as its first edition planned them, on this tree and on another in turns: how much sooner.

    git worktree add /tmp/before 4d98658
    python benchmarks/study_sample.py --before /tmp/before                  # 1,000 runs on each: an hour
    python benchmarks/study_sample.py --before /tmp/before --runs 60        # a quick look

The plan is that of the other tree's `experiments/study_2/study.toml`; drawn are runs on its pilot seeds, which have
every policy, setting and condition, from each policy in proportion. One process per tree lives on, as a worker of a
sweep does, and makes the runs in the same order, in turns; so the engine is chosen (`--engine auto`) as in a sweep, and
compiled code has to be compiled before. What is timed is the process's own time of a processor, of the whole run, in
which requests are generated and figures made. Says in how many runs figures differ by more than rounding.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
CLOSE = 1e-9


def main() -> None:
    """Run the sample and print its table; or be a worker of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="the other tree")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="make no more of the runs after so many")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    study = options.before / "experiments" / "study_2" / "study.toml"
    if options.worker:
        work(options.worker, study, options.runs)
        return
    command = [sys.executable, __file__, "--before", str(options.before), "--runs", str(options.runs), "--worker"]
    workers = {
        name: subprocess.Popen([*command, str(tree)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name, tree in (("before", options.before), ("now", HERE))
    }
    counts = {name: int(_line(worker)) for name, worker in workers.items()}
    spent: dict[str, dict[str, list[float]]] = defaultdict(lambda: {name: [] for name in workers})
    differ = []
    until_s = time.monotonic() + 60.0 * options.minutes
    for number in range(min(counts.values())):
        if time.monotonic() > until_s:
            break
        answers = {name: _asked(worker, number) for name, worker in workers.items()}
        if not _agree(answers["before"]["figures"], answers["now"]["figures"]):
            differ.append(answers["now"]["policy"])
        for name, answer in answers.items():
            spent[answer["policy"]][name].append(answer["cpu_s"])
    print("| policy | runs | before, s | now, s | × |\n|---|--:|--:|--:|--:|")
    every = {name: [one for own in spent.values() for one in own[name]] for name in workers}
    for policy, own in [*sorted(spent.items()), ("all", every)]:
        before_s, now_s = sum(own["before"]), sum(own["now"])
        print(f"| {policy} | {len(own['now'])} | {before_s:.1f} | {now_s:.1f} | {before_s / now_s:.1f} |")
    print(f"\nRuns whose figures differ: {len(differ)} {sorted(set(differ))}")
    for worker in workers.values():
        worker.stdin.close()  # type: ignore[union-attr]


def _agree(ones: dict[str, Any], others: dict[str, Any]) -> bool:
    return all(
        one == others.get(name)
        or (isinstance(one, float) and abs(one - float(others[name] or 0.0)) <= CLOSE * max(abs(one), 1.0))
        for name, one in ones.items()
    )


def _asked(worker: subprocess.Popen[str], number: int) -> dict[str, Any]:
    assert worker.stdin is not None
    print(number, file=worker.stdin, flush=True)
    found: dict[str, Any] = json.loads(_line(worker))
    return found


def _line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"a worker ended with status {worker.wait()}")
    return line


# A worker -------------------------------------------------------------------------------------------------------------


def work(tree: Path, study: Path, runs: int) -> None:
    """Say how many runs there are, then make each that is asked for, on the code of a tree."""
    sys.path.insert(0, str(tree))
    from stratsim.sweep import worker
    from stratsim.sweep.file import load_sweep
    from stratsim.sweep.plan import make_plan
    from stratsim.sweep.run import SaturationPoint, _arguments, _saturate

    sweep, _ = load_sweep(study)
    plan = make_plan(sweep)
    kept = Path(f"{study}.saturation.json")  # the same on both trees
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    wanted = plan.saturations()
    for key, settings in wanted.items():
        name = f"{settings.spec.profile} {settings.spec.uplink_bytes_per_s} {settings.spec.memory}"
        if name not in known:
            known[name] = _saturate(*_arguments(plan, settings))
            kept.write_text(json.dumps(known), encoding="utf-8")
        known[key] = SaturationPoint(*known[name])
    plan.measured({key: known[key] for key in wanted})
    worker.install(plan.inputs)
    tasks = [task.settings for task in plan.first()]
    drawn = _draw(tasks, runs)
    print(len(drawn), flush=True)
    for line in sys.stdin:
        settings = drawn[int(line)]
        began = time.process_time()
        (row,) = worker.run(settings)
        cpu_s = time.process_time() - began
        figures = {name: row[name] for name in worker.FIGURES if name in row}
        print(json.dumps({"policy": settings.policy, "cpu_s": cpu_s, "figures": figures}), flush=True)


def _draw(tasks: list[Any], runs: int) -> list[Any]:
    """Return so many of the runs, of each policy in proportion, in an order drawn once and for all."""
    chance = random.Random(24)
    by_policy = defaultdict(list)
    for settings in tasks:
        by_policy[settings.policy].append(settings)
    drawn = []
    for policy in sorted(by_policy):
        own = by_policy[policy]
        drawn += chance.sample(own, max(1, round(runs * len(own) / len(tasks))))
    chance.shuffle(drawn)
    return drawn


if __name__ == "__main__":
    main()
