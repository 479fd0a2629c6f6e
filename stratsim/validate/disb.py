"""DISB's measured cells, and the fit of the execution model `kernel-queue` to them.

Source: SJTU-IPADS/disb @ 7ad5fba (Apache-2.0): workloads as JSON, TensorRT results measured on an RTX 3080. The tables
are not part of stratsim.

The fit has five free numbers: the share `hold` of a kernel's duration for which it keeps the block scheduler, and the
kernel length of four models relative to that of the fifth, vgg19. The lengths are held near those that the kernel
counts of the architectures give, solo execution time over kernels, known to a factor of about two:

    cost = sum over cells of (log(predicted / measured) / 0.05)^2
         + sum over models of (log(length / counted) / log 2)^2

Slowdowns are predicted for the steady state, without simulating: each client executes for a share of the time that is
found by iteration, and whom it meets is taken as independent. `steady_slowdowns` says more.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from stratsim.errors import SpecError
from stratsim.solve import kernel_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.model.profile import Observable

    Rates = Callable[[Sequence[str]], Sequence[float]]
    """Gives the rates of models that execute together."""

__all__ = ["FIXED", "LENGTH_SIGMA", "RESULTS", "Cell", "Client", "Family", "Fit", "Measured", "Solo", "fit", "held_out"]
__all__ += ["hold_and_lengths", "kernel_queue_family", "leave_out", "multi_start", "near_best", "predict", "read_cells"]
__all__ += ["read_clients", "read_measured", "solo_of", "steady_slowdowns"]

RESULTS = "results_trt_ABC.csv"
FIXED = "vgg19"
"""The model whose kernel length is taken as counted: only ratios matter."""
CELL_SIGMA = 0.05
"""Scatter of the logarithm of a measured slowdown about a model of this kind: an assumption that sets what the lengths'
prior weighs."""
LENGTH_SIGMA = log(2)
"""Scatter of the logarithm of a kernel length about the one from the architecture."""
THINK_S = 3e-6
"""From a reply to a closed-loop client's next request: 1 / throughput less mean latency, in B and C."""


class Cell(NamedTuple):
    """One client of one workload."""

    workload: str
    client: str


class Client(NamedTuple):
    """How a client sends.

    Args:
        id: Its name.
        model: The profile's name of its model.
        per_s: Requests per second of an open loop; None for a closed one.
    """

    id: str
    model: str
    per_s: float | None


class Solo(NamedTuple):
    """What a request takes alone, seconds."""

    execution_s: float
    copies_s: float


@dataclass(frozen=True)
class Measured:
    """Everything that a fit needs.

    Args:
        slowdown: Mean service time over that alone, by cell.
        clients: Of each workload.
        solo: By model.
        length_s: Mean duration of a kernel by model, from its architecture.
    """

    slowdown: Mapping[Cell, float]
    clients: Mapping[str, Sequence[Client]]
    solo: Mapping[str, Solo]
    length_s: Mapping[str, float]

    @property
    def cells(self) -> list[Cell]:
        """The measured cells, in order."""
        return list(self.slowdown)


@dataclass(frozen=True)
class Family:
    """A contention model with free numbers, as the fit sees it.

    Args:
        name: What reports call it.
        start: Where the search starts; shape (k,).
        sigma: Scatter of each number about `start`; inf for a free one.
        rates: From the numbers to a function that gives the rates of models that execute together.
    """

    name: str
    start: NDArray[np.float64]
    sigma: NDArray[np.float64]
    rates: Callable[[NDArray[np.float64]], Rates]


class Fit(NamedTuple):
    """A fitted family: its numbers, their cost, and the curvature of half the cost about them, shape (k, k)."""

    family: Family
    numbers: NDArray[np.float64]
    cost: float
    curvature: NDArray[np.float64]

    def predict(self, measured: Measured, workloads: Iterable[str]) -> dict[Cell, float]:
        """Return the slowdown of every client of some workloads."""
        return predict(measured, self.family.rates(self.numbers), workloads)


def read_cells(path: str | Path) -> dict[Cell, float]:
    """Return the measured slowdowns: mean end-to-end latency loaded over alone.

    Raises:
        SpecError: the file is not such a table.
    """
    with Path(path).open(newline="", encoding="utf-8") as file:
        try:
            return {
                Cell(row["wl"], row["client"]): float(row["tot_us"]) / float(row["solo_us"])
                for row in csv.DictReader(file)
            }
        except (KeyError, TypeError, ValueError) as error:
            raise SpecError(f"{path}: is not a table of DISB's results: {error}") from None


