"""Figures of a study, from the data files that lie beside them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stratsim.errors import MissingExtraError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

__all__ = ["draw"]

_SUFFIXES = (".png", ".svg")


def draw(directory: str | os.PathLike[str], names: Iterable[str]) -> list[Path]:
    """Draw the figures of a study, as PNG and SVG, beside their data; tables without a figure are left alone.

    Args:
        directory: The folder of the data.
        names: Tables in it, without their suffix `.csv`.

    Returns:
        The files.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plots")
    from stratsim_plots import prediction, style

    drawn = []
    for name in names:
        table = Path(directory) / f"{name}.csv"
        frame = pd.read_csv(table)
        if name in prediction.FIGURES and len(frame):
            with style.styled():
                figure = prediction.FIGURES[name](frame)
                for suffix in _SUFFIXES:
                    drawn.append(table.with_suffix(suffix))
                    style.save(figure, drawn[-1], suffix)
    return drawn
