"""`stratsim trace convert`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from stratsim.cli.text import echo
from stratsim.cli.trace import options

if TYPE_CHECKING:
    from stratsim.trace.schema import Trace
    from stratsim.trace.spec import WorkloadRule

__all__ = ["convert"]

_EXAMPLES = """\b
Examples:
  stratsim trace convert azure-conv.csv conv.csv.gz
  stratsim trace convert conv.csv.gz conv.parquet --limit 1000
  stratsim trace convert conv.csv.gz full.csv --profile a100-80gb-parvagpu --workload rule.toml
  stratsim trace convert results.jtl out.csv --column arrival=timeStamp:ms --column model=label
  zcat big.csv.gz | stratsim trace convert - - --column arrival=t_us:us | head
  stratsim trace convert workload_A.json clients.json          # closed-loop clients need .json
"""


@click.command("convert", epilog=_EXAMPLES)
@click.argument("trace", metavar="IN")
@click.argument("out", metavar="OUT", type=click.Path())
@options.trace_format
@options.columns
@options.ticks
@click.option("--profile", metavar="NAME|FILE", help="Fill models, priorities, deadlines and rate for this profile.")
@click.option("--workload", metavar="FILE.toml", help="Workload rule that fills them; needs --profile.")
@click.option("--load", type=float, help="Bring the rate to this share of the saturation; needs --profile.")
@options.strict
@options.limit
@options.seed
@options.overwrite
def convert(
    *,
    trace: str,
    out: str,
    format_name: str | None,
    columns: tuple[str, ...],
    ticks: str | None,
    profile: str | None,
    workload: str | None,
    load: float | None,
    strict: bool,
    limit: int | None,
    seed: int,
    overwrite: bool,
) -> None:
    """Rewrite a trace in stratsim's own format; the suffix of OUT says which, and `-` is CSV on standard output.

    Without --profile the columns stay as they are, gaps included. With it the workload rule fills the gaps, and the
    result replays the same on every machine, whatever the defaults become.
    """
    from stratsim.cli.trace.report import described
    from stratsim.trace import read_trace
    from stratsim.trace.write import write_trace

    if profile is None and (workload is not None or load is not None):
        raise click.UsageError("--workload and --load need --profile: what they fill depends on it")
    rule = options.rule(workload)
    content = read_trace(
        trace,
        format=format_name,
        strict=strict,
        limit=limit,
        seed=seed,
        columns=rule.columns_with(columns),
        ticks=ticks,
    )
    if profile is not None:
        content = _completed(content, profile, rule, load, seed)
    write_trace(content, out, overwrite=overwrite)
    for note in content.notes:
        echo(f"note: {note}", err=True)
    echo(f"{out}: {described(content)}", err=out == "-")


def _completed(trace: Trace, profile: str, rule: WorkloadRule, load: float | None, seed: int) -> Trace:
    from stratsim.model.codec import load_profile
    from stratsim.trace.rule import complete
    from stratsim.trace.workload import to_trace

    known = load_profile(profile)
    filled = complete(trace, known.for_scheduler(), rule, resolve=known.resolve, seed=seed, load=load)
    own = to_trace(filled)
    return replace(own, extra={name: column for name, column in trace.extra.items() if name not in own.columns()})
