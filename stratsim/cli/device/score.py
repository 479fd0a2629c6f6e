"""`stratsim device score`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stratsim.cli import score_table

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["score"]


@click.command(
    epilog="""\b
Examples:
  stratsim device score h200-fp16
  stratsim device score my-gpu.json --device-model streams --device-model kernel-queue --out scores
"""
)
@click.argument("profile", metavar="NAME|FILE")
@click.option(
    "--device-model", "names", multiple=True, metavar="NAME", help="Only this one. May be repeated. [default: all]"
)
@score_table.options
def score(
    profile: str,
    *,
    names: tuple[str, ...],
    shift: float,
    seed: int,
    out: Path | None,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Judge device models on the measured pairs of profile NAME or FILE.

    `as given` is with the parameters that the profile has, whatever they were fitted to. Models that can be fitted to
    pairs are fitted anew, and judged on a pair of models left out in turn, on all pairs of a model with others, and,
    not fitted again, on a device that has changed since (every slowdown's excess is multiplied by --shift).
    """
    score_table.one_thread()
    from stratsim.model.codec import load_profile
    from stratsim.plugins import allow_code
    from stratsim.score import Asked, score_devices

    allow_code(*names)
    found = score_devices(load_profile(profile), names, Asked(shift=shift, seed=seed))
    score_table.show(found, out, as_json=as_json, overwrite=overwrite)
