"""`stratsim experiment resume`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["resume"]


_EXAMPLES = """\b
Examples:
  stratsim experiment resume results/sweep --jobs 8
"""


@click.command("resume", epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--dask", metavar="ADDRESS|local", help="Run on a Dask cluster; local: one of N processes.")
@click.option("--trust", is_flag=True, help="Keep rows in DIR that other code made.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def resume(directory: Path, jobs: int, dask: str | None, trust: bool, quiet: bool) -> int:
    """Go on with the study or the sweeps in DIR: what `experiment run` does, from what DIR/manifest.json says.

    Files that it names are looked for from the working directory, as when it was begun.
    """
    from stratsim.cli.experiment.execute import execute_study, execute_sweep
    from stratsim.errors import SpecError
    from stratsim.experiment.plain_sweep.run import sweeps_of
    from stratsim.experiment.plain_sweep.spec import make_sweep
    from stratsim.experiment.study import make_study
    from stratsim.run.manifest import study_manifest

    path = directory / "manifest.json"
    options = {"jobs": jobs, "dask": dask, "trust": trust}
    sweeps = sweeps_of(directory)
    if sweeps is not None:
        records = [entry["sweep"] for entry in sweeps["sweeps"]]
        found = [(make_sweep(record, path), record) for record in records]
        done = [execute_sweep(sweep, record, directory, quiet=quiet, **options) for sweep, record in found]
        return max(done, default=0)
    manifest = study_manifest(path)
    if manifest is None:
        raise SpecError(f"{directory}: there is no study and no sweep (`stratsim experiment run` makes one)")
    return execute_study(make_study(manifest["study"], path), manifest["study"], directory, quiet=quiet, **options)
