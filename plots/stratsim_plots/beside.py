"""Draws figures from tables that lie in a folder already, beside those tables: of reports and of papers."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stratsim.errors import MissingExtraError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from matplotlib.figure import Figure

__all__ = ["draw_beside"]

_SUFFIXES = (".png", ".svg")


def draw_beside(
    directory: str | os.PathLike[str], names: Iterable[str], figures: Mapping[str, Callable[[pd.DataFrame], Figure]]
) -> dict[str, list[str]]:
    """Draw figures, as PNG and SVG, beside their data.

    Args:
        directory: The folder.
        names: Tables in it, without their suffix `.csv`.
        figures: What draws the figure of a table, by its name.

    Returns:
        File names of the figures by table; tables without a figure are left out.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plots")
    from stratsim_plots import style

    folder, drawn = Path(directory), {}
    for name in names:
        if name in figures:
            with style.styled():
                figure = figures[name](pd.read_csv(folder / f"{name}.csv"))
                for suffix in _SUFFIXES:
                    style.save(figure, folder / f"{name}{suffix}", suffix)
            drawn[name] = [f"{name}{suffix}" for suffix in _SUFFIXES]
    return drawn
