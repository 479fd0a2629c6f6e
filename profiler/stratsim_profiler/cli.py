"""`stratsim profile run`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["run"]

_EXAMPLES = """\b
Examples:
  stratsim profile run --device cuda:0 --out my-gpu.json
  stratsim profile run --device cuda:0 --out my-gpu.json --budget 30m --models resnet50,bert-base,my.py:factory
  stratsim profile run --device cpu --out my-cpu.json --quick
  stratsim replay --profile my-gpu.json
"""


@click.command(epilog=_EXAMPLES)
@click.option("--device", default="cuda:0", show_default=True, help="cuda:INDEX, cpu (two cores) or cpu:CORES.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE.json", help="The profile to write."
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    help="Raw samples; if the file exists, the run goes on where it ended.  [default: next to --out]",
)
@click.option("--budget", metavar="TIME", help="Time for measuring: 90s, 10m, 1h.  [default: 10m; cpu: 200s]")
@click.option("--models", metavar="NAME,...", help="Zoo models, path.py:factory, transformers:TYPE.")
@click.option("--batches", metavar="N,...", help="Batch sizes measured alone.  [default: 1,2,4,8,16,32; cpu: 1,2,4]")
@click.option("--colocated-batches", metavar="N,...", help="Those measured with co-runners.  [default: 1,8; cpu: 1,2]")
@click.option("--dtype", type=click.Choice(["fp32", "fp16", "bf16"]), help="Data type.  [default: fp16; cpu: fp32]")
@click.option(
    "--mode", type=click.Choice(["graph", "eager"]), help="CUDA graphs, or a launch per kernel.  [default: graph]"
)
@click.option("--name", metavar="NAME", help="Name of the profile.  [default: that of the file]")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Report with figures to write.")
@click.option("--quick", is_flag=True, help="Three models in under a minute: shows that everything works, roughly.")
@click.option("--priorities", is_flag=True, help="Measure pairs with stream priorities as well.")
@click.option("--allow-shared", is_flag=True, help="Keep samples although other processes use the device.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist; not the samples.")
@click.option("--dry-run", is_flag=True, help="Say what would be measured, and how long it takes.")
def run(
    *,
    device: str,
    out: Path,
    samples: Path | None,
    budget: str | None,
    models: str | None,
    batches: str | None,
    colocated_batches: str | None,
    dtype: str | None,
    mode: str | None,
    name: str | None,
    report: Path | None,
    quick: bool,
    priorities: bool,
    allow_shared: bool,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """Measure a GPU or CPU and fit its profile.

    Every model runs alone, and co-located with itself and with others; copies run between host and device. From these
    measurements the profile's contention model is fitted, and judged on pairs that the fit has not seen. Samples are
    kept as they are measured: Ctrl-C loses nothing, and the same command goes on. The card's settings are never
    changed.
    """
    from stratsim.plugins import allow_code
    from stratsim_profiler.options import Options, duration_s
    from stratsim_profiler.options import batches as sizes
    from stratsim_profiler.runner import describe_plan, plan_run, profile_device

    allow_code(models)
    options = Options(
        out=out,
        device=device,
        samples=samples,
        budget_s=None if budget is None else duration_s(budget),
        models=() if models is None else tuple(part.strip() for part in models.split(",")),
        solo_batches=() if batches is None else sizes(batches),
        batches=() if colocated_batches is None else sizes(colocated_batches),
        dtype=dtype,
        mode=mode,
        name=name,
        report=report,
        quick=quick,
        priorities=priorities,
        allow_shared=allow_shared,
        overwrite=overwrite,
    )
    if dry_run:
        for line in describe_plan(*plan_run(options)):
            click.echo(line)
        return
    profile_device(options, lambda line: click.echo(line, err=True))
