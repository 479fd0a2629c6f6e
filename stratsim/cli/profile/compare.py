"""`stratsim profile compare`."""

from __future__ import annotations

import json
from math import exp
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import echo

if TYPE_CHECKING:
    from stratsim.model.compare import Difference

__all__ = ["compare"]


_EXAMPLES = """\b
Examples:
  stratsim profile compare rtx3080-disb my-gpu.json
  stratsim profile compare monday.json tuesday.json --tolerance 0.05
  stratsim profile compare old.json new.json --only truth --json
"""


@click.command("compare", epilog=_EXAMPLES)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Hide figures that differ by no more than this share.",
)
@click.option(
    "--only", metavar="PATH", help="Only entries whose path begins so: truth, observable.models.vgg19, pairs."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def compare(first: str, second: str, *, tolerance: float, only: str | None, as_json: bool) -> None:
    """Show where profiles A and B (names or files) differ, entry by entry, and by how much.

    RATIO is B over A. A dash stands for an entry that one of them lacks. Names, descriptions and provenance are not
    compared; times are in seconds, sizes in bytes, as in the file.
    """
    from stratsim.model.codec import load_profile, profile_sha256
    from stratsim.model.compare import differences

    left, right = load_profile(first), load_profile(second)
    rows = [row for row in differences(left, right, tolerance) if only is None or _below(row.path, only)]
    if as_json:
        a, b = ({"name": profile.name, "sha256": profile_sha256(profile)} for profile in (left, right))
        found = {"a": a, "b": b, "tolerance": tolerance, "differences": [_plain(row) for row in rows]}
        echo(json.dumps(found, indent=2, allow_nan=False, ensure_ascii=False))
        return
    _print(rows, left.name, right.name, tolerance)


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip(".") + ".")


def _plain(row: Difference) -> dict[str, Any]:
    return {"path": row.path, "a": row.first, "b": row.second, "ratio": row.ratio}


def _print(rows: list[Difference], first: str, second: str, tolerance: float) -> None:
    from stratsim.cli.text import number, table

    if not rows:
        echo(f"{first} and {second} do not differ" + (f" by more than {tolerance:g}" if tolerance else ""))
        return
    cells = [(row.path, _text(row.first), _text(row.second), number(row.ratio)) for row in rows]
    table(("entry", f"A: {first}", f"B: {second}", "ratio"), cells)
    one_sided = sum(row.first is None or row.second is None for row in rows)
    sizes = [row.size for row in rows if row.ratio is not None]
    middle = f"; median factor {exp(median(sizes)):.3g}" if sizes else ""
    echo(f"{len(rows)} entries differ, {one_sided} of them in one profile only{middle}", err=True)


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
