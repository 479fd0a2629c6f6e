"""What the commands of `stratsim sweep` print: progress, load 1, means and differences."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stratsim.cli.text import echo, heading, number, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from stratsim.sweep import How
    from stratsim.sweep.run import Failure
    from stratsim.sweep.spec import Sweep

__all__ = ["execute", "show_saturations", "show_summary"]


def execute(sweep: Sweep, record: Mapping[str, Any], out: Path, how: How, source: object, *, quiet: bool) -> int:
    """Run a sweep, draw the progress, print what came out, and return the exit status."""
    from stratsim.sweep import run_sweep, write_summary

    with _progress(shown=not quiet) as progress:
        outcome = run_sweep(sweep, record, out, replace(how, progress=progress, warn=_warn), source)
    show_summary(write_summary(outcome, out))
    for line in _failures(outcome.failures):
        echo(f"failed: {line}", err=True)
    count = len(outcome.failures)
    echo(f"{outcome.made} runs made, {count} failed, {len(outcome.rows)} rows; written to {out}")
    return 1 if count else 0


def _warn(line: str) -> None:
    echo(f"note: {line}", err=True)


def _failures(failures: Iterable[Failure]) -> Iterator[str]:
    """Yield a line for each reason why runs failed, with the first of them."""
    by_message: dict[str, list[Failure]] = {}
    for failure in failures:
        by_message.setdefault(failure.message, []).append(failure)
    for message, found in by_message.items():
        yield str(found[0]) if len(found) == 1 else f"{len(found)} runs (first: {found[0].where}): {message}"


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a callback that draws a bar with the time left on a terminal, or None where nobody would look."""
    from stratsim.cli.text import is_terminal

    if not (shown and is_terminal(sys.stderr)):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        task = bars.add_task("runs", total=None)

        def update(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield update


def show_saturations(points: Iterable[Mapping[str, Any]]) -> None:
    """Print load 1 of each profile in the unit `saturation`, if the sweep has such loads."""
    points = list(points)
    if not points:
        return
    heading("Load 1 (unit saturation): what a server that wastes nothing keeps up with")
    rows = [
        (
            point["profile"],
            point["origin"],
            _machine(point),
            "all alike" if point["mix"] is None else " ".join(f"{k} {v:g}" for k, v in point["mix"].items()),
            number(point["rate_per_s"]),
            f"{number(point['low'])} to {number(point['high'])}",
            str(point["concurrency"]),
            str(point["max_batch"]),
            number(point["solo_load"]),
        )
        for point in points
    ]
    columns = (
        "profile",
        "origin",
        "machine",
        "mix",
        "requests/s",
        "95 % interval",
        "its C",
        "its batch",
        "load in batch-1",
    )
    table(columns, rows, left=4)


def _machine(point: Mapping[str, Any]) -> str:
    """Return what a cell's machine has that is not the profile's own."""
    names = {"topology": "", "uplink_bytes_per_s": "uplink ", "memory": "memory "}
    found = [(prefix, point[name]) for name, prefix in names.items() if point[name] is not None]
    texts = [prefix + (f"{value:g}" if isinstance(value, float) else str(value)) for prefix, value in found]
    return ", ".join(texts) or "-"


def show_summary(summary: Mapping[str, Any]) -> None:
    """Print load 1, the means of a sweep with half widths, and the differences of its subject."""
    for note in summary["notes"]:
        echo(f"note: {note}", err=True)
    show_saturations(summary["saturations"])
    _show_means(summary)
    if summary["subject"] is not None:
        _show_differences(summary)


def _show_means(summary: Mapping[str, Any]) -> None:
    cells = summary["cells"]
    heading(summary["title"])
    if not cells:
        echo("no cell is complete")
        return
    axes = list(cells[0]["cell"])
    figures = list(cells[0]["figures"])
    chosen = [name for name in cells[0] if name not in ("cell", "policy", "at", "setting", "seeds", "figures")]
    if any(entry["setting"] != entry["policy"] for entry in cells):
        chosen.append("setting")
    if len({entry["at"] for entry in cells}) > 1:
        chosen.insert(0, "at")
    rows = [
        (
            *(_word(entry["cell"][axis]) for axis in axes),
            entry["policy"],
            *(_word(entry[name]) for name in chosen),
            str(entry["seeds"]),
            *(text for name in figures for text in _with_reach(entry["figures"][name])),
        )
        for entry in cells
    ]
    columns = (*axes, "policy", *chosen, "seeds", *(column for name in figures for column in (name, "+-")))
    table(columns, rows, left=len(axes) + 1 + len(chosen))
    echo(f"means over the seeds; +-: half width of the {summary['level'] * 100:g} % t interval")
    if any(name.endswith("_arrived_s") for name in figures):
        echo(
            "arrived_s: percentiles of all requests that arrived; `dropped` where one falls among those never answered"
        )


def _show_differences(summary: Mapping[str, Any]) -> None:
    found = summary["differences"]
    subject = summary["subject"]
    heading(f"{subject} minus each other policy")
    if not found:
        echo("no policy has two seeds in common with it")
        return
    axes = list(found[0]["cell"])
    at = ("at",) if len({entry["at"] for entry in found}) > 1 else ()
    rows = [
        (
            *(_word(entry["cell"][axis]) for axis in axes),
            *(entry[name] for name in (*at, "policy", "figure")),
            _signed(entry["mean"]),
            f"[{_signed(entry['low'])}, {_signed(entry['high'])}]",
            f"{entry['p_holm']:.2g}",
        )
        for entry in found
    ]
    level = f"{summary['level'] * 100:g} % interval"
    table((*axes, *at, "policy", "figure", "difference", level, "p Holm"), rows, left=len(axes) + len(at) + 2)
    echo("paired by seed; p Holm accounts for all policies of the cell; violations are shares: 0.01 is 1 point")


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3g}"


def _word(value: Any) -> str:
    from stratsim.sweep.plan import label

    return label(value)


def _with_reach(figure: Mapping[str, float | None]) -> tuple[str, str]:
    low, high = figure["low"], figure["high"]
    if share := figure.get("infinite"):
        return ("dropped" if share == 1 else f"dropped in {share * 100:.0f} %"), "-"
    return number(figure["mean"]), "-" if low is None or high is None else number((high - low) / 2, 2)
