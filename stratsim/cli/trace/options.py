"""Options that several trace commands share."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["limit", "overwrite", "rule", "seed", "strict", "trace_format"]

trace_format = click.option(
    "--trace-format", "format_name", metavar="FORMAT", help="Force a format instead of recognising it."
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
