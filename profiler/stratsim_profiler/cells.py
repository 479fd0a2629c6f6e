"""The cells of a request: the design of the calibration.

Pairs alone do not identify how models share a device: two models that fit on the GPU together do not slow each other at
all. So copies of each model show its demand, cells with two copies of the heaviest its weight, pairs connect the
models, and triples and overlaps at random offsets are held out to judge the fit. One fifth of the pairs of models is
held out as well, all batch sizes and both directions of a pair together.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from random import Random
from typing import TYPE_CHECKING

from stratsim_profiler.design import d_optimal_order
from stratsim_profiler.device.base import Stress
from stratsim_profiler.plan import Cell, Copies, Load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratsim_profiler.device.base import DeviceInfo
    from stratsim_profiler.plan import Request
    from stratsim_profiler.samples import Direction, Role
    from stratsim_profiler.settings import Settings

__all__ = ["all_cells", "held_out_pairs"]

_HELD_OUT = 0.2
_LEAST_HELD_OUT = 8
_SEED = "stratsim profile"
_OPEN_S = {"cuda": 0.4, "cpu": 0.3}
"""Time to build one lane, about."""

_OVERHEAD_S = 0.1
_DIRECTIONS: tuple[Direction, ...] = ("h2d", "d2h")
_LEVELS = (0.5, 1.0)
_RESOURCES = ("compute", "dram", "l2", "copy")


def all_cells(request: Request, settings: Settings, info: DeviceInfo) -> list[Cell]:
    """Return every cell of a request, ranked."""
    timed = _Timer(settings, _OPEN_S[info.kind])
    rest = [batch for batch in request.solo_batches if batch not in request.batches]
    always = [*_plain_copies(info), *_solo(request, request.batches)]
    groups = [
        (1.0, 1.5, _solo(request, rest)),
        (1.1, 1.8, _kernels(request)),
        (1.1, 1.8, _other_copies(info)),
        (1.0, 2.0, _selves(request)),
        (1.0, 2.0, _anchors(request)),
        (1.0, 2.0, _pairs(request)),
        (1.0, 2.0, _triples(request)),
        (1.0, 2.0, _offsets(request, settings)),
        (1.2, 2.2, _other_batches(request, rest)),
        (1.2, 3.0, _stressors(request)),
        (1.3, 3.0, _controls(request, info)),
        (1.3, 3.0, _priorities(request)),
    ]
    ranked = [cell for first, last, cells in groups for cell in _ranked(cells, first, last)]
    return [*_models(request), *(timed(cell) for cell in (*always, *ranked))]


def held_out_pairs(models: Sequence[str]) -> frozenset[frozenset[str]]:
    """Return the unordered pairs of models that are held out: one fifth, the same ones for the same models."""
    pairs = sorted(combinations(sorted(models), 2))
    Random(_SEED).shuffle(pairs)
    return frozenset(frozenset(pair) for pair in pairs[: int(_HELD_OUT * len(pairs))])


def _ranked(cells: list[Cell], first: float, last: float) -> list[Cell]:
    """Spread a group's cells over an interval of ranks, so that groups interleave."""
    step = (last - first) / max(1, len(cells))
    return [replace(cell, rank=first + step * (index + 0.5)) for index, cell in enumerate(cells)]


class _Timer:
    """Fills in how long cells take.

    Args:
        settings: Of the run.
        open_s: Time to build a lane.
    """

    def __init__(self, settings: Settings, open_s: float) -> None:
        self._settings = settings
        self._open_s = open_s

    def __call__(self, cell: Cell) -> Cell:
        return replace(cell, estimate_s=_OVERHEAD_S + self._seconds(cell))

    def _seconds(self, cell: Cell) -> float:
        s = self._settings
        if cell.kind == "transfer":
            return (s.transfer_budget_s + 0.1) * len(s.transfer_sizes)
        if cell.kind == "solo":
            return self._open_s + 0.7 * s.solo_budget_s
        if cell.kind == "kernels":
            return 1.0
        if cell.kind == "offset":
            return 0.3
        works = len(set(cell.loads)) + (cell.stress is not None)
        opened = self._open_s if cell.role in ("self", "priority") else 0.0  # the others find their lanes open
        return opened + 2 * works * (s.solo_settle_s + s.solo_window_s) + s.settle_s + s.window_s


def _models(request: Request) -> list[Cell]:
    return [Cell(f"model:{name}", "model", loads=(Load(name, 1),), estimate_s=1.0) for name in request.models]


def _plain_copies(info: DeviceInfo) -> list[Cell]:
    return [_transfer(Copies(direction, pinned)) for direction, pinned in product(_DIRECTIONS, _memory(info))]


def _other_copies(info: DeviceInfo) -> list[Cell]:
    """Several at once, both directions at once, while a kernel reads memory, on several devices."""
    cases = []
    for direction in _DIRECTIONS:
        plain = Copies(direction, info.pinned)
        cases += [replace(plain, concurrent=count) for count in (2, 3, 4)]
        cases += [replace(plain, bidirectional=True), replace(plain, beside="dram")]
        cases += [replace(plain, devices=count) for count in range(2, min(info.peers, 4) + 1)]
    return [_transfer(case) for case in cases]


def _memory(info: DeviceInfo) -> tuple[bool, ...]:
    return (True, False) if info.pinned else (False,)


def _transfer(case: Copies) -> Cell:
    parts = [case.direction, "pinned" if case.pinned else "pageable"]
    if case.concurrent > 1:
        parts.append(f"x{case.concurrent}")
    if case.bidirectional:
        parts.append("both-directions")
    if case.beside:
        parts.append(f"beside-{case.beside}")
    if case.devices > 1:
        parts.append(f"{case.devices}-devices")
    return Cell("transfer:" + ":".join(parts), "transfer", copies=case)


