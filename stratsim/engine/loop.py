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
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.device import LogNormal
from stratsim.engine import legality
from stratsim.engine.arrivals import NoiseFactors, open_loop
from stratsim.engine.clients import Clients
from stratsim.engine.clock import Alarm, Order
from stratsim.engine.machine import Happenings, Machine
from stratsim.engine.preemption import PreemptableGpu
from stratsim.engine.result import Result
from stratsim.engine.tables import load_table, make_tables, pause_table
from stratsim.errors import PolicyError, SimulationError
from stratsim.policy.base import Drop, DropMode, Resume, SetTimer, Setting, Start, Suspend, Wake
from stratsim.policy.view import InFlight
from stratsim.rng import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from stratsim.device import Noise
    from stratsim.engine.arrivals import Sender
    from stratsim.engine.clock import Fired
    from stratsim.engine.gpu import Gpu
    from stratsim.engine.host import HostedGpu
    from stratsim.model.cluster import Cluster
    from stratsim.model.profile import Profile
    from stratsim.model.request import Priority, Request
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Decision, Policy

__all__ = ["Run"]

_STUCK = 100_000
"""Decision rounds at one instant after which a run is declared stuck."""
_SILENT: float = Start._field_defaults["expected_s"]
"""What a policy that does not say what it expects has put into its decision: known by identity, the cheapest way."""
_NONE_LEFT: tuple[float, Any] = (inf, None)


def _latest(times_s: ArrayLike) -> float:
    """Return the largest of some times, 0 if there is none; NaN: has not happened."""
    return float(np.fmax.reduce(np.asarray(times_s), initial=0.0))


