"""Which form of the contention rule carries over to a workload that it has not seen; about half an hour.

    python profiler/profiles/forms_disb.py --data DIR [NAME...]

DIR holds `disb/` with the results of workloads A to D. Every form is fitted to all of them and, for each workload in
turn, to the other three; printed are the mean and the largest error of the slowdown. NAMEs choose forms by a part of
their name. A to C are predicted for the steady state; D by following its clients, whose periods are all alike: who
meets whom is not by chance there. docs/results/validation-disb.md has the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from math import exp, floor, inf, log
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from stratsim.model.codec import load_profile
from stratsim.solve import capped_weighted, kernel_queue
from stratsim.validate import disb

Numbers = NDArray[np.float64]
Rates = Callable[[Sequence[str]], Sequence[float]]

WORKLOADS = "ABCD"
END_S, WARM_S = 1.6, 0.4
"""Of D: 32 periods of its clients, of which the first eight do not count."""
SLOPE, RESIDUAL = 0.317, 0.582
"""Of an H200: by how much holds grow with the logarithm of the kernels' length, and what is left of one in service."""


class Form(NamedTuple):
    """A rule with free numbers: from numbers and counted lengths to rates, where it starts, and its prior's scatter."""

    rates: Callable[[Numbers, Mapping[str, float]], Rates]
    start: tuple[float, ...]
    sigma: tuple[float, ...]


def _share(number: float) -> float:
    return 1.0 / (1.0 + exp(-number))


def _lengths(numbers: Sequence[float], counted: Mapping[str, float]) -> dict[str, float]:
    free = [name for name in counted if name != disb.FIXED]
    factor = dict(zip(free, np.exp(numbers).tolist(), strict=True))
    return {name: length * factor.get(name, 1.0) for name, length in counted.items()}


def _queue(hold: Mapping[str, float], length: Mapping[str, float], residual: float, gap_s: float = 0.0) -> Rates:
    held = {name: min(1.0, max(0.0, hold[name])) * length[name] for name in length}
    return lambda models: kernel_queue(
        [length[name] for name in models], [held[name] for name in models], residual, gap_s
    )


def one_hold(residual: float) -> Form:
    """Return `kernel-queue` with one hold."""
    return Form(
        lambda x, counted: _queue(dict.fromkeys(counted, _share(x[0])), _lengths(x[1:].tolist(), counted), residual),
        (0.0,) * 5,
        (inf, *[disb.LENGTH_SIGMA] * 4),
    )


def with_gap() -> Form:
    """Return the same with a gap per launch, known to a factor of 4.5 about a microsecond."""
    return Form(
        lambda x, counted: _queue(
            dict.fromkeys(counted, _share(x[0])), _lengths(x[2:].tolist(), counted), 1.0, 1e-6 * exp(x[1])
        ),
        (0.0,) * 6,
        (inf, 1.5, *[disb.LENGTH_SIGMA] * 4),
    )


def by_logarithm(residual: float, slope: float | None = None) -> Form:
    """Return `kernel-queue` whose hold grows with the logarithm of the length, by a free slope or a given one."""
    more = () if slope is not None else (0.1,)

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        length = _lengths(x[1 + len(more) :].tolist(), counted)
        own = slope if slope is not None else float(x[1])
        return _queue(_grown(_share(x[0]), own, length, counted), length, residual)

    first = 2.0 if slope is not None else 1.0
    return Form(rates, (first, *more, *[0.0] * 4), (inf, *[inf] * len(more), *[disb.LENGTH_SIGMA] * 4))


def _grown(hold: float, slope: float, length: Mapping[str, float], counted: Mapping[str, float]) -> dict[str, float]:
    return {name: hold + slope * log(own / counted[disb.FIXED]) for name, own in length.items()}


def counted_by_logarithm(residual: float) -> Form:
    """Return the same with the counted lengths: two numbers."""
    return Form(
        lambda x, counted: _queue(_grown(_share(x[0]), float(x[1]), counted, counted), counted, residual),
        (1.0, 0.1),
        (inf, inf),
    )


