"""`stratsim plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stratsim_plots.layout import Layout

__all__ = ["plot"]


_KINDS = (
    *("violations", "latency-cdf", "latency-ccdf", "timeline", "over-time", "load", "latency-parts"),
    *("differences", "equity", "capacity", "heatmap"),
)
_LEGENDS = ("above", "below", "right", "none")


@click.command(epilog="Needs matplotlib: pip install 'stratsim[plots]'.")
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--kind", required=True, metavar="KIND", type=click.Choice(_KINDS), help="What to draw; the kinds are above."
)
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(),
    help="FILE.pdf, FILE.svg or FILE.png, in a folder that exists.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME",
    help="Only this policy. May be repeated; a timeline takes one.  [default: all; timeline: the first]",
)
@click.option(
    "--from",
    "from_s",
    type=float,
    metavar="S",
    help="timeline only: start of the window, simulated seconds. With neither end, it is the busiest 200 ms.",
)
@click.option("--to", "to_s", type=float, metavar="S", help="timeline only: its end. With one end, it is 200 ms long.")
@click.option(
    "--of",
    type=click.Choice(("arrived", "completed")),
    help="latency-cdf and latency-ccdf: of all requests that arrived, or of the completed ones.  [default: arrived]",
)
@click.option(
    "--windows",
    "windows_s",
    type=float,
    metavar="S",
    help="over-time only: seconds of a window.  [default: a round length, about fifty of them]",
)
@click.option("--baseline", metavar="NAME", help="differences only: to which policy.  [default: the first]")
@click.option(
    "--metric",
    metavar="NAME",
    help="differences: a metric of `stratsim compare`.  [default: violation]  heatmap: a column.  "
    "[default: high_violation]  load, of a sweep: violation, p99_arrived_s, goodput_per_s, utilization and others.  "
    "[default: violation]",
)
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Of a sweep, only these runs. May be repeated.")
@click.option(
    "--rows",
    type=click.Choice(("current", "all")),
    default="current",
    show_default=True,
    help="Of a sweep's folder: what it asks for now, or rows of an earlier profile, trace or policy too.",
)
@click.option(
    "--x",
    metavar="AXIS",
    help="heatmap, and load of a sweep: from left to right.  [default: the load, or the first axis that varies]",
)
@click.option("--y", metavar="AXIS", help="heatmap only: from bottom to top.  [default: the next, else policy]")
@click.option(
    "--width",
    metavar="WIDTH",
    help="column (3.3 in), page (7 in) or inches. On a page, panels stand beside each other.  [default: column; "
    "timeline, and a heatmap of several policies: page]",
)
@click.option("--font-size", type=float, metavar="PT", help="Size of axis titles; others follow.  [default: 7.5]")
@click.option("--labels", multiple=True, metavar="OLD=NEW", help="Write NEW for the name OLD. May be repeated.")
@click.option("--order", metavar="A,B,...", help="Policies in this order, from the top or first; others follow.")
@click.option("--title", default="", metavar="TEXT", help="A line above everything.")
@click.option("--no-footer", is_flag=True, help="No small print.")
@click.option("--legend", type=click.Choice(_LEGENDS), default="above", show_default=True, help="Where the legend is.")
def plot(directories: tuple[str, ...], kind: str, out: str, **options: Any) -> None:
    """Draw a figure from the results in DIR (made by `stratsim replay --out DIR`, or `stratsim sweep run --out DIR`).

    \b
    violations   share of late and dropped requests, by policy and class
    latency-cdf  fraction of all requests answered within a latency (--of), by
                 policy and class; where requests were dropped it stays below 1
    latency-ccdf
                 the complement: fraction slower or not answered, on log axes
                 down to 1/n
    timeline     what each GPU did in a window: execution slots, copy engines;
                 the window is the busiest 200 ms, or what --from and --to say
    over-time    violations, arrivals, queue length, utilization and batch size in
                 windows of trace time, a line per policy
    load         violations against load, from one DIR per load; several seeds
                 of one load give the mean and its 95 % interval; nothing but
                 seed and load (and the policies) may differ between the DIRs;
                 of a sweep any figure (--metric) against any axis (--x)
    latency-parts
                 where the time went: mean parts of the latency by policy and
                 class, of all answered requests and of the slowest 1 %
                 (`stratsim explain` has them request by request)
    differences  to a baseline, with intervals, from what `stratsim compare` takes:
                 folders of the same requests (and of several seeds), or a sweep
    equity       violations of low against those of high priority: a point per
                 policy and run, from folders or a sweep
    capacity     rates that meet a target, and goodput there, from the files of
                 `stratsim capacity --out FILE.json`; of one with --rate, what misses
                 the target against the number of GPUs, with the headroom
    heatmap      one figure over two axes of a sweep, a panel per policy

    The data behind the figure is written next to it, as FILE.csv. An older figure of the same name is replaced.

    \b
    Examples:
      stratsim plot results/demo --kind violations --out violations.pdf
      stratsim plot results/demo --kind timeline --policy edf --from 12 --to 12.1 --out edf.png
      stratsim plot results/demo --kind over-time --windows 10 --out over-time.pdf
      stratsim plot results/load-* --kind load --out load.svg
      stratsim plot results/sweep --kind load --x max_concurrency --metric p99_arrived_s --out c.pdf
      stratsim plot results/seed-* --kind differences --metric p99_s --out p99.pdf
      stratsim plot capacity.json --kind capacity --out capacity.pdf
      stratsim plot results/sweep --kind heatmap --x load --y profile --out grid.pdf
      stratsim plot results/demo --kind latency-ccdf --width page --labels edf=EDF --order edf,fifo --out tail.pdf

    docs/how-to/paper-figures.md goes from a question to a PDF, on the command line and in a notebook.
    """  # noqa: D301 (click's own mark)
    from stratsim_plots.figure import make_figure
    from stratsim_plots.series import Options

    layout = _layout(**{name: options.pop(name) for name in _LAYOUT})
    for path in make_figure(directories, kind, out, Options(**options, layout=layout)):
        click.echo(path, err=True)


_LAYOUT = ("width", "font_size", "labels", "order", "title", "no_footer", "legend")
"""Options of every kind."""


def _layout(
    *,
    width: str | None,
    font_size: float | None,
    labels: tuple[str, ...],
    order: str | None,
    title: str,
    no_footer: bool,
    legend: str,
) -> Layout:
    from stratsim_plots.layout import Layout, parse_label, parse_order, parse_width

    return Layout(
        width_in=None if width is None else parse_width(width),
        font_size=font_size,
        title=title,
        footer=not no_footer,
        legend=legend,
        labels=tuple(parse_label(text) for text in labels),
        order=parse_order(order or ""),
    )
