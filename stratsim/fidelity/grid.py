"""Makes the live runs of a grid, and what they need: load 1, the overheads of the host, the arrivals.

    OUT/profile.json          the profile that the grid names
    OUT/saturation/           the burst that measures load 1
    OUT/alone/                the run that measures how long executions take where they are served
    OUT/calibration/          one run per load, that measure the overheads and the scatter; with all in it:
    OUT/calibrated.json       the profile of the policies, live and simulated, and of the simulator
    OUT/traces/               arrivals, one file per load
    OUT/runs/load-0.7/r1/     all policies, one after the other
    OUT/fidelity.json         which runs belong to which cell

Repeats are interleaved: the first of every load, then the second of every load; the policies of a run take turns at
being first. What is there is not made again.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import OutputError, SpecError, StratsimError
from stratsim.fidelity.calibrate import calibrated, check_budget, measure_drift, one_by_one, with_served
from stratsim.fidelity.executor import Order
from stratsim.fidelity.record import read_runs
from stratsim.fidelity.report import ALONE, CALIBRATED, GRID, UNCALIBRATED
from stratsim.fidelity.spec import Grid, make_grid
from stratsim.model.codec import load_profile
from stratsim.model.request import Priority
from stratsim.model.write import write_profile, write_text
from stratsim.rng import Streams
from stratsim.run.saturation import equal_mix
from stratsim.trace.generate import Poisson, generate
from stratsim.trace.rule import complete, saturation_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from stratsim.fidelity.executor import Executor
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload

__all__ = ["Campaign", "burst_size", "requests_of", "run_grid", "run_name", "steady_rate"]

_LEAST = 200
"""Requests of the burst at least."""
_EDGES = (0.1, 0.9)
"""Between these quantiles of the answers the rate is measured: the start has no batches under way, the end too few."""


def run_grid(
    data: Mapping[str, Any],
    out: Path,
    *,
    execute: Executor,
    say: Callable[[str], None] = lambda _: None,
    fresh: bool = False,
) -> list[str]:
    """Make what is missing of a grid.

    Args:
        data: Plain data of the grid (`load_grid`).
        out: Its folder.
        execute: Makes one live run.
        say: Called with what is done next.
        fresh: Forget what is there.

    Returns:
        What failed, one line each; the other runs are made all the same.

    Raises:
        OutputError: the folder holds another grid, or something else.
        StratsimError: load 1 or the overheads could not be measured.
    """
    if fresh:
        _forget(out)
    campaign = Campaign(data, out, execute, say)
    campaign.prepare()
    return campaign.run()


def steady_rate(finish_s: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Return the rate of answers between the first and the last tenth of them, per second.

    Args:
        finish_s: When each request was answered, shape (n,).
    """
    answered = np.sort(finish_s[~np.isnan(finish_s)])
    if len(answered) < _LEAST / 2:
        raise SpecError(f"the burst that measures load 1 has {len(answered)} answers: too few for a rate")
    first, last = (int(edge * (len(answered) - 1)) for edge in _EDGES)
    return float((last - first) / (answered[last] - answered[first]))


def burst_size(grid: Grid, rate_per_s: float) -> int:
    """Return how many requests the burst has that measures load 1, at the rate that the profile would have."""
    return max(_LEAST, round(rate_per_s * grid.saturation_s))


def run_name(load: float, repeat: int) -> str:
    """Return where in a grid's folder a run lies."""
    return f"runs/load-{load:g}/r{repeat}"


def requests_of(grid: Grid, profile: Profile, count: int, rate: float, name: str) -> Workload:
    """Return Poisson arrivals; each purpose has random streams of its own.

    Args:
        grid: Says what arrives, and the seed.
        profile: The one that the grid began with.
        count: Requests.
        rate: Per second; arrivals at two rates are in proportion to each other.
        name: What they are for.
    """
    mix = equal_mix(profile, grid.workload.models.mix)
    trace = generate(Poisson, count, Streams(grid.seed).child("fidelity", name), rate=rate, models=mix)
    return complete(trace, profile.for_scheduler(), grid.workload, resolve=profile.resolve, seed=grid.seed)


