"""Whether a form of the contention rule carries over to a workload that it has not seen.

Workloads A to C are predicted for the steady state. D's periodic clients all have one period: who meets whom is not by
chance there, so its clients are followed from request to request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor, inf, log
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from stratsim.validate import disb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stratsim.model.profile import Observable
    from stratsim.validate.disb_forms import Form, Numbers, Rates

__all__ = ["RESULTS_D", "WORKLOADS", "fitted", "followed", "left_out", "predict", "read_all"]

WORKLOADS = "ABCD"
RESULTS_D = "results_trt_D.csv"
_FOLLOWED = "D"
_END_S, _WARM_S = 1.6, 0.4
"""Of D: 32 periods of its clients, of which the first eight do not count."""
_EVALUATIONS = 14


def read_all(folder: Path, observable: Observable) -> disb.Measured:
    """Return the measured cells of workloads A to D, and their clients.

    Args:
        folder: Holds the results and `workload_*.json`.
        observable: What solo runs show, of a profile of that GPU.
    """
    measured = disb.read_measured(folder, observable, WORKLOADS)
    cells = {**measured.slowdown, **disb.read_cells(folder / RESULTS_D)}
    return disb.Measured(cells, measured.clients, measured.solo, measured.length_s)


def predict(measured: disb.Measured, form: Form, numbers: Numbers, workloads: str) -> dict[disb.Cell, float]:
    """Return the slowdown of every client of some workloads."""
    rates = form.rates(numbers, measured.length_s)
    found: dict[disb.Cell, float] = {}
    for name in workloads:
        clients, solo = measured.clients[name], measured.solo
        if name == _FOLLOWED:
            own = followed(clients, solo, rates, form.queues)
        else:
            own = disb.steady_slowdowns(clients, solo, rates)
        found |= {disb.Cell(name, client): value for client, value in own.items()}
    return found


def fitted(measured: disb.Measured, form: Form, workloads: str, start: Numbers | None = None) -> Numbers:
    """Return the numbers that fit some workloads best, from `start` or the form's own.

    The cost is that of `stratsim.validate.disb`: 5 % of scatter by cell, and what is known of the numbers.
    """
    cells = [cell for cell in measured.slowdown if cell.workload in workloads]
    sigma, centre = np.array(form.sigma), np.array(form.start)
    known = np.isfinite(sigma)

    def residuals(x: Numbers) -> Numbers:
        found = predict(measured, form, x, workloads)
        misfit = [log(found[cell] / measured.slowdown[cell]) / disb.CELL_SIGMA for cell in cells]
        return np.concatenate([misfit, ((x - centre) / sigma)[known]])

    first = centre if start is None else start
    return np.asarray(least_squares(residuals, first, diff_step=[2e-3] * len(first), max_nfev=_EVALUATIONS).x)


def left_out(measured: disb.Measured, form: Form, start: Numbers | None = None) -> dict[disb.Cell, float]:
    """Return the slowdown of every cell as predicted by a fit to the workloads that it is not of."""
    found: dict[disb.Cell, float] = {}
    for name in WORKLOADS:
        numbers = fitted(measured, form, WORKLOADS.replace(name, ""), start)
        found |= predict(measured, form, numbers, name)
    return found


def followed(
    clients: Sequence[disb.Client], solo: Mapping[str, disb.Solo], rates: Rates, queues: int | None = None
) -> dict[str, float]:
    """Return each client's service time over that alone, by following all of them from request to request.

    A periodic client starts later by the solo latencies of those before it, and gives up requests that its next
    overtakes; the others send again when the reply is in. Copies are unhindered.

    Args:
        clients: In the order of the workload's file.
        solo: Of each model.
        rates: Of models that execute together.
        queues: Clients that are so many apart in the file wait for each other's whole requests; None: nobody does.
    """
    run = _Run(clients, solo, rates, queues)
    while run.step():
        pass
    return run.slowdowns()


@dataclass
class _Run:
    """Clients on one GPU; times in seconds."""

    clients: Sequence[disb.Client]
    solo: Mapping[str, disb.Solo]
    rates: Rates
    queues: int | None
    now_s: float = 0.0
    active: tuple[int, ...] = ()
    """Who executes, ascending."""
    known: dict[tuple[int, ...], Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.clients)
        self.execution_s = [self.solo[client.model].execution_s for client in self.clients]
        self.copies_s = [self.solo[client.model].copies_s for client in self.clients]
        self.alone_s = np.add(self.execution_s, self.copies_s).tolist()
        self.offset_s = np.concatenate([[0.0], np.cumsum(self.alone_s)[:-1]]).tolist()
        self.starts_s = list(self.offset_s)
        self.left_s, self.sent_s, self.tick = [0.0] * count, [0.0] * count, [0] * count
        self.waiting: list[int] = []
        self.took_s: list[list[float]] = [[] for _ in self.clients]

    def step(self) -> bool:
        """Go on to the next start or end; return whether there is more to do."""
        speeds = dict(zip(self.active, self._speeds(), strict=True))
        ends = min(((self.now_s + self.left_s[at] / speeds[at], at) for at in self.active), default=(inf, -1))
        idle = (at for at in range(len(self.clients)) if at not in speeds and at not in self.waiting)
        begins = min(((self.starts_s[at], at) for at in idle), default=(inf, -1))
        until_s, which = min(ends, begins)
        for at in self.active:
            self.left_s[at] -= (until_s - self.now_s) * speeds[at]
        self.now_s = until_s
        if begins <= ends:
            self._send(which)
        else:
            self._reply(which)
        return self.now_s < _END_S

    def slowdowns(self) -> dict[str, float]:
        """Return the mean service time over that alone, by client."""
        return {client.id: float(np.mean(self.took_s[at])) / self.alone_s[at] for at, client in enumerate(self.clients)}

    def _speeds(self) -> Sequence[float]:
        if self.active not in self.known:
            order = sorted(self.active, key=lambda at: self.clients[at].model)
            rates = self.rates([self.clients[at].model for at in order]) if order else ()
            found = dict(zip(order, rates, strict=True))
            self.known[self.active] = [found[at] for at in self.active]
        return self.known[self.active]

    def _send(self, which: int) -> None:
        self.left_s[which], self.sent_s[which] = self.execution_s[which], self.now_s
        if any(self._same_queue(which, at) for at in self.active):
            self.waiting.append(which)
        else:
            self.active = tuple(sorted((*self.active, which)))

    def _reply(self, which: int) -> None:
        self.active = tuple(at for at in self.active if at != which)
        follower = next((at for at in self.waiting if self._same_queue(which, at)), None)
        if follower is not None:
            self.waiting.remove(follower)
            self.active = tuple(sorted((*self.active, follower)))
        done_s = self.now_s + self.copies_s[which]
        if self.now_s > _WARM_S:
            self.took_s[which].append(done_s - self.sent_s[which])
        self.starts_s[which] = self._next_s(which, done_s)

    def _same_queue(self, one: int, other: int) -> bool:
        return self.queues is not None and one % self.queues == other % self.queues

    def _next_s(self, which: int, done_s: float) -> float:
        """Return when a client sends again, whose reply is in at `done_s`."""
        per_s = self.clients[which].per_s
        if per_s is None:
            return done_s + disb.THINK_S
        latest = floor((done_s - self.offset_s[which]) * per_s + 1e-9)
        overdue = latest > self.tick[which]
        self.tick[which] = latest if overdue else self.tick[which] + 1
        return done_s if overdue else self.offset_s[which] + self.tick[which] / per_s
