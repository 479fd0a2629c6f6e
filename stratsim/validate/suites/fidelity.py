"""Live runs on H200s against the simulator: what one card taught, judged on another.

The runs are committed beside the documentation (docs/figures/fidelity-h200): two grids on two cards, of which the
calibration runs have been kept. Each grid's own profile, with latencies as they were served, is calibrated with the
grid's calibration runs; the other's are judged. docs/results/fidelity-cards.md has the tables.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from stratsim.fidelity.calibrate import calibrated
from stratsim.fidelity.levels.stages import all_durations, compare_stages
from stratsim.fidelity.one_step import one_step_ahead
from stratsim.fidelity.record import read_runs
from stratsim.model.codec import load_profile
from stratsim.validate.case import Check, Claim, Findings, Setting

if TYPE_CHECKING:
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["CHECKS"]

_FOLDER = "fidelity-h200"
_FIRST, _SECOND = f"{_FOLDER}/first", _FOLDER
_EXECUTION, _BIAS, _WAIT = 0.03, 0.01, 0.10
"""Median error and bias of executions; median error of waits, which is level 1's own limit."""
_SOURCE = "live runs on two H200s, docs/figures/fidelity-h200"


@dataclass(frozen=True)
class _Judged:
    """A run, and the grid that the profile is calibrated with."""

    run: str
    learned: str
    learned_runs: tuple[str, ...]
    title: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The folders and files that it needs."""
        return (self.run, f"{self.learned}/calibrated.json.gz", *self.learned_runs)


_SECOND_RUNS = tuple(f"{_SECOND}/calibration/load-{load}" for load in ("0.5", "0.7", "0.85"))
_FIRST_RUNS = (f"{_FIRST}/calibration",)
_CASES = (
    *(
        _Judged(run, _FIRST, _FIRST_RUNS, f"first card to second, load {run.rpartition('-')[2]}")
        for run in _SECOND_RUNS
    ),
    _Judged(_FIRST_RUNS[0], _SECOND, _SECOND_RUNS, "second card to first, load 0.5"),
)


def _measure(case: _Judged, setting: Setting) -> Findings:
    profile = _calibrated(setting, case.learned, case.learned_runs)
    (run,) = _runs(setting.path(case.run))
    live = all_durations(run.result)
    stages = compare_stages([(live, one_step_ahead(run, profile))])
    before = compare_stages([(live, one_step_ahead(run, _profile(setting, case.learned)))])
    values = [stages["execution"]["error"], stages["execution"]["bias"], stages["wait"]["error"]]
    remarks = [
        f"{before[stage][figure]:+.1%} before the calibration of contention"
        for stage, figure in (("execution", "error"), ("execution", "bias"), ("wait", "error"))
    ]
    return Findings([float(np.asarray(value)) for value in values], remarks)


@cache
def _calibrated(setting: Setting, grid: str, runs: tuple[str, ...]) -> Profile:
    found = [run for name in runs for run in _runs(setting.path(name))]
    return calibrated(_profile(setting, grid), found).profile


@cache
def _profile(setting: Setting, grid: str) -> Profile:
    packed = setting.path(f"{grid}/calibrated.json.gz").read_bytes()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "calibrated.json"
        path.write_bytes(gzip.decompress(packed))
        return load_profile(path)


@cache
def _runs(path: Path) -> list[Recorded]:
    return read_runs(path)


def _check(case: _Judged) -> Check:
    return Check(
        (
            Claim(f"{case.title}: error of executions, median", 0.0, _EXECUTION, _SOURCE),
            Claim(f"{case.title}: bias of executions", 0.0, _BIAS, _SOURCE),
            Claim(f"{case.title}: error of waits one step ahead, median", 0.0, _WAIT, _SOURCE),
        ),
        partial(_measure, case),
        needs=case.needs,
        modules=("pyarrow",),
    )


CHECKS = tuple(_check(case) for case in _CASES)
"""Four runs, three figures each."""
