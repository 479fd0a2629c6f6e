"""Rows of a table: those of each GPU, and some at a time, so that what is made on the way stays small."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Rows = slice | NDArray[np.intp]

__all__ = ["add_members", "blocks", "by_code", "pieces"]

_BLOCK = 262_144


def blocks(count: int) -> Iterator[slice]:
    """Cut a number of rows into pieces."""
    for first in range(0, count, _BLOCK):
        yield slice(first, min(first + _BLOCK, count))


def add_members(
    total: NDArray[np.integer[Any]], batch: NDArray[np.integer[Any]], each: NDArray[np.integer[Any]] | None = None
) -> None:
    """Add to the total of a batch for each of its requests, in place: `np.add.at`, many times as fast.

    Args:
        total: By batch.
        batch: Of some requests, each >= 0; those that arrive together are in batches near each other.
        each: What each request adds, in all below 2^53; 1 by default.
    """
    if len(batch):
        first = int(batch.min())
        added = np.bincount(batch - first, each)
        total[first : first + len(added)] += added.astype(total.dtype)


def pieces(chosen: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.intp], slice]]:
    """Yield the chosen rows some at a time, each with its place among the chosen."""
    filled = 0
    for block in blocks(len(chosen)):
        rows = block.start + np.flatnonzero(chosen[block])
        yield rows, slice(filled, filled + len(rows))
        filled += len(rows)


def by_code(codes: NDArray[np.integer[Any]], count: int) -> list[Rows]:
    """Return for each code from 0 to `count` - 1 where it is, ascending: an index, or all rows if there is no other."""
    if count == 1 and not codes.any():
        return [slice(None)]
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(count + 1))
    return [order[first:last] for first, last in pairwise(bounds.tolist())]
