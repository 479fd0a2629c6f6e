"""Forms of the contention rule for DISB's RTX 3080: what a fit may choose among, by workloads that it has not seen.

Each has a few free numbers, among them the logarithm of the kernel length of four models over the counted one (known to
a factor of two). docs/results/validation-disb.md has what each is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, inf, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratsim.solve import capped_weighted, kernel_queue
from stratsim.validate.disb import FIXED, LENGTH_SIGMA

__all__ = ["FORMS", "Form", "Numbers", "Rates", "behind_launches"]

Numbers = NDArray[np.float64]
Rates = Callable[[Sequence[str]], Sequence[float]]

SLOPE, RESIDUAL = 0.317, 0.582
"""Of an H200: by how much holds grow with the logarithm of the kernels' length, and what is left of one in service."""
HOLDS = {"vgg19": 0.795, "resnet152": 0.355, "densenet201": 0.308, "inceptionv3": 0.338, "distilbert": 0.403}
"""Of an H200, batch 1, measured (docs/results/h200.md); of distilbert bert-base's, of which it is the half."""
_STEPS, _CLOSE = 200, 1e-9


class Form(NamedTuple):
    """A rule with free numbers.

    Args:
        rates: From numbers and counted lengths to the rates of models that execute together.
        start: Where the numbers start.
        sigma: What is known of each: the scatter about `start`; infinite for a free one.
        queues: Hardware queues; of more clients, the first and the one that comes `queues` later share one, and wait
            for each other's whole requests. None: as many as clients.
    """

    rates: Callable[[Numbers, Mapping[str, float]], Rates]
    start: tuple[float, ...]
    sigma: tuple[float, ...]
    queues: int | None = None


def _share(number: float) -> float:
    return 1.0 / (1.0 + exp(-number))


def _lengths(numbers: Sequence[float], counted: Mapping[str, float]) -> dict[str, float]:
    free = [name for name in counted if name != FIXED]
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
        (inf, *[LENGTH_SIGMA] * 4),
    )


def with_gap() -> Form:
    """Return the same with a gap per launch, known to a factor of 4.5 about a microsecond."""
    return Form(
        lambda x, counted: _queue(
            dict.fromkeys(counted, _share(x[0])), _lengths(x[2:].tolist(), counted), 1.0, 1e-6 * exp(x[1])
        ),
        (0.0,) * 6,
        (inf, 1.5, *[LENGTH_SIGMA] * 4),
    )


def by_logarithm(residual: float, slope: float | None = None) -> Form:
    """Return `kernel-queue` whose hold grows with the logarithm of the length, by a free slope or a given one."""
    more = () if slope is not None else (0.1,)

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        length = _lengths(x[1 + len(more) :].tolist(), counted)
        own = slope if slope is not None else float(x[1])
        return _queue(_grown(_share(x[0]), own, length, counted), length, residual)

    first = 2.0 if slope is not None else 1.0
    return Form(rates, (first, *more, *[0.0] * 4), (inf, *[inf] * len(more), *[LENGTH_SIGMA] * 4))


def _grown(hold: float, slope: float, length: Mapping[str, float], counted: Mapping[str, float]) -> dict[str, float]:
    return {name: hold + slope * log(own / counted[FIXED]) for name, own in length.items()}


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
        hold = {name: _share(x[0]) * (own / counted[FIXED]) ** float(x[1]) for name, own in length.items()}
        return _queue(hold, length, 1.0)

    return Form(rates, (1.0, 0.2, *[0.0] * 4), (inf, inf, *[LENGTH_SIGMA] * 4))


def own_holds(residual: float) -> Form:
    """Return `kernel-queue` with a hold of each model, its logit known to 1 about 0.5."""
    return Form(
        lambda x, counted: _queue(
            {name: _share(value) for name, value in zip(counted, x[:5].tolist(), strict=True)},
            _lengths(x[5:].tolist(), counted),
            residual,
        ),
        (*[0.5] * 5, *[0.0] * 4),
        (*[1.0] * 5, *[LENGTH_SIGMA] * 4),
    )


def one_kernel_of_each() -> Form:
    """Return a simpler queue: a kernel waits for one kernel of each other stream."""

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        hold, length = _share(x[0]), _lengths(x[1:].tolist(), counted)
        return lambda models: [
            length[name] / (length[name] + hold * (sum(length[other] for other in models) - length[name]))
            for name in models
        ]

    return Form(rates, (0.0,) * 5, (inf, *[LENGTH_SIGMA] * 4))