def read_clients(path: str | Path, resolve: Callable[[str], str]) -> list[Client]:
    """Return the clients of a workload; `resolve` gives the profile's name of a model.

    Raises:
        SpecError: the file is not a workload.
    """
    try:
        tasks = json.loads(Path(path).read_text(encoding="utf-8"))["tasks"]
        return [Client(task["id"], resolve(task["client"]["model_name"]), _per_s(task["load"])) for task in tasks]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise SpecError(f"{path}: is not a DISB workload: {error}") from None


def _per_s(load: Mapping[str, Any]) -> float | None:
    return None if load["type"] == "continuous" else float(load["frequency"])


def read_measured(folder: str | Path, observable: Observable, workloads: str = "ABC") -> Measured:
    """Return the cells of A, B and C, and the clients of `workloads`, whose results may be unknown.

    Args:
        folder: Holds `results_trt_ABC.csv` and `workload_*.json`.
        observable: What solo runs show, of a profile of that GPU; every model with its kernels.
        workloads: One letter each.
    """
    names = {alias: name for name, model in observable.models.items() for alias in (name, *model.aliases)}
    files = {name: Path(folder) / f"workload_{name}.json" for name in workloads}
    return Measured(
        slowdown=read_cells(Path(folder) / RESULTS),
        clients={name: read_clients(path, names.__getitem__) for name, path in files.items()},
        solo=solo_of(observable),
        length_s={name: model.kernels.mean_s for name, model in observable.models.items() if model.kernels},
    )


def solo_of(observable: Observable) -> dict[str, Solo]:
    """Return what requests of each model take alone at batch 1."""
    pcie = observable.pcie
    return {
        name: Solo(model.latency_s[1], pcie.h2d.copy_s(model.bytes_in) + pcie.d2h.copy_s(model.bytes_out))
        for name, model in observable.models.items()
    }


def steady_slowdowns(
    clients: Sequence[Client],
    solo: Mapping[str, Solo],
    rates: Rates,
) -> dict[str, float]:
    """Return each client's service time over that alone, copies included, in the steady state.

    While it executes, a client progresses at the mean rate over all sets of others that may execute with it, each
    weighted with the probability of that set if everyone executed independently for the share of time that it does. A
    closed loop pauses for its copies and `THINK_S`; an open loop that cannot keep up becomes a closed one. Copies are
    taken as unhindered. Cost 2^n in the number of clients.
    """
    table, present = _rate_table([client.model for client in clients], rates)
    alone_s = np.array([solo[client.model].execution_s for client in clients])
    copies_s = np.array([solo[client.model].copies_s for client in clients])
    sent_per_s = np.array([np.inf if client.per_s is None else client.per_s for client in clients])
    busy = np.full(len(clients), 0.5)
    took_s = alone_s
    for _ in range(200):
        took_s = alone_s / _mean_rates(table, present, busy)
        update = np.minimum(took_s / (took_s + copies_s + THINK_S), sent_per_s * took_s)
        if np.abs(update - busy).max() < 1e-10:
            break
        busy = (busy + update) / 2
    slowdown = (took_s + copies_s) / (alone_s + copies_s)
    return {client.id: float(value) for client, value in zip(clients, slowdown, strict=True)}


def _rate_table(models: Sequence[str], rates: Rates) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the rates for every set of clients, shape (2^n, n), and which clients are in which set."""
    count = len(models)
    present = (np.arange(2**count)[:, None] >> np.arange(count)) & 1 == 1
    table = np.zeros(present.shape)
    order = sorted(range(count), key=models.__getitem__)
    known: dict[tuple[str, ...], Sequence[float]] = {}
    for row, members in zip(table, present, strict=True):
        active = [i for i in order if members[i]]
        kinds = tuple(models[i] for i in active)
        if kinds not in known:
            known[kinds] = rates(kinds) if kinds else ()
        row[active] = known[kinds]
    return table, present


def _mean_rates(
    table: NDArray[np.float64], present: NDArray[np.bool_], busy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each client's mean rate over the sets that it is in."""
    factors = np.where(present, busy, 1.0 - busy)
    found = np.empty(len(busy))
    for i in range(len(busy)):
        others = np.delete(factors, i, axis=1).prod(axis=1)
        found[i] = np.dot(others * present[:, i], table[:, i])
    return found


def predict(measured: Measured, rates: Rates, workloads: Iterable[str]) -> dict[Cell, float]:
    """Return the steady slowdown of every client of some workloads."""
    return {
        Cell(name, client): value
        for name in workloads
        for client, value in steady_slowdowns(measured.clients[name], measured.solo, rates).items()
    }


