"""`stratsim profile check`. Imports little: what checks is imported when the command runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stratsim.fit.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim_profiler.fit.check import Check

__all__ = ["check"]

_EXAMPLES = """\b
Examples:
  stratsim profile check my-gpu.zip                             a bundle: does the fit come out again?
  stratsim profile check h200-fp16 other-card.samples.jsonl
  stratsim profile check my-gpu.json tomorrow.samples.jsonl.gz --json | jq .errors
"""


@click.command("check", epilog=_EXAMPLES)
@click.argument("profile", metavar="BUNDLE|PROFILE")
@click.argument("samples", metavar="[SAMPLES]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--starts",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="BUNDLE: starting points of the contention fit.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as one JSON object and nothing else.")
def check(profile: str, samples: Path | None, *, starts: int, as_json: bool) -> int:
    """Check a BUNDLE, or hold a PROFILE against SAMPLES that it was not fitted to.

    BUNDLE (`stratsim profile bundle`: a .zip, a .bundle.json, or a folder): the profile is fitted once more to its own
    samples, and a line each says whether files, origins, solo times, link, contention and the stated validation hold.
    Exit status 1 if one does not.

    PROFILE (name or file) and SAMPLES: nothing is fitted. For a card of the same kind, another day, or cells measured
    later: how far are the slowdowns that the profile's execution models predict from the measured ones, and how far its
    solo times and copies?
    """
    if samples is None:
        return _check_bundle(Path(profile), starts, as_json=as_json)
    from stratsim.model.codec import load_profile
    from stratsim_profiler.fit.check import check_profile
    from stratsim_profiler.fit.extract import extract_samples
    from stratsim_profiler.store import read_samples

    found = check_profile(load_profile(profile), extract_samples(read_samples(samples)))
    if as_json:
        click.echo(json.dumps(_document(found), indent=2, allow_nan=False))
        return 0
    for line in _lines(found):
        click.echo(line)
    return 0


def _check_bundle(source: Path, starts: int, *, as_json: bool) -> int:
    one_thread()
    from stratsim_profiler.bundle import check_bundle
    from stratsim_profiler.fit.text import columns

    lines = check_bundle(source, starts=starts)
    if as_json:
        click.echo(json.dumps([line._asdict() for line in lines], indent=2, allow_nan=False))
    else:
        rows = columns([(_shown(line.what), "pass" if line.passed else "FAIL") for line in lines])
        for line, row in zip(lines, rows, strict=True):
            click.echo(f"{row}  {_shown(line.found)}")
    return int(not all(line.passed for line in lines))


def _shown(text: str) -> str:
    """Return a text of which a terminal only shows the characters: names in a bundle are not trusted with it."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _document(found: Check) -> dict[str, object]:
    return {
        "device_model": found.rule,
        "errors": {
            name: None
            if score is None
            else {"count": score.count, "mean": score.mean, "median": score.median, "worst": score.worst}
            for name, score in found.scores.items()
        },
        "cells": [
            {
                "cell": cell.name,
                "measured": [*cell.measured],
                "predicted": {name: [*row] for name, row in cell.predicted.items()},
            }
            for cell in found.cells
        ],
        "solo_ratio": {str(load): ratio for load, ratio in found.solo.items()},
        "copy_ratio": dict(found.copies),
    }


def _lines(found: Check) -> Iterator[str]:
    from stratsim_profiler.fit.text import columns, percent

    yield f"{len(found.cells)} co-locations; error of the execution time, by the profile's execution models"
    rows: list[tuple[str, ...]] = [("model", "slowdowns", "mean", "median", "worst")]
    for name, score in found.scores.items():
        own = f"{name} (the profile's own)" if name == found.rule else name
        figures = (
            ("-",) * 4
            if score is None
            else (str(score.count), percent(score.mean), percent(score.median), percent(score.worst))
        )
        rows.append((own, *figures))
    yield from columns(rows)
    yield ""
    yield "Solo times and copies, measured over the profile's"
    entries = [(str(load), ratio) for load, ratio in found.solo.items()]
    entries += [(f"{direction} copy", ratio) for direction, ratio in found.copies.items()]
    yield from columns([("what", "ratio"), *((name, f"{ratio:.3f}") for name, ratio in entries)])
    if found.cells and found.rule in found.scores:
        yield ""
        yield f"Co-locations by {found.rule}, worst first"
        yield from columns([("cell", "measured", "predicted", "error"), *_cell_rows(found)])


def _cell_rows(found: Check) -> list[tuple[str, ...]]:
    rows = []
    for cell in found.cells:
        guess = cell.predicted[found.rule]
        worst = max((g / m - 1 for g, m in zip(guess, cell.measured, strict=True)), key=abs)
        shown = (" ".join(f"{value:.2f}" for value in row) for row in (cell.measured, guess))
        rows.append((abs(worst), (cell.name, *shown, f"{worst:+.1%}")))
    return [row for _, row in sorted(rows, key=lambda item: -item[0])]
