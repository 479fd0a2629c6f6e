"""The simulated server of one run: GPUs, copies and columns at work; the loop handles their events."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from stratsim.device import CopyEngine, Direction, PreemptableModel
from stratsim.engine.clock import Alarm, Clock, Order
from stratsim.engine.copies import Copies
from stratsim.engine.gpu import Gpu
from stratsim.engine.host import Dispatcher, HostedCopies, HostedGpu, pace, thinking
from stratsim.engine.preemption import PreemptableGpu
from stratsim.engine.recorder import Recorder
from stratsim.engine.weights import Loader, Loaders
from stratsim.model.truth import Host
from stratsim.policy.base import Wake
from stratsim.policy.state import ServerState
from stratsim.policy.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.engine.clock import Fired
    from stratsim.engine.copies import CopyIn
    from stratsim.engine.layout import Layout
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy
    from stratsim.policy.state import GpuState
    from stratsim.policy.view import InFlight
    from stratsim.rng import Streams

__all__ = ["Handlers", "Machine"]


class Handlers(NamedTuple):
    """Called when something ends on the machine; those of events return whether policies are to be asked."""

    executed: Callable[[Fired], bool]
    """A GPU's execution has ended, or a phase of it; `owner` is the GPU."""
    executed_preemptable: Callable[[Fired], bool]
    """The same on a GPU whose batches can be stopped."""
    executed_hosted: Callable[[Fired], bool]
    """The same on a GPU whose host is not notified yet."""
    notified: Callable[[Gpu, Sequence[tuple[int, float]]], bool]
    """Such a host is notified that these batches, each with its time, have ended."""
    notified_preemptable: Callable[[PreemptableGpu, Sequence[tuple[int, float]]], bool]
    """The same on a GPU whose batches can be stopped; some may have stopped."""
    replied: Callable[[InFlight, float, float], None]
    """The outputs of a batch are on the host; the start and the end of their copy."""


class Machine:
    """A server at work.

    Args:
        layout: What it is made of.
        workload: What will arrive.
        gpus: Number of GPUs.
        policy: What it wants to be woken for.
        streams: For draws that belong to the machine.
        handlers: Called when something ends.

    Attributes:
        state: What the server knows of itself, and `view` what policies see of that.
        loaders: The weights on the GPUs; None if those of all models are always there.
        send_in: Takes a dispatched batch: the first step on its way to a GPU.
        service: By model and batch size: solo latency, and what a batch brings to the execution model.
    """

    __slots__ = (
        "_speed",
        "clock",
        "copies",
        "gpus",
        "layout",
        "loaders",
        "recorder",
        "send_in",
        "service",
        "state",
        "streams",
        "view",
    )

    def __init__(
        self, layout: Layout, workload: Workload, gpus: int, policy: Policy, streams: Streams, handlers: Handlers
    ) -> None:
        self.layout = layout
        self.streams = streams
        self.clock = Clock()
        self.recorder = Recorder(
            len(workload), waits_for_replies=workload.waits_for_replies, gpus=gpus, outputs=layout.copies_out
        )
        log = self.recorder.log
        log.notice_s = 0.0 if layout.host is None else layout.host.notice_s
        self.state = ServerState(gpus, layout.places, log, layout.resident)
        self.view = View(self.state)
        self._speed = pace(layout.host or Host(), streams)
        self.copies = self._make_copies(policy, handlers)
        self.gpus = [self._make_gpu(gpu, handlers) for gpu in self.state.gpus]
        self.loaders = self._make_loaders()
        self.copies.attach(
            self.gpus,
            notify_rates=layout.model.heeds_copies and layout.links is not None,
            ready=None if self.loaders is None else self.loaders.input_there,
        )
        self.send_in = self._make_send_in()
        self.service = {
            name: [(latency_s, layout.model.work(name, size)) for size, latency_s in enumerate(entry.latency_s)]
            for name, entry in layout.hardware.models.items()
        }

    def detach(self) -> None:
        """Forget everything that refers back to the run: its buffers would live until the next full collection."""
        for gpu in self.gpus:
            gpu.detach()
        self.copies.detach()
        del self.send_in
        self.loaders = None

    def _make_copies(self, policy: Policy, handlers: Handlers) -> Copies:
        host = self.layout.host
        make = Copies if host is None else partial(HostedCopies, host, self._speed)
        return make(
            self.clock,
            self.layout.links,
            self.recorder.log,
            handlers.replied,
            wakes_on_input=Wake.COPY_IN_END in policy.wakes,
            wakes_on_reply=Wake.COPY_OUT_END in policy.wakes,
        )

    def _make_loaders(self) -> Loaders | None:
        memories = self.layout.memories
        if memories is None:
            return None
        return Loaders(
            [Loader(gpu, memory, self.copies, self.recorder) for gpu, memory in zip(self.gpus, memories, strict=True)]
        )

    def _make_send_in(self) -> CopyIn:
        copy_in = self.copies.copy_in if self.loaders is None else self.loaders.copy_in
        host = self.layout.host
        if host is None:
            return copy_in
        thinks_s = thinking(self.layout.decide, self.streams)
        return Dispatcher(host, self.clock, copy_in, self._speed, thinks_s).copy_in

    def _make_gpu(self, state: GpuState, handlers: Handlers) -> Gpu:
        layout, links = self.layout, self.layout.private_links
        if links is not None:
            engines = [links.engine(state.id, direction) for direction in Direction]
        else:  # no link, or one that all share: nothing, or what has no bytes, is copied at once
            engines = [CopyEngine(0.0, inf) for _ in Direction]
        executed = handlers.executed if layout.preemption is None else handlers.executed_preemptable
        if layout.host is not None and (layout.preemption is None or layout.host.notice_s):
            executed = handlers.executed_hosted
        parts: tuple[Any, ...] = (
            state,
            layout.model,
            layout.slots,
            lambda gpu: Alarm(self.clock, Order.DEVICE, executed, gpu),
            self.recorder.log.execution_start_s,
            *engines,
        )
        if layout.preemption is None:
            if layout.host is None:
                return Gpu(*parts)
            return HostedGpu(*parts, host=layout.host, speed=self._speed, clock=self.clock, notify=handlers.notified)
        return PreemptableGpu(
            *parts,
            model=cast("PreemptableModel", layout.model),
            mechanism=layout.preemption,
            kernels={name: m.kernels.count for name, m in layout.hardware.models.items() if m.kernels is not None},
            draw=self._draw,
            recorder=self.recorder,
            clock=self.clock,
            host=layout.host,
            notify=handlers.notified_preemptable,
        )

    def _draw(self, lead: int, stops: int) -> float:
        """Return the draw that belongs to a stop of a batch, whatever else is drawn."""
        return self.streams.uniform("preemption", str(lead), str(stops))
