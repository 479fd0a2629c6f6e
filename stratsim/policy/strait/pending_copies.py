"""When inputs, and weights that have to be loaded, would be on their GPUs."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from stratsim.predict import Copy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from stratsim.policy.base import Setting
    from stratsim.policy.forecast import Planned
    from stratsim.policy.view import GpuView
    from stratsim.predict import TransferPredictor

__all__ = ["PendingCopies"]


class PendingCopies:
    """The copy-ins that are under way, by GPU, and what one more would take behind them.

    Args:
        setting: The run's.
        belief: About copies, fitted.
    """

    def __init__(self, setting: Setting, belief: TransferPredictor) -> None:
        self._belief = belief
        self._pending: list[list[tuple[Planned, float]]] = [[] for _ in range(setting.gpus)]
        """Copy-ins whose end is not known yet, by GPU: each with when it was asked for."""
        self._count = 0
        """How many those are on all GPUs."""
        self.share = getattr(belief, "shares", True)
        """Whether a copy may take longer for those to other GPUs."""
        self.free_s = [0.0] * setting.gpus
        """When each GPU's copy engine is expected to be through with what was started."""
        loads = setting.memory_bytes is not None
        models = setting.profile.models.items()
        self._weights_bytes = {name: model.weights_bytes or 0 for name, model in models} if loads else {}
        """By model, where weights are loaded on demand; else empty."""
        self._resident: list[Collection[str]] = [()] * setting.gpus
        """Models whose weights are there, by GPU, as the view tells; none before anything was started."""

    @property
    def loads(self) -> bool:
        """Whether weights are loaded on demand."""
        return bool(self._weights_bytes)

    def started(self, gpu: GpuView, planned: Planned, now_s: float) -> None:
        """Follow the copy-in of a batch that was dispatched just now."""
        if planned.bytes_in:
            self._pending[gpu.id].append((planned, now_s))
            self._count += 1
            self.free_s[gpu.id] = planned.ready_s
        if self._weights_bytes:
            self._resident[gpu.id] = gpu.resident

    def update(self, gpu: int) -> None:
        """Take over which copies to a GPU have ended."""
        before = self._pending[gpu]
        if not before:
            return
        pending = []
        for copy in before:
            planned = copy[0]
            end_s = planned.batch.copy_in_end_s  # type: ignore[union-attr]
            if isnan(end_s):
                pending.append(copy)
            else:
                planned.ready_s = end_s
        self._count += len(pending) - len(before)
        self._pending[gpu] = pending

    def load_bytes(self, gpu: int, model: str) -> int:
        """Return the weights that a batch has to copy first: all, unless they are there or on their way.

        Inputs follow weights on the same engine, so both are taken to be one copy. Waits for room are not foreseen.
        """
        if not self._weights_bytes or model in self._resident[gpu]:
            return 0
        if any(planned.key[0] == model for planned, _ in self._pending[gpu]):
            return 0
        return self._weights_bytes[model]

    def ready_s(self, gpu: int, size_bytes: int, now_s: float) -> float:
        """Return when a copy-in asked for now would be done."""
        if not self._count:  # nothing precedes it
            return now_s + self._belief.predict([Copy(gpu, "h2d", size_bytes, 0.0)])[0]
        return self._behind_s(self._pending if self.share else (self._pending[gpu],), gpu, size_bytes, now_s)

    def _behind_s(
        self, ahead: Iterable[Sequence[tuple[Planned, float]]], gpu: int, size_bytes: int, now_s: float
    ) -> float:
        """Return when it would be done behind others."""
        copies = [
            Copy(planned.batch.gpu, "h2d", planned.bytes_in, at_s)  # type: ignore[union-attr]
            for own in ahead
            for planned, at_s in own
        ]
        copies.append(Copy(gpu, "h2d", size_bytes, now_s))
        return self._belief.predict(copies)[-1]
