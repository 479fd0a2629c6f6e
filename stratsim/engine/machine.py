"""The simulated server of one run, put together from a profile and a cluster; what happens on it is the loop's."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from stratsim.device import (
    CopyEngine,
    Direction,
    Fabric,
    PreemptableModel,
    PrivateLinks,
    device_memory,
    execution_model,
    host_links,
    network,
)
from stratsim.engine.clock import Alarm, Clock, Order
from stratsim.engine.copies import Copies
from stratsim.engine.gpu import Gpu
from stratsim.engine.host import Dispatcher, HostedCopies, HostedGpu
from stratsim.engine.preemption import PreemptableGpu, check_preemption
from stratsim.engine.recorder import Recorder
from stratsim.engine.weights import Loader
from stratsim.errors import SpecError
from stratsim.model.truth import Transfers
from stratsim.policy.base import Wake
from stratsim.policy.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.engine.clock import Fired
    from stratsim.model.cluster import Cluster
    from stratsim.model.preemption import Preemption
    from stratsim.model.profile import Profile
    from stratsim.model.truth import Host
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy
    from stratsim.policy.view import GpuView, InFlight
    from stratsim.rng import Streams

__all__ = ["Happenings", "Machine", "client_streams", "models_of"]


def models_of(workload: Workload) -> set[str]:
    """Return the models that may be asked for."""
    used = {workload.models[code] for code in np.unique(workload.model).tolist()}
    return used | {client.model for client in workload.closed_loop}


def client_streams(workload: Workload) -> int:
    """Return how many streams there are if every client has one, and so has every model used by no client."""
    nameless = workload.model[workload.client < 0]
    return max(len(workload.client_names) + len(workload.closed_loop) + len(np.unique(nameless)), 1)


class Happenings(NamedTuple):
    """Whom the machine tells of what happens on it; events return whether policies are to be asked."""

    executed: Callable[[Fired], bool]
    """A GPU's execution has ended, or a phase of it; `owner` is the GPU."""
    executed_preemptable: Callable[[Fired], bool]
    """The same on a GPU whose batches can be stopped."""
    executed_hosted: Callable[[Fired], bool]
    """The same on a GPU whose host does not know of it yet."""
    noticed: Callable[[HostedGpu, Sequence[tuple[int, float]]], bool]
    """Such a host has noticed that these batches, each with its time, have ended."""
    replied: Callable[[InFlight, float, float], None]
    """The outputs of a batch are on the host; the start and the end of their copy."""


