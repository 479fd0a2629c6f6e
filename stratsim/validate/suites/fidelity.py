"""Live runs on H200s against the simulator: what one card taught, judged on another; and a grid on a CPU.

The H200's grids are committed beside the documentation (docs/figures/fidelity-h200): two, on two cards, of which the
report and the calibration runs have been kept. Each grid's own profile, with latencies as they were served, is
calibrated with its calibration runs; the other's runs are judged one step ahead, and its cells by what its report says
of them live. Cells of `strait` are not among these: the policy has been changed since it was served. On the CPU all
batches were kept: each cell's first repeat teaches how long its policy thinks, and the others are judged one step
ahead; level 2 is judged by the report. docs/results/fidelity-cards.md has the tables.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.fidelity.again import judge_again, learned_profile, read_kept
from stratsim.fidelity.calibrate import with_thinking
from stratsim.fidelity.calibrate.copies import measure_copies, with_copies
from stratsim.fidelity.levels.judge import LIMIT
from stratsim.fidelity.levels.stages import all_durations, compare_stages
from stratsim.fidelity.one_step import one_step_ahead
from stratsim.fidelity.report import read_cells
from stratsim.validate.case import Check, Claim, Findings, Setting, Table

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim.fidelity.again import CellAgain, KeptGrid
    from stratsim.fidelity.report import Cell
    from stratsim.model.profile import Profile

__all__ = ["CHECKS"]

_EXECUTION, _BIAS, _WAIT = 0.03, 0.01, 0.10
"""Median error and bias of executions; median error of waits: level 1's own limit, as for copies."""
_SOURCE = "live runs on two H200s, docs/figures/fidelity-h200"
_LOADS = (0.5, 0.7, 0.85)
_CPU = "fidelity-cpu/kept"
_CPU_SOURCE = "live runs on two cores of an AMD EPYC, docs/figures/fidelity-cpu/kept"


class _Way(NamedTuple):
    """From the grid that teaches to the one that is judged, by their folders, and the loads of its calibration runs."""

    title: str
    teacher: str
    judged: str
    loads: tuple[float, ...]
    policies: tuple[str, ...] = ("fifo", "priority-edf")
    source: str = _SOURCE

    @property
    def cells(self) -> list[tuple[float, str]]:
        """Those that are judged at level 2."""
        return [(load, policy) for load in _LOADS for policy in self.policies]


_FIRST, _SECOND = "fidelity-h200/first", "fidelity-h200"
_WAYS = (
    _Way("first card to second", _FIRST, _SECOND, _LOADS),
    _Way("second card to first", _SECOND, _FIRST, (0.5,)),
)
_ON_CPU = _Way("CPU", _CPU, _CPU, (), ("fifo", "priority-edf", "strait"), _CPU_SOURCE)


@cache
def _kept(folder: Path) -> KeptGrid:
    return read_kept(folder)


@cache
def _learned(folder: Path) -> Profile:
    return learned_profile(_kept(folder))


def _executions(way: _Way, at: int, setting: Setting) -> Findings:
    """Judge the calibration run at a load one step ahead."""
    teacher, run = setting.path(way.teacher), _kept(setting.path(way.judged)).calibration[at]
    live = all_durations(run.result)
    stages, before = (
        compare_stages([(live, one_step_ahead(run, profile))])
        for profile in (_learned(teacher), _kept(teacher).measured)
    )
    figures = (("execution", "error"), ("execution", "bias"), ("wait", "error"))
    values = [float(np.asarray(stages[stage][figure])) for stage, figure in figures]
    remarks = [f"{before[stage][figure]:+.1%} before the calibration of contention" for stage, figure in figures]
    links = measure_copies(_kept(teacher).calibration[0], _kept(teacher).measured)
    copied = with_copies(_learned(teacher), links, way.source)
    copies = compare_stages([(live, one_step_ahead(run, copied))])["copy_in"]
    values.append(float(np.asarray(copies["error"])))
    return Findings(values, [*remarks, f"{before['copy_in']['error']:.1%} by the profile's link"])


