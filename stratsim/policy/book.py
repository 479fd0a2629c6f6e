"""What is known of the batches in flight: work left, integrated at the rates that a belief gives, and what they teach.

A scheduler sees when a batch starts and ends and when it is stopped, never how far it has got. Between two looks the
set of those that execute on a GPU is constant, as every change of it is a moment at which the policy is woken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.predict import Observation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratsim.policy.view import GpuView, InFlight, View
    from stratsim.predict import Member, Predictor

__all__ = ["Book"]

_FLOOR = 0.02
"""Least share of its solo work that a batch is believed to have left while it has not ended (our choice)."""


class _Entry:
    """A batch that has been started and has not ended."""

    __slots__ = ("batch", "gpu", "intervals", "key", "left_s", "solo_s")

    def __init__(self, batch: InFlight, gpu: int, key: Member, solo_s: float) -> None:
        self.batch = batch
        self.gpu = gpu
        self.key = key
        self.solo_s = solo_s
        self.left_s = solo_s
        self.intervals: list[tuple[float, tuple[Member, ...]]] = []


class Book:
    """The batches of a run that have been started and have not ended.

    Args:
        belief: About interference, fitted.
        refresh: The belief learns from so many ended batches at a time.
        gpus: Number of GPUs.
    """

    def __init__(self, belief: Predictor, refresh: int, gpus: int) -> None:
        self._belief = belief
        self._refresh = refresh
        self._entries: dict[int, _Entry] = {}
        self._executing: list[list[_Entry]] = [[] for _ in range(gpus)]
        """Those that executed on each GPU at the last look, what still drained included."""
        self._seen_s = 0.0
        self._ended: list[tuple[_Entry, float]] = []

    def started(self, batch: InFlight, solo_s: float) -> None:
        """Take up a batch that was dispatched just now."""
        self._entries[batch.id] = _Entry(batch, batch.gpu, (batch.model, batch.size), solo_s)

    def left_s(self, batch: InFlight) -> float:
        """Return the work that a batch is believed to have left, seconds of solo execution."""
        return self._entries[batch.id].left_s

    def update(self, now_s: float) -> None:
        """Take off what was done since the last look, at the rates believed, and learn from what has ended."""
        elapsed_s = now_s - self._seen_s
        self._seen_s = now_s
        for executing in self._executing:
            if executing:
                self._progress(executing, now_s, elapsed_s)
        if len(self._ended) >= self._refresh:
            self._learn()

    def look(self, view: View) -> None:
        """Note who executes from now on: call it once everything that is decided at this moment has taken effect."""
        for gpu in view.gpus:
            self._executing[gpu.id] = [
                entry for batch in _on(gpu) if (entry := self._entries.get(batch.id)) is not None
            ]

    def _progress(self, executing: list[_Entry], now_s: float, elapsed_s: float) -> None:
        keys = tuple([entry.key for entry in executing])
        rates = self._belief.predict(keys) if len(keys) > 1 else _ALONE
        for number, (entry, rate) in enumerate(zip(executing, rates, strict=True)):
            end_s = entry.batch.execution_end_s
            over = end_s <= now_s
            if elapsed_s > 0.0:
                entry.intervals.append((elapsed_s, keys[:number] + keys[number + 1 :]))
                entry.left_s = max(entry.left_s - elapsed_s * rate, _FLOOR * entry.solo_s)
            if over:
                self._ended.append((entry, end_s))
                del self._entries[entry.batch.id]

    def _learn(self) -> None:
        self._ended.sort(key=_ended_at)
        for entry, end_s in self._ended:
            took_s = sum([length_s for length_s, _ in entry.intervals])
            if took_s > 0.0:
                self._belief.observe(Observation(entry.key, entry.solo_s, took_s, entry.intervals, end_s))
        self._ended.clear()


def _on(gpu: GpuView) -> Iterable[InFlight]:
    return (*gpu.executing, *[batch for batch in gpu.stopping if batch.execution_start_s == batch.execution_start_s])


def _ended_at(item: tuple[_Entry, float]) -> tuple[float, int]:
    return item[1], item[0].batch.id


_ALONE = (1.0,)