class Machine:
    """GPUs with their slots, the links to them, what they remember, and the columns that all is entered in.

    Args:
        workload: What will arrive: decides which models there are, and whether links can be worked out ahead of time.
        profile: The hardware.
        policy: Whether it preempts, and what it wants to be woken for.
        cluster: GPUs, slots, device model, links.
        streams: For draws that belong to the machine.
        tell: Whom it tells.

    Raises:
        SpecError: the cluster asks for what the profile or the device model cannot do.
    """

    __slots__ = (
        "clock",
        "copies",
        "copies_out",
        "copy_engines",
        "gpus",
        "hardware",
        "host",
        "in_order",
        "links",
        "loaders",
        "memory",
        "model",
        "preemption",
        "prefetch",
        "recorder",
        "send_in",
        "service",
        "slots",
        "streams",
        "view",
    )

    def __init__(
        self,
        workload: Workload,
        profile: Profile,
        policy: Policy,
        cluster: Cluster,
        streams: Streams,
        tell: Happenings,
    ) -> None:
        models = models_of(workload)
        self.hardware = hardware = profile.for_hardware(models)
        self.streams = streams
        self._take_slots(workload, profile, policy, cluster)
        memories = [device_memory(cluster, hardware, models) for _ in range(cluster.gpus)]
        self.memory = memories[0]
        """Of any GPU; None if the weights of all models are always there."""
        host = hardware.truth.host
        self.host: Host | None = host if host is not None and host.adds else None
        """What the host's software adds; None: nothing."""
        self.preemption: Preemption | None = getattr(policy, "preemption", None)
        if self.preemption is not None:
            self._check_preemption(self.preemption)
        self.clock = Clock()
        links = self._lay_links(cluster)
        self.links = links if isinstance(links, PrivateLinks) else None
        """None: copies share links, or take no time."""
        wakes_on_reply = Wake.COPY_OUT_END in policy.wakes
        # Whether the ends of copy-outs must happen in time: somebody waits for them, or their links are shared.
        self.copies_out = wakes_on_reply or workload.waits_for_replies or (links is not None and self.links is None)
        if self.host is not None and self.host.collect_s:  # or begin later than the device alone would have it
            self.copies_out = True
        self.recorder = Recorder(
            len(workload), waits_for_replies=workload.waits_for_replies, gpus=cluster.gpus, outputs=self.copies_out
        )
        log = self.recorder.log
        resident = () if self.memory else profile.observable.models
        self.view = View(cluster.gpus, self.slots + self.prefetch, log, resident)
        log.notice_s = 0.0 if self.host is None else self.host.notice_s
        make_copies = Copies if self.host is None else partial(HostedCopies, self.host)
        self.copies = make_copies(
            self.clock,
            links,
            log,
            tell.replied,
            wakes_on_input=Wake.COPY_IN_END in policy.wakes,
            wakes_on_reply=wakes_on_reply,
        )
        self.send_in = (self.copies if self.host is None else Dispatcher(self.host, self.clock, self.copies)).copy_in
        self.gpus = [self._gpu(view, tell) for view in self.view.gpus]
        self.loaders = [
            Loader(gpu, memory, self.copies, self.recorder)
            for gpu, memory in zip(self.gpus, memories, strict=True)
            if memory is not None
        ]
        self.copies.attach(self.gpus, self.loaders, tell_rates=self.model.heeds_copies and links is not None)
        # Whether inputs get to a GPU in the order of dispatch, at a time that is known then. A batch without input
        # overtakes those that copy, one whose weights are there may overtake one whose are not.
        all_copy = bool(workload.bytes_in.all()) and all(client.bytes_in for client in workload.closed_loop)
        # What may be suspended meanwhile must not get a slot ahead of time, and where the host takes its time all is
        # an event.
        ahead = self.preemption is None and self.host is None and not self.loaders
        self.in_order = ahead and (links is None or (self.links is not None and all_copy))
        self.service = {
            name: [(latency_s, self.model.work(name, size)) for size, latency_s in enumerate(entry.latency_s)]
            for name, entry in hardware.models.items()
        }
        """By model and batch size: solo latency, and what a batch brings to the execution model."""

    def detach(self) -> None:
        """Forget everything that refers back to the run: its buffers would live until the next full collection."""
        for gpu in self.gpus:
            gpu.detach()
        self.copies.detach()
        del self.send_in
        self.loaders = []

    def _take_slots(self, workload: Workload, profile: Profile, policy: Policy, cluster: Cluster) -> None:
        slots, self.prefetch = cluster.max_concurrency, cluster.prefetch
        per_client = getattr(policy, "slot_per_client", False)
        if per_client:
            slots = client_streams(workload)
        self.model = execution_model(cluster.device_model or profile.default_device_model, self.hardware, slots)
        self.slots = min(slots, self.model.max_concurrency or slots)
        if per_client:  # where the device model has fewer slots, inputs still come as they like
            self.prefetch = slots - self.slots

    def _check_preemption(self, preemption: Preemption) -> None:
        check_preemption(preemption, self.model, self.hardware, self.memory)
        if self.host is not None:
            raise SpecError(
                f"profile {self.hardware.name!r} has overheads of the host (truth.host): "
                "with them no policy can preempt"
            )

    def _lay_links(self, cluster: Cluster) -> PrivateLinks | Fabric[Any] | None:
        transfers = self.hardware.truth.transfers or Transfers()
        self.copy_engines = transfers.engines if transfers.chunk_bytes is None else None
        if not cluster.transfers:
            return None
        tree = network(cluster, self.hardware.pcie, transfers)
        return host_links(tree, transfers, in_time=self.model.heeds_copies)

    def _gpu(self, view: GpuView, tell: Happenings) -> Gpu:
        if self.links is not None:
            engines = [self.links.engine(view.id, direction) for direction in Direction]
        else:  # no link, or one that all share: nothing, or what has no bytes, is copied at once
            engines = [CopyEngine(0.0, inf) for _ in Direction]
        executed = tell.executed if self.preemption is None else tell.executed_preemptable
        if self.host is not None:
            executed = tell.executed_hosted
        parts: tuple[Any, ...] = (
            view,
            self.model,
            self.slots,
            lambda gpu: Alarm(self.clock, Order.DEVICE, executed, gpu),
            self.recorder.log.execution_start_s,
            *engines,
        )
        if self.host is not None:
            return HostedGpu(*parts, host=self.host, clock=self.clock, told=tell.noticed)
        if self.preemption is None:
            return Gpu(*parts)
        return PreemptableGpu(
            *parts,
            model=cast("PreemptableModel", self.model),
            mechanism=self.preemption,
            kernels=partial(self._kernels, view),
            draw=partial(self._draw, view),
            recorder=self.recorder,
        )

    def _kernels(self, view: GpuView, batch_id: int) -> int:
        """Return how many kernels a batch has."""
        kernels = self.hardware.models[view._requests(batch_id)[0].model].kernels
        assert kernels is not None  # noqa: S101 (checked before the run)
        return kernels.count

    def _draw(self, view: GpuView, batch_id: int, stops: int) -> float:
        """Return the draw that belongs to a stop of a batch, whatever else is drawn."""
        lead = min([request.id for request in view._requests(batch_id)])
        return self.streams.uniform("preemption", str(lead), str(stops))
