"""Deadlines decide who is stopped: preemptive earliest deadline first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stratsim.policy.arguments import whole
from stratsim.policy.base import Decision, Resume, Start, Suspend, Wake
from stratsim.policy.preempt.base import due_s
from stratsim.policy.preempt.mechanism import make_mechanism
from stratsim.policy.queueing import Edf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.model.request import Request
    from stratsim.policy.base import Setting
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["KEdf"]


class KEdf(Edf):
    """The k batches with the earliest deadlines run on each GPU; whatever is due later is stopped.

    A batch is due when the first of its requests is. A waiting request starts where fewer than k batches run, or in the
    place of the batch that is due last of all, if that is due later than itself; what was stopped goes on before
    requests that are due later. Classes are ignored. Batches and drops are those of `edf`; no batch is sent ahead.

    Approximated: XSched's K-EDF ranks queues, which keep their deadline from request to request; here batches are
    ranked, by the deadlines of their requests.

    Source: XSched (OSDI 2025), XpuOS/xsched sched/src/policy, K-EDF; Liu and Layland 1973 for k = 1.

    Args:
        k: Batches that run at once on a GPU; the run's number of execution slots by default, and at most that.
        mechanism: How a batch is stopped: `gated`, `kernel`, `reset`, `context` (40 us) or `ideal` (at no cost).
        gate: Kernels in flight at most, where launches are gated.
        sync: Whether others wait for those.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(
        self,
        *,
        k: int | None = None,
        mechanism: str = "gated",
        gate: int = 16,
        sync: bool = False,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(max_batch=max_batch, drop=drop)
        if k is not None:
            whole("k", k, 1)
        self.preemption = make_mechanism(mechanism, gate, sync)
        self._k = k

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        self._run = min(self._k or setting.max_concurrency, setting.max_concurrency)

    def decide(self, view: View) -> Iterator[Decision]:
        """Let the earliest deadlines run, whether they wait or were stopped."""
        while True:
            request = self._first()
            due = request.deadline_s if request is not None else None
            yield from self._resume(view, due)
            gpu = self._place(view, due) if due is not None else None
            if gpu is None:
                return
            batch: list[Request] = []
            yield from self._take(gpu, view.now_s, batch)
            if batch:
                if gpu.in_flight >= self._run:
                    yield Suspend(_last(gpu))
                yield Start(tuple(batch), gpu.id, self._expected_s)

    def _resume(self, view: View, due: float | None) -> Iterator[Resume]:
        """Let go on what was stopped and is due no later than the first that waits."""
        for gpu in view.gpus:
            for batch in sorted(gpu.suspended, key=due_s):
                if gpu.in_flight < self._run and (due is None or due_s(batch) <= due):
                    yield Resume(batch)

    def _place(self, view: View, due: float) -> GpuView | None:
        """Return the GPU where a batch due then may run, in the place of another if need be; None if nowhere."""
        gpu = min(view.gpus, key=lambda gpu: (gpu.in_flight, gpu.id))
        if gpu.in_flight < self._run:
            return gpu
        gpu = max(view.gpus, key=lambda gpu: due_s(_last(gpu)))
        return gpu if due < due_s(_last(gpu)) else None

    def expected_wait_s(self, gpu: GpuView, now_s: float) -> float:  # noqa: ARG002
        """Return 0: a batch is formed only when it runs at once."""
        return 0.0


def _last(gpu: GpuView) -> InFlight:
    """Return the batch in flight that is due last; the newest of several, one that has not started before others."""
    return max((*gpu.executing, *gpu.staged), key=lambda batch: (due_s(batch), batch.id))
