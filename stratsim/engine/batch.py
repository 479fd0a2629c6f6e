"""A dispatched batch, as the device knows it."""

from __future__ import annotations

from typing import Any

__all__ = ["Batch"]


class Batch:
    """What is handed from the dispatch to the copy of the inputs, and from there to an execution slot.

    Args:
        batch_id: Its place in the order of dispatch, from 0.
        model: Its requests' model.
        solo_s: Its execution time alone, seconds.
        work: What it brings to the execution model.
        level: Its priority, 0 the most urgent.
        bytes_in: Size of its inputs.
    """

    __slots__ = ("bytes_in", "id", "level", "model", "solo_s", "work")

    def __init__(self, batch_id: int, model: str, solo_s: float, work: Any, level: int = 0, bytes_in: int = 0) -> None:
        self.id = batch_id
        self.model = model
        self.solo_s = solo_s
        self.work = work
        self.level = level
        self.bytes_in = bytes_in
