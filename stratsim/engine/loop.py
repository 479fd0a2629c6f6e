"""The event loop: moves requests, batches and copies through the simulated machine, and asks the policy what to do.

The life of a batch:

    dispatch -> copy-in (copy engine, FIFO) -> wait for an execution slot -> execute -> copy-out (copy engine, FIFO)

Which event makes which next:

    ARRIVAL              admit every request of this instant, arm the next arrival
    DEVICE (execution)   free the slot for the first batch that waits, submit the copy-out
    DEVICE (copy-in)     give the batch a free slot, or let it wait with its input on the GPU
    REPLY                tell clients that wait for it, and policies that ask for it
    TIMER                a policy's own wake-up

An event for the end of a copy is scheduled only if something depends on it (`stratsim.engine.copies`).
"""

from __future__ import annotations

import time
from functools import partial
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from stratsim.device import (
    CopyEngine,
    Direction,
    LogNormal,
    PreemptableModel,
    PrivateLinks,
    device_memory,
    execution_model,
    host_links,
    network,
)
from stratsim.engine import legality
from stratsim.engine.arrivals import ClosedLoopState, NoiseFactors, OneAtATimeState, open_loop
from stratsim.engine.clock import Alarm, Clock, Order
from stratsim.engine.copies import Copies
from stratsim.engine.gpu import Gpu
from stratsim.engine.host import Dispatcher, HostedCopies, HostedGpu
from stratsim.engine.preemption import PreemptableGpu, check_preemption
from stratsim.engine.recorder import Recorder
from stratsim.engine.result import Result
from stratsim.engine.tables import load_table, make_tables, pause_table
from stratsim.engine.weights import Loader
from stratsim.errors import OutsideProfileError, PolicyError, SimulationError, SpecError, suggest
from stratsim.model.cluster import Cluster
from stratsim.model.truth import Transfers
from stratsim.policy.base import Drop, DropMode, Resume, SetTimer, Setting, Start, Suspend, Wake
from stratsim.policy.view import GpuView, InFlight, View
from stratsim.rng import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from stratsim.device import Fabric, Noise
    from stratsim.engine.clock import Fired
    from stratsim.model.preemption import Preemption
    from stratsim.model.profile import Profile
    from stratsim.model.request import Priority, Request
    from stratsim.model.truth import Host
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Decision, Policy

    Sender = ClosedLoopState | OneAtATimeState

__all__ = ["client_streams", "simulate"]

_STUCK = 100_000
"""Decision rounds at one instant after which a run is declared stuck."""
_SILENT: float = Start._field_defaults["expected_s"]
"""What a policy that does not say what it expects has put into its decision: known by identity, the cheapest way."""
_NONE_LEFT: tuple[float, Any] = (inf, None)


