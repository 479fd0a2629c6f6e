"""What `predictor score` and `device score` have in common: options, and how scores are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import echo, table
from stratsim.fit.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.score import Scores

__all__ = ["judge", "options"]

Command = Any


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of scoring."""
    for option in reversed(
        (
            click.option(
                "--shift",
                type=click.FloatRange(min=0, min_open=True),
                default=1.5,
                show_default=True,
                metavar="X",
                help="When the device changes, slowdown - 1 becomes X times that.",
            ),
            click.option(
                "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is left out."
            ),
            click.option(
                "--out",
                type=click.Path(path_type=Path),
                metavar="DIR",
                help="Folder for every prediction, the table (CSV) and a figure.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."),
            click.option("--overwrite", is_flag=True, help="Replace files that exist in DIR."),
        )
    ):
        command = option(command)
    return command


def judge(
    by: str,
    profile: str,
    names: tuple[str, ...],
    *,
    shift: float,
    seed: int,
    out: Path | None,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Score what is named on a profile's pairs; print it, and write it where asked for.

    Args:
        by: What of `stratsim.score` judges: `score_predictors` or `score_devices`.
        profile: Name or file.
        names: What is judged; empty: all.
        shift: With `seed`, what is asked (`stratsim.score.Asked`).
        seed: See `shift`.
        out: With `as_json` and `overwrite`, where the scores go (`options`).
        as_json: See `out`.
        overwrite: See `out`.
    """
    one_thread()
    from stratsim import score
    from stratsim.model.codec import load_profile
    from stratsim.plugins import allow_code

    allow_code(*names)
    found = getattr(score, by)(load_profile(profile), names, score.Asked(shift=shift, seed=seed))
    _show(found, out, as_json=as_json, overwrite=overwrite)


def _show(found: Scores, out: Path | None, *, as_json: bool, overwrite: bool) -> None:
    from stratsim.score import write_scores

    notes = [*found.notes]
    if out is not None:
        notes += write_scores(found, out, overwrite=overwrite)
    if as_json:
        data = {"profile": found.profile, "kind": found.kind, "scores": found.summary(), "notes": notes}
        echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    rows = []
    for name in found.names:
        cells = [_cell(found, name, split) for split in found.splits]
        rows.append((name, *cells))
    table((found.kind, *found.splits), rows)
    counts = ", ".join(f"{split}: {max(_count(found, name, split) for name in found.names)}" for split in found.splits)
    echo(f"mean absolute error of the execution time, % (in brackets: of the worst pair); slowdowns judged: {counts}")
    for note in notes:
        echo(f"note: {note}", err=True)
    if out is not None:
        echo(f"written to {out}", err=True)


def _count(found: Scores, name: str, split: str) -> int:
    score = found.score(name, split)
    return 0 if score is None else score.count


def _cell(found: Scores, name: str, split: str) -> str:
    score = found.score(name, split)
    return "-" if score is None else f"{100 * score.mean:.1f} ({100 * score.worst:.0f})"
