"""`stratsim capacity`."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import echo

if TYPE_CHECKING:
    from stratsim.capacity.measure import Probe
    from stratsim.run.arrivals import Arrivals

__all__ = ["capacity"]


@click.command(
    epilog="""\b
Examples:
  stratsim capacity --policy edf,priority-edf --target high=1%
  stratsim capacity --arrivals poisson --policy strait,edf --target high=1%,low=5% --seeds 10
  stratsim capacity requests.csv --gpus 2 --target p99=50ms,all=2% --jobs 8 --out capacity.json
  stratsim plot capacity.json --kind capacity --out capacity.pdf

docs/how-to/compare-policies.md goes from a trace to a figure; docs/metrics.md says what the interval means.
"""
)
@click.argument("trace", required=False)
@click.option(
    "--target",
    required=True,
    metavar="LIST",
    help="What is to be met: violations (high=1%, low=5%, all=2%), percentiles of latency (p99=50ms, high:p95=20ms), "
    "and those of one model too (resnet50:p99=20ms).",
)
@click.option("--policy", metavar="LIST", help="Policies, by comma, as for `stratsim replay`. [default: the same four]")
@click.option(
    "--seeds", type=int, default=8, show_default=True, metavar="N", help="Seeds at each rate, from --seed on."
)
@click.option("--seed", type=int, metavar="N", help="The first seed. [default: 0]")
@click.option(
    "--arrivals",
    type=click.Choice(["poisson", "gamma", "periodic"]),
    metavar="NAME",
    help="Draw requests anew for each seed, instead of TRACE: poisson, gamma (with --cv) or periodic.",
)
@click.option("--requests", type=int, metavar="N", help="With --arrivals: how many. [default: 10000]")
@click.option("--cv", type=float, metavar="X", help="With --arrivals gamma: coefficient of variation of the gaps.")
@click.option(
    "--precision", default="1%", show_default=True, metavar="SHARE", help="How closely the rate is bracketed."
)
@click.option(
    "--start",
    type=float,
    default=0.5,
    show_default=True,
    metavar="X",
    help="First load to try, in the unit of load_unit.",
)
@click.option("--profile", metavar="NAME|FILE", help="The GPU (`stratsim profile list`). [default: a100-80gb-parvagpu]")
@click.option("--gpus", type=int, metavar="N", help="Number of GPUs. [default: the topology's, or 1]")
@click.option("--topology", metavar="NAME|FILE", help="Links between GPUs and host (`stratsim topology list`).")
@click.option("--workload", metavar="FILE", help="TOML rule that fills what the trace lacks (docs/traces.md).")
@click.option("--trace-format", metavar="NAME", help="Force the trace's format. [default: recognised from its content]")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN[:UNIT]",
    help="Read a column of the trace as FIELD (the setting columns).",
)
@click.option("--ticks", metavar="WORD", help="Coarse time stamps: spread or leave. [default: spread known ones]")
@click.option("--limit", type=int, metavar="N", help="Use the first N requests of TRACE.")
@click.option("--warmup", "warmup_s", type=float, metavar="S", help="Measure from S seconds after the first arrival.")
@click.option("--device-model", metavar="NAME", help="How co-located batches slow each other. [default: the profile's]")
@click.option("--max-concurrency", type=int, metavar="N", help="Batches that execute at once on a GPU. [default: 2]")
@click.option("--max-batch", type=int, metavar="N", help="Largest batch. [default: 8, at most the profile's largest]")
@click.option("--drop", metavar="MODE", help="Give requests up: never, expired or infeasible. [default: infeasible]")
@click.option("--no-transfers", is_flag=True, help="Do not simulate host transfers.")
@click.option("--config", metavar="FILE", help="TOML file with settings; options win over it.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting of a replay by name.")
@click.option("--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--dask", metavar="ADDRESS|local", help="Run on a Dask cluster; local: one of N processes.")
@click.option("--out", metavar="FILE.json", type=click.Path(), help="Write the result there, for `stratsim plot`.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else.")
@click.option("--quiet", is_flag=True, help="No notes and no progress on stderr.")
def capacity(
    target: str,
    seeds: int,
    arrivals: str | None,
    requests: int | None,
    cv: float | None,
    precision: str,
    start: float,
    config: str | None,
    settings: tuple[str, ...],
    jobs: int,
    dask: str | None,
    out: str | None,
    as_json: bool,
    quiet: bool,
    no_transfers: bool,
    **options: Any,
) -> None:
    """Find the highest rate at which each policy meets a target, such as `p99=50ms,high=1%`.

    That is a 99th percentile of at most 50 ms over all requests that arrived, dropped ones included, and violations of
    at most 1 % in the high class. Each rate is replayed with several seeds. It meets the target if the upper 95 %
    confidence limit of the share of requests that miss it does, in every part of the target, so what is reported is on
    the safe side. The rate is doubled or halved until the target lies between two rates, and their distance is then
    halved until it is below --precision. All policies and rates meet the same requests; another rate scales their
    times.
    """
    from stratsim.capacity import CapacitySpec, find_capacities, parse_target
    from stratsim.cli.capacity_table import print_rates, say_rate
    from stratsim.cli.replay import run_spec
    from stratsim.cli.typed import as_typed, options_named

    if out is not None:
        _check_out(Path(out))
    run = run_spec(config, settings, options, no_transfers=no_transfers)
    with as_typed(options_named(("seeds", "precision", "start", "requests", "cv"))):
        asked = CapacitySpec(
            run=run,
            target=parse_target(target),
            arrivals=_arrivals(arrivals, requests, cv),
            seeds=seeds,
            precision=_share(precision),
            start=start,
        )

    def progress(policy: str, probe: Probe) -> None:
        say_rate(policy, probe, asked.target)

    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        document = find_capacities(asked, jobs=jobs, dask=dask, progress=None if quiet else progress)
    if not quiet:
        for note in document["notes"]:
            echo(f"note: {note}", err=True)
    text = json.dumps(document, indent=None if as_json and out is None else 1, allow_nan=False)
    if out is not None:
        from stratsim.model.write import write_text

        write_text(text + "\n", Path(out), overwrite=True)
    if as_json:
        echo(json.dumps(document, allow_nan=False))
    else:
        print_rates(document)
        if out is not None:
            echo(f"written to {out}")


def _arrivals(process: str | None, requests: int | None, cv: float | None) -> Arrivals | None:
    from stratsim.run.arrivals import Arrivals

    if process is None:
        if requests is not None or cv is not None:
            raise click.UsageError("--requests and --cv belong to --arrivals; --limit shortens a trace")
        return None
    if (process == "gamma") != (cv is not None):
        raise click.UsageError("--arrivals gamma and --cv go together")
    return Arrivals(process, 10_000 if requests is None else requests, cv)  # type: ignore[arg-type]


def _share(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a share such as 1% or 0.01.", param_hint="--precision") from None


def _check_out(path: Path) -> None:
    """See before a long search that its result can be written; a file that is none of ours stays."""
    from stratsim.errors import OutputError
    from stratsim.model.write import check_folder

    check_folder(path.parent)
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not (isinstance(found, dict) and "capacities" in found):
        raise OutputError(f"{path}: exists and is not the result of `stratsim capacity`; choose another name")
