"""`stratsim fidelity again`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import echo, heading, number, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.fidelity.again import CellAgain, Off
    from stratsim.fidelity.causes import Cause

    Row = tuple[CellAgain, list[Cause]]

__all__ = ["again"]

_CLASS = "all"
"""Of whose figures the table has; the JSON has all classes."""
_EXAMPLES = """\b
Examples:
  stratsim fidelity again results/fidelity-h200                                      its own calibration runs
  stratsim fidelity again results/fidelity-h200 --learn-from results/other-card      another card's
  stratsim fidelity again results/fidelity-h200 --policy fifo --policy priority-edf --check
"""


@click.command("again", epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--learn-from", "teacher", metavar="DIR", type=click.Path(path_type=Path),
    help="Grid whose calibration runs and latencies make the profile. [default: the judged grid itself]",
)  # fmt: skip
@click.option("--policy", "policies", metavar="NAME", multiple=True, help="Only cells of this policy; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.option("--check", is_flag=True, help="Exit status 1 if a cell misses the goal.")
def again(directory: Path, teacher: Path | None, policies: tuple[str, ...], as_json: bool, check: bool) -> int:
    """Judge the grid in DIR at level 2 by its report, with a profile that another grid taught.

    The judged runs themselves are not needed: what arrived is drawn again by the grid's rule and seed, and the live
    figures and noise floors are in its report. Each cell is shown as the report has it and as it comes out now. The
    goal: p50 and p95 within 5 % or 1.5 noise floors, violations within one percentage point or 1.5 floors, of all
    requests and by class; a latency whose floor is above 20 % is not measurable. A figure that misses it has a cause:
    the part of the profile that would mend it by the judged grid's own calibration, or the chance of a single replay,
    or none that is known. Policies are those of today: one whose rules have changed since it served is another policy.
    """
    from stratsim.errors import SpecError, suggest
    from stratsim.fidelity.again import judge_again, learned_profile, read_kept
    from stratsim.fidelity.causes import find_causes

    kept = read_kept(directory)
    known = [cell.policy for cell in kept.cells]
    for policy in policies:
        if policy not in known:
            raise SpecError(f"--policy {policy}: no cell of {directory} has it; {suggest(policy, known)}")
    own = learned_profile(kept)
    profile = own if teacher is None else learned_profile(read_kept(teacher))
    rows: list[Row] = [
        (each, find_causes(kept, each, profile, None if teacher is None else own))
        for each in judge_again(kept, profile, policies or None)
    ]
    source = directory if teacher is None else teacher
    if as_json:
        echo(json.dumps(_plain(directory, source, rows), allow_nan=False))
    else:
        _show(directory, source, rows)
    return int(check and any(each.missed for each, _ in rows))


def _show(directory: Path, source: Path, rows: Sequence[Row]) -> None:
    heading(f"Level 2 of {directory}: as its report has it, and with what {source} teaches")
    cells = [
        (number(each.cell.load), each.cell.policy, _goal(each), *_three(each.cell.reported), *_three(each.off))
        for each, _ in rows
    ]
    columns = ("reported p50", "p95", "viol pp", "now p50", "p95", "viol pp")
    table(("load", "policy", "goal", *columns), cells, left=3)
    missed = [
        (number(each.cell.load), each.cell.policy, cause.off.name, cause.text, *_shown(cause.off))
        for each, causes in rows
        for cause in causes
    ]
    if missed:
        heading("What missed the goal, and why")
        table(("load", "policy", "figure", "cause", "off", "allowed"), missed, left=4)
    echo()
    goals = [_goal(each) for each, _ in rows]
    unclear = goals.count(_UNCLEAR)
    echo(
        f"{goals.count(_MET)} of {len(rows)} cells meet the goal"
        + (f", {unclear} cannot be judged: live runs differ by over 20 %" if unclear else "")
    )


_MET, _UNCLEAR = "met", "not measurable"


def _goal(each: CellAgain) -> str:
    return ", ".join(off.name for off in each.missed) or (_MET if each.measurable else _UNCLEAR)


def _three(found: Sequence[Off]) -> list[str]:
    own = {off.figure: _shown(off)[0] for off in found if off.label == _CLASS}
    return [own.get(name, "-") for name in ("p50", "p95", "violation")]


def _shown(off: Off) -> tuple[str, str]:
    if off.figure == "violation":
        return f"{off.value:+.1f}", f"{off.limit:.1f}"
    return f"{100 * off.value:+.1f} %", f"{100 * off.limit:.1f} %"


def _plain(directory: Path, source: Path, rows: Sequence[Row]) -> dict[str, Any]:
    cells = [
        {
            "load": each.cell.load,
            "policy": each.cell.policy,
            "measurable": each.measurable,
            "reported": [off._asdict() for off in each.cell.reported],
            "now": [off._asdict() for off in each.off],
            "missed": [
                {"name": cause.off.name, "cause": cause.text, "parts": cause.parts, "seeds": cause.seeds}
                for cause in causes
            ],
        }
        for each, causes in rows
    ]
    return {"grid": str(directory), "learned_from": str(source), "cells": cells}
