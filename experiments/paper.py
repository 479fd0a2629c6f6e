"""What the scripts of studies share: options, tables for people, tables behind figures, and drawing them."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.cli.text import heading, table
from stratsim.model.write import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from stratsim.sweep import How

__all__ = ["Table", "how", "options", "publish", "show"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table for people, or the data behind a figure.

    Args:
        title: One line.
        columns: Names.
        rows: Cells: text, numbers or None.
        left: How many columns, from the first, are text.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    left: int = 1


def options(about: str, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of a study's script.

    Args:
        about: One line for `--help`.
        argv: Arguments; those of the process by default.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where rows, summary and figures go")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    parser.add_argument("--dask", metavar="ADDRESS|local", help="run on a Dask cluster; local: one of N processes")
    parser.add_argument("--quick", action="store_true", help="the short version: to see that everything works")
    parser.add_argument("--fresh", action="store_true", help="forget the rows in DIR")
    parser.add_argument("--trust", action="store_true", help="keep rows in DIR that other code made")
    return parser.parse_args(argv)


def how(asked: argparse.Namespace) -> How:
    """Return how the runs are to be made."""
    from stratsim.sweep import How

    def say(done: int, total: int) -> None:
        end = "\n" if done == total else ""
        print(f"\rruns {done} of {total}", end=end, file=sys.stderr, flush=True)

    progress = say if sys.stderr.isatty() else None
    return How(asked.jobs, asked.dask, progress=progress, fresh=asked.fresh, trust=asked.trust)


def show(tables: Iterable[Table]) -> None:
    """Print tables."""
    for each in tables:
        heading(each.title)
        table(each.columns, each.rows, left=each.left)


def publish(
    out: Path,
    summary: Mapping[str, Any],
    made: Mapping[str, Table],
    figures: Mapping[str, Callable[[pd.DataFrame], Figure]],
    origin: str,
) -> None:
    """Write study.json, the data behind the figures, and the figures if matplotlib is there.

    Args:
        out: The folder of the study.
        summary: What was found, of plain values.
        made: The data behind each figure, by name.
        figures: What draws it.
        origin: The last column of all data: whether each profile is measured, published or synthetic.
    """
    write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", out / "study.json", overwrite=True)
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    for name, each in made.items():
        write_text(_csv(each, origin), folder / f"{name}.csv", overwrite=True)
    if find_spec("matplotlib") is None or find_spec("stratsim_plots") is None:
        print("no figures: pip install 'stratsim[plots]'", file=sys.stderr)
        return
    from stratsim_plots.beside import draw_beside

    draw_beside(folder, list(made), figures)


def _csv(data: Table, origin: str) -> str:
    out = io.StringIO()
    rows = [[*row, origin] for row in data.rows]
    csv.writer(out, lineterminator="\n").writerows([[*data.columns, "origin"], *rows])
    return out.getvalue()
