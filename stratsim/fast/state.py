"""Makes the two arrays that hold the state of a run: `stratsim.fast.codes` has the names of their places."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.device import Direction
from stratsim.fast import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.device import Fabric, PrivateLinks
    from stratsim.engine.layout import Layout

__all__ = ["Builder", "Shape"]

_PAIRS = 1 << 18
"""Rows in the memory of pairs of loads, at most."""
_SET_NUMBERS = 1 << 20
"""Numbers in the memory of sets of more than two."""


class Shape(NamedTuple):
    """How many batches there is room for on a GPU, and what blocks have room for."""

    batches: int
    """That are on it, or were and are stopped."""
    running: int
    """That execute at once."""
    gpu_ints: int = codes.GPU_INTS
    batch_ints: int = codes.BATCH_INTS
    batch_reals: int = codes.BATCH_REALS
    lists: tuple[int, ...] = ()
    """Further lists of batches that a GPU has, by their place in its block."""
    sets: int = 1 << 16
    """Rows in the memory of sets of more than two loads, at most."""


class Builder:
    """Two arrays that grow by blocks."""

    def __init__(self) -> None:
        self._header = np.zeros(codes.HEADER, np.int64), np.zeros(codes.REAL_HEADER)
        self._parts: tuple[list[tuple[int, NDArray[Any]]], ...] = ([], [])
        """Where values begin, and those; among the whole numbers and the reals. All else is zero."""
        self._ends = [0, 0]
        self._gpus: list[int] = []
        for which, header in enumerate(self._header):
            self._add(which, header)

    def ints(self, values: int | Sequence[int] | NDArray[Any]) -> int:
        """Add so many zeros, or these values; return where they begin."""
        return self._add(0, values)

    def reals(self, values: int | Sequence[float] | NDArray[Any]) -> int:
        """Do the same with reals."""
        return self._add(1, values)

    def _add(self, which: int, values: Any) -> int:
        begin = self._ends[which]
        if isinstance(values, int):
            self._ends[which] += values
            return begin
        part = np.asarray(values, np.float64 if which else np.int64).ravel()
        self._parts[which].append((begin, part))
        self._ends[which] += len(part)
        return begin

    def set(self, place: int, value: int) -> None:
        """Set a number of the header."""
        self._header[0][place] = value

    def set_reals(self, values: dict[int, float]) -> None:
        """Set reals of the header."""
        for place, value in values.items():
            self._header[1][place] = value

    def made(self, room: int, real_room: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return both arrays, with so much room at the end of each, which takes no memory until used."""
        ints = np.zeros(self._ends[0] + room, np.int64)
        reals = np.zeros(self._ends[1] + real_room)
        for made, parts in zip((ints, reals), self._parts, strict=True):
            for begin, part in parts:
                made[begin : begin + len(part)] = part
        return ints, reals

    @property
    def end(self) -> int:
        """Where the room at the end of the whole numbers begins."""
        return self._ends[0]

    @property
    def end_of_reals(self) -> int:
        """Where the room at the end of the reals begins."""
        return self._ends[1]

    # The parts of a run

    def gpus(self, count: int, slots: int, links: PrivateLinks | None, shape: Shape) -> None:
        """Add GPUs, and blocks for the batches that may be on them."""
        references = []
        for number in range(count):
            block = [0] * shape.gpu_ints
            block[0] = self.reals(_gpu_reals(number, links))
            block[codes.NUMBER], block[codes.FREE_SLOTS] = number, slots
            block[codes.ARMED] = block[codes.FIRST] = -1
            block[codes.RUNNING_AT] = self.ints(shape.running)
            for name in (codes.QUEUED_AT, codes.FLYING_AT, codes.NOTIFIED_AT, *shape.lists):
                block[name] = self.ints(shape.batches)
            references.append(self.ints(block))
        self.set(codes.GPU_AT, self.ints(references))
        self._gpus = references
        batches = np.zeros((count * shape.batches, shape.batch_ints), np.int64)
        batches[:, 0] = self.reals(len(batches) * shape.batch_reals) + np.arange(len(batches)) * shape.batch_reals
        self.set(codes.SPARE_AT, self.ints(self.ints(batches) + np.arange(len(batches)) * shape.batch_ints))
        self.set(codes.SPARE, len(batches))
        self.set(codes.LOADED_AT, self.ints(np.pad(np.arange(count), (0, 7 * count))))
        self.set(codes.LOADED, count)
        self.set(codes.MOST_LOADED, 8 * count)

    def events(self, most: int) -> None:
        """Add room for so many events at once."""
        self.set(codes.MOST_EVENTS, most)
        self.set(codes.EVENT_AT, self.ints(2 * most))
        self.set(codes.EVENT_TIME_AT, self.reals(most))

    def links(self, fabric: Fabric[Any], batches: int) -> int:
        """Add links that copies share; return how many copies engines take up at once, at most."""
        links, engines = fabric.network.links, fabric.transfers.engines
        engine_of = []
        for _ in links:
            own = [self.ints([max(engines, 1), -1, -1]) for _ in range(2 if engines else 1)]
            engine_of += [own[0], own[-1]]
        most = max(engines, 1) * len(set(engine_of))
        rows = max(min(_SET_NUMBERS // most, 1 << 12), 64)
        block = [0] * codes.GPU_INTS
        block[0] = self.reals(_gpu_reals(0, None))
        block[codes.ARMED] = block[codes.FIRST] = -1
        block[codes.RUNNING_AT] = self.ints(most)
        copies = np.zeros((2 * most, codes.COPY_INTS), np.int64)
        copies[:, 0] = self.reals(len(copies) * codes.COPY_REALS) + np.arange(len(copies)) * codes.COPY_REALS
        for place, value in {
            codes.FABRIC: self.ints(block),
            codes.ENGINE_AT: self.ints(engine_of),
            codes.COPY_SPARE: len(copies),
            codes.COPY_SPARE_AT: self.ints(self.ints(copies) + np.arange(len(copies)) * codes.COPY_INTS),
            codes.MOST_COPIES: most,
            codes.LANE_ROWS: rows,
            codes.LANES_AT: self.ints(rows * (most + 1)),
            codes.LANE_RATE_AT: self.reals(rows * most),
            codes.LINK_AT: self.ints(batches),
            codes.DONE_AT: self.ints(most),
            codes.ALPHA_AT: self.reals([link.alpha_s for pair in links for link in pair]),
        }.items():
            self.set(place, value)
        return most

    def weights(self, layout: Layout, names: Sequence[str], rows: int) -> None:
        """Add the memory of the GPUs that there are, and the weights in it, where they are loaded on demand.

        Args:
            layout: The server.
            names: The models.
            rows: How many batches there may be.
        """
        if layout.memories is None:
            return
        memory_of, known = layout.memories[0], layout.hardware.models
        gpus, models = len(self._gpus), len(names)
        blocks = np.zeros((gpus, models, codes.WEIGHTS_INTS), np.int64)
        reals = np.arange(gpus * models).reshape(gpus, models) * codes.BATCH_REALS
        blocks[:, :, 0] = self.reals(gpus * models * codes.BATCH_REALS) + reals
        blocks[:, :, codes.BATCH] = -1
        blocks[:, :, codes.GPU] = np.array(self._gpus)[:, None]
        blocks[:, :, codes.MODEL] = np.arange(models)
        blocks[:, :, codes.BYTES_IN] = [memory_of.weights_bytes(name) if name in known else 0 for name in names]
        memory = np.zeros((gpus, codes.MEMORY_INTS), np.int64)
        for block in memory:
            block[0] = self.reals([memory_of.capacity_bytes, 0.0])
            block[codes.FOR_ROOM_AT], block[codes.FOR_WEIGHTS_AT] = self.ints(layout.places), self.ints(layout.places)
        self.set(codes.WEIGHTS_AT, self.ints(blocks))
        self.set(codes.MEMORY_AT, self.ints(memory))
        self.set(codes.WEIGHT_BATCH_AT, self.ints(rows))
        self.set(codes.WEIGHT_TIMES_AT, self.reals(rows * codes.WEIGHTS_TIMES))

    def memory(self, loads: int, shape: Shape, copies: int) -> None:
        """Add the memory of the device model's answers, and room for its questions, and the links'."""
        pairs = 1 << min(max(loads * loads - 1, 0), _PAIRS - 1).bit_length()
        most = shape.running
        sets = max(min(_SET_NUMBERS // most, shape.sets), 64) if most > 2 else 1
        self.set(codes.MOST_RUNNING, most)
        self.set(codes.LOADS, loads)
        self.set(codes.PAIRS, pairs)
        self.set(codes.SETS, sets)
        self.set(codes.PAIR_AT, self.ints(np.full(pairs, -1)))
        self.set(codes.PAIR_RATE_AT, self.reals(2 * pairs))
        self.set(codes.SET_AT, self.ints(sets * (most + 2)))
        self.set(codes.SET_RATE_AT, self.reals(sets * most))
        self.set(codes.ASKED_AT, self.ints(max(most, copies, 2)))
        self.set(codes.ANSWER_AT, self.reals(shape.batches + most + copies))
        self.set(codes.ENDED_AT, self.ints(most))


def _gpu_reals(number: int, links: PrivateLinks | None) -> list[float]:
    reals = [0.0] * codes.GPU_REALS
    reals[codes.NEXT_S] = reals[codes.H2D_RATE] = reals[codes.D2H_RATE] = inf
    if links is not None:
        h2d, d2h = (links.engine(number, direction) for direction in Direction)
        reals[codes.H2D_ALPHA_S], reals[codes.H2D_RATE] = h2d.alpha_s, h2d.bytes_per_s
        reals[codes.D2H_ALPHA_S], reals[codes.D2H_RATE] = d2h.alpha_s, d2h.bytes_per_s
    return reals
