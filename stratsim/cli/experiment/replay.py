"""`stratsim experiment replay`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["replay"]


_EXAMPLES = """\b
Examples:
  stratsim experiment replay results/study 3f2a9c --out results/why
  stratsim explain results/why --summary
"""


@click.command("replay", epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("row", metavar="ROW")
@click.option("--out", metavar="RESULT", required=True, type=click.Path(path_type=Path), help="Where the result goes.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier result there.")
def replay(directory: Path, row: str, out: Path, overwrite: bool) -> None:
    """Repeat one run of the study in DIR and keep every request, to look at with `stratsim explain` and `plot`.

    ROW is the row's spec_sha256 in DIR/results.csv, or its beginning.
    """
    from stratsim.experiment.again import replay_row
    from stratsim.results import check_target

    check_target(out, overwrite)
    settings = replay_row(directory, row, out, overwrite=overwrite)
    cell = ", ".join(f"{axis} {value}" for axis, value in settings["cell"].items() if value != "-")
    slots = settings["base"]["max_concurrency"]
    click.echo(f"{settings['setting']} at C = {slots}, seed {settings['seed']}; {cell}")
    click.echo(f"written to {out}")
