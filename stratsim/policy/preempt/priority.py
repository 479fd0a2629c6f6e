"""High priority stops low priority: one policy per mechanism."""

from __future__ import annotations

from stratsim.model.preemption import AtBoundary, ContextSwitch, Gated, Reset
from stratsim.policy.preempt.base import PreemptiveEdf

__all__ = ["PreemptGated", "PreemptIdeal", "PreemptKernel", "PreemptReset"]


class PreemptGated(PreemptiveEdf):
    """Launch gating: high priority pauses the launches of low priority, whose kernels in flight keep running.

    XSched's highest priority first on its level 1, the only level for GPUs without support of the driver. What is in
    flight, between k/2 and k kernels, overlaps with the high-priority batch, unless `sync` makes that wait. All
    low-priority batches of the GPU stop, for the whole time that a high-priority request is under way.

    Approximated: all kernels of a batch are equally long; a batch counts as launched up to the kernel that runs plus
    those in flight. One gate for all batches, no levels but high and low.

    Source: XSched (OSDI 2025), section 4.1; XpuOS/xsched, preempt/src/xqueue and sched/src/policy/hpf.cpp; batching,
    order and drops are those of `priority-edf`, our choice.

    Args:
        k: Kernels in flight at most (16 in XSched's code; 8 where it reports latencies).
        sync: Whether high priority waits until the kernels in flight have ended (off in XSched's code).
        whole_request: Whether a high-priority request holds its GPU from its dispatch until its outputs are on the
            host, as a queue of XSched's does; else from when its inputs are on the GPU to the end of its execution.
        stop: `all` low-priority batches of the GPU; or only as many as are `needed` for high priority to have slots.
        overhead: Share by which gating makes every execution longer.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    def __init__(
        self,
        *,
        k: int = 16,
        sync: bool = False,
        whole_request: bool = True,
        stop: str = "all",
        overhead: float = 0.0,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(
            Gated(k=k, sync=sync, overhead=overhead),
            whole_request=whole_request,
            stop=stop,
            max_batch=max_batch,
            drop=drop,
        )


class PreemptKernel(PreemptiveEdf):
    """Preemption at the next kernel boundary: the running kernel ends, no other starts, nothing is lost.

    What software can do that keeps one kernel in flight, or throws away those that were launched: REEF-N, XSched level
    2. With `share` below 1 a kernel can be left in between, as with EffiSha and FLEP.

    Approximated: all kernels of a batch are equally long. Synchronous launches cost 8 to 151 % (XSched, section 5.2),
    level 2 2 to 4 %: set `overhead`; it is 0 by default. REEF's own baseline that waits is another one: it leaves a
    kernel at the end of the blocks that run and does all of that kernel again, for which `preempt-reset` with that time
    as its `latency_s` is nearest.

    Source: XSched (OSDI 2025); REEF (OSDI 2022), SJTU-IPADS/reef, src/reef/server/scheduler.cpp, `preempt_wait`; order,
    batching and drops are those of `priority-edf`, our choice.

    Args:
        share: Share of a kernel between two points where it can be left; 1: at its end only.
        whole_request: Whether a high-priority request holds its GPU during its copies, too.
        stop: `all` low-priority batches of the GPU; or only as many as are `needed` for high priority to have slots.
        overhead: Share by which every execution takes longer.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    def __init__(
        self,
        *,
        share: float = 1.0,
        whole_request: bool = False,
        stop: str = "all",
        overhead: float = 0.0,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(
            AtBoundary(share=share, overhead=overhead),
            whole_request=whole_request,
            stop=stop,
            max_batch=max_batch,
            drop=drop,
        )


class PreemptReset(PreemptiveEdf):
    """Preemption by reset: the running kernel is killed in constant time and starts anew later.

    By default XSched's level 3, which loses the running kernel alone. REEF starts again two kernels before the last one
    in its device queue of two, so that one finished kernel is done again (`cap=1`), and serves high priority one at a
    time (`high_at_once=1`; with one slot it is always so).

    Approximated: all kernels of a batch are equally long; kernels can be killed at any time and restarted safely. In
    REEF no restart goes back behind the last one, and high priority is served first in, first out. It runs low-priority
    blocks beside high-priority kernels besides (dynamic kernel padding): not here.

    Source: REEF (OSDI 2022), SJTU-IPADS/reef, src/reef/server/scheduler.cpp, `preempt_reset` and `loop_body`; latency:
    XSched (OSDI 2025), level 3; order, batching and drops are those of `priority-edf`, our choice.

    Args:
        latency_s: From the decision until the GPU is free.
        cap: Kernels before the running one that are redone, too; 1 in REEF, if the launches are two ahead.
        high_at_once: High-priority batches on a GPU at most; 1 in REEF. By default as many as it has places.
        whole_request: Whether a high-priority request holds its GPU during its copies, too.
        stop: `all` low-priority batches of the GPU; or only as many as are `needed` for high priority to have slots.
        overhead: Share by which every execution takes longer.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    def __init__(
        self,
        *,
        latency_s: float = 32e-6,
        cap: int = 0,
        high_at_once: int | None = None,
        whole_request: bool = False,
        stop: str = "all",
        overhead: float = 0.0,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(
            Reset(latency_s=latency_s, cap=cap, overhead=overhead),
            whole_request=whole_request,
            stop=stop,
            max_batch=max_batch,
            drop=drop,
            high_at_once=high_at_once,
        )


class PreemptIdeal(PreemptiveEdf):
    """Preemption by a context switch: constant time, nothing is lost. A bound for what preemption can do.

    `latency_s=0` is the textbook's preemptive-resume; `latency_s=40e-6` is GPreempt without its hint, which hides the
    switch behind the preparation of a request.

    Source: textbook (preemptive-resume priorities); GPreempt (ATC 2025), abstract, for 40 us; order, batching and drops
    are those of `priority-edf`, our choice.

    Args:
        latency_s: From the decision until the GPU is free.
        whole_request: Whether a high-priority request holds its GPU during its copies, too.
        stop: `all` low-priority batches of the GPU; or only as many as are `needed` for high priority to have slots.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.0,
        whole_request: bool = False,
        stop: str = "all",
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(
            ContextSwitch(latency_s=latency_s), whole_request=whole_request, stop=stop, max_batch=max_batch, drop=drop
        )
