"""A grid judged again at level 2 by its report, whether its judged runs have been kept or not.

The live figures and the noise floors of a cell are in the report; what arrived is drawn again by the grid's own rule
and seed. That it is the very same is checked against the calibration runs, which are kept. So a profile that was
learned from another grid, on another card, can be judged without a device.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.engine import simulate
from stratsim.errors import SpecError
from stratsim.fidelity.calibrate import calibrated
from stratsim.fidelity.grid import requests_of
from stratsim.fidelity.levels import figures
from stratsim.fidelity.levels.end_to_end import CLASSES
from stratsim.fidelity.levels.judge import UNMEASURABLE
from stratsim.fidelity.record import read_runs
from stratsim.fidelity.report import CALIBRATED, GRID, UNCALIBRATED
from stratsim.fidelity.spec import make_grid
from stratsim.model.codec import decode, load_profile, read_json
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.run.spec import make_spec
from stratsim.stats.deadlines import measuring_window

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from stratsim.fidelity.record import Recorded
    from stratsim.fidelity.spec import Grid
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload

__all__ = [
    "CellAgain",
    "KeptGrid",
    "Off",
    "ReportedCell",
    "judge_again",
    "learned_profile",
    "read_kept",
    "replay_again",
]

REPORT = "report.json"
_LIMIT, _LIMIT_PP, _FLOORS = 0.05, 1.0, 1.5
"""The goal for a GPU: of p50 and p95, and of violations in percentage points, or so many noise floors."""
_FIGURES = ("p50", "p95", "violation")
_SAME = 1e-9
"""Relative difference of arrivals that are the same."""

ByClass = dict[str, dict[str, float | None]]


@dataclass(frozen=True, slots=True)
class ReportedCell:
    """What the report of a grid says of a cell.

    Args:
        load: Share of the measured saturation.
        policy: With parameters.
        live: By class: `p50` and `p95`, seconds, and `violation`, a share.
        differences: By class, as the report has them: `p50` and `p95` relative, `violation_pp`.
        floor: By class, live against live: the same.
    """

    load: float
    policy: str
    live: ByClass
    differences: ByClass
    floor: ByClass

    def limit(self, label: str, figure: str) -> float:
        """Return how far off the goal allows a figure to be, violations in percentage points."""
        if figure == "violation":
            return max(_LIMIT_PP, _FLOORS * (self.floor[label]["violation_pp"] or 0.0))
        return max(_LIMIT, _FLOORS * (self.floor[label][figure] or 0.0))

    @property
    def reported(self) -> list[Off]:
        """The differences that the report has."""
        names = {"p50": "p50", "p95": "p95", "violation": "violation_pp"}
        found = [(label, name, self.differences[label][key]) for label in CLASSES for name, key in names.items()]
        return [Off(label, name, off, self.limit(label, name)) for label, name, off in found if off is not None]


class Off(NamedTuple):
    """How far a simulated figure of a class is from the live one: a share, or percentage points of violations."""

    label: str
    figure: str
    value: float
    limit: float

    @property
    def measurable(self) -> bool:
        """Whether live runs are alike enough: a latency whose floor is above 20 % says nothing."""
        return self.figure == "violation" or self.limit <= _FLOORS * UNMEASURABLE

    @property
    def missed(self) -> bool:
        """Whether that is more than the goal allows."""
        return self.measurable and abs(self.value) > self.limit

    @property
    def name(self) -> str:
        """What to call it: `low p95`."""
        return f"{self.label} {self.figure}"


@dataclass(frozen=True, slots=True)
class KeptGrid:
    """What is kept of a grid of live runs.

    Args:
        directory: Where it lies.
        grid: What was run.
        base: The profile that it began with: arrivals and deadlines come from it.
        measured: The profile that it calibrated, latencies as they are served included.
        calibration: Its calibration runs.
        rate_per_s: What it measured as load 1.
        cells: Of its report.
    """

    directory: Path
    grid: Grid
    base: Profile
    measured: Profile
    calibration: tuple[Recorded, ...]
    rate_per_s: float
    cells: tuple[ReportedCell, ...]


class CellAgain(NamedTuple):
    """A cell, the simulator left to itself against the live figures of the report.

    Args:
        cell: As the report has it.
        off: How far each figure is off now.
    """

    cell: ReportedCell
    off: list[Off]

    @property
    def missed(self) -> list[Off]:
        """Figures that are further off than the goal allows."""
        return [each for each in self.off if each.missed]

    @property
    def measurable(self) -> bool:
        """Whether all of its figures are."""
        return all(each.measurable for each in self.off)


def read_kept(directory: str | os.PathLike[str]) -> KeptGrid:
    """Read what is kept of a grid: its index, report, profiles and calibration runs; JSON may be gzipped.

    Raises:
        SpecError: something is missing, or the calibration runs do not have the arrivals that the grid draws.
    """
    folder = Path(directory)
    index = read_json(_there(folder, GRID))
    data, rate_per_s = (index.get(name) if isinstance(index, dict) else None for name in ("grid", "saturation_per_s"))
    if not isinstance(data, dict) or not isinstance(rate_per_s, float) or rate_per_s <= 0:
        raise SpecError(f"{folder / GRID}: does not say what was run (`grid`) and at which load 1 (`saturation_per_s`)")
    own = _found(folder, UNCALIBRATED)
    grid = make_grid(data | ({} if own is None else {"profile": str(own)}), folder / GRID)
    kept = KeptGrid(
        folder,
        grid,
        load_profile(grid.profile),
        load_profile(_there(folder, CALIBRATED)),
        tuple(_calibration(folder / "calibration")),
        rate_per_s,
        tuple(_cells(_there(folder, REPORT))),
    )
    for run in kept.calibration:
        _check_arrivals(kept, run)
    return kept


def learned_profile(kept: KeptGrid) -> Profile:
    """Return the profile as the grid's calibration runs teach it, and its latencies as they are served.

    Raises:
        SpecError: there are too few batches to learn anything.
    """
    return calibrated(kept.measured, kept.calibration).profile


def judge_again(kept: KeptGrid, profile: Profile, policies: Collection[str] | None = None) -> Iterator[CellAgain]:
    """Yield each cell of a grid, replayed with another profile, in the report's order.

    Args:
        kept: The grid.
        profile: The device.
        policies: Cells of these only; None: all.
    """
    for cell in kept.cells if policies is None else (cell for cell in kept.cells if cell.policy in policies):
        yield CellAgain(cell, replay_again(kept, cell, profile))


def replay_again(kept: KeptGrid, cell: ReportedCell, profile: Profile, seed: int | None = None) -> list[Off]:
    """Return how far the figures of a cell are off, replayed with a profile.

    Args:
        kept: The grid.
        cell: One of its cells.
        profile: The device.
        seed: Of the run; the grid's by default. Arrivals are the grid's in any case.
    """
    grid, rate = kept.grid, cell.load * kept.rate_per_s
    workload = _drawn(kept, rate, f"load-{cell.load:g}")
    spec = make_spec(grid.settings)
    (call,) = parse_policies(cell.policy)
    result = simulate(
        workload, profile, make_policy(call), cluster=spec.cluster(), max_batch=spec.max_batch,
        drop=DropMode(spec.drop), seed=grid.seed if seed is None else seed, name=call.text,
    )  # fmt: skip
    requests = result.requests
    first_s, last_s = measuring_window(requests.arrival_s, requests.deadline_s, grid.warmup_s)
    simulated = figures(result, (requests.arrival_s >= first_s) & (requests.arrival_s <= last_s))
    return [
        Off(label, name, off, cell.limit(label, name))
        for label in CLASSES
        for name in _FIGURES
        if (off := _off(name, cell.live[label][name], simulated[label][name])) is not None
    ]


def _off(figure: str, live: float | None, simulated: float | None) -> float | None:
    if live is None or simulated is None:
        return None
    if figure == "violation":
        return 100.0 * (simulated - live)
    return simulated / live - 1.0 if live else None


def _drawn(kept: KeptGrid, rate: float, name: str) -> Workload:
    """Return the requests that the grid draws for a purpose, at a rate."""
    return requests_of(kept.grid, kept.base, max(1, round(rate * kept.grid.seconds)), rate, name)


def _check_arrivals(kept: KeptGrid, run: Recorded) -> None:
    """See that a calibration run has the requests that the grid draws for it, up to the measured rate's rounding."""
    trace = run.manifest.get("trace")
    name = Path(str(trace.get("name") if isinstance(trace, dict) else trace)).stem
    own = run.result.requests
    drawn = requests_of(kept.grid, kept.base, max(1, len(own)), kept.rate_per_s, name)
    with np.errstate(divide="ignore", invalid="ignore"):
        same = len(own) and _in_proportion(drawn.arrival_s / own.arrival_s)
    if not same or not np.array_equal(drawn.priority, own.priority):
        raise SpecError(f"{run.directory}: its arrivals are not those that the grid draws as {name!r}")
    drawn_s, own_s = (each.deadline_s - each.arrival_s for each in (drawn, own))
    models = [[names[code] for code in each.model] for names, each in ((drawn.models, drawn), (run.result.models, own))]
    if models[0] != models[1] or not np.allclose(drawn_s, own_s, rtol=_SAME, atol=0.0):
        raise SpecError(
            f"{run.directory}: its models or deadlines are not those that the grid draws as {name!r} by its rule and "
            f"profile {kept.base.name!r}: keep the profile that it began with as {UNCALIBRATED}"
        )


