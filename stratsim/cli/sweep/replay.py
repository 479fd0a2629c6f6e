"""`stratsim sweep replay`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["replay"]


_EXAMPLES = """\b
Examples:
  stratsim sweep replay results/sweep 3f2a9c --out results/why
  stratsim explain results/why --summary
"""


@click.command("replay", epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("row", metavar="ROW")
@click.option("--out", metavar="RESULT", required=True, type=click.Path(path_type=Path), help="Where the result goes.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier result there.")
def replay(directory: Path, row: str, out: Path, overwrite: bool) -> None:
    """Repeat one run of the sweep in DIR and keep every request, to look at with `stratsim explain` and `plot`.

    ROW is the row's spec_sha256 in DIR/results.csv, or its beginning.
    """
    from stratsim.results import check_target
    from stratsim.sweep import replay_row

    check_target(out, overwrite)
    spec = replay_row(directory, row, out, overwrite=overwrite).spec
    place = f"profile {spec.profile}" if spec.load is None else f"profile {spec.profile}, load {spec.load:g}"
    click.echo(f"{spec.policy} at C = {spec.max_concurrency}, seed {spec.seed}; {place}")
    click.echo(f"written to {out}")
