"""`stratsim capacity`."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli import run_options
from stratsim.cli.text import echo

if TYPE_CHECKING:
    from stratsim.capacity import CapacitySpec, FewestSpec
    from stratsim.capacity.measure import Probe
    from stratsim.run.arrivals import Arrivals

__all__ = ["capacity"]


@click.command(
    epilog="""\b
Examples:
  stratsim capacity --policy edf,priority-edf --target high=1%
  stratsim capacity --arrivals poisson --policy strait,edf --target high=1%,low=5% --seeds 10
  stratsim capacity --arrivals poisson --rate 900 --gpus 1..8 --policy edf,strait --target p99=50ms --price 2.5
  stratsim capacity requests.csv --rate trace --target p99=50ms --choose max_batch=1,2,4 --choose max_concurrency=1,2
  stratsim capacity requests.csv --gpus 2 --target p99=50ms,all=2% --jobs 8 --out capacity.json
  stratsim plot capacity.json --kind capacity --out capacity.pdf

docs/how-to/compare-policies.md goes from a trace to a figure; docs/reference/metrics.md what is reported.
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
@click.option("--precision", metavar="SHARE", help="How closely the highest rate is bracketed. [default: 1%]")
@click.option(
    "--start",
    type=float,
    metavar="X",
    help="First load to try for the highest rate, in the unit of load_unit. [default: 0.5]",
)
@run_options.profile
@click.option(
    "--rate",
    metavar="R|trace|mix",
    help="Ask for the fewest GPUs at so many requests per second: a number, the trace's, or the sum of [models] mix.",
)
@click.option(
    "--gpus",
    metavar="N|LIST",
    help="Number of GPUs; with --rate the numbers to try, as 1..8 or 1,2,4. [default: the topology's, or 1; 1..8]",
)
@click.option(
    "--choose",
    multiple=True,
    metavar="NAME=VALUES",
    help="With --rate: the best of these settings for each policy, chosen on other seeds: max_batch=1,2,4 or "
    "max_concurrency=1..4, prefetch, drop, or {NAME} in a policy.",
)
@click.option(
    "--pilots", type=int, metavar="N", help="With --choose: seeds that choose, behind those that count. [default: 3]"
)
@click.option("--price", type=float, metavar="X", help="With --rate: cost of a GPU per hour.")
@run_options.topology
@run_options.workload
@run_options.trace_format
@run_options.columns
@run_options.ticks
@click.option("--limit", type=int, metavar="N", help="Use the first N requests of TRACE.")
@run_options.warmup
@click.option("--device-model", metavar="NAME", help="How co-located batches slow each other. [default: the profile's]")
@click.option("--max-concurrency", type=int, metavar="N", help="Batches that execute at once on a GPU. [default: 2]")
@run_options.max_batch
@run_options.drop
@run_options.no_transfers
@run_options.config
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting of a replay by name.")
@click.option("--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--dask", metavar="ADDRESS|local", help="Run on a Dask cluster; local: one of N processes.")
@click.option("--out", metavar="FILE.json", type=click.Path(), help="Write the result there, for `stratsim plot`.")
@click.option(
    "--export",
    type=(click.Choice(["triton"]), click.Path()),
    metavar="triton DIR",
    help="Where the winner is triton, write its DIR/MODEL/config.pbtxt.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else.")