def tied_streams() -> Form:
    """Return `streams` with lengths as weights and one demand."""

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        demand, length = _share(x[0]), _lengths(x[1:].tolist(), counted)
        return lambda models: capped_weighted([demand] * len(models), [length[name] for name in models])

    return Form(rates, (0.0,) * 5, (inf, *[LENGTH_SIGMA] * 4))


def free_streams() -> Form:
    """Return `streams` with a demand of each model, and weights relative to the first's."""

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        demand = {name: _share(value) for name, value in zip(counted, x[:5].tolist(), strict=True)}
        weight = dict(zip(counted, [1.0, *np.exp(x[5:]).tolist()], strict=True))
        return lambda models: capped_weighted([demand[name] for name in models], [weight[name] for name in models])

    return Form(rates, (0.85, 1.6, 4.0, -0.2, -0.9, -1.3, -1.9, -1.4, -1.4), (inf,) * 9)


def behind_launches(length: Sequence[float], hold: Sequence[float], residual: float, gap: float) -> list[float]:
    """Return the rates of `kernel-queue` where launches are hidden by waits.

    Alone a kernel of length l is followed by a gap g, in which the next one is launched: the GPU does nothing. Beside
    others it waits meanwhile, so that of g and the wait the longer one counts:

        cycle_i = (length_i - g) + max(g, wait_i)        rate_i = length_i / cycle_i

    Args:
        length: Of a kernel with its gap, shape (n,).
        hold: Within [0, length - gap].
        residual: As of `kernel_queue`.
        gap: Below every length.
    """
    own = np.asarray(hold)
    bare = np.asarray(length) - gap
    wait = np.zeros(len(own))
    for _ in range(_STEPS):
        share = own * (wait + residual * own) / (bare + np.maximum(gap, wait))
        update = share.sum() - share
        if np.abs(update - wait).max() < _CLOSE * bare.max():
            break
        wait = (wait + update) / 2.0
    rates: list[float] = (np.asarray(length) / (bare + np.maximum(gap, wait))).tolist()
    return rates


def hidden_launches() -> Form:
    """Return an H200's slope and residual with launches that waits hide: a gap known to a factor of 3 about 3 us."""

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        length = _lengths(x[2:].tolist(), counted)
        gap = min(3e-6 * exp(x[1]), 0.9 * min(length.values()))
        hold = _grown(_share(x[0]), SLOPE, length, counted)
        held = {name: min(1.0, max(0.0, hold[name])) * (own - gap) for name, own in length.items()}
        return lambda models: behind_launches(
            [length[name] for name in models], [held[name] for name in models], RESIDUAL, gap
        )

    return Form(rates, (2.0, 0.0, *[0.0] * 4), (inf, 1.1, *[LENGTH_SIGMA] * 4))


def borrowed_holds(residual: float) -> Form:
    """Return `kernel-queue` with an H200's holds, the logits of all shifted by one number."""

    def rates(x: Numbers, counted: Mapping[str, float]) -> Rates:
        hold = {name: _share(log(HOLDS[name] / (1.0 - HOLDS[name])) + float(x[0])) for name in counted}
        return _queue(hold, _lengths(x[1:].tolist(), counted), residual)

    return Form(rates, (0.0,) * 5, (inf, *[LENGTH_SIGMA] * 4))


FORMS: dict[str, Form] = {
    "kernel-queue, one hold (5)": one_hold(1.0),
    "kernel-queue, one hold, residual 0.58 (5)": one_hold(RESIDUAL),
    "one kernel of each other (5)": one_kernel_of_each(),
    "kernel-queue, gap (6)": with_gap(),
    "hold by log length, residual 1 (6)": by_logarithm(1.0),
    "hold by log length, residual 0.58 (6)": by_logarithm(RESIDUAL),
    "hold as power of length (6)": by_power(),
    "an H200's slope and residual (5)": by_logarithm(RESIDUAL, SLOPE),
    "an H200's slope and residual, eight queues (5)": by_logarithm(RESIDUAL, SLOPE)._replace(queues=8),
    "an H200's slope and residual, launches hidden by waits (6)": hidden_launches(),
    "an H200's holds, shifted, residual 1 (5)": borrowed_holds(1.0),
    "an H200's holds, shifted, residual 0.58 (5)": borrowed_holds(RESIDUAL),
    "counted lengths, hold by log length (2)": counted_by_logarithm(1.0),
    "counted lengths, hold by log length, residual 0.58 (2)": counted_by_logarithm(RESIDUAL),
    "own holds (9)": own_holds(1.0),
    "own holds, residual 0.58 (9)": own_holds(RESIDUAL),
    "streams, weight = length (5)": tied_streams(),
    "streams (9)": free_streams(),
}
