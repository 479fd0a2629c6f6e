"""`stratsim compare`."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.rows import rows_option
from stratsim.cli.text import echo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["compare"]


def _warmup(_context: click.Context, _option: click.Parameter, value: str | None) -> float | str | None:
    if value is None or value == "mser":
        return value
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a number of seconds nor mser.") from None


@click.command(
    epilog="""\b
Examples:
  stratsim compare results/demo                                 the policies of one folder, against its first
  stratsim compare results/demo --baseline edf --metric violation
  stratsim compare results/before results/after --json          the same requests, before and after a change
  stratsim compare results/seed-*                               folders of several seeds: paired by seed
  stratsim compare results/sweep --where load=0.9               the runs of a sweep
  stratsim compare results/demo --warmup mser                   without the start, as long as MSER-5 finds it

docs/how-to/compare-policies.md goes from a trace to a figure; docs/reference/metrics.md defines intervals and p-values.
"""
)
@click.argument("paths", metavar="A [B...]", nargs=-1, required=True, type=click.Path())
@click.option("--baseline", metavar="NAME", help="What the others are compared with. [default: the first]")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="Only this one. May be repeated.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Only this: violation, p99_arrived_s (of all requests that arrived), p99_s (of completed ones), both for p50 "
    "and p95 too, mean_slowdown or goodput_per_s. May be repeated.  [default: all but p50_s and p95_s]",
)
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Of a sweep, only these runs. May be repeated.")
@rows_option
@click.option(
    "--warmup", "warmup_s", callback=_warmup, metavar="S|mser", help="Leave out the start. [default: as the runs did]"
)
@click.option("--level", type=float, default=0.95, show_default=True, metavar="X", help="Confidence of the intervals.")
@click.option(
    "--quantile",
    type=float,
    default=0.5,
    show_default=True,
    metavar="Q",
    help="Quantile over seeds, besides the mean.",
)
@click.option(
    "--resamples", type=int, default=1000, show_default=True, metavar="N", help="Of the bootstrap of one run."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else.")
def compare(paths: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Compare policies on the same requests: figures, differences to a baseline, and how sure these are.

    A, B, ... are result folders (`stratsim replay --out`), or one sweep (`stratsim sweep run --out`). Folders that
    differ in the seed only are replications: differences are taken per seed, with Student's t interval. A single run
    gives intervals too, by a block bootstrap over its time: they cover what this run could have shown at other moments,
    not what another trace would. Runs of different requests are refused.
    """
    from stratsim.cli.typed import as_typed, options_named
    from stratsim.compare import Asked
    from stratsim.compare import compare as run
    from stratsim.results.read import read_draws

    with as_typed(options_named(options)):
        asked = Asked(**options)
    with _progress(shown=not as_json) as progress:
        document = run(paths, asked, progress)
    if as_json:
        drawn = {path: found for path in paths if (found := read_draws(path)) is not None}
        echo(json.dumps(document | ({"draws": drawn} if drawn else {}), allow_nan=False))
        return
    for note in document["notes"]:
        echo(f"note: {note}", err=True)
    _print(document)
    _print_draws(paths)


def _print_draws(paths: tuple[str, ...]) -> None:
    """Print what the draws of each folder say of its ranking (`stratsim replay --draws`)."""
    from stratsim.cli.run_table import print_draws
    from stratsim.results.read import read_draws

    for path in paths:
        drawn = read_draws(path)
        if drawn is not None:
            print_draws(drawn)


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a callback that draws a bar on a terminal, or None where nobody would look."""
    from stratsim.cli.text import is_terminal

    if not (shown and is_terminal(sys.stderr)):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("resamples", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


_UNITS: dict[str, tuple[str, float, int]] = {
    "violation": ("violations, %", 100.0, 3),
    **{f"{name}_arrived_s": (f"{name}, ms", 1e3, 3) for name in ("p50", "p95", "p99")},
    **{f"{name}_s": (f"completed {name}, ms", 1e3, 3) for name in ("p50", "p95", "p99")},
    "mean_slowdown": ("mean slowdown", 1.0, 3),
    "goodput_per_s": ("goodput, 1/s", 1.0, 3),
}
"""What to call a metric, what to multiply it with, and how many digits a small one has."""


def _print(document: Mapping[str, Any]) -> None:
    from stratsim.cli.text import heading, table

    seeds, level = document["seeds"], f"{100 * document['level']:g} %"
    several = len(seeds) > 1
    columns = ["class", "figure", "policy", "mean" if several else "value", level]
    columns += [f"{100 * document['quantile']:g} % quantile", level] if several else []
    columns += ["difference", level, "p Holm"]
    for cell, baseline in document["baselines"].items():
        heading(f"{cell + ': ' if cell else ''}difference is to {baseline}")
        rows = [row for row in document["rows"] if row["cell"] == cell]
        table(columns, [_cells(row, rows[at - 1] if at else None, several) for at, row in enumerate(rows)], left=3)
    echo(_method(document))


def _cells(row: Mapping[str, Any], before: Mapping[str, Any] | None, several: bool) -> list[str]:
    name, scale, digits = _UNITS[row["metric"]]
    same = before is not None and (before["class"], before["metric"]) == (row["class"], row["metric"])
    cells = ["" if same else row["class"], "" if same else name, row["variant"]]
    cells += [_beyond(row["infinite"]), ""] if row["infinite"] else _estimate(row["value"], scale, digits)
    cells += _estimate(row["quantile"], scale, digits) if several else []
    cells += _estimate(row["difference"], scale, digits, sign="+")
    bound = "<= " if row["p_at_most"] else ""
    return [*cells, "" if row["p_holm"] is None else f"{bound}{row['p_holm']:.2g}"]


def _beyond(share: float) -> str:
    """Return what stands for a percentile that falls among requests that were never answered."""
    return "dropped" if share == 1 else f"dropped in {100 * share:.0f} %"


def _estimate(found: Mapping[str, float | None] | None, scale: float, digits: int, sign: str = "") -> list[str]:
    if found is None:
        return ["" if sign else "-", ""]
    mean, low, high = (None if found[key] is None else scale * found[key] for key in ("mean", "low", "high"))  # type: ignore[operator]
    places = _places([value for value in (mean, low, high) if value is not None], digits)
    ends = "-"
    if low is not None:  # an upper end that is none is infinite: some resamples have it among dropped requests
        ends = f"[{low:{sign}.{places}f}, {'dropped' if high is None else f'{high:{sign}.{places}f}'}]"
    return ["-" if mean is None else f"{mean:{sign}.{places}f}", ends]


def _places(values: Sequence[float], digits: int) -> int:
    """Return how many places after the point show the largest value with so many digits."""
    from math import floor, log10

    largest = max((abs(value) for value in values), default=0.0)
    return min(max(digits - 1 - floor(log10(largest)), 0), 6) if largest else 0


def _method(document: Mapping[str, Any]) -> str:
    """Return what the intervals are."""
    seeds, blocks, warmup_s = document["seeds"], document["blocks"], document["warmup_s"]
    if blocks is None:
        text = f"intervals: Student's t over {len(seeds)} seeds, differences paired by seed; "
        text += "of quantiles: order statistics"
    else:
        text = (
            f"intervals: block bootstrap over time of one run, {blocks['blocks']} blocks of {blocks['length']} requests"
        )
        text += f", {blocks['resamples']} resamples"
    if warmup_s is not None:
        text += f"; measured from {warmup_s:.3g} s after the first arrival"
    count = document["differences"]
    return text + (
        f"\np Holm accounts for all {count} differences shown; an interval stands for itself" if count else ""
    )
