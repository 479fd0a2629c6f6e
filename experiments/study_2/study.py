"""Runs study 2: the sweep in study.toml, then its statistics, tables and figures.

    python experiments/study_2/study.py --out results/study-2 --jobs 2 [--quick]

Interrupt it when you like: runs whose rows are in DIR are not made again.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paper import how, options, publish, show
from stratsim.cli.sweep.output import show_saturations
from stratsim.sweep import labelled_rows, load_sweep, run_sweep, write_summary
from stratsim.sweep.plan import axis_columns
from study_2.analysis import summarise
from study_2.roles import make_study
from study_2.tables import figures, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HERE", "main"]

HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a run failed."""
    asked = options("Study 2: Strait, a plan of fewest late requests, and their rivals at matched protection.", argv)
    file = HERE / "study.toml"
    sweep, record = load_sweep(file, quick=asked.quick)
    outcome = run_sweep(sweep, record, asked.out, how(asked), file)
    write_summary(outcome, asked.out)
    study = make_study(sweep, tuple(axis_columns(sweep).values()))
    summary = {**summarise(study, labelled_rows(outcome)), "saturations": outcome.saturations}
    show_saturations(outcome.saturations)
    show(tables(summary))
    labels = {point["profile"]: point["origin"] for point in outcome.saturations}
    origin = "; ".join(f"{Path(name).name}: {label}" for name, label in labels.items())
    from study_2.figures import FIGURES

    publish(asked.out, summary, figures(summary), FIGURES, origin)
    for failure in outcome.failures:
        print(f"failed: {failure}", file=sys.stderr)
    print(f"{outcome.made} runs made, {len(outcome.failures)} failed, {len(outcome.rows)} rows; in {asked.out}")
    print(f"sha256 of results.csv: {sha256((asked.out / 'results.csv').read_bytes()).hexdigest()}")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
