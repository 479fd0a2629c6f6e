"""What the simulated server of one run is made of, worked out from profile, cluster, policy and workload.

Nothing here changes during the run; `stratsim.engine.machine` has what does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.device import PrivateLinks, device_memory, execution_model, host_links, network
from stratsim.engine.preemption import check_preemption
from stratsim.errors import SpecError
from stratsim.model.truth import Transfers
from stratsim.policy.base import Wake

if TYPE_CHECKING:
    from stratsim.device import DeviceMemory, ExecutionModel, Fabric
    from stratsim.model.cluster import Cluster
    from stratsim.model.preemption import Preemption
    from stratsim.model.profile import HardwareProfile, Profile
    from stratsim.model.truth import Decide, Host
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy

__all__ = ["Layout", "client_streams", "lay_out", "models_of"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of one server.

    Args:
        hardware: The profile, with the models that may be asked for.
        model: How batches on one GPU slow each other.
        slots: Batches that may execute at once on a GPU.
        prefetch: Further batches that may copy in or wait on it.
        memories: What each GPU remembers; None if the weights of all models are always there.
        resident: Models whose weights are on every GPU from the start.
        host: What the host's software adds; None: nothing.
        decide: How long the policy thinks; None: no time.
        preemption: How the policy stops what runs; None: it cannot.
        links: What copies run over; None if they take no time.
        copy_engines: Most copies at once in each direction on a GPU; 0: one in both together; None: they take turns.
        copies_out: Whether the ends of copy-outs are events: somebody waits for them, their links are shared, or they
            begin later than the device alone would have them.
        in_order: Whether inputs get to a GPU in the order of dispatch, at a time that is known then.
    """

    hardware: HardwareProfile
    model: ExecutionModel
    slots: int
    prefetch: int
    memories: tuple[DeviceMemory, ...] | None
    resident: tuple[str, ...]
    host: Host | None
    decide: Decide | None
    preemption: Preemption | None
    links: PrivateLinks | Fabric[Any] | None
    copy_engines: int | None
    copies_out: bool
    in_order: bool

    @property
    def places(self) -> int:
        """Batches that may be on a GPU at once."""
        return self.slots + self.prefetch

    @property
    def private_links(self) -> PrivateLinks | None:
        """Links that each GPU has to itself; None if copies share links, or take no time."""
        return self.links if isinstance(self.links, PrivateLinks) else None


def models_of(workload: Workload) -> set[str]:
    """Return the models that may be asked for."""
    used = {workload.models[code] for code in np.unique(workload.model).tolist()}
    return used | {client.model for client in workload.closed_loop}


def client_streams(workload: Workload) -> int:
    """Return how many streams there are if every client has one, and so has every model used by no client."""
    nameless = workload.model[workload.client < 0]
    return max(len(workload.client_names) + len(workload.closed_loop) + len(np.unique(nameless)), 1)


def lay_out(workload: Workload, profile: Profile, policy: Policy, cluster: Cluster, name: str = "") -> Layout:
    """Return the parts of a server.

    Args:
        workload: What will arrive: decides which models there are, and whether links can be worked out ahead of time.
        profile: The hardware.
        policy: Whether it preempts, and what it wants to be woken for.
        cluster: GPUs, slots, device model, links.
        name: What the policy is called, with or without parameters: how long it thinks is known by that.

    Raises:
        SpecError: the cluster asks for what the profile or the device model cannot do.
    """
    models = models_of(workload)
    hardware = profile.for_hardware(models)
    asked = cluster.max_concurrency
    per_client: bool = getattr(policy, "slot_per_client", False)
    if per_client:
        asked = client_streams(workload)
    model = execution_model(cluster.device_model or profile.default_device_model, hardware, asked)
    most = model.max_concurrency
    if most is not None and (type(most) is not int or most < 1):
        raise SpecError(f"device model {model.name!r}: max_concurrency must be None or at least 1, got {most!r}")
    slots = asked if most is None else min(asked, most)
    memories = _memories(cluster, hardware, models)
    host = hardware.truth.host if hardware.truth.host is not None and hardware.truth.host.adds else None
    preemption: Preemption | None = getattr(policy, "preemption", None)
    if preemption is not None:
        check_preemption(preemption, model, hardware, memories[0] if memories else None)
    transfers = hardware.truth.transfers or Transfers()
    links = None
    if cluster.transfers:
        links = host_links(network(cluster, hardware.pcie, transfers), transfers, in_time=model.heeds_copies)
    return Layout(
        hardware=hardware,
        model=model,
        slots=slots,
        # Where the device model has fewer slots than clients, inputs still come as they like.
        prefetch=asked - slots if per_client else cluster.prefetch,
        memories=memories,
        resident=() if memories else tuple(profile.observable.models),
        host=host,
        decide=None if host is None else host.decide_s.get(name.partition("(")[0]),
        preemption=preemption,
        links=links,
        copy_engines=transfers.engines if transfers.chunk_bytes is None else None,
        copies_out=_copies_out(workload, policy, links, host),
        # What may be suspended meanwhile must not get a slot ahead of time, a model's weights may be there or not, and
        # where the host takes its time all is an event.
        in_order=preemption is None and host is None and memories is None and _copies_in_order(workload, links),
    )


def _memories(cluster: Cluster, hardware: HardwareProfile, models: set[str]) -> tuple[DeviceMemory, ...] | None:
    """Return the memory of each GPU; None if the weights of all models are always there."""
    memories = [device_memory(cluster, hardware, models) for _ in range(cluster.gpus)]
    limited = [memory for memory in memories if memory is not None]
    return tuple(limited) or None


def _copies_out(
    workload: Workload, policy: Policy, links: PrivateLinks | Fabric[Any] | None, host: Host | None
) -> bool:
    """Whether the ends of copy-outs must be events."""
    awaited = Wake.COPY_OUT_END in policy.wakes or workload.waits_for_replies
    shared = links is not None and not isinstance(links, PrivateLinks)
    return awaited or shared or (host is not None and host.collect_s > 0)


def _copies_in_order(workload: Workload, links: PrivateLinks | Fabric[Any] | None) -> bool:
    """Whether the inputs of batches get to their GPU one after the other: one without input overtakes the others."""
    if isinstance(links, PrivateLinks):
        return bool(workload.bytes_in.all()) and all(client.bytes_in for client in workload.closed_loop)
    return links is None