def _end_to_end(way: _Way, setting: Setting) -> Findings:
    """Judge the cells of all loads, the simulator left to itself."""
    kept = _kept(setting.path(way.judged))
    found = {
        (each.cell.load, each.cell.policy): each
        for each in judge_again(kept, _learned(setting.path(way.teacher)), way.policies)
    }
    rows = [
        (*cell, off.label, off.figure, off.value, off.limit)
        for cell, each in found.items()
        for off in each.off
    ]  # fmt: skip
    columns = ("load", "policy", "class", "figure", "off", "allowed")
    name = f"fidelity-level-2-{way.title.replace(' ', '-')}"
    table = Table(name, f"Level 2, {way.title}: simulated against live", columns, rows)
    worst = [_worst(found[cell]) for cell in way.cells]
    return Findings([value for value, _ in worst], [remark for _, remark in worst], [table])


def _worst(each: CellAgain) -> tuple[float, str]:
    """Return the largest of a cell's figures that can be judged, over what the goal allows it, and which that is."""
    found = max((off for off in each.off if off.measurable), key=lambda off: abs(off.value) / off.limit)
    off = f"{found.value:+.2f} points" if found.figure == "violation" else f"{found.value:+.1%}"
    return abs(found.value) / found.limit, f"{found.name}: {off}"


def _ahead(at: int, setting: Setting) -> Findings:
    """Judge a cell of the CPU one step ahead, all repeats but the first, which says how long the policy thinks."""
    kept, cell = _kept(setting.path(_CPU)), _cpu_cells(setting.path(_CPU))[at]
    first, *others = cell.runs
    profile = with_thinking(kept.measured, [first], kept.calibration)
    stages, before = (
        compare_stages([(all_durations(run.result), one_step_ahead(run, device)) for run in others])
        for device in (profile, kept.measured)
    )
    names = ("wait", "execution", "residence")
    remarks = [f"bias {stages['execution']['bias']:+.1%}" if name == "execution" else "" for name in names]
    remarks[0] = f"{before['wait']['error']:.1%} without the policy's thinking"
    return Findings([float(np.asarray(stages[name]["error"])) for name in names], remarks)


@cache
def _cpu_cells(folder: Path) -> list[Cell]:
    return read_cells(folder)[0]


def _checks(way: _Way) -> list[Check]:
    needs = (way.teacher, way.judged)
    ahead = [
        Check(
            (
                Claim(f"{way.title}, load {load:g}: error of executions, median", 0.0, _EXECUTION, _SOURCE),
                Claim(f"{way.title}, load {load:g}: bias of executions", 0.0, _BIAS, _SOURCE),
                Claim(f"{way.title}, load {load:g}: error of waits one step ahead, median", 0.0, _WAIT, _SOURCE),
                Claim(f"{way.title}, load {load:g}: error of copies in, with the link as served", 0.0, LIMIT, _SOURCE),
            ),
            partial(_executions, way, at),
            needs=needs,
            modules=("pyarrow",),
        )
        for at, load in enumerate(way.loads)
    ]
    return [*ahead, _level_2(way)]


def _level_2(way: _Way) -> Check:
    claims = tuple(
        Claim(f"{way.title}, {policy} at {load:g}: level 2, worst figure over what is allowed", 0.0, 1.0, way.source)
        for load, policy in way.cells
    )
    return Check(claims, partial(_end_to_end, way), needs=(way.teacher, way.judged), modules=("pyarrow",))


def _on_cpu() -> list[Check]:
    return [
        Check(
            tuple(
                Claim(f"CPU, {policy} at {load:g}: error of {name} one step ahead, median", 0.0, LIMIT, _CPU_SOURCE)
                for name in ("waits", "executions", "residences")
            ),
            partial(_ahead, at),
            needs=(_CPU,),
            modules=("pyarrow",),
        )
        for at, (load, policy) in enumerate(_ON_CPU.cells)
    ]


CHECKS = (*(check for way in _WAYS for check in _checks(way)), *_on_cpu(), _level_2(_ON_CPU))
"""Four runs of H200s, four figures each; twelve cells of their grids; nine cells of a CPU, at both levels."""
