"""Runs study 2: the sweep in study.toml, then its statistics, tables and figures.

    python experiments/study_2/study.py --out results/study-2 --jobs 2 [--quick]

Interrupt it when you like: runs whose rows are in DIR are not made again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paper import how, options, publish, show
from stratsim.cli.sweep.output import show_saturations
from stratsim.sweep import labelled_rows, load_sweep, run_sweep, write_summary
from stratsim.sweep.plan import axis_columns
from study_2.analysis import summarise
from study_2.roles import make_study
from study_2.tables import figures, tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["HERE", "main"]

HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a run failed."""
    asked = options("Study 2: Strait against blind, aware and preemptive rivals.", argv)
    file = HERE / "study.toml"
    sweep, record = load_sweep(file, quick=asked.quick)
    outcome = run_sweep(sweep, record, asked.out, how(asked), file)
    write_summary(outcome, asked.out)
    study = make_study(sweep, tuple(axis_columns(sweep).values()))
    summary = {**summarise(study, labelled_rows(outcome)), "saturations": outcome.saturations}
    show_saturations(outcome.saturations)
    usual = {axis: value for axis, value in summary["usual"].items() if value != "-"}
    if usual:
        print("\nwhere nothing else is said: " + ", ".join(f"{axis} {value}" for axis, value in usual.items()))
    show(tables(study, summary))
    _show_gain(summary)
    labels = {point["profile"]: point["origin"] for point in outcome.saturations}
    origin = "; ".join(f"{Path(name).name}: {label}" for name, label in labels.items())
    from study_2.figures import FIGURES

    publish(asked.out, summary, figures(summary), FIGURES, origin)
    for failure in outcome.failures:
        print(f"failed: {failure}", file=sys.stderr)
    print(f"{outcome.made} runs made, {len(outcome.failures)} failed, {len(outcome.rows)} rows; in {asked.out}")
    return 1 if outcome.failures else 0


def _show_gain(summary: Mapping[str, Any]) -> None:
    """Print the cell in which Strait gains most over the best blind rival."""
    best = summary["strait"]["best_cell"]
    if best:
        difference, usual = best["diff_high_pp"], summary["usual"]
        cell = ", ".join(f"{axis} {best[axis]}" for axis in summary["axes"] if best[axis] != usual.get(axis))
        print(
            f"\nlargest gain: {difference['mean']:+.2f} pp [{difference['lo']:+.2f}, {difference['hi']:+.2f}] "
            f"against {best['against']}, at {cell}"
        )


if __name__ == "__main__":
    sys.exit(main())