def by_power() -> Form:
    """Return `kernel-queue` whose hold is a power of the length."""

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        length = _lengths(x[2:].tolist(), counted)
        hold = {name: _share(x[0]) * (own / counted[disb.FIXED]) ** float(x[1]) for name, own in length.items()}
        return _queue(hold, length, 1.0)

    return Form(rates, (1.0, 0.2, *[0.0] * 4), (inf, inf, *[disb.LENGTH_SIGMA] * 4))


def own_holds(residual: float) -> Form:
    """Return `kernel-queue` with a hold of each model, its logit known to 1 about 0.5."""
    return Form(
        lambda x, counted: _queue(
            {name: _share(value) for name, value in zip(counted, x[:5].tolist(), strict=True)},
            _lengths(x[5:].tolist(), counted),
            residual,
        ),
        (*[0.5] * 5, *[0.0] * 4),
        (*[1.0] * 5, *[disb.LENGTH_SIGMA] * 4),
    )


def one_kernel_of_each() -> Form:
    """Return a simpler queue: a kernel waits for one kernel of each other stream."""

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        hold, length = _share(x[0]), _lengths(x[1:].tolist(), counted)
        return lambda models: [
            length[name] / (length[name] + hold * (sum(length[other] for other in models) - length[name]))
            for name in models
        ]

    return Form(rates, (0.0,) * 5, (inf, *[disb.LENGTH_SIGMA] * 4))


def tied_streams() -> Form:
    """Return `streams` with lengths as weights and one demand."""

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        demand, length = _share(x[0]), _lengths(x[1:].tolist(), counted)
        return lambda models: capped_weighted([demand] * len(models), [length[name] for name in models])

    return Form(rates, (0.0,) * 5, (inf, *[disb.LENGTH_SIGMA] * 4))


def free_streams() -> Form:
    """Return `streams` with a demand of each model, and weights relative to the first's."""

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        demand = {name: _share(value) for name, value in zip(counted, x[:5].tolist(), strict=True)}
        weight = dict(zip(counted, [1.0, *np.exp(x[5:]).tolist()], strict=True))
        return lambda models: capped_weighted([demand[name] for name in models], [weight[name] for name in models])

    return Form(rates, (0.85, 1.6, 4.0, -0.2, -0.9, -1.3, -1.9, -1.4, -1.4), (inf,) * 9)


FORMS: dict[str, Form] = {
    "kernel-queue, one hold (5)": one_hold(1.0),
    "kernel-queue, one hold, residual 0.58 (5)": one_hold(RESIDUAL),
    "one kernel of each other (5)": one_kernel_of_each(),
    "kernel-queue, gap (6)": with_gap(),
    "hold by log length, residual 1 (6)": by_logarithm(1.0),
    "hold by log length, residual 0.58 (6)": by_logarithm(RESIDUAL),
    "hold as power of length (6)": by_power(),
    "an H200's slope and residual (5)": by_logarithm(RESIDUAL, SLOPE),
    "counted lengths, hold by log length (2)": counted_by_logarithm(1.0),
    "counted lengths, hold by log length, residual 0.58 (2)": counted_by_logarithm(RESIDUAL),
    "own holds (9)": own_holds(1.0),
    "own holds, residual 0.58 (9)": own_holds(RESIDUAL),
    "streams, weight = length (5)": tied_streams(),
    "streams (9)": free_streams(),
}


