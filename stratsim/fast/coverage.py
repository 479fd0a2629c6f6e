"""Which runs the fast engine does: those of which a test holds every column against the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.device import Fabric, FluidUnit
from stratsim.device.execution.kernel_queue import CostlyStarts
from stratsim.device.execution.registry import checked_unit
from stratsim.engine.layout import lay_out
from stratsim.fast.strait.setup import why_not
from stratsim.policy.aware_edf import AwareEdf
from stratsim.policy.native import Native
from stratsim.policy.preempt import KEdf, Orion, PreemptGated, PreemptIdeal, PreemptKernel, PreemptReset, PreemptSlack
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.policy.strait import Strait
from stratsim.policy.triton import Triton

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.engine.layout import Layout
    from stratsim.engine.options import Options
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy

__all__ = ["AWARE", "ENTRY", "ORDERS", "PREEMPT", "RUN", "TRITON", "covers", "kernel_of", "why_not_inside"]

RUN, PREEMPT = "loop.run", "preempt.loop.run"
"""Kernels that Python calls, by module and name: the loop, and that of what preempts."""
ENTRY, AWARE, TRITON = "strait.mail.entry", "aware_edf.entry", "triton.policy.entry"
"""Those that the loop asks."""


ORDERS: dict[type[Policy], tuple[bool, bool]] = {
    Fifo: (False, False),
    PriorityFifo: (True, False),
    Edf: (False, True),
    PriorityEdf: (True, True),
    PreemptGated: (True, True),
    PreemptIdeal: (True, True),
    PreemptKernel: (True, True),
    PreemptReset: (True, True),
    PreemptSlack: (True, True),
    KEdf: (False, True),
    Orion: (True, True),
}
"""Policies, by their very class, and whether class and deadline count in their order."""

_WORD = 4
_LARGEST = 2**31 - 1


def covers(workload: Workload, profile: Profile, policy: Policy, options: Options) -> str | None:
    """Return why the fast engine does not do a run; None if it does.

    Args:
        workload: As for `stratsim.engine.simulate_with`; so are the others.
        profile: Has the workload's models.
        policy: Is looked at only.
        options: All else.

    Raises:
        SpecError: as `simulate_with`.
    """
    if type(policy) is Strait:
        return _why_not_compiled(workload, profile, policy, options)
    if type(policy) is AwareEdf:
        why = _why_not_compiled(workload, profile, policy, options)
        return _covers_run(workload, profile, policy, options) if why is None else why
    if type(policy) not in ORDERS and type(policy) not in (Native, Triton):
        return f"policy {type(policy).__name__} is not compiled"
    return _covers_run(workload, profile, policy, options)


def _covers_run(workload: Workload, profile: Profile, policy: Policy, options: Options) -> str | None:
    if len(set(workload.models)) < len(workload.models):
        return "the workload names a model twice"
    if max(_sizes(workload)) > _LARGEST:
        return "a request copies two gigabytes or more"
    if options.belief is not None and _believes_in_more(options.belief, profile, workload):
        return "the belief has larger batches than the hardware"
    return _covers_layout(lay_out(workload, profile, policy, options.cluster, options.name))


def _why_not_compiled(workload: Workload, profile: Profile, policy: Strait | AwareEdf, options: Options) -> str | None:
    """Return why decisions are not compiled; None if they are."""
    layout = lay_out(workload, profile, policy, options.cluster, options.name)
    largest = [
        min(policy._max_batch or options.max_batch, max(model.latency_s))
        for model in (options.belief or profile).observable.models.values()
    ]
    return why_not(policy, largest, layout.slots, loads_weights=layout.memories is not None)


def why_not_inside(workload: Workload, profile: Profile, policy: Strait, options: Options) -> str | None:
    """Return why of a covered run of `strait` only the decisions are compiled; None if all of it is."""
    if workload.waits_for_replies:
        return "clients wait for replies"
    if options.rejection.retries:
        return "dropped requests are sent again"
    return _covers_run(workload, profile, policy, options)


def kernel_of(policy: Policy) -> str:
    """Return which kernel takes longest to compile, or to load, of those that a covered run calls."""
    if getattr(policy, "preemption", None) is not None:
        return PREEMPT
    if type(policy) is AwareEdf:
        return AWARE
    if type(policy) is Triton:
        return TRITON
    return ENTRY if type(policy) is Strait else RUN


def _believes_in_more(belief: Profile, profile: Profile, workload: Workload) -> bool:
    known, real = belief.observable.models, profile.observable.models
    return any(name not in known or max(known[name].latency_s) > max(real[name].latency_s) for name in workload.models)


def _sizes(workload: Workload) -> Iterator[int]:
    """Yield the most bytes that a request copies, each way, of the trace and of each client."""
    for size in (workload.bytes_in, workload.bytes_out):
        yield int(size.max(initial=0)) if size.dtype.itemsize > _WORD else 0
    for client in workload.closed_loop:
        yield max(client.bytes_in, client.bytes_out)


def _covers_layout(layout: Layout) -> str | None:
    if layout.memories is not None and layout.preemption is not None:
        return "weights are loaded when they are needed, and batches are stopped"
    if isinstance(layout.links, Fabric) and layout.links.transfers.chunk_bytes is not None:
        return "copies take turns by chunks"
    if type(checked_unit(layout.model)) not in (FluidUnit, CostlyStarts):
        return f"device model {layout.model.name!r} is not a function of the co-located batches alone"
    return None
