"""`stratsim predictor score`."""

from __future__ import annotations

from typing import Any

import click

from stratsim.cli import score_table

__all__ = ["score"]


@click.command(
    epilog="""\b
Examples:
  stratsim predictor score h200-fp16
  stratsim predictor score my-gpu.json --predictor rls --predictor 'rls(form=additive)' --out scores
  stratsim predictor score my-gpu.json --predictor my_predictor.py:MyPredictor --json
"""
)
@click.argument("profile", metavar="NAME|FILE")
@click.option(
    "--predictor", "names", multiple=True, metavar="NAME", help="Only this one. May be repeated. [default: all]"
)
@score_table.options
def score(profile: str, names: tuple[str, ...], **options: Any) -> None:
    """Judge predictors of interference on the measured pairs of profile NAME or FILE.

    Each is fitted to some pairs and asked for others: a pair of models left out in turn, all pairs of a model with
    others, and pairs of a device that has changed since (every slowdown's excess is multiplied by --shift), some of
    which it has observed again.
    """
    score_table.judge("score_predictors", profile, names, **options)