class Campaign:
    """One grid and its folder.

    Args:
        data: Plain data of the grid.
        out: The folder.
        execute: Makes one live run.
        say: Called with what is done next.
    """

    def __init__(self, data: Mapping[str, Any], out: Path, execute: Executor, say: Callable[[str], None]) -> None:
        self.grid: Grid = make_grid(data)
        self.out = out
        self._data = {key: value for key, value in data.items() if key != "quick"}
        self._execute = execute
        self._say = say
        self._index = out / GRID
        self._profile_file = out / UNCALIBRATED
        self.rate_per_s = 0.0
        """Load 1."""

    def prepare(self) -> None:
        """Measure load 1 and the overheads, and draw the arrivals, as far as that has not been done."""
        self._claim()
        self.profile = load_profile(self._profile_file)
        self.rate_per_s = self._saturation()
        if self.grid.calibrate:
            if not (self.out / CALIBRATED).exists():
                self._calibrate()
            self._profile_file = self.out / CALIBRATED
        for load in self.grid.loads:
            self._trace(f"load-{load:g}", self._arrivals(load, f"load-{load:g}"))
        cells = [
            {"load": load, "policy": policy, "runs": [run_name(load, n) for n in self._repeats()]}
            for load in self.grid.loads
            for policy in self.grid.policies
        ]
        self._write_index({"grid": self._data, "saturation_per_s": self.rate_per_s, "cells": cells})

    def run(self) -> list[str]:
        """Make the runs that are missing; return what failed."""
        failures = []
        orders = [(load, repeat) for repeat in self._repeats() for load in self.grid.loads]
        missing = [order for order in orders if not (self.out / run_name(*order)).is_dir()]
        if missing:
            minutes = len(missing) * len(self.grid.policies) * self.grid.seconds / 60
            self._say(f"{len(missing)} of {len(orders)} runs are to be made: {minutes:.1f} minutes of arrivals")
        for load, repeat in missing:
            name = run_name(load, repeat)
            turn = (repeat - 1) % len(self.grid.policies)
            policies = (*self.grid.policies[turn:], *self.grid.policies[:turn])
            self._say(f"load {load:g}, repeat {repeat} of {self.grid.repeats}: {', '.join(policies)}")
            try:
                self._live(name, f"load-{load:g}", policies, warmup_s=self.grid.warmup_s)
            except StratsimError as error:
                failures.append(f"{name}: {error}")
                self._say(f"failed: {failures[-1]}")
        return failures

    # The folder

    def _claim(self) -> None:
        """Make the folder this grid's, or see that it is."""
        if self._index.is_file():
            known = json.loads(self._index.read_text(encoding="utf-8"))
            if known.get("grid") != json.loads(json.dumps(self._data)):
                raise OutputError(f"{self.out}: holds the runs of another grid; --fresh starts anew")
            return
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise OutputError(f"{self.out}: exists already, and holds no grid")
        profile = load_profile(self.grid.profile)
        if self.grid.calibrate and self.grid.served:
            check_budget(self.grid, profile)
        (self.out / "traces").mkdir(parents=True)
        write_profile(profile, self._profile_file, overwrite=True)
        self._write_index({"grid": self._data, "cells": []})

    def _write_index(self, content: Mapping[str, Any]) -> None:
        write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", self._index, overwrite=True)

    def _repeats(self) -> range:
        return range(1, self.grid.repeats + 1)

    # Runs

    def _live(self, name: str, trace: str, policies: tuple[str, ...], **settings: Any) -> None:
        grid = self.grid
        settings = {
            **grid.settings,
            **settings,
            "trace": str(self.out / "traces" / f"{trace}.csv"),
            "profile": str(self._profile_file),
            "seed": grid.seed,
        }
        target = self.out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        self._execute(Order(target, policies, grid.device, settings, grid.dtype, grid.mode))

    def _saturation(self) -> float:
        folder = self.out / "saturation"
        if not folder.is_dir():
            self._say("measuring load 1")
            shares = equal_mix(self.profile, self.grid.workload.models.mix)
            guess = saturation_rate(self.profile.for_scheduler(), shares)
            count = burst_size(self.grid, guess)
            self._trace("saturation", self._requests(count, guess, "saturation"), burst=True)
            self._live("saturation", "saturation", ("fifo(drop=never)",))
        (run,) = read_runs(folder)
        return steady_rate(run.result.requests.finish_s)

    def _calibrate(self) -> None:
        profile = self._served(self.profile) if self.grid.served else self.profile
        runs = []
        for load in self.grid.loads:
            name, trace = f"calibration/load-{load:g}", f"calibration-{load:g}"
            if not (self.out / name).is_dir():
                self._say(f"measuring the overheads of the host and the scatter of executions, load {load:g}")
                self._trace(trace, self._arrivals(load, trace))
                self._live(name, trace, ("fifo",))
            runs += read_runs(self.out / name)
        found = calibrated(profile, runs)
        if found.contention is not None:
            before, after = found.contention.error
            self._say(f"contention: median error of executions {before:.1%}, corrected {after:.1%}")
        if found.scatter is not None:
            self._say(f"executions scatter by {found.scatter.cv:.1%} about the device model")
        write_profile(found.profile, self.out / CALIBRATED, overwrite=True)

    def _served(self, profile: Profile) -> Profile:
        """Return the profile with latencies as they are served: each model at each batch size, one batch at a time."""
        folder = self.out / ALONE
        if not folder.is_dir():
            requests = one_by_one(self.grid, self.profile)
            self._say(f"measuring executions where they are served: {requests.arrival_s[-1] / 60:.1f} minutes")
            self._trace(ALONE, requests)
            self._live(ALONE, ALONE, ("fifo(drop=never)",))
        (run,) = read_runs(folder)
        made, rows = with_served(profile, run)
        for row in rows:
            if row.mean_s is not None:
                self._say(
                    f"{row.model}, batch {row.size}: {row.mean_s * 1e3:.4g} ms served, {row.profile_s * 1e3:.4g} ms in "
                    f"the profile ({row.mean_s / row.profile_s - 1.0:+.1%})"
                )
        drift = measure_drift(run.result)
        if drift is not None:
            self._say(f"drift, second half over first: {drift.change:+.1%} [{drift.low:+.1%}, {drift.high:+.1%}]")
        return made

    # Arrivals

    def _arrivals(self, load: float, name: str) -> Workload:
        rate = load * self.rate_per_s
        return self._requests(max(1, round(rate * self.grid.seconds)), rate, name)

    def _requests(self, count: int, rate: float, name: str) -> Workload:
        return requests_of(self.grid, self.profile, count, rate, name)

    def _trace(self, name: str, requests: Workload, *, burst: bool = False) -> None:
        """Write requests as a trace that leaves nothing open; a burst arrives all at once, without deadlines."""
        path = self.out / "traces" / f"{name}.csv"
        if path.exists():
            return
        labels = {int(priority): priority.label for priority in Priority}
        lines = ["arrival_s,model,priority,slo_s,bytes_in,bytes_out"]
        for row in range(len(requests)):
            arrival_s, deadline_s = float(requests.arrival_s[row]), float(requests.deadline_s[row])
            slo = "" if burst or deadline_s == np.inf else repr(deadline_s - arrival_s)
            cells = (
                "0.0" if burst else repr(arrival_s),
                requests.models[requests.model[row]],
                labels[int(requests.priority[row])],
                slo,
                str(requests.bytes_in[row]),
                str(requests.bytes_out[row]),
            )
            lines.append(",".join(cells))
        write_text("\n".join(lines) + "\n", path, overwrite=True)


def _forget(out: Path) -> None:
    """Remove a grid; anything else is left alone."""
    if (out / GRID).is_file():
        shutil.rmtree(out)