def _solo(request: Request, batches: Iterable[int]) -> list[Cell]:
    return [
        Cell(f"solo:{model}@{batch}", "solo", loads=(Load(model, batch),))
        for batch in batches
        for model in request.models
    ]


def _kernels(request: Request) -> list[Cell]:
    return [Cell(f"kernels:{load}", "kernels", loads=(load,)) for load in request.loads]


def _colocation(role: Role, *loads: Load, held_out: bool = False) -> Cell:
    name = "+".join(str(load) for load in loads)
    return Cell(f"{role}:{name}", "colocation", role, loads, held_out=held_out)


def _selves(request: Request) -> list[Cell]:
    """Two, three and four copies of each load."""
    return [_colocation("self", *[load] * copies) for copies in (2, 4, 3) for load in request.loads]


def _anchors(request: Request) -> list[Cell]:
    """Each load with two copies of the heaviest, then two of each."""
    heavy = request.heaviest
    light = [load for load in request.loads if load != heavy]
    one = [_colocation("anchor", load, heavy, heavy) for load in light]
    return one + [_colocation("anchor", load, load, heavy, heavy) for load in light]


def _pairs(request: Request) -> list[Cell]:
    """Pairs of loads of different models; those to fit in D-optimal order, those held out spread among them."""
    loads = request.loads
    held = held_out_pairs(request.models)
    pairs = [(i, j) for i, j in combinations(range(len(loads)), 2) if loads[i].model != loads[j].model]
    unseen = [(i, j) for i, j in pairs if {loads[i].model, loads[j].model} in held]
    out = [(i, j) for i, j in unseen if loads[i].batch == loads[j].batch]
    if len(out) < _LEAST_HELD_OUT:  # few models: all their batch sizes, so that there is something to judge by
        out = unseen
    to_fit = [(i, j) for i, j in pairs if {loads[i].model, loads[j].model} not in held]
    order = d_optimal_order(len(loads), loads.index(request.heaviest), to_fit)
    fitted = [_colocation("pair", loads[i], loads[j]) for i, j in (to_fit[index] for index in order)]
    judged = [_colocation("pair", loads[i], loads[j], held_out=True) for i, j in out]
    return _interleaved(fitted[: max(0, request.pairs - len(judged))], judged)


def _interleaved(most: list[Cell], few: list[Cell]) -> list[Cell]:
    placed = [*_ranked(most, 0, 1), *_ranked(few, 0, 1)]
    return sorted(placed, key=lambda cell: cell.rank)


def _drawn(request: Request, count: int, size: int, name: str) -> list[tuple[Load, ...]]:
    """Draw combinations of different models at random batch sizes; the same ones for the same request."""
    random = Random(f"{_SEED} {name}")
    if len(request.models) < size:
        return []
    found: dict[tuple[Load, ...], None] = {}
    for _ in range(50 * count):
        models = sorted(random.sample(sorted(request.models), size))
        found.setdefault(tuple(Load(model, random.choice(request.batches)) for model in models))
        if len(found) == count:
            break
    return list(found)


def _triples(request: Request) -> list[Cell]:
    return [_colocation("triple", *loads, held_out=True) for loads in _drawn(request, request.triples, 3, "triples")]


def _offsets(request: Request, settings: Settings) -> list[Cell]:
    """Two thirds pairs, one third triples; each combination is run several times."""
    count = -(-request.offset_runs // settings.offset_rounds)
    drawn = _drawn(request, count - count // 3, 2, "offsets of two") + _drawn(
        request, count // 3, 3, "offsets of three"
    )
    cells = [
        Cell("offset:" + "+".join(str(load) for load in loads), "offset", loads=loads, held_out=True) for loads in drawn
    ]
    return _interleaved(cells[: count - count // 3], cells[count - count // 3 :])


def _other_batches(request: Request, rest: Sequence[int]) -> list[Cell]:
    """Batch sizes that the fit does not see, to judge the law between those it does: copies of a load, then pairs.

    The copies are of the batch size in the middle of those that were left.
    """
    if not rest:
        return []
    middle = rest[(len(rest) - 1) // 2]
    other = replace(request, batches=tuple(rest))
    copies = [_colocation("self", *[Load(model, middle)] * 2, held_out=True) for model in request.models]
    drawn = _drawn(other, len(request.models), 2, "other batch sizes")
    return _interleaved(copies, [_colocation("pair", *loads, held_out=True) for loads in drawn])


def _stressed(request: Request, role: Role, stress: Stress) -> list[Cell]:
    batch = min(request.batches)
    name = f"{stress.resource}:{stress.level:.2f}"
    return [
        Cell(f"{role}:{model}@{batch}+{name}", "colocation", role, (Load(model, batch),), stress)
        for model in request.models
    ]


def _stressors(request: Request) -> list[Cell]:
    stresses = [Stress(resource, level) for level in reversed(_LEVELS) for resource in _RESOURCES]
    return [cell for stress in stresses for cell in _stressed(request, "stressor", stress)]


def _controls(request: Request, info: DeviceInfo) -> list[Cell]:
    """Each model with empty kernels: what it loses there is due to the launcher, which a CPU does not have."""
    return _stressed(request, "control", Stress("empty")) if info.kind == "cuda" else []


def _priorities(request: Request) -> list[Cell]:
    """Pairs at the smallest batch size, each model once in the high-priority stream."""
    if not request.priorities:
        return []
    batch = min(request.batches)
    loads = [Load(model, batch) for model in request.models]
    return [
        replace(_colocation("priority", high, low, held_out=True), priorities=(1, 0))
        for pair in combinations(loads, 2)
        for high, low in (pair, pair[::-1])
    ]
