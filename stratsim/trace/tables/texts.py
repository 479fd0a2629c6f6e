"""Cells of a CSV file that are kept as they are: as numbers where that loses nothing, as strings otherwise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.trace.column import Names, from_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratsim.trace.column import Column

__all__ = ["Texts"]


class Texts:
    """Collects the cells of one column block by block, so that their strings never all exist at once.

    Whole numbers and floats become numbers where Python writes them the same way (not 007, 1.50 or nan) and the column
    holds nothing else; every digit is kept either way.
    """

    def __init__(self) -> None:
        self._blocks: list[Column] = []
        self._kind = ""  # "whole", "float" or "text"; empty while all cells are
        self._index: dict[str, int] = {}

    def add(self, cells: Sequence[str]) -> None:
        """Append a block."""
        filled = [cell for cell in cells if cell]
        kind = "" if not filled else "whole" if _are(filled, int) else "float" if _are(filled, float) else "text"
        kind = kind or self._kind
        if self._kind not in ("", kind) or kind == "text":
            self._give_up()
        self._kind = self._kind or kind
        self._blocks.append(self._block(cells))

    def _block(self, cells: Iterable[str]) -> Column:
        if self._kind == "text":
            return self._encoded(cells)
        convert: Any = float if self._kind == "float" else int
        found = [convert(cell) if cell else None for cell in cells]
        return np.asarray(found, dtype=np.float64) if self._kind == "float" else _whole(found)

    def _encoded(self, cells: Iterable[str]) -> Names:
        index = self._index
        codes = [index.setdefault(cell, len(index)) if cell else -1 for cell in cells]
        return Names((), np.asarray(codes, dtype=np.int32))

    def _give_up(self) -> None:
        """Turn the numbers so far back into the text that they were."""
        write = repr if self._kind == "float" else str
        for place, block in enumerate(self._blocks if self._kind != "text" else ()):
            values = np.asarray(block).tolist()
            self._blocks[place] = self._encoded("" if v is None or v != v else write(v) for v in values)
        self._kind = "text"

    def column(self) -> Column:
        """Return the column."""
        if self._kind in ("", "text"):
            codes = [block.codes if isinstance(block, Names) else np.full(len(block), -1) for block in self._blocks]
            return Names(tuple(self._index), np.concatenate(codes).astype(np.int32))
        blocks = [np.asarray(block) for block in self._blocks]
        if any(block.dtype == object for block in blocks):
            return from_values([value for block in blocks for value in block.tolist()])
        return np.concatenate(blocks)


def _are(cells: Sequence[str], kind: Any) -> bool:
    """Whether each cell is what Python writes for the number in it; nan and infinity are words."""
    try:
        numbers = [kind(cell) for cell in cells]
    except ValueError:
        return False
    write = repr if kind is float else str
    return list(map(write, numbers)) == list(cells) and (kind is int or all(map(math.isfinite, numbers)))


def _whole(values: list[int | None]) -> np.ndarray[Any, np.dtype[Any]]:
    found = from_values(values)
    if isinstance(found, np.ndarray):
        return found
    return np.empty(len(values), dtype=object)  # all are empty cells
