"""`stratsim sweep run`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["run"]


_EXAMPLES = """\b
Examples:
  stratsim sweep run sweep.toml --out results/sweep --jobs 8
  stratsim sweep run sweep.toml --out results/quick --quick
  stratsim sweep run sweep.toml --out results/sweep --set load=[0.7,0.9] --set sweep.seeds=[1,2,3]
  stratsim sweep run sweep.toml --out results/sweep --dask tcp://10.0.0.1:8786
"""


@click.command("run", epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Where the rows go.")
@click.option("--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--dask", metavar="ADDRESS|local", help="Run on a Dask cluster; local: one of N processes.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting or path in FILE; wins over it.")
@click.option("--quick", is_flag=True, help="The file's own short version: its [quick] table.")
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
    """Run the sweep in FILE and write results.csv and summary.json to DIR.

    Runs whose rows are in DIR are not repeated, so one that was interrupted goes on where it was. Exit status 1 if a
    run failed; the others count.
    """
    from stratsim.cli.sweep.output import execute
    from stratsim.sweep import How, load_sweep

    found, record = load_sweep(file, settings, quick=quick)
    return execute(found, record, out, How(jobs, dask, fresh=fresh, trust=trust), file, quiet=quiet)
