"""`stratsim sweep replay`."""

from __future__ import annotations

from pathlib import Path

import click

from stratsim.cli.text import echo

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
@click.option("--allow-code", is_flag=True, help="Run a policy that DIR names as FILE.py:CLASS.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier result there.")
def replay(directory: Path, row: str, out: Path, allow_code: bool, overwrite: bool) -> None:
    """Repeat one run of the sweep in DIR and keep every request, to look at with `stratsim explain` and `plot`.

    ROW is the row's spec_sha256 in DIR/results.csv, or its beginning.
    """
    from stratsim.cli.allow import allow_recorded
    from stratsim.results.claim import claim
    from stratsim.results.sweep_folder import read_manifest
    from stratsim.sweep import replay_row

    with claim(out, overwrite=overwrite) as place:
        allow_recorded([entry["sweep"] for entry in read_manifest(directory)["sweeps"]], allowed=allow_code)
        spec = replay_row(directory, row, place).spec
    cell = f"profile {spec.profile}" if spec.load is None else f"profile {spec.profile}, load {spec.load:g}"
    echo(f"{spec.policy} at C = {spec.max_concurrency}, seed {spec.seed}; {cell}")
    echo(f"written to {out}")