def _in_proportion(ratios: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(ratios).all()) and np.allclose(ratios, ratios[-1], rtol=_SAME, atol=0.0)


def _calibration(folder: Path) -> Iterator[Recorded]:
    """Yield the calibration runs: one, or one per load."""
    if not folder.is_dir():
        raise SpecError(f"{folder}: no such folder; of a grid its calibration runs are needed")
    for each in [folder] if (folder / "manifest.json").is_file() else sorted(folder.iterdir()):
        yield from read_runs(each)


def _cells(path: Path) -> Iterator[ReportedCell]:
    report = read_json(path)
    cells = report.get("cells") if isinstance(report, dict) else None
    if not isinstance(cells, list) or not cells:
        raise SpecError(f"{path}: is not the report of a grid: it has no `cells`")
    for at, cell in enumerate(cells):
        yield decode(_picked(cell), ReportedCell, f"{path}: cells[{at}]")


def _picked(cell: Any) -> Any:
    """Return of a report's cell what is needed here; whatever is amiss is left to the decoder."""
    if not isinstance(cell, dict):
        return cell
    latencies = ("p50", "p95")
    wanted = {
        "live": (*latencies, "violation"),
        "differences": (*latencies, "violation_pp"),
        "floor": (*latencies, "violation_pp"),
    }
    found = {name: cell[name] for name in ("load", "policy") if name in cell}
    for name, keys in wanted.items():
        part: Any = cell.get(name)
        rows: list[Any] = [part.get(label) for label in CLASSES] if isinstance(part, dict) else []
        if rows and all(isinstance(row, dict) for row in rows):
            found[name] = {label: {key: row.get(key) for key in keys} for label, row in zip(CLASSES, rows, strict=True)}
    return found


def _found(folder: Path, name: str) -> Path | None:
    """Return a file of a grid, packed or not; None where it is not kept."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _there(folder: Path, name: str) -> Path:
    found = _found(folder, name)
    if found is None:
        raise SpecError(f"{folder}: has no {name}, packed (.gz) or not; `stratsim fidelity run` makes one")
    return found
