"""What the commands of `stratsim experiment` print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import heading, number, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratsim.experiment.study import Study

__all__ = ["show_saturations", "show_tables"]


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
            point["topology"] or "its own",
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
        "links",
        "mix",
        "requests/s",
        "95 % interval",
        "its C",
        "its batch",
        "solo work offered",
    )
    table(columns, rows, left=4)


def show_tables(study: Study, summary: Mapping[str, Any]) -> None:
    """Print what a study found."""
    from stratsim.experiment.kinds import find_kind

    for each in find_kind(study.kind).tables(study, summary):
        heading(each.title)
        table(each.columns, each.rows, left=each.left)
    best = summary.get("strait", {}).get("best_cell")
    if best:
        difference = best["diff_high_pp"]
        cell = ", ".join(f"{axis} {best[axis]}" for axis in summary["axes"])
        click.echo()
        click.echo(
            f"largest gain: {difference['mean']:+.2f} pp [{difference['lo']:+.2f}, {difference['hi']:+.2f}] "
            f"against {best['against']}, at {cell}"
        )
