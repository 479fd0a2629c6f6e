"""Runs study 1: predictors judged on the same logs, then its statistics, tables and figures.

    python experiments/study_1/study.py --out results/study-1 --jobs 2 [--quick]

Interrupt it when you like: runs whose rows are in DIR are not made again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paper import how, options, publish, show
from stratsim.sweep.table import open_table
from study_1.runs import COLUMNS, DESCRIPTION, load_study, run, tasks, typed
from study_1.summary import summarise
from study_1.tables import figures, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HERE", "main"]

HERE = Path(__file__).resolve().parent

CODE = tuple(str(HERE / f"{name}.py") for name in ("arrivals", "behaviour", "cell", "errors", "sets"))
"""What rows depend on besides stratsim."""
JUDGES = ("compare/log.py", "compare/prequential.py")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a run failed."""
    asked = options("Study 1: coarse static, smoothed and learned predictions of interference.", argv)
    study, record = load_study(HERE / "study.toml", quick=asked.quick)
    every = tasks(study)
    with open_table(asked.out, record, COLUMNS, DESCRIPTION, how(asked), code=(*CODE, *JUDGES)) as table:
        made = table.make(every, run)
        rows = [typed(row) for task in every for row in table.store.rows.get(task.sha256, ())]
    summary = {**summarise(rows), "saturations": []}
    show(tables(summary))
    from study_1.figures import FIGURES

    publish(asked.out, summary, figures(summary), FIGURES, "")
    for task in every:
        if task.sha256 in made.failures:
            print(f"failed: {task.settings}: {made.failures[task.sha256]}", file=sys.stderr)
    print(f"{made.count} runs made, {len(made.failures)} failed, {len(rows)} rows; in {asked.out}")
    return 1 if made.failures else 0


if __name__ == "__main__":
    sys.exit(main())
