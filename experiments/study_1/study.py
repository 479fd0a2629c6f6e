"""Runs study 1: predictors judged on simulated runs, on pairs and on live runs, then its statistics and figures.

    python experiments/study_1/study.py --out results/study-1 --jobs 2 [--quick]

Interrupt it when you like: runs whose rows are in DIR are not made again.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paper import Table, how, options, publish, show
from stratsim.sweep.table import open_table
from study_1.runs import KINDS, LOG_TEXTS, PAIR_TEXTS, load_study, numbers, typed
from study_1.summary import summarise, summarise_logs, summarise_pairs
from study_1.tables import figures, tables

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from study_1.runs import Kind, Study

__all__ = ["HERE", "JUDGES", "main"]

HERE = Path(__file__).resolve().parent

JUDGES = (
    *("compare/log.py", "compare/prequential.py", "fit", "score", "stats"),
    *("fidelity/progress.py", "fidelity/record.py", "fidelity/calibrate"),
)
"""Of stratsim, what rows depend on besides the simulator."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a run failed."""
    asked = options("Study 1: coarse static, smoothed and learned predictions of interference.", argv)
    study, record = load_study(HERE / "study.toml", quick=asked.quick)
    began_s = time.monotonic()
    rows, failed, hashes = {}, 0, []
    for name in ("logs", "pairs", "cells"):
        rows[name], missing, made = _made(KINDS[name], study, record, asked)
        failed += missing
        hashes.append((f"{name}: {made} of {len(KINDS[name].tasks(study))}", _sha256(asked.out, KINDS[name])))
    pairs = [numbers(row, KINDS["pairs"].columns[1:], PAIR_TEXTS) for row in rows["pairs"]]
    logs = [numbers(row, KINDS["logs"].columns[1:], LOG_TEXTS) for row in rows["logs"]]
    summary: dict[str, Any] = {
        **summarise([typed(row) for row in rows["cells"]]),
        "pairs-judged": summarise_pairs(pairs),
        "logs": summarise_logs(logs),
        "saturations": [],
    }
    show([*tables(summary), Table("Rows: SHA-256", ("runs made", "sha256"), hashes, left=2)])
    from study_1.figures import FIGURES

    publish(asked.out, summary, figures(summary), FIGURES, "")
    print(f"{failed} runs failed; {time.monotonic() - began_s:.0f} s; in {asked.out}")
    return 1 if failed else 0


def _made(kind: Kind, study: Study, record: dict[str, Any], asked: Namespace) -> tuple[list[dict[str, str]], int, int]:
    """Make the runs of a kind that have no rows yet; return all rows, and how many runs failed and were made."""
    every = kind.tasks(study)
    out = asked.out / kind.folder
    out.mkdir(parents=True, exist_ok=True)
    code = (*[str(Path(__file__).with_name(f"{name}.py")) for name in kind.code], *JUDGES)
    with open_table(out, record, kind.columns, kind.description, how(asked), code=code) as table:
        made = table.make(every, kind.run)
        rows = [row for task in every for row in table.store.rows.get(task.sha256, ())]
    for task in every:
        if task.sha256 in made.failures:
            print(f"failed: {task.settings}: {made.failures[task.sha256]}", file=sys.stderr)
    return rows, len(made.failures), made.count


def _sha256(out: Path, kind: Kind) -> str:
    return hashlib.sha256((out / kind.folder / "results.csv").read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