class Run:
    """One run's state, on a `Machine`. Nothing outlives it.

    Args:
        name: What to call the policy.
        others: As for `stratsim.engine.simulate`.
    """

    # Past 30 attributes CPython gives up its fast instance dicts; slots are fast however many there are.
    __slots__ = (
        "alone",
        "arrivals",
        "batch_of",
        "batches",
        "clients",
        "clock",
        "copies",
        "copies_out",
        "decide",
        "decided_s",
        "expected_s",
        "factors",
        "gpu_by_id",
        "gpus",
        "in_order",
        "largest",
        "loaders",
        "log",
        "machine",
        "name",
        "noise",
        "on_arrival",
        "places",
        "policy",
        "recorder",
        "requests",
        "rounds",
        "send_in",
        "service",
        "several_gpus",
        "solo_s",
        "suspended",
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
        self.name = name
        self.workload = workload
        self.policy = policy
        streams = Streams(seed)
        told = Happenings(self._on_execution, self._on_preemptable, self._on_hosted, self._told, self._finish)
        self.machine = machine = Machine(workload, profile, policy, cluster, streams, told)
        self.noise = NoiseFactors(workload, noise or LogNormal(machine.hardware.noise_cv), streams, factors)
        self.clients = Clients(workload, machine.clock, self._send) if workload.waits_for_replies else None
        self.on_arrival = policy.on_arrival
        self.decide = policy.decide
        self.wakes_on_arrival = Wake.ARRIVAL in policy.wakes
        self.wakes_on_copy_in = Wake.COPY_IN_END in policy.wakes
        self.wakes_on_execution = Wake.EXECUTION_END in policy.wakes
        self.wakes_on_reply = Wake.COPY_OUT_END in policy.wakes
        self.wakes_on_stop = Wake.STOP in policy.wakes
        # What events need is here as well: one step less to it, each time.
        self.clock, self.view, self.recorder = machine.clock, machine.view, machine.recorder
        self.gpus, self.loaders, self.copies = machine.gpus, machine.loaders, machine.copies
        self.copies_out, self.send_in, self.in_order = machine.copies_out, machine.send_in, machine.in_order
        self.gpu_by_id = {gpu.view.id: gpu for gpu in self.gpus}
        self.several_gpus = cluster.gpus > 1
        self.places = machine.slots + machine.prefetch
        self.service = machine.service
        self.largest = {name: len(sizes) - 1 for name, sizes in self.service.items()}
        self.alone = {name: sizes[1] for name, sizes in self.service.items()}
        self.factors = self.noise.factors
        self.log = self.recorder.log
        self.batch_of = self.recorder.batch_of
        self.solo_s, self.expected_s = self.recorder.solo_s, self.recorder.expected_s
        self.waiting = self.view._waiting
        self.upcoming: Request
        """The next to arrive; None at infinity."""
        self.arrivals = 0
        """Requests that have arrived, where that is not known before."""
        self.batches = 0
        self.suspended = 0
        """Batches that are suspended, on all GPUs."""
        self.timer_went_off = False
        self.rounds = 0
        self.decided_s = -inf
        setting = Setting(
            profile=profile.for_scheduler(cluster.solo_links(profile.observable.pcie)),
            gpus=cluster.gpus,
            max_concurrency=machine.slots,
            prefetch=machine.prefetch,
            max_batch=max_batch,
            drop=drop,
            streams=streams.child("policy"),
            memory_bytes=machine.memory.capacity_bytes if machine.memory else None,
        )
        self._guarded(policy.prepare, setting)

    def go(self, progress: Callable[[int, int], None] | None) -> Result:
        """Run until no event is left."""
        began = time.perf_counter()
        self.requests = open_loop(self.workload, progress)
        first_s, self.upcoming = next(self.requests, _NONE_LEFT)
        if self.clients is not None:
            self.clients.start()
        self.clock.run_merged(
            first_s,
            self._on_arrivals if self.clients is None else self._on_due,
            self._at_instant_end,
            # What is held back must not be heard of, so that arrivals beside it announce themselves.
            announce_arrivals=self.wakes_on_arrival and not (self.clients and self.clients.one_at_a_time),
        )
        if self.suspended:
            raise self._illegal(f"left {self.suspended} batches suspended for ever", None)
        machine, events = self.machine, self.clock.scheduled + len(self.workload)
        del self.factors, self.noise  # room for the tables
        requests, batches, clients = make_tables(self.recorder, self.workload, self.batches, machine.links)
        last_s = [_latest(times) for times in (requests.arrival_s, requests.finish_s, requests.dropped_s)]
        result = Result(
            policy=self.name,
            requests=requests,
            batches=batches,
            models=self.workload.models,
            clients=clients,
            reasons=tuple(self.recorder.reasons),
            gpus=len(self.gpus),
            max_concurrency=machine.slots,
            copy_engines=machine.copy_engines,
            loads=load_table(self.recorder, batches, machine.memory, self.workload.models) if machine.memory else None,
            pauses=pause_table(self.recorder) if machine.preemption is not None else None,
            events=events,
            start_s=float(requests.arrival_s[0]) if len(requests) else 0.0,
            end_s=max(last_s),
            wall_s=time.perf_counter() - began,
            notes=self._notes(),
        )
        machine.detach()
        del self.send_in
        self.loaders, self.clients = [], None
        return result

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.waiting:
            notes.append(f"policy {self.name!r} left {len(self.waiting)} requests waiting for ever: unfinished")
        given_up = self.clients.given_up if self.clients is not None else []
        if given_up:
            notes.append(
                f"policy {self.name!r}: clients gave up requests that their next, or their end, overtook: "
                + ", ".join(given_up)
            )
        return tuple(notes)

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
        clients, before = self.clients, self.arrivals
        assert clients is not None  # noqa: S101 (nobody else calls this)
        at_s, request = now_s, self.upcoming
        while at_s <= now_s:
            client = clients.one_at_a_time.get(request.client) if request.client is not None else None
            if client is None or client.due(request):
                self._admit(request._replace(id=self.arrivals), client)
            at_s, request = next(self.requests, _NONE_LEFT)
        self.upcoming = request
        if clients.one_at_a_time and self.wakes_on_arrival and self.arrivals > before:
            self._alarm(Order.CLIENT, self._on_input).arm(now_s)
        return at_s

    def _admit(self, request: Request, client: Sender | None) -> None:
        """Admit a request that was not known before the run; ids follow the order of arrival."""
        if client is not None and self.clients is not None:
            self.clients.asked_by[request.id] = client
        self.arrivals += 1
        self.recorder.arrive(request)
        self.noise.arrived(request)
        self.waiting[request.id] = request
        self._guarded(self.on_arrival, request, self.view)

    def _send(self, client: Sender) -> bool:
        """Admit what a client sends now."""
        self.log.now_s = now_s = self.clock._now
        self._admit(client.send(self.arrivals, now_s), client)
        return self.wakes_on_arrival

    # Decisions -------------------------------------------------------------------------------------------------------

    def _at_instant_end(self, now_s: float) -> None:
        """Something changed: ask for decisions. If nothing waits there is nothing to decide, but on what runs."""
        if self.timer_went_off:
            self.timer_went_off = False
        elif not self.waiting and self.machine.preemption is None:
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
        if self.waiting or self.upcoming is not None or self.suspended or (self.clients and self.clients.active):
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
        if self.clients is not None:
            self.clients.reply(request)

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
        if self.clients is not None:
            for request in batch.requests:
                self.clients.reply(request)
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
