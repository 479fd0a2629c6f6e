"""Options that several trace commands share."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["columns", "limit", "overwrite", "rule", "seed", "strict", "ticks", "trace_format"]


def _allowed(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Let a function in a file be run: the user typed it."""
    if value is not None:
        from stratsim.plugins import allow_code

        allow_code(value)
    return value


trace_format = click.option(
    "--trace-format",
    "format_name",
    metavar="FORMAT",
    callback=_allowed,
    help="Force a format, or FILE.py:function, instead of recognising it.",
)
columns = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN[:UNIT]",
    help="Read a column as arrival, model, priority, slo, deadline, bytes_in, bytes_out or client; times in s, ms, us, "
    "ns or iso. Repeatable.",
)
ticks = click.option(
    "--ticks",
    type=click.Choice(["spread", "leave"]),
    help="Spread requests inside coarse time stamps, or leave them. [default: spread where the format is known for it]",
)
seed = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random draws."
)
strict = click.option("--strict", is_flag=True, help="Refuse rows that are out of order instead of sorting them.")
limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Keep the first N requests only.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")


def rule(path: str | None) -> Any:
    """Return the workload rule of a `--workload` option; the default rule for None."""
    from stratsim.trace.spec import WorkloadRule, load_rule

    return WorkloadRule() if path is None else load_rule(path)
