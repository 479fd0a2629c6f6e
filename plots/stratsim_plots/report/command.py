"""`stratsim report`."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["report"]


@click.command(
    epilog="docs/how-to/report.md reads one with you. Figures need matplotlib: pip install 'stratsim[plots]'."
)
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path())
@click.option("--out", metavar="FILE", type=click.Path(), help="The page. [default: report.html in DIR, if it is one]")
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
@click.option(
    "--policy", "policies", multiple=True, metavar="NAME", help="Only this policy. May be repeated. [default: all]"
)
@click.option(
    "--worst",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="Requests to explain of each policy, class and way to fail; of a sweep, runs to list.",
)
@click.option(
    "--x", metavar="AXIS", help="Of a sweep: the axis of the lines. [default: the load, or the first that varies]"
)
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Of a sweep: only these runs. May be repeated.")
@click.option(
    "--rows",
    type=click.Choice(("current", "all")),
    default="current",
    show_default=True,
    help="Of a sweep: what it asks for now, or rows of an earlier profile, trace or policy too.",
)
def report(directories: tuple[str, ...], out: str | None, **options: Any) -> None:
    """Write a report of the results in DIR: one HTML file that needs no network.

    DIR is what `stratsim replay --out DIR` wrote; several are set side by side. The page has the settings, tables with
    intervals, figures with their data, a timeline to zoom and pan, the worst requests with their explanations, and how
    to repeat the runs. Of a sweep (`stratsim sweep run --out DIR`) it has lines with intervals over seeds, a table,
    the worst runs, and how to repeat each.

    \b
    Examples:
      stratsim report results/demo
      stratsim report results/demo --policy edf --policy strait --worst 20 --out for-a-colleague.html
      stratsim report results/before results/after --out both.html
      stratsim report results/loads --x load --where max_concurrency=2 --out loads.html
    """  # noqa: D301 (click's own mark)
    from stratsim_plots.report.make import make_report

    made = make_report(directories, out, **options)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(made.path, err=True)