def followed(clients: Sequence[disb.Client], solo: Mapping[str, disb.Solo], rates: Rates) -> dict[str, float]:
    """Return each client's service time over that alone, by following all of them from request to request.

    A periodic client starts later by the solo latencies of those before it, and gives up requests that its next
    overtakes; the others send again when the reply is in. Copies are unhindered.
    """
    count = len(clients)
    execution_s = [solo[client.model].execution_s for client in clients]
    copies_s = [solo[client.model].copies_s for client in clients]
    offset_s = np.concatenate([[0.0], np.cumsum(np.add(execution_s, copies_s))[:-1]]).tolist()
    starts_s, left_s, sent_s, tick = list(offset_s), [0.0] * count, [0.0] * count, [0] * count
    took_s: list[list[float]] = [[] for _ in clients]
    known: dict[tuple[int, ...], Sequence[float]] = {}
    active: tuple[int, ...] = ()
    now_s = 0.0
    while now_s < END_S:
        if active not in known:
            order = sorted(active, key=lambda at: clients[at].model)
            found = dict(zip(order, rates([clients[at].model for at in order]), strict=True)) if order else {}
            known[active] = [found[at] for at in active]
        speeds = dict(zip(active, known[active], strict=True))
        ends = min(((now_s + left_s[at] / speeds[at], at) for at in active), default=(inf, -1))
        begins = min(((starts_s[at], at) for at in range(count) if at not in speeds), default=(inf, -1))
        until_s, which = min(ends, begins)
        for at in active:
            left_s[at] -= (until_s - now_s) * speeds[at]
        now_s = until_s
        if begins <= ends:
            active = tuple(sorted((*active, which)))
            left_s[which], sent_s[which] = execution_s[which], now_s
            continue
        active = tuple(at for at in active if at != which)
        done_s = now_s + copies_s[which]
        if now_s > WARM_S:
            took_s[which].append(done_s - sent_s[which])
        per_s = clients[which].per_s
        if per_s is None:
            starts_s[which] = done_s + disb.THINK_S
            continue
        latest = floor((done_s - offset_s[which]) * per_s + 1e-9)
        overdue = latest > tick[which]
        tick[which] = latest if overdue else tick[which] + 1
        starts_s[which] = done_s if overdue else offset_s[which] + tick[which] / per_s
    alone_s = np.add(execution_s, copies_s).tolist()
    return {client.id: float(np.mean(took_s[at])) / alone_s[at] for at, client in enumerate(clients)}


def predict(measured: disb.Measured, rates: Rates, workloads: str) -> dict[disb.Cell, float]:
    """Return the slowdown of every client of some workloads."""
    found: dict[disb.Cell, float] = {}
    for name in workloads:
        way = followed if name == "D" else disb.steady_slowdowns
        own = way(measured.clients[name], measured.solo, rates)
        found |= {disb.Cell(name, client): value for client, value in own.items()}
    return found


def fitted(measured: disb.Measured, form: Form, workloads: str, start: Numbers) -> Numbers:
    """Return the numbers that fit some workloads best."""
    cells = [cell for cell in measured.slowdown if cell.workload in workloads]
    sigma, centre = np.array(form.sigma), np.array(form.start)
    known = np.isfinite(sigma)

    def residuals(x: Numbers) -> Numbers:
        found = predict(measured, form.rates(x, measured.length_s), workloads)
        misfit = [log(found[cell] / measured.slowdown[cell]) / disb.CELL_SIGMA for cell in cells]
        return np.concatenate([misfit, ((x - centre) / sigma)[known]])

    return np.asarray(least_squares(residuals, start, diff_step=2e-3, max_nfev=14).x)


def errors(measured: disb.Measured, found: Mapping[disb.Cell, float]) -> str:
    """Return the mean and the largest error."""
    sizes = [abs(value / measured.slowdown[cell] - 1.0) for cell, value in found.items()]
    return f"{np.mean(sizes):.1%} {max(sizes):.1%}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    folder = options.data / "disb"
    measured = disb.read_measured(folder, load_profile("rtx3080-disb").observable, WORKLOADS)
    cells = {**measured.slowdown, **disb.read_cells(folder / "results_trt_D.csv")}
    measured = disb.Measured(cells, measured.clients, measured.solo, measured.length_s)
    for name, form in FORMS.items():
        if options.names and not any(part in name for part in options.names):
            continue
        best = fitted(measured, form, WORKLOADS, np.array(form.start))
        parts = [f"fitted {errors(measured, predict(measured, form.rates(best, measured.length_s), WORKLOADS))}"]
        unseen: dict[disb.Cell, float] = {}
        for left in WORKLOADS:
            numbers = fitted(measured, form, WORKLOADS.replace(left, ""), best)
            found = predict(measured, form.rates(numbers, measured.length_s), left)
            parts.append(f"{left} {errors(measured, found)}")
            unseen |= found
        print(f"{name:55} {'; '.join(parts)}; all left out {errors(measured, unseen)}", flush=True)


if __name__ == "__main__":
    main()