def kernel_queue_family(length_s: Mapping[str, float], *, lengths: bool = True) -> Family:
    """Return `kernel-queue`: the logit of hold, then the logarithm of each length over the architecture's.

    Args:
        length_s: Mean duration of a kernel by model, from its architecture.
        lengths: False keeps all of them: hold alone is free.
    """
    free = [name for name in length_s if name != FIXED] if lengths else []

    def rates(numbers: NDArray[np.float64]) -> Rates:
        hold, length = hold_and_lengths(numbers, length_s)
        return lambda models: kernel_queue([length[name] for name in models], [hold * length[name] for name in models])

    start = np.zeros(1 + len(free))
    sigma = np.array([np.inf, *([LENGTH_SIGMA] * len(free))])
    return Family("kernel-queue" if lengths else "kernel-queue, counted lengths", start, sigma, rates)


def hold_and_lengths(numbers: NDArray[np.float64], length_s: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """Return the share held, and the kernel lengths, that fitted numbers stand for."""
    free = [name for name in length_s if name != FIXED]
    factor = dict(zip(free, np.exp(numbers[1:]).tolist(), strict=False))
    hold = float(1.0 / (1.0 + np.exp(-numbers[0])))
    return hold, {name: value * factor.get(name, 1.0) for name, value in length_s.items()}


def fit(measured: Measured, family: Family, cells: Sequence[Cell], start: NDArray[np.float64] | None = None) -> Fit:
    """Return the family fitted to some cells by least squares, from `start` or the family's own."""
    first = family.start if start is None else start

    def residuals(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return _residuals(measured, family, cells, numbers)

    solution = least_squares(residuals, first, diff_step=[1e-4] * len(first))
    slope = np.asarray(solution.jac)
    return Fit(family, solution.x, 2 * float(solution.cost), slope.T @ slope)


def _residuals(
    measured: Measured, family: Family, cells: Sequence[Cell], numbers: NDArray[np.float64]
) -> NDArray[np.float64]:
    found = predict(measured, family.rates(numbers), sorted({cell.workload for cell in cells}))
    misfit = [log(found[cell] / measured.slowdown[cell]) / CELL_SIGMA for cell in cells]
    known = np.isfinite(family.sigma)
    return np.concatenate([misfit, ((numbers - family.start) / family.sigma)[known]])


def multi_start(measured: Measured, family: Family, starts: int, seed: int = 0) -> list[Fit]:
    """Return fits to all cells from the family's start and from others about it, the best first."""
    rng = np.random.default_rng(seed)
    about = [family.start + rng.normal(0.0, 1.0, len(family.start)) for _ in range(starts - 1)]
    found = [fit(measured, family, measured.cells, start) for start in (family.start, *about)]
    return sorted(found, key=lambda one: one.cost)


def near_best(measured: Measured, best: Fit, above: float, count: int, seed: int = 0) -> list[Fit]:
    """Return random fits whose cost is at most `above` over the best.

    Drawn uniformly from the ellipsoid that the curvature gives for 1.5 times as much, and kept if the cost itself is
    low enough.
    """
    rng = np.random.default_rng(seed)
    axes = np.linalg.cholesky(np.linalg.inv(best.curvature))
    found: list[Fit] = []
    for _ in range(20 * count):
        way = rng.normal(size=len(best.numbers))
        radius = rng.random() ** (1 / len(way)) * (1.5 * above) ** 0.5
        numbers = best.numbers + axes @ (way / np.linalg.norm(way)) * radius
        cost = float((_residuals(measured, best.family, measured.cells, numbers) ** 2).sum())
        if cost <= best.cost + above:
            found.append(best._replace(numbers=numbers, cost=cost))
        if len(found) == count:
            break
    return found


def leave_out(measured: Measured, best: Fit, groups: Iterable[Sequence[Cell]]) -> dict[Cell, float]:
    """Return the slowdown of each group's cells, predicted by a fit to all cells but those of the group."""
    found: dict[Cell, float] = {}
    for group in groups:
        kept = [cell for cell in measured.cells if cell not in group]
        guess = fit(measured, best.family, kept, best.numbers).predict(measured, {cell.workload for cell in group})
        found |= {cell: guess[cell] for cell in group}
    return found


def held_out(measured: Measured, best: Fit) -> dict[Cell, float]:
    """Return every cell as predicted without it: A and B by fits without that workload, C cell by cell."""
    cells = measured.cells
    whole = [[cell for cell in cells if cell.workload == name] for name in "AB"]
    return leave_out(measured, best, [*whole, *([cell] for cell in cells if cell.workload not in "AB")])
