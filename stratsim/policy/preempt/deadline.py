"""Deadlines decide who is stopped: preemptive earliest deadline first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.arguments import one_of, whole
from stratsim.policy.base import Decision, Resume, Start, Suspend, Wake
from stratsim.policy.preempt.base import due_s
from stratsim.policy.preempt.mechanism import make_mechanism
from stratsim.policy.queueing import Edf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.policy.base import Setting
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["KEdf"]


class KEdf(Edf):
    """The k batches with the earliest deadlines run on each GPU; whatever is due later is stopped.

    A batch is due when the first of its requests is. A waiting request starts where fewer than k batches run, or in the
    place of the batch that is due last of all, if that is due later than itself; what was stopped goes on before
    requests that are due later. Classes are ignored. Batches and drops are those of `edf`; no batch is sent ahead.

    Approximated: XSched's K-EDF ranks queues, which keep their deadline from request to request; here batches are
    ranked, by the deadlines of their requests. It ranks those of all devices together (`ranking=system`); that each
    GPU has a ranking of its own, the default, is our choice: with one GPU and k = 1 both are the same.

    Source: XSched (OSDI 2025), XpuOS/xsched sched/src/policy/kedf.cpp; Liu and Layland 1973 for k = 1.

    Args:
        k: Batches that run at once: on a GPU the run's number of execution slots by default, and at most that; in the
            system 1 by default, as in XSched.
        ranking: `gpu`: the k earliest deadlines of each GPU run; `system`: those of all GPUs together.
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
        ranking: str = "gpu",
        mechanism: str = "gated",
        gate: int = 16,
        sync: bool = False,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(max_batch=max_batch, drop=drop)
        if k is not None:
            whole("k", k, 1)
        one_of("ranking", ranking, ("gpu", "system"))
        self.preemption = make_mechanism(mechanism, gate, sync)
        self._k = k
        self._by_system = ranking == "system"

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        slots = setting.max_concurrency
        self._run = slots if self._by_system else min(self._k or slots, slots)
        """Batches that run at once on a GPU."""
        self._run_in_all = self._k or 1 if self._by_system else self._run * setting.gpus

    def decide(self, view: View) -> Iterator[Decision]:
        """Let the earliest deadlines run, whether they wait or were stopped."""
        while True:
            request = self._first()
            due = request.deadline_s if request is not None else None
            yield from self._resume(view, due)
            gpu = self._place(view, due) if due is not None else None
            if gpu is None:
                return
            batch, drops = self._form(self._first_queue(), gpu, view.now_s)
            yield from drops
            if batch:
                if not self._has_room(gpu, view):
                    yield Suspend(_last_of_all(view))
                yield Start(batch, gpu.id, self._expected_s)

    def _resume(self, view: View, due: float | None) -> Iterator[Resume]:
        """Let go on what was stopped and is due no later than the first that waits."""
        for batch in sorted([batch for gpu in view.gpus for batch in gpu.suspended], key=due_s):
            if self._has_room(view.gpus[batch.gpu], view) and (due is None or due_s(batch) <= latest_finish_s(due)):
                yield Resume(batch)

    def _has_room(self, gpu: GpuView, view: View) -> bool:
        """Whether one more batch may run on a GPU."""
        return gpu.in_flight < self._run and sum([each.in_flight for each in view.gpus]) < self._run_in_all

    def _place(self, view: View, due: float) -> GpuView | None:
        """Return the GPU where a batch due then may run, in the place of another if need be; None if nowhere."""
        gpu = min(view.gpus, key=lambda gpu: (gpu.in_flight, gpu.id))
        if self._has_room(gpu, view):
            return gpu
        last = _last_of_all(view)
        if latest_finish_s(due) >= due_s(last):  # rounding alone stops nobody
            return None
        return gpu if gpu.in_flight < self._run else view.gpus[last.gpu]

    def expected_wait_s(self, gpu: GpuView, now_s: float) -> float:  # noqa: ARG002
        """Return 0: a batch is formed only when it runs at once."""
        return 0.0


def _last_of_all(view: View) -> InFlight:
    """Return the batch in flight on any GPU that is due last, on the first of several GPUs."""
    return max([_last(gpu) for gpu in view.gpus if gpu.in_flight], key=due_s)


def _last(gpu: GpuView) -> InFlight:
    """Return the batch in flight that is due last; the newest of several, one that has not started before others."""
    return max((*gpu.executing, *gpu.staged), key=lambda batch: (due_s(batch), batch.id))
