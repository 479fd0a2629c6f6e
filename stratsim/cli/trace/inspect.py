"""`stratsim trace inspect`."""

from __future__ import annotations

import json
from typing import Any

import click

from stratsim.cli.text import echo
from stratsim.cli.trace import options

__all__ = ["inspect"]

_SHOWN = 8

_EXAMPLES = """\b
Examples:
  stratsim trace inspect                          # the bundled default
  stratsim trace inspect requests.csv.gz
  stratsim trace inspect azure-code.csv --json
  stratsim trace inspect results.jtl --column arrival=timeStamp:ms --column model=label
"""


@click.command("inspect", epilog=_EXAMPLES)
@click.argument("trace", required=False)
@options.trace_format
@options.columns
@options.ticks
@options.strict
@options.limit
@options.seed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def inspect(
    *,
    trace: str | None,
    format_name: str | None,
    columns: tuple[str, ...],
    ticks: str | None,
    strict: bool,
    limit: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Show what a trace holds: rate, burstiness, models, deadlines.

    TRACE is a file, the name of a bundled trace, or nothing for the bundled default. The last lines say what the
    workload rule fills when the trace is replayed.
    """
    from stratsim.trace import read_trace
    from stratsim.trace.summary import summarise

    content = read_trace(trace, format=format_name, strict=strict, limit=limit, seed=seed, columns=columns, ticks=ticks)
    figures = summarise(content)
    if as_json:
        echo(json.dumps(figures, indent=2, allow_nan=False))
        return
    from stratsim.cli.text import table

    table(("figure", "value"), _rows(figures), left=2)


def _rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines of the table."""
    shape = figures["normalised"]
    rows = [
        ("trace", figures["source"]),
        ("format", figures["format"]),
        ("sha256", figures["sha256"]),
        ("requests", str(figures["requests"])),
        ("closed-loop clients", str(figures["closed_loop_clients"])),
        ("one-at-a-time clients", str(figures["one_at_a_time_clients"])),
        ("span", "- (a shape without a rate)" if shape else f"{figures['span_s']:.6g} s"),
        ("rate", "-" if figures["rate_per_s"] is None else f"{figures['rate_per_s']:.4g} requests/s"),
        ("simultaneous arrivals", _simultaneous(figures["simultaneous"])),
        ("resolution", _resolution(figures["resolution_s"])),
        ("inter-arrival CV", _number(figures["interarrival_cv"])),
        *((f"dispersion, {width}", _number(value)) for width, value in figures["dispersion"].items()),
        ("peak/mean per minute", _number(figures["peak_to_mean_per_minute"])),
        ("models", _shares(figures["models"])),
        ("priorities", _shares(figures["priorities"])),
        ("deadlines", _deadlines(figures["deadlines"])),
        ("other columns", ", ".join(figures["extra_columns"]) or "-"),
        ("the rule fills", ", ".join(figures["missing"]) or "nothing"),
    ]
    return rows + [("note", note) for note in figures["notes"]]


def _simultaneous(figures: dict[str, int]) -> str:
    return f"{figures['requests']}, at most {figures['largest']} at one instant" if figures["requests"] else "none"


def _resolution(step_s: float | None) -> str:
    return "no common step" if step_s is None else f"{step_s:.6g} s"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _shares(counts: dict[str, int] | None) -> str:
    if counts is None:
        return "-"
    total = sum(counts.values()) or 1
    shown = [f"{name} {100 * count / total:.3g} %" for name, count in list(counts.items())[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else "")


def _deadlines(figures: dict[str, Any] | None) -> str:
    if figures is None:
        return "-"
    if not figures["with"]:
        return "none, and the default rule adds none"
    least, median, most = (f"{1e3 * figures[name]:.4g}" for name in ("least_s", "median_s", "most_s"))
    counts = f"{figures['with']} requests, {figures['without']} without"
    return f"{counts}; after {least} / {median} / {most} ms (least / median / most)"
