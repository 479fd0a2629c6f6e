"""Which form of the contention rule carries over to a workload that it has not seen; about half an hour.

    python profiler/profiles/forms_disb.py --data DIR [--cells] [NAME...]

DIR holds `disb/` with the results of workloads A to D. Every form is fitted to all of them and, for each workload in
turn, to the other three; printed are the mean and the largest error of the slowdown, and with --cells every cell left
out. NAMEs choose forms by a part of their name. docs/results/validation-disb.md has the table.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stratsim.model.codec import load_profile
from stratsim.validate.disb_forms import FORMS
from stratsim.validate.disb_unseen import WORKLOADS, fitted, left_out, predict, read_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.validate import disb


def errors(measured: disb.Measured, found: Mapping[disb.Cell, float], workloads: str = WORKLOADS) -> str:
    """Return the mean and the largest error of some workloads' cells."""
    sizes = [abs(value / measured.slowdown[cell] - 1.0) for cell, value in found.items() if cell.workload in workloads]
    return f"{np.mean(sizes):.1%} {max(sizes):.1%}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cells", action="store_true", help="print every cell as predicted unseen")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    measured = read_all(options.data / "disb", load_profile("rtx3080-disb").observable)
    for name, form in FORMS.items():
        if options.names and not any(part in name for part in options.names):
            continue
        best = fitted(measured, form, WORKLOADS)
        unseen = left_out(measured, form, best)
        parts = [f"fitted {errors(measured, predict(measured, form, best, WORKLOADS))}"]
        parts += [f"{left} {errors(measured, unseen, left)}" for left in WORKLOADS]
        print(f"{name:60} {'; '.join(parts)}; all left out {errors(measured, unseen)}", flush=True)
        if options.cells:
            for cell, value in unseen.items():
                print(
                    f"    {cell.workload} {cell.client:16} {value:6.2f} {value / measured.slowdown[cell] - 1.0:+7.1%}"
                )


if __name__ == "__main__":
    main()
