"""Says how far the contention model of rtx3080-disb.json can be trusted; about two minutes.

    python profiler/profiles/fit_disb.py --data DIR

DIR holds `disb/` and `clockwork/`, as for make_rtx3080_disb.py, which makes the profile with the same fit. Measured
results enter of workloads A, B and C only. Printed are: the fitted numbers; every cell as fitted and as predicted by a
fit that has not seen it; the same for other models of contention; and predictions for D and E, with their spread over
all fits whose cost is within 10 % of the best, and over all that the data cannot tell from it (cost at most 4 higher,
two standard deviations of any one number).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np
from make_rtx3080_disb import SHARING, make_observable

from stratsim.solve import capped_weighted
from stratsim.validate.disb import (
    LENGTH_SIGMA,
    Cell,
    Family,
    Fit,
    Measured,
    fit,
    held_out,
    hold_and_lengths,
    kernel_queue_family,
    leave_out,
    multi_start,
    near_best,
    read_measured,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Rates = Callable[[Sequence[str]], Sequence[float]]

STARTS = 8
SAMPLES = 200
UNSEEN = "DE"


def sum_of_holds(length_s: Mapping[str, float]) -> Family:
    """Return a simpler rule: a kernel waits for one kernel of each other stream; numbers as of `kernel-queue`."""

    def rates(numbers: NDArray[np.float64]) -> Rates:
        hold, length = hold_and_lengths(numbers, length_s)

        def of(models: Sequence[str]) -> list[float]:
            held = hold * sum(length[name] for name in models)
            return [length[name] / (length[name] + held - hold * length[name]) for name in models]

        return of

    return Family("one kernel of each other", *_numbers(length_s), rates)


def tied_streams(length_s: Mapping[str, float]) -> Family:
    """Return `streams` with kernel lengths as weights and one demand for all; numbers as of `kernel-queue`."""

    def rates(numbers: NDArray[np.float64]) -> Rates:
        demand, length = hold_and_lengths(numbers, length_s)
        return lambda models: capped_weighted([demand] * len(models), [length[name] for name in models])

    return Family("streams, weight = length", *_numbers(length_s), rates)


def _numbers(length_s: Mapping[str, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.zeros(len(length_s)), np.array([np.inf, *([LENGTH_SIGMA] * (len(length_s) - 1))])


def plain_streams(length_s: Mapping[str, float]) -> Family:
    """Return `streams` with nine free numbers: the logit of five demands, the logarithm of four weights."""
    names = list(length_s)
    start = [*(np.log(s.demand / (1 - s.demand)) for s in (SHARING[name] for name in names))]
    start += [np.log(SHARING[name].weight / SHARING[names[0]].weight) for name in names[1:]]

    def rates(numbers: NDArray[np.float64]) -> Rates:
        demand = dict(zip(names, (1 / (1 + np.exp(-numbers[:5]))).tolist(), strict=True))
        weight = dict(zip(names, [1.0, *np.exp(numbers[5:]).tolist()], strict=True))
        return lambda models: capped_weighted([demand[name] for name in models], [weight[name] for name in models])

    return Family("streams, nine numbers", np.array(start), np.full(9, np.inf), rates)


def errors(measured: Measured, found: Mapping[Cell, float]) -> dict[Cell, float]:
    """Return predicted over measured, less 1."""
    return {cell: value / measured.slowdown[cell] - 1 for cell, value in found.items()}


def middle_and_worst(found: Mapping[Cell, float], workloads: str = "ABC") -> str:
    """Return the mean and the largest of the absolute errors of some workloads' cells."""
    sizes = [abs(value) for cell, value in found.items() if cell.workload in workloads]
    return f"{mean(sizes):6.1%} {max(sizes):6.1%}"


def print_fit(measured: Measured, fits: Sequence[Fit]) -> None:
    """Print the numbers, and each cell as fitted and as predicted unseen."""
    best = fits[0]
    hold, length_s = hold_and_lengths(best.numbers, measured.length_s)
    print(f"kernel-queue: {len(best.numbers)} free numbers, {len(measured.cells)} cells, cost {best.cost:.2f}")
    print(f"  {len(fits)} starts end at costs {', '.join(f'{one.cost:.2f}' for one in fits)}")
    print(f"  hold {hold:.3f}; kernel length, us (counted from the architecture):")
    for name, value in length_s.items():
        print(f"    {name:12} {value * 1e6:6.1f} ({measured.length_s[name] * 1e6:.1f})")
    fitted, unseen = best.predict(measured, "ABC"), held_out(measured, best)
    print("\ncell                 measured  fitted           unseen (A, B: without that workload; C: without the cell)")
    for cell, value in measured.slowdown.items():
        texts = [f"{got[cell]:6.2f} {got[cell] / value - 1:+7.1%}" for got in (fitted, unseen)]
        print(f"{cell.workload} {cell.client:16} {value:8.2f}  {texts[0]}  {texts[1]}")


def print_families(measured: Measured, families: Sequence[Family]) -> None:
    """Print how several models of contention fit, and how they predict what they have not seen."""
    heads = ("fitted", "A unseen", "B unseen", "C unseen", "A, B from C")
    print(f"\n{'mean and worst error of':30} numbers   {'  '.join(f'{head:13}' for head in heads)}")
    for family in families:
        best = fit(measured, family, measured.cells)
        unseen = errors(measured, held_out(measured, best))
        from_c = leave_out(measured, best, [[cell for cell in measured.cells if cell.workload in "AB"]])
        parts = [middle_and_worst(errors(measured, best.predict(measured, "ABC")))]
        parts += [middle_and_worst(unseen, name) for name in "ABC"]
        parts += [middle_and_worst(errors(measured, from_c))]
        print(f"{family.name:30} {len(family.start):6}   {'  '.join(parts)}")


def print_predictions(measured: Measured, best: Fit, families: Sequence[Family]) -> None:
    """Print predictions for workloads whose results are not used, and how much they depend on the fit."""
    point = best.predict(measured, UNSEEN)
    near = _spread(measured, near_best(measured, best, 0.1 * best.cost, SAMPLES))
    wide = _spread(measured, near_best(measured, best, 4.0, SAMPLES))
    others = [fit(measured, family, measured.cells).predict(measured, UNSEEN) for family in families]
    print("\npredicted            slowdown  within 10 % of the cost  cost + 4      other models, in the order above")
    for cell, value in point.items():
        ranges = [f"{one[cell][0]:6.2f} to {one[cell][1]:5.2f}" for one in (near, wide)]
        rest = " ".join(f"{other[cell]:6.2f}" for other in others)
        print(f"{cell.workload} {cell.client:16} {value:8.2f}  {ranges[0]}          {ranges[1]}  {rest}")


def _spread(measured: Measured, fits: Sequence[Fit]) -> dict[Cell, tuple[float, float]]:
    found = [one.predict(measured, UNSEEN) for one in fits]
    return {cell: (min(one[cell] for one in found), max(one[cell] for one in found)) for cell in found[0]}


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with disb/")
    data = parser.parse_args().data
    measured = read_measured(data / "disb", make_observable(data), f"ABC{UNSEEN}")
    family = kernel_queue_family(measured.length_s)
    fits = multi_start(measured, family, STARTS)
    others = [make(measured.length_s) for make in (sum_of_holds, tied_streams, plain_streams)]
    print_fit(measured, fits)
    print_families(measured, [family, kernel_queue_family(measured.length_s, lengths=False), *others])
    print_predictions(measured, fits[0], others)


if __name__ == "__main__":
    main()
