"""What the commands of `stratsim experiment` print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import heading, number, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratsim.experiment.study import Study

__all__ = ["show_saturations", "show_sweep", "show_tables"]


def show_saturations(points: Iterable[Mapping[str, Any]]) -> None:
    """Print load 1.0 of each profile, if the study has such loads."""
    points = list(points)
    if not points:
        return
    heading("Load 1.0: what a server that wastes nothing keeps up with")
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
        "solo work offered",
    )
    table(columns, rows, left=4)


def _machine(point: Mapping[str, Any]) -> str:
    """Return what a cell's machine has that is not the profile's own."""
    names = {"topology": "", "uplink_bytes_per_s": "uplink ", "memory": "memory "}
    found = [(prefix, point[name]) for name, prefix in names.items() if point[name] is not None]
    texts = [prefix + (f"{value:g}" if isinstance(value, float) else str(value)) for prefix, value in found]
    return ", ".join(texts) or "-"


def show_tables(study: Study, summary: Mapping[str, Any]) -> None:
    """Print what a study found."""
    from stratsim.experiment.kinds import find_kind

    usual = {axis: value for axis, value in summary.get("usual", {}).items() if value != "-"}
    if usual:
        click.echo()
        click.echo("where nothing else is said: " + ", ".join(f"{axis} {value}" for axis, value in usual.items()))
    for each in find_kind(study.kind).tables(study, summary):
        heading(each.title)
        table(each.columns, each.rows, left=each.left)
    best = summary.get("strait", {}).get("best_cell")
    if best:
        difference = best["diff_high_pp"]
        usual = summary["usual"]
        cell = ", ".join(f"{axis} {best[axis]}" for axis in summary["axes"] if best[axis] != usual.get(axis))
        click.echo()
        click.echo(
            f"largest gain: {difference['mean']:+.2f} pp [{difference['lo']:+.2f}, {difference['hi']:+.2f}] "
            f"against {best['against']}, at {cell}"
        )


def show_sweep(summary: Mapping[str, Any]) -> None:
    """Print the means of a sweep, each with the half width of its interval."""
    cells = summary["cells"]
    axes = list(dict.fromkeys(axis for entry in cells for axis in entry["cell"]))
    figures = list(cells[0]["figures"]) if cells else []
    rows = [
        (
            *(_word(entry["cell"].get(axis)) for axis in axes),
            entry["policy"],
            str(entry["seeds"]),
            *(text for name in figures for text in _with_reach(entry["figures"][name])),
        )
        for entry in cells
    ]
    heading(summary["title"])
    columns = (*axes, "policy", "seeds", *(column for name in figures for column in (name, "+-")))
    table(columns, rows, left=len(axes) + 1)
    click.echo(f"means over the seeds; +-: half width of the {summary['level'] * 100:g} % t interval")


def _word(value: Any) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _with_reach(figure: Mapping[str, float | None]) -> tuple[str, str]:
    low, high = figure["low"], figure["high"]
    return number(figure["mean"]), "-" if low is None or high is None else number((high - low) / 2, 2)
