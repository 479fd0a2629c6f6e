"""`stratsim validate`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

import click

from stratsim.cli.text import clear_line, echo, heading, is_terminal, table
from stratsim.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from stratsim.validate import Case, Planned, Validation

__all__ = ["validate"]

_VARIABLE = "STRATSIM_DATA"
_WIDTH = 100
"""Characters of a line of progress on a terminal."""
_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}


@click.command(
    epilog="""\b
Examples:
  stratsim validate --quick                    everything that needs no data, in half a minute
  stratsim validate --data ../data --out report
  stratsim validate --only 'closed-forms/*priorities*'
  stratsim validate --only parvagpu --data ../data --json

Exit status: 0 if no case failed, 1 if one did, 2 for wrong options. docs/results/validation.md has the cases.
"""
)
@click.option(
    "--data",
    metavar="DIR",
    help=f"Folder with the public data files. [default: {_VARIABLE}; cases without are skipped]",
)
@click.option("--only", metavar="GLOB", help="Only cases SUITE/CASE that match; a bare suite means all of it.")
@click.option("--quick", is_flag=True, help="A quarter of the replications: wider intervals, in half a minute.")
@click.option("--out", metavar="DIR", help="Write a report there: report.md, cases.json, figures and their data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def validate(data: str | None, only: str | None, quick: bool, out: str | None, as_json: bool, quiet: bool) -> int:
    """Check the simulator against closed forms, another simulator and published measurements.

    Every case names what is expected, who says so, what stratsim gives and how far apart they may be. A goal that is
    not reached is a failed case; one that cannot be checked here is skipped, with the reason.
    """
    from stratsim.validate import SUITES, Setting, check_report, plan, write_report
    from stratsim.validate import validate as run

    planned = plan(SUITES, only)
    setting = Setting(_folder(data), quick)
    if out is not None:
        check_report(out)
    began = time.monotonic()
    found = run(planned, setting, None if quiet else _progress(len(planned)))
    if not quiet:
        _clear()
    if out is not None:
        for note in write_report(out, found, setting):
            echo(f"note: {note}", err=True)
    if as_json:
        echo(json.dumps({"cases": [case.as_dict() for case in found.cases]}, indent=2, ensure_ascii=False))
    else:
        _show(found, time.monotonic() - began)
    return 1 if found.failed else 0


def _folder(data: str | None) -> Path | None:
    """Return the folder with the data files, if one is named."""
    from pathlib import Path

    origin, named = ("--data", data) if data is not None else (_VARIABLE, os.environ.get(_VARIABLE) or None)
    if named is not None and not Path(named).is_dir():
        raise SpecError(f"{origin}: there is no folder {named!r}")
    return None if named is None else Path(named)


def _progress(total: int) -> Callable[[int, Planned], None]:
    """Return what shows on stderr which check runs: on one line of a terminal, else a line each."""
    end = "" if is_terminal(sys.stderr) else "\n"

    def show(done: int, one: Planned) -> None:
        _clear()
        echo(f"[{done + 1}/{total}] {one.title}"[: _WIDTH if not end else None] + end, nl=False, err=True)

    return show


def _clear() -> None:
    if is_terminal(sys.stderr):
        clear_line()


def _show(found: Validation, seconds: float) -> None:
    for suite, cases in groupby(found.cases, lambda case: case.suite):
        heading(suite)
        _table(list(cases))
    counts = Counter(case.status.value for case in found.cases)
    echo()
    echo(", ".join(f"{counts[status]} {status}" for status in _MARKS) + f" in {seconds:.0f} s")


def _table(cases: Sequence[Case]) -> None:
    columns = ("result", "case", "unit", "expected", "ours", "error", "tolerance")
    rows = [
        (
            _MARKS[case.status],
            case.name.partition("/")[2],
            case.unit,
            *(_figure(value) for value in (case.expected, case.got, case.error, case.tolerance)),
        )
        for case in cases
    ]
    table(columns, rows, left=3)
    for line in dict.fromkeys(_reason(case) for case in cases if case.status != "passed"):
        echo(line)


def _reason(case: Case) -> str:
    """Return why a case did not pass; skipped ones share a line where they share the reason."""
    if case.status == "skipped":
        return f"  skipped: {case.reason}"
    return f"  {_MARKS[case.status]} {case.name}: {case.reason}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