def simulate(
    workload: Workload,
    profile: Profile,
    policy: Policy,
    *,
    cluster: Cluster | None = None,
    max_batch: int = 8,
    drop: DropMode = DropMode.INFEASIBLE,
    seed: int = 0,
    noise: Noise | None = None,
    factors: NDArray[np.float64] | None = None,
    name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Replay a workload through a policy until every request is answered, dropped or stuck.

    A pure function of its arguments: equal arguments give equal results, whatever ran before in this process.

    Args:
        workload: What arrives.
        profile: The hardware.
        policy: Its `prepare` is called; afterwards it may be used for another run.
        cluster: GPUs, slots, device model, links; one GPU by default.
        max_batch: Largest batch size that a policy without its own limit forms; larger than a model's largest measured
            one means that one.
        drop: When a policy without a rule of its own gives requests up.
        seed: Of all random streams.
        noise: Run-to-run variation of execution times; by default log-normal with the profile's `noise_cv`.
        factors: By request, what such noise comes to, where that has been drawn already: shape (n,).
        name: What to call the policy in results; its class's name by default.
        progress: Called now and then with (requests arrived, requests in all; 0 when not known).

    Raises:
        SpecError: an argument is out of range.
        OutsideProfileError: the workload asks for a model that the profile lacks.
        PolicyError: the policy failed, or took an illegal decision.
        SimulationError: time does not advance.
    """
    if max_batch < 1:
        raise SpecError(f"max_batch must be at least 1, got {max_batch}")
    _check_models(workload, profile)
    if factors is not None and (workload.waits_for_replies or factors.shape != (len(workload),)):
        raise SpecError("factors must be one per request, and nobody may wait for replies: requests are not known then")
    run = _Run(
        name or type(policy).__name__,
        workload,
        profile,
        policy,
        cluster or Cluster(),
        max_batch,
        drop,
        seed,
        noise,
        factors,
    )
    return run.go(progress)


def _check_models(workload: Workload, profile: Profile) -> None:
    known = profile.observable.models
    for model in sorted(_models(workload) - known.keys()):
        raise OutsideProfileError(f"profile {profile.name!r} has no model {model!r}; {suggest(model, known)}")


def _models(workload: Workload) -> set[str]:
    """Return the models that may be asked for."""
    used = {workload.models[code] for code in np.unique(workload.model).tolist()}
    return used | {client.model for client in workload.closed_loop}


def _latest(times_s: ArrayLike) -> float:
    """Return the largest of some times, 0 if there is none; NaN: has not happened."""
    return float(np.fmax.reduce(np.asarray(times_s), initial=0.0))


def client_streams(workload: Workload) -> int:
    """Return how many streams there are if every client has one, and so has every model used by no client."""
    nameless = workload.model[workload.client < 0]
    return max(len(workload.client_names) + len(workload.closed_loop) + len(np.unique(nameless)), 1)


class _Run:
    """One run's state. Nothing outlives it."""

    # Past 30 attributes CPython gives up its fast instance dicts; slots are fast however many there are.
    __slots__ = (
        "alone",
        "arrivals",
        "asked_by",
        "batch_of",
        "batches",
        "clients_wait",
        "clock",
        "closed",
        "copies",
        "copies_out",
        "copy_engines",
        "decide",
        "decided_s",
        "expected_s",
        "factors",
        "gpu_by_id",
        "gpus",
        "host",
        "in_order",
        "kernels",
        "largest",
        "links",
        "loaders",
        "log",
        "memory",
        "model",
        "name",
        "noise",
        "on_arrival",
        "one_at_a_time",
        "places",
        "policy",
        "preemption",
        "recorder",
        "requests",
        "rounds",
        "send_in",
        "service",
        "several_gpus",
        "slots",
        "solo_s",
        "streams",
        "suspended",
        "thinking",
        "timer_went_off",
        "upcoming",
        "view",
        "waiting",
        "wakes_on_arrival",
        "wakes_on_copy_in",
        "wakes_on_execution",
        "wakes_on_reply",
        "wakes_on_stop",
        "workload",
    )

    def __init__(
        self,
        name: str,
        workload: Workload,
        profile: Profile,
        policy: Policy,
        cluster: Cluster,
        max_batch: int,
        drop: DropMode,
        seed: int,
        noise: Noise | None,
        factors: NDArray[np.float64] | None,
    ) -> None:
        hardware = profile.for_hardware(_models(workload))
        streams = Streams(seed)
        self.workload = workload
        self.policy = policy
        self.name = name
        slots, prefetch = cluster.max_concurrency, cluster.prefetch
        slot_per_client = getattr(policy, "slot_per_client", False)
        if slot_per_client:
            slots, prefetch = client_streams(workload), 0
        self.model = execution_model(cluster.device_model or profile.default_device_model, hardware, slots)
        self.slots = min(slots, self.model.max_concurrency or slots)
        self.preemption: Preemption | None = getattr(policy, "preemption", None)
        self.suspended = 0
        """Batches that are suspended, on all GPUs."""
        self.streams = streams
        if slot_per_client:
            prefetch = slots - self.slots  # where the device model has fewer slots, inputs still come as they like
        self.clock = Clock()
        self.noise = NoiseFactors(workload, noise or LogNormal(hardware.noise_cv), streams, factors)
        self.factors = self.noise.factors
        memories = [device_memory(cluster, hardware, _models(workload)) for _ in range(cluster.gpus)]
        self.memory = memories[0]
        """Of any GPU; None if the weights of all models are always there."""
        host = hardware.truth.host
        self.host: Host | None = host if host is not None and host.adds else None
        """What the host's software adds; None: nothing."""
        if self.preemption is not None:
            check_preemption(self.preemption, self.model, hardware, self.memory)
            if self.host is not None:
                raise SpecError(
                    f"profile {hardware.name!r} has overheads of the host (truth.host): with them no policy can preempt"
                )
        self.wakes_on_copy_in = Wake.COPY_IN_END in policy.wakes
        self.wakes_on_reply = Wake.COPY_OUT_END in policy.wakes
        self.wakes_on_stop = Wake.STOP in policy.wakes
        transfers = hardware.truth.transfers or Transfers()
        self.copy_engines = transfers.engines if transfers.chunk_bytes is None else None
        links: PrivateLinks | Fabric[Any] | None = None
        if cluster.transfers:
            tree = network(cluster, hardware.pcie, transfers)
            links = host_links(tree, transfers, in_time=self.model.heeds_copies)
        self.links = links if isinstance(links, PrivateLinks) else None
        self.clients_wait = workload.waits_for_replies
        # Whether the ends of copy-outs must happen in time: somebody waits for them, or their links are shared.
        self.copies_out = self.wakes_on_reply or self.clients_wait or (links is not None and self.links is None)
        if self.host is not None and self.host.collect_s:  # or begin later than the device alone would have it
            self.copies_out = True
        self.recorder = Recorder(
            len(workload), waits_for_replies=self.clients_wait, gpus=cluster.gpus, outputs=self.copies_out
        )
        self.log = self.recorder.log
        self.solo_s, self.expected_s = self.recorder.solo_s, self.recorder.expected_s
        resident = () if self.memory else profile.observable.models
        self.view = View(cluster.gpus, self.slots + prefetch, self.log, resident)
        self.log.notice_s = 0.0 if self.host is None else self.host.notice_s
        make_copies = Copies if self.host is None else partial(HostedCopies, self.host)
        self.copies = make_copies(
            self.clock,
            links,
            self.log,
            self._finish,
            wakes_on_input=self.wakes_on_copy_in,
            wakes_on_reply=self.wakes_on_reply,
        )
        self.send_in = (self.copies if self.host is None else Dispatcher(self.host, self.clock, self.copies)).copy_in
        self.gpus = [self._gpu(view) for view in self.view.gpus]
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
        # By model and batch size: solo latency, and what a batch brings to the execution model.
        self.service = {
            name: [(latency_s, self.model.work(name, size)) for size, latency_s in enumerate(entry.latency_s)]
            for name, entry in hardware.models.items()
        }
        self.kernels = {name: entry.kernels for name, entry in hardware.models.items()}
        self.largest = {name: len(sizes) - 1 for name, sizes in self.service.items()}
        self.alone = {name: sizes[1] for name, sizes in self.service.items()}
        self.gpu_by_id = {gpu.view.id: gpu for gpu in self.gpus}
        self.places = self.slots + prefetch
        self.several_gpus = cluster.gpus > 1
        self.batch_of = self.recorder.batch_of
        self.waiting = self.view._waiting
        self.batches = 0
        self.timer_went_off = False
        self.rounds = 0
        self.decided_s = -inf
        self.closed = [ClosedLoopState(spec) for spec in workload.closed_loop]
        self.one_at_a_time = {spec.id: OneAtATimeState(spec) for spec in workload.one_at_a_time}
        self.asked_by: dict[int, Sender] = {}
        self.thinking = 0
        """Clients whose next request is scheduled."""
        self.on_arrival = policy.on_arrival
        self.decide = policy.decide
        self.upcoming: Request
        """The next to arrive; None at infinity."""
        self.arrivals = 0
        self.wakes_on_arrival = Wake.ARRIVAL in policy.wakes
        self.wakes_on_execution = Wake.EXECUTION_END in policy.wakes
        setting = Setting(
            profile=profile.for_scheduler(cluster.solo_links(profile.observable.pcie)),
            gpus=cluster.gpus,
            max_concurrency=self.slots,
            prefetch=prefetch,
            max_batch=max_batch,
            drop=drop,
            streams=streams.child("policy"),
            memory_bytes=self.memory.capacity_bytes if self.memory else None,
        )
        self._guarded(policy.prepare, setting)

    def go(self, progress: Callable[[int, int], None] | None) -> Result:
        """Run until no event is left."""
        began = time.perf_counter()
        self.requests = open_loop(self.workload, progress)
        first_s, self.upcoming = next(self.requests, _NONE_LEFT)
        for client in self.closed:
            self._schedule_client(client, client.first_s)
        self.clock.run_merged(
            first_s,
            self._on_due if self.clients_wait else self._on_arrivals,
            self._at_instant_end,
            # What is held back must not be heard of, so that arrivals beside it announce themselves.
            announce_arrivals=self.wakes_on_arrival and not self.one_at_a_time,
        )
        if self.suspended:
            raise self._illegal(f"left {self.suspended} batches suspended for ever", None)
        events = self.clock.scheduled + len(self.workload)
        del self.factors, self.noise  # room for the tables
        requests, batches, clients = make_tables(self.recorder, self.workload, self.batches, self.links)
        last_s = [_latest(times) for times in (requests.arrival_s, requests.finish_s, requests.dropped_s)]
        result = Result(
            policy=self.name,
            requests=requests,
            batches=batches,
            models=self.workload.models,
            clients=clients,
            reasons=tuple(self.recorder.reasons),
            gpus=len(self.gpus),
            max_concurrency=self.slots,
            copy_engines=self.copy_engines,
            loads=load_table(self.recorder, batches, self.memory, self.workload.models) if self.memory else None,
            pauses=pause_table(self.recorder) if self.preemption is not None else None,
            events=events,
            start_s=float(requests.arrival_s[0]) if len(requests) else 0.0,
            end_s=max(last_s),
            wall_s=time.perf_counter() - began,
            notes=self._notes(),
        )
        # Alarms refer to this object, and it to them. Left so, its buffers would live until the next full collection.
        for gpu in self.gpus:
            gpu.detach()
        self.copies.detach()
        del self.send_in
        self.loaders = []
        return result

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.waiting:
            notes.append(f"policy {self.name!r} left {len(self.waiting)} requests waiting for ever: unfinished")
        given_up = [f"{client.id} {client.given_up}" for client in self.one_at_a_time.values() if client.given_up]
        if given_up:
            notes.append(
                f"policy {self.name!r}: clients gave up requests that their next, or their end, overtook: "
                + ", ".join(given_up)
            )
        return tuple(notes)

    # Set-up ----------------------------------------------------------------------------------------------------------

    def _gpu(self, view: GpuView) -> Gpu:
        if self.links is not None:
            engines = [self.links.engine(view.id, direction) for direction in Direction]
        else:  # no link, or one that all share: nothing, or what has no bytes, is copied at once
            engines = [CopyEngine(0.0, inf) for _ in Direction]
        on_alarm = self._on_execution if self.preemption is None else self._on_preemptable
        if self.host is not None:
            on_alarm = self._on_hosted
        parts: tuple[Any, ...] = (
            view,
            self.model,
            self.slots,
            lambda gpu: self._alarm(Order.DEVICE, on_alarm, gpu),
            self.log.execution_start_s,
            *engines,
        )
        if self.host is not None:
            return HostedGpu(*parts, host=self.host, clock=self.clock, told=self._told)
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
        kernels = self.kernels[view._requests(batch_id)[0].model]
        assert kernels is not None  # noqa: S101 (checked before the run)
        return kernels.count

    def _draw(self, view: GpuView, batch_id: int, stops: int) -> float:
        """Return the draw that belongs to a stop of a batch, whatever else is drawn."""
        lead = min([request.id for request in view._requests(batch_id)])
        return self.streams.uniform("preemption", str(lead), str(stops))

    def _alarm(self, order: Order, callback: Callable[[Fired], bool], owner: Any = None) -> Alarm:
        return Alarm(self.clock, order, callback, owner)

    # Arrivals --------------------------------------------------------------------------------------------------------

    def _on_arrivals(self, now_s: float) -> float:
        """Admit the requests that the trace has for this instant; return when the next is due."""
        self.log.now_s = now_s
        at_s, request = now_s, self.upcoming
        while at_s <= now_s:
            self.waiting[request.id] = request
            try:
                self.on_arrival(request, self.view)
            except Exception as error:
                raise self._blame(error) from error
            at_s, request = next(self.requests, _NONE_LEFT)
        self.upcoming = request
        return at_s

    def _on_due(self, now_s: float) -> float:
        """Do what `_on_arrivals` does in a run in which clients wait for replies: not all that is due is sent."""
        self.log.now_s = now_s
        before = self.arrivals
        at_s, request = now_s, self.upcoming
        while at_s <= now_s:
            client = self.one_at_a_time.get(request.client) if request.client is not None else None
            if client is None or client.due(request):
                self._admit(request._replace(id=self.arrivals), client)
            at_s, request = next(self.requests, _NONE_LEFT)
        self.upcoming = request
        if self.one_at_a_time and self.wakes_on_arrival and self.arrivals > before:
            self._alarm(Order.CLIENT, self._on_input).arm(now_s)
        return at_s

    def _admit(self, request: Request, client: Sender | None) -> None:
        """Admit a request that was not known before the run; ids follow the order of arrival."""
        if client is not None:
            self.asked_by[request.id] = client
        self.arrivals += 1
        self.recorder.arrive(request)
        self.noise.arrived(request)
        self.waiting[request.id] = request
        self._guarded(self.on_arrival, request, self.view)

    def _schedule_client(self, client: Sender, at_s: float) -> None:
        if at_s < inf:
            self.thinking += 1
            self._alarm(Order.CLIENT, self._on_client, client).arm(at_s)

    def _on_client(self, event: Fired) -> bool:
        client: Sender = event.owner
        self.thinking -= 1
        self.log.now_s = now_s = self.clock._now
        self._admit(client.send(self.arrivals, now_s), client)
        return self.wakes_on_arrival

    def _reply(self, request: Request) -> None:
        """Tell the client that waits for the reply to `request`, if one does."""
        client = self.asked_by.pop(request.id, None)
        if client is not None:
            self._schedule_client(client, client.replied(self.clock._now))

    # Decisions -------------------------------------------------------------------------------------------------------

    def _at_instant_end(self, now_s: float) -> None:
        """Something changed: ask for decisions. If nothing waits there is nothing to decide, but on what runs."""
        if self.timer_went_off:
            self.timer_went_off = False
        elif not self.waiting and self.preemption is None:
            return
        self.log.now_s = now_s
        if self.decided_s == now_s:
            self._count_round(now_s)
        else:
            self.decided_s = now_s
            self.rounds = 0
        try:
            decisions = self.decide(self.view)
            if decisions is None:
                raise self._illegal(legality.NOTHING_YIELDED, None)
            for decision in decisions:
                if type(decision) is Start:
                    self._start(decision, now_s)
                else:
                    self._apply(decision, now_s)
        except Exception as error:
            raise self._blame(error) from error

    def _count_round(self, now_s: float) -> None:
        self.rounds += 1
        if self.rounds > _STUCK:
            raise SimulationError(f"no progress at t={now_s:.9g} s: policy {self.name!r} was asked again and again")

    def _apply(self, decision: Decision, now_s: float) -> None:
        match decision:
            case Drop():
                self._drop(decision, now_s)
            case SetTimer():
                if not (isfinite(decision.at_s) and decision.at_s > now_s):
                    raise self._illegal(legality.IN_THE_PAST, decision)
                if not self._over():
                    self._alarm(Order.TIMER, self._on_timer).arm(decision.at_s)
            case Suspend():
                self._suspend(decision, now_s)
            case Resume():
                self._resume(decision, now_s)
            case _:
                raise self._illegal(legality.NOT_A_DECISION, decision)

    def _suspend(self, decision: Suspend, now_s: float) -> None:
        gpu = self._preemptable(decision)
        if decision.batch.id not in gpu.view._batches:
            raise self._illegal(f"batch {decision.batch.id} is not executing or staged", decision)
        gpu.suspend(decision.batch.id, now_s)
        self._count_suspended(gpu, +1)

    def _resume(self, decision: Resume, now_s: float) -> None:
        gpu = self._preemptable(decision)
        if decision.batch.id not in gpu.view._suspended:
            raise self._illegal(f"batch {decision.batch.id} is not suspended", decision)
        if gpu.view.free_places < 1:
            raise self._illegal(f"GPU {gpu.view.id} has no free place", decision)
        gpu.resume(decision.batch.id, now_s)
        self._count_suspended(gpu, -1)

    def _preemptable(self, decision: Suspend | Resume) -> PreemptableGpu:
        if not isinstance(decision.batch, InFlight):
            raise self._illegal(f"{type(decision).__name__} takes a batch that is in flight", decision)
        gpu = self.gpus[decision.batch.gpu]
        if not isinstance(gpu, PreemptableGpu):
            raise self._illegal("a policy without an attribute `preemption` cannot preempt", decision)
        return gpu

    def _count_suspended(self, gpu: PreemptableGpu, change: int) -> None:
        self.suspended += change
        if self.several_gpus:
            self.view._changed(gpu.view)

    def _over(self) -> bool:
        """Whether nothing is left that a policy could decide on: its timers alone must not keep the run alive."""
        if self.waiting or self.upcoming is not None or self.asked_by or self.thinking or self.suspended:
            return False
        return not any(gpu.view._batches for gpu in self.gpus)

    def _start(self, decision: Start, now_s: float) -> None:
        requests, gpu_id, expected_s = decision
        gpu = self.gpu_by_id.get(gpu_id)
        if gpu is None or not requests or len(batches := gpu.view._batches) >= self.places:
            raise self._illegal_start(decision)
        batch_id = self.batches
        self.batches = batch_id + 1
        if len(requests) == 1:  # the usual case at low load
            request = requests[0]
            lead, model, level, _, _, size_bytes, _, _ = request
            if self.waiting.pop(lead, None) is not request:
                raise self._illegal_member(request, decision)
            self.batch_of[lead] = batch_id
            latency_s, work = self.alone[model]
        else:
            lead, latency_s, work, size_bytes, level = self._gather(decision, batch_id)
        solo_s = latency_s * self.factors[lead]
        batches[batch_id] = requests
        log = self.log
        try:
            log.dispatch_s[batch_id] = now_s
        except IndexError:
            self.recorder.grow()
            log.dispatch_s[batch_id] = now_s
        self.solo_s[batch_id] = solo_s
        if expected_s is not _SILENT:
            if not self.expected_s:
                self.recorder.expect()
            self.expected_s[batch_id] = expected_s
        if self.several_gpus:
            self.recorder.gpu[batch_id] = gpu_id
            self.view._changed(gpu.view)
        if self.in_order:
            start_s, end_s = gpu.copy_in.submit(now_s, size_bytes)
            log.copy_in_start_s[batch_id] = start_s
            log.copy_in_end_s[batch_id] = end_s
            gpu.ready(end_s, batch_id, solo_s, work, level)
            if self.wakes_on_copy_in:
                self._alarm(Order.DEVICE, self._on_input).arm(end_s)
        else:
            self.send_in(gpu, (batch_id, solo_s, work, level), requests[0].model, size_bytes, now_s)

    def _gather(self, decision: Start, batch_id: int) -> tuple[int, float, Any, int, Priority]:
        """Take several requests out of the queue; return the first one's id, their latency, work, bytes and level."""
        requests = decision.requests
        if not legality.are_requests(requests):
            raise self._illegal(legality.BARE_REQUEST, decision)
        model = requests[0].model
        if len(requests) > self.largest[model]:
            raise self._illegal_start(decision)
        for request in requests:
            if self.waiting.pop(request.id, None) is not request or request.model != model:
                raise self._illegal_member(request, decision)
            self.batch_of[request.id] = batch_id
        latency_s, work = self.service[model][len(requests)]
        lead = min([request.id for request in requests])
        level = min([request.priority for request in requests])
        return lead, latency_s, work, sum([request.bytes_in for request in requests]), level

    def _drop(self, decision: Drop, now_s: float) -> None:
        request = decision.request
        if self.waiting.pop(request.id, None) is not request:
            raise self._illegal(legality.not_waiting(request), decision)
        self.recorder.drop(request, now_s, decision.reason)
        if self.clients_wait:
            self._reply(request)

    def _on_timer(self, _event: Fired) -> bool:
        self.timer_went_off = True
        return True

    # Ends ------------------------------------------------------------------------------------------------------------

    def _on_input(self, _event: Fired) -> bool:
        return True

    def _finish(self, batch: InFlight, start_s: float, now_s: float) -> None:
        """A batch's outputs are on the host since `now_s`, and the host knows it now."""
        self.log.copy_out_start_s[batch.id] = start_s
        self.log.copy_out_end_s[batch.id] = now_s
        if self.clients_wait:
            for request in batch.requests:
                self._reply(request)
        if self.wakes_on_reply:
            self.log.now_s = self.clock._now  # later than the copy's end where the host takes its time to notice
            self._guarded(self.policy.on_done, batch, self.view)

    def _on_execution(self, event: Fired) -> bool:
        gpu: Gpu = event.owner
        view = gpu.view
        now_s = self.clock._now
        ended = gpu.complete(now_s)
        if not ended:  # a phase: nothing that anybody could see
            return False
        for execution in ended:
            batch_id = execution.key
            self.log.execution_end_s[batch_id] = now_s
            if self.copies_out:
                self.copies.copy_out(gpu, view._batch(batch_id), now_s)
            if self.loaders:
                self.loaders[view.id].executed(view._batches[batch_id][0].model, now_s)
            del view._batches[batch_id]
            if view._made:
                view._made.pop(batch_id, None)
            if self.several_gpus:
                self.view._changed(view)
        # Requests that arrive at this very instant announce themselves, if the policy wakes on arrivals.
        return self.wakes_on_execution and (len(self.waiting) > 0 or not self.wakes_on_arrival)

    def _on_hosted(self, event: Fired) -> bool:
        """Do the device's part of `_on_execution`: the host does not know yet that something has ended."""
        gpu: HostedGpu = event.owner
        now_s = self.clock._now
        for execution in gpu.complete(now_s):
            if self.copies_out:
                self.copies.copy_out(gpu, gpu.view._batch(execution.key), now_s)
        return False

    def _told(self, gpu: HostedGpu, ended: Sequence[tuple[int, float]]) -> bool:
        """Do the rest of it: the host has noticed that these batches, each with its time, have ended."""
        view = gpu.view
        for batch_id, end_s in ended:
            self.log.execution_end_s[batch_id] = end_s
            if self.loaders:
                self.loaders[view.id].executed(view._batches[batch_id][0].model, self.clock._now)
            del view._batches[batch_id]
            view._made.pop(batch_id, None)
            if self.several_gpus:
                self.view._changed(view)
        return self.wakes_on_execution and (len(self.waiting) > 0 or not self.wakes_on_arrival)

    def _on_preemptable(self, event: Fired) -> bool:
        """Do what `_on_execution` does on a GPU whose batches can be stopped."""
        gpu: PreemptableGpu = event.owner
        before = len(gpu.view._suspended)
        self._on_execution(event)
        self.suspended += len(gpu.view._suspended) - before  # one may have ended before it had stopped
        stopped, gpu.announce = gpu.announce, False
        return (self.wakes_on_execution and gpu.ended) or (self.wakes_on_stop and stopped)

    # Errors ----------------------------------------------------------------------------------------------------------

    def _guarded(self, call: Callable[..., object], *args: object) -> None:
        try:
            call(*args)
        except Exception as error:
            raise self._blame(error) from error

    def _blame(self, error: Exception) -> Exception:
        """Return what to raise for an exception out of a policy: it names the policy, the time and the place."""
        return legality.blame(error, self.name, self.clock._now)

    def _illegal_start(self, decision: Start) -> PolicyError:
        return self._illegal(legality.start_fault(decision, self.view.gpus, self.largest), decision)

    def _illegal_member(self, request: Request, decision: Start) -> PolicyError:
        return self._illegal(legality.member_fault(request, decision), decision)

    def _illegal(self, message: str, decision: object) -> PolicyError:
        return PolicyError(message, policy=self.name, time_s=float(self.clock._now), decision=decision)
