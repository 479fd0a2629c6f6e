"""`stratsim profile pad`."""

from __future__ import annotations

from pathlib import Path

import click

from stratsim.cli.profile.pairs import batch_sizes
from stratsim.cli.text import echo

__all__ = ["pad"]

_EXAMPLES = """\b
Examples:
  stratsim profile pad asymmetric-six --batches 1,4,8 --out padded.json
  stratsim replay --profile padded.json --policy "triton(max_queue_delay_s=0.005)"
"""


@click.command("pad", epilog=_EXAMPLES)
@click.argument("source", metavar="NAME|FILE")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Profile to write (.json).")
@click.option("--batches", required=True, metavar="SIZES", callback=batch_sizes, help="Allowed sizes, such as 1,4,8.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def pad(source: str, *, out: Path, batches: tuple[int, ...], overwrite: bool) -> None:
    """Write the profile of a server that pads batches to a few sizes.

    A batch of a size between two allowed ones executes as the next of them, as under `allowed_batch_sizes` of
    TensorFlow Serving or in engines that were compiled for fixed shapes. Copies are charged for the requests that there
    are.
    """
    from dataclasses import replace

    from stratsim.model.codec import load_profile
    from stratsim.model.padding import padded
    from stratsim.model.write import write_profile

    profile = padded(load_profile(source), batches)
    write_profile(replace(profile, name=out.name.removesuffix(".json")), out, overwrite=overwrite)
    for name, model in profile.observable.models.items():
        if max(model.latency_s) < batches[-1]:
            echo(f"note: {name} covers batches of up to {max(model.latency_s)} of the allowed sizes", err=True)
