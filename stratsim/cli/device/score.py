"""`stratsim device score`."""

from __future__ import annotations

from typing import Any

import click

from stratsim.cli import score_table

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
def score(profile: str, names: tuple[str, ...], **options: Any) -> None:
    """Judge device models on the measured pairs of profile NAME or FILE.

    `as given` is with the parameters that the profile has, whatever they were fitted to. Models that can be fitted to
    pairs are fitted anew, and judged on a pair of models left out in turn, on all pairs of a model with others, and,
    not fitted again, on a device that has changed since (every slowdown's excess is multiplied by --shift).
    """
    score_table.judge("score_devices", profile, names, **options)
