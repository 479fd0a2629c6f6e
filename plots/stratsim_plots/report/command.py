"""`stratsim report`."""

from __future__ import annotations

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
    help="Requests to explain of each policy, class and way to fail.",
)
def report(
    directories: tuple[str, ...], out: str | None, overwrite: bool, policies: tuple[str, ...], worst: int
) -> None:
    """Write a report of the results in DIR: one HTML file that needs no network.

    DIR is what `stratsim replay --out DIR` wrote; several are set side by side. The page has the settings, tables with
    intervals, figures with their data, a timeline to zoom and pan, the worst requests with their explanations, and how
    to repeat the runs.

    \b
    Examples:
      stratsim report results/demo
      stratsim report results/demo --policy edf --policy strait --worst 20 --out for-a-colleague.html
      stratsim report results/before results/after --out both.html
    """  # noqa: D301 (click's own mark)
    from stratsim_plots.report.make import make_report

    made = make_report(directories, out, policies=policies, worst=worst, overwrite=overwrite)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(made.path, err=True)