@click.option("--quiet", is_flag=True, help="No notes and no progress on stderr.")
def capacity(
    target: str,
    rate: str | None,
    gpus: str | None,
    price: float | None,
    choose: tuple[str, ...],
    pilots: int | None,
    seeds: int,
    arrivals: str | None,
    requests: int | None,
    cv: float | None,
    precision: str | None,
    start: float | None,
    config: str | None,
    settings: tuple[str, ...],
    jobs: int,
    dask: str | None,
    out: str | None,
    export: tuple[str, str] | None,
    as_json: bool,
    quiet: bool,
    no_transfers: bool,
    **options: Any,
) -> None:
    """Find the highest rate at which each policy meets a target, or with --rate the fewest GPUs.

    A target such as `p99=50ms,high=1%` is a 99th percentile of at most 50 ms over all requests that arrived, dropped
    ones included, and violations of at most 1 % in the high class. Every rate, and every number of GPUs, is replayed
    with several seeds. It meets the target if the upper 95 % confidence limit of the share of requests that miss it
    does, in every part of the target, so what is reported is on the safe side.

    The highest rate: it is doubled or halved until the target lies between two rates, and their distance is then halved
    until it is below --precision. The fewest GPUs: every number of --gpus is tried, and those that seeds do not decide
    are named. All policies, rates and machines meet the same requests; another rate scales their times.
    """
    from stratsim.capacity import FewestSpec, find_capacities, find_fewest, parse_target
    from stratsim.capacity.choose import Choose, parse_choose
    from stratsim.capacity.export import check_export, export_triton
    from stratsim.capacity.fewest import GPUS
    from stratsim.cli.capacity_table import say_fleet, say_rate
    from stratsim.cli.replay import run_spec
    from stratsim.cli.typed import as_typed, options_named

    if out is not None:
        _check_out(Path(out))
    goals = parse_target(target)
    counts = _counts(gpus, rate)
    if rate is None:
        options["gpus"] = counts[0] if counts else None
        _only_with_rate(price=price, choose=choose or None, pilots=pilots)
    else:
        _not_with_rate(precision=precision, start=start)
    run = run_spec(config, settings, options, no_transfers=no_transfers)
    with as_typed(options_named(("choose", "pilots"))):
        best = Choose(parse_choose(choose), 3 if pilots is None else pilots)
    if export is not None:
        check_export(run.policy, best, Path(export[1]))
    common: dict[str, Any] = {
        "run": run,
        "target": goals,
        "arrivals": _arrivals(arrivals, requests, cv),
        "seeds": seeds,
    }
    asked: CapacitySpec | FewestSpec
    with as_typed(options_named(("seeds", "precision", "start", "requests", "cv", "rate", "gpus", "price"))):
        asked = (
            _asked_rate(common, precision, start)
            if rate is None
            else _asked_gpus(common, rate, gpus=counts or GPUS, price=price, choose=best)
        )

    def progress(policy: str, probe: Probe) -> None:
        (say_rate if rate is None else say_fleet)(policy, probe, goals)

    shown = None if quiet else progress
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        if isinstance(asked, FewestSpec):
            document = find_fewest(asked, jobs=jobs, dask=dask, progress=shown)
        else:
            document = find_capacities(asked, jobs=jobs, dask=dask, progress=shown)
    for note in () if quiet else document["notes"]:
        echo(f"note: {note}", err=True)
    _give(document, out, as_json=as_json)
    if export is not None:
        files = export_triton(document, asked, Path(export[1]))
        said = f"{len(files)} configurations written to {export[1]}; read back, they give the same run"
        echo(said, err=as_json)


def _give(document: dict[str, Any], out: str | None, *, as_json: bool) -> None:
    """Write and print an answer."""
    from stratsim.cli.capacity_table import print_fleets, print_rates
    from stratsim.model.write import write_text

    if out is not None:
        write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", Path(out), overwrite=True)
    if as_json:
        echo(json.dumps(document, allow_nan=False))
        return
    (print_fleets if "fleets" in document else print_rates)(document)
    if out is not None:
        echo(f"written to {out}")


def _counts(gpus: str | None, rate: str | None) -> tuple[int, ...] | None:
    """Return the numbers of GPUs; None where they are not said."""
    from stratsim.capacity import parse_gpus
    from stratsim.cli.typed import as_typed, options_named

    if gpus is None:
        return None
    with as_typed(options_named(("gpus",))):
        counts = parse_gpus(gpus)
    if rate is None and len(counts) > 1:
        raise click.UsageError(f"--gpus {gpus} asks for the fewest GPUs, at a rate: add --rate, or name one number")
    return counts


def _only_with_rate(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise click.UsageError(f"--{name} belongs to --rate, which asks for the fewest GPUs")


def _not_with_rate(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise click.UsageError(f"--{name} belongs to the search for the highest rate; --rate names one")


def _asked_rate(common: dict[str, Any], precision: str | None, start: float | None) -> CapacitySpec:
    from stratsim.capacity import CapacitySpec

    closely = 0.01 if precision is None else _share(precision)
    return CapacitySpec(**common, precision=closely, start=0.5 if start is None else start)


def _asked_gpus(common: dict[str, Any], rate: str, **own: Any) -> FewestSpec:
    from stratsim.capacity import FewestSpec

    try:
        found: float | str = float(rate)
    except ValueError:
        found = rate
    return FewestSpec(**common, rate=found, **own)


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
    if not (isinstance(found, dict) and "capacity" in found):
        raise OutputError(f"{path}: exists and is not the result of `stratsim capacity`; choose another name")
