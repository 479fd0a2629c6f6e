"""Options that `replay`, `capacity` and `live` share: each is a setting of a run, and is checked where settings are."""

from __future__ import annotations

import click

__all__ = [
    "columns",
    "config",
    "drop",
    "max_batch",
    "no_transfers",
    "profile",
    "rate_scale",
    "strict",
    "ticks",
    "topology",
    "trace_format",
    "warmup",
    "workload",
]

profile = click.option(
    "--profile", metavar="NAME|FILE", help="The GPU (`stratsim profile list`). [default: a100-80gb-parvagpu]"
)
topology = click.option(
    "--topology", metavar="NAME|FILE", help="Links between GPUs and host (`stratsim topology list`)."
)
workload = click.option(
    "--workload", metavar="FILE", help="TOML rule for what the trace lacks (docs/reference/traces.md)."
)
trace_format = click.option(
    "--trace-format", metavar="NAME", help="Force the trace's format. [default: recognised from its content]"
)
columns = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN[:UNIT]",
    help="Read a column of the trace as FIELD (the setting columns).",
)
ticks = click.option(
    "--ticks", metavar="WORD", help="Coarse time stamps: spread or leave. [default: spread known ones]"
)
strict = click.option("--strict", is_flag=True, help="Refuse an unsorted trace instead of sorting it.")
rate_scale = click.option("--rate-scale", type=float, metavar="X", help="Multiply the trace's rate.")
warmup = click.option(
    "--warmup", "warmup_s", type=float, metavar="S", help="Measure from S seconds after the first arrival."
)
max_batch = click.option(
    "--max-batch", type=int, metavar="N", help="Largest batch. [default: 8, at most the profile's largest]"
)
drop = click.option(
    "--drop", metavar="MODE", help="Give requests up: never, expired or infeasible. [default: infeasible]"
)
no_transfers = click.option("--no-transfers", is_flag=True, help="Do not simulate host transfers.")
config = click.option("--config", metavar="FILE", help="TOML file with settings; options win over it.")
