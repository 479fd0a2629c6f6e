"""`stratsim experiment run`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["run"]


_EXAMPLES = """\b
Examples:
  stratsim experiment run study.toml --out results/study --jobs 8
  stratsim experiment run study.toml --out results/quick --quick
  stratsim experiment run sweep.toml --out results/sweep --set load=[0.7,0.9] --set sweep.seeds=[1,2,3]
  stratsim experiment run sweep.toml --out results/sweep --dask tcp://10.0.0.1:8786
"""


@click.command("run", epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Where rows and figures go.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--dask", metavar="ADDRESS|local", help="Run on a Dask cluster; local: one of N processes.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting or path in FILE; wins over it.")
@click.option("--quick", is_flag=True, help="The study's own short version: its [quick] table.")
@click.option("--fresh", is_flag=True, help="Forget the rows in DIR.")
@click.option("--trust", is_flag=True, help="Keep rows in DIR that other code made.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def run(
    file: Path,
    out: Path,
    jobs: int,
    dask: str | None,
    settings: tuple[str, ...],
    quick: bool,
    fresh: bool,
    trust: bool,
    quiet: bool,
) -> int:
    """Run the study or sweep in FILE and write results.csv, summary.json and figures to DIR.

    Runs whose rows are in DIR are not repeated, so one that was interrupted goes on where it was. Exit status 1 if a
    run failed; the others count.
    """
    from stratsim.cli.experiment.execute import execute_study, execute_sweep
    from stratsim.cli.experiment.files import load_experiment
    from stratsim.experiment.study import Study

    found, record = load_experiment(file, settings, quick=quick)
    options = {"jobs": jobs, "dask": dask, "fresh": fresh, "trust": trust}
    if isinstance(found, Study):
        return execute_study(found, record, out, quiet=quiet, **options)
    return execute_sweep(found, record, out, quiet=quiet, **options)
