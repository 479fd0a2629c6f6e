"""`stratsim sweep resume`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["resume"]


_EXAMPLES = """\b
Examples:
  stratsim sweep resume results/sweep --jobs 8
"""


@click.command("resume", epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--dask", metavar="ADDRESS|local", help="Run on a Dask cluster; local: one of N processes.")
@click.option("--trust", is_flag=True, help="Keep rows in DIR that other code made.")
@click.option("--allow-code", is_flag=True, help="Run policies that DIR names as FILE.py:CLASS.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def resume(directory: Path, jobs: int, dask: str | None, trust: bool, allow_code: bool, quiet: bool) -> int:
    """Go on with the sweeps in DIR: what `sweep run` does, from what DIR/manifest.json says.

    Files that it names are looked for from the working directory, as when it was begun.
    """
    from stratsim.cli.allow import allow_recorded
    from stratsim.cli.sweep.output import execute
    from stratsim.results.sweep_folder import current_sweeps, read_manifest
    from stratsim.sweep import How, make_sweep

    records = [entry["sweep"] for entry in current_sweeps(read_manifest(directory))]
    allow_recorded(records, allowed=allow_code)
    source, how = directory / "manifest.json", How(jobs, dask, trust=trust)
    found = [(make_sweep(record, source), record) for record in records]
    return max((execute(sweep, record, directory, how, source, quiet=quiet) for sweep, record in found), default=0)
