"""A column in which most rows have no value: only the others take memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RareColumn"]


class RareColumn(NDArrayOperatorsMixin):
    """Can be used wherever the array that it stands for can be read; an index makes only the part that is asked for.

    Args:
        length: Number of rows.
        rows: Those with a value, each once, shape (k,).
        values: Their values, shape (k,).
        absent: What all other rows have.
    """

    def __init__(self, length: int, rows: ArrayLike, values: NDArray[Any], absent: float) -> None:
        place = np.asarray(rows)
        order = np.argsort(place)
        self._length = length
        self._rows: NDArray[Any] = place[order]
        self._values = values[order]
        self._absent = absent

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice) and index.step in (None, 1):
            start, stop, _ = index.indices(self._length)
            first, last = np.searchsorted(self._rows, (start, stop))
            return self._filled(max(stop - start, 0), self._rows[first:last] - start, self._values[first:last])
        if isinstance(index, slice):
            index = np.arange(self._length)[index]
        asked = np.asarray(index)
        if asked.dtype == bool:
            asked = np.flatnonzero(asked)
        asked = np.where(asked < 0, asked + self._length, asked)
        place = np.minimum(np.searchsorted(self._rows, asked), max(len(self._rows) - 1, 0))
        if not len(self._rows):
            return self._filled(asked.shape, (), self._values)[()]
        return np.where(self._rows[place] == asked, self._values[place], self._values.dtype.type(self._absent))[()]

    def _filled(self, shape: Any, rows: Any, values: NDArray[Any]) -> NDArray[Any]:
        filled = np.full(shape, self._absent, dtype=self._values.dtype)
        if len(rows):
            filled[rows] = values
        return filled

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("the array has to be made")
        return np.asarray(self[:], dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [one[:] if isinstance(one, RareColumn) else one for one in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # not while this is being made or unpickled
            raise AttributeError(name)
        return getattr(self[:], name)
