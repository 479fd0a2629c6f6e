"""What a policy decides, and what becomes of it: it is asked once per instant, each decision takes effect at once."""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING

from stratsim.engine import legality
from stratsim.engine.batch import Batch
from stratsim.engine.clock import Alarm, Order, announce
from stratsim.engine.preemption import PreemptableGpu
from stratsim.errors import PolicyError, SimulationError
from stratsim.policy.base import Drop, Resume, SetTimer, Start, Suspend, Wake
from stratsim.policy.view import InFlight

if TYPE_CHECKING:
    from array import array

    from stratsim.engine.admission import Admission
    from stratsim.engine.clock import Fired
    from stratsim.engine.machine import Machine
    from stratsim.model.request import Request
    from stratsim.policy.base import Decision, Policy

__all__ = ["Decisions"]

_STUCK = 100_000
"""Decision rounds at one instant after which a run is declared stuck."""


class Decisions:
    """Asks a policy, checks that what it wants is legal, and has the machine do it.

    Args:
        name: What to call the policy.
        policy: Is asked.
        machine: Where batches are started.
        admission: Is notified of requests that are dropped, and knows whether more are to come.
        factors: Run-to-run variation: what the solo time of a batch is multiplied by, by the id of its first request.

    Attributes:
        batches: Number of batches started.
    """

    # Past 30 attributes CPython gives up its fast instance dicts; slots are fast however many there are.
    __slots__ = (
        "_admission",
        "_alone",
        "_batch_of",
        "_clock",
        "_decide",
        "_expected_s",
        "_factors",
        "_gpu_by_id",
        "_gpus",
        "_in_order",
        "_instant_s",
        "_largest",
        "_log",
        "_name",
        "_places",
        "_preempts",
        "_recorder",
        "_rounds",
        "_send_in",
        "_service",
        "_several_gpus",
        "_solo_s",
        "_state",
        "_timer_went_off",
        "_view",
        "_waiting",
        "_wakes_on_copy_in",
        "batches",
    )

    def __init__(
        self, name: str, policy: Policy, machine: Machine, admission: Admission, factors: array[float]
    ) -> None:
        self._name = name
        self._decide = policy.decide
        self._wakes_on_copy_in = Wake.COPY_IN_END in policy.wakes
        self._admission = admission
        self._factors = factors
        # What a start needs of the machine is here as well: `Run` says what that is worth.
        layout = machine.layout
        self._clock, self._view, self._recorder = machine.clock, machine.view, machine.recorder
        self._state, self._gpus = machine.state, machine.gpus
        self._send_in, self._in_order = machine.send_in, layout.in_order
        self._gpu_by_id = {gpu.state.id: gpu for gpu in self._gpus}
        self._several_gpus = len(self._gpus) > 1
        self._preempts = layout.preemption is not None
        self._places = layout.places
        self._service = machine.service
        self._largest = {model: len(sizes) - 1 for model, sizes in self._service.items()}
        self._alone = {model: sizes[1] for model, sizes in self._service.items()}
        self._waiting = self._state.waiting
        self._log = self._recorder.log
        self._batch_of = self._recorder.batch_of
        self._solo_s, self._expected_s = self._recorder.solo_s, self._recorder.expected_s
        self.batches = 0
        self._timer_went_off = False
        self._rounds = 0
        self._instant_s = -inf
        """The end of the instant of the latest decisions."""

    def ask(self, now_s: float) -> None:
        """Something changed: ask for decisions. If nothing waits there is nothing to decide, but on what runs."""
        if self._timer_went_off:
            self._timer_went_off = False
        elif not self._waiting and not self._preempts:
            return
        until_s = self._clock.until_s
        self._log.now_s, self._log.resolution_s = now_s, until_s - now_s
        if self._instant_s == until_s:
            self._count_round(now_s)
        else:
            self._instant_s = until_s
            self._rounds = 0
        try:
            decisions = self._decide(self._view)
            if decisions is None:
                raise self._illegal(legality.NOTHING_YIELDED, None)
            for decision in decisions:
                if type(decision) is Start:
                    self._start(decision, now_s)
                else:
                    self._apply(decision, now_s)
        except Exception as error:
            raise legality.blame(error, self._name, now_s) from error

    def _count_round(self, now_s: float) -> None:
        self._rounds += 1
        if self._rounds > _STUCK:
            spinning = self._admission.busiest or f"policy {self._name!r} was asked again and again"
            raise SimulationError(f"no progress at t={now_s:.9g} s: {spinning}")

    def _apply(self, decision: Decision, now_s: float) -> None:
        match decision:
            case Drop():
                self._drop(decision, now_s)
            case SetTimer():
                if not (isfinite(decision.at_s) and decision.at_s > now_s):
                    raise self._illegal(legality.IN_THE_PAST, decision)
                if not self._over():
                    Alarm(self._clock, Order.TIMER, self._on_timer).arm(decision.at_s)
            case Suspend():
                self._suspend(decision, now_s)
            case Resume():
                self._resume(decision, now_s)
            case _:
                raise self._illegal(legality.NOT_A_DECISION, decision)

    def _suspend(self, decision: Suspend, now_s: float) -> None:
        gpu = self._preemptable(decision)
        if decision.batch.id not in gpu.state.batches:
            raise self._illegal(f"batch {decision.batch.id} is not executing or staged", decision)
        gpu.suspend(decision.batch.id, now_s)
        if self._several_gpus:
            self._state.changed(gpu.state)

    def _resume(self, decision: Resume, now_s: float) -> None:
        gpu = self._preemptable(decision)
        if decision.batch.id not in gpu.state.suspended:
            raise self._illegal(f"batch {decision.batch.id} is not suspended", decision)
        if len(gpu.state.batches) >= self._places:
            raise self._illegal(f"GPU {gpu.state.id} has no free place", decision)
        gpu.resume(decision.batch.id, now_s)
        if self._several_gpus:
            self._state.changed(gpu.state)

    def _preemptable(self, decision: Suspend | Resume) -> PreemptableGpu:
        if not isinstance(decision.batch, InFlight):
            raise self._illegal(f"{type(decision).__name__} takes a batch that is in flight", decision)
        gpu = self._gpus[decision.batch.gpu]
        if not isinstance(gpu, PreemptableGpu):
            raise self._illegal("a policy without an attribute `preemption` cannot preempt", decision)
        return gpu

    def _over(self) -> bool:
        """Whether nothing is left that a policy could decide on: its timers alone must not keep the run alive."""
        if self._waiting or not self._admission.over:
            return False
        return not any(gpu.state.batches or gpu.state.suspended for gpu in self._gpus)

    def _start(self, decision: Start, now_s: float) -> None:
        requests, gpu_id, expected_s = decision
        gpu = self._gpu_by_id.get(gpu_id)
        if gpu is None or not requests or len(batches := gpu.state.batches) >= self._places:
            raise self._illegal_start(decision)
        batch_id = self.batches
        self.batches = batch_id + 1
        if len(requests) == 1:  # the usual case at low load
            request = requests[0]
            lead, model, level, _, _, bytes_in, _, _ = request
            if self._waiting.pop(lead, None) is not request:
                raise self._illegal_member(request, decision)
            self._batch_of[lead] = batch_id
            latency_s, work = self._alone[model]
            batch = Batch(batch_id, model, latency_s * self._factors[lead], work, level, bytes_in)
        else:
            batch = self._gather(decision, batch_id)
        batches[batch_id] = requests
        if batch_id >= self._recorder.rows:
            self._recorder.grow()
        log = self._log
        log.dispatch_s[batch_id] = now_s
        self._solo_s[batch_id] = batch.solo_s
        if expected_s is not None:
            if not self._expected_s:
                self._recorder.expect()
            self._expected_s[batch_id] = expected_s
        if self._several_gpus:
            self._recorder.gpu[batch_id] = gpu_id
            self._state.changed(gpu.state)
        if self._in_order:
            start_s, end_s = gpu.copy_in.submit(now_s, batch.bytes_in)
            log.copy_in_start_s[batch_id] = start_s
            log.copy_in_end_s[batch_id] = end_s
            gpu.ready(end_s, batch)
            if self._wakes_on_copy_in:
                Alarm(self._clock, Order.DEVICE, announce).arm(end_s)
        else:
            self._send_in(gpu, batch, now_s)

    def _gather(self, decision: Start, batch_id: int) -> Batch:
        """Take several requests out of the queue, as one batch."""
        requests = decision.requests
        if not legality.are_requests(requests):
            raise self._illegal(legality.BARE_REQUEST, decision)
        model = requests[0].model
        if len(requests) > self._largest[model]:
            raise self._illegal_start(decision)
        for request in requests:
            if self._waiting.pop(request.id, None) is not request or request.model != model:
                raise self._illegal_member(request, decision)
            self._batch_of[request.id] = batch_id
        latency_s, work = self._service[model][len(requests)]
        solo_s = latency_s * self._factors[min([request.id for request in requests])]
        level = min([request.priority for request in requests])
        return Batch(batch_id, model, solo_s, work, level, sum([request.bytes_in for request in requests]))

    def _drop(self, decision: Drop, now_s: float) -> None:
        request = decision.request
        if self._waiting.pop(request.id, None) is not request:
            raise self._illegal(legality.not_waiting(request), decision)
        if not self._admission.rejected(request, now_s):
            self._recorder.drop(request, now_s, decision.reason)

    def _on_timer(self, _event: Fired) -> bool:
        self._timer_went_off = True
        return True

    def _illegal_start(self, decision: Start) -> PolicyError:
        return self._illegal(legality.start_fault(decision, self._view.gpus, self._largest), decision)

    def _illegal_member(self, request: Request, decision: Start) -> PolicyError:
        return self._illegal(legality.member_fault(request, decision), decision)

    def _illegal(self, message: str, decision: object) -> PolicyError:
        return PolicyError(message, policy=self._name, time_s=float(self._clock._now), decision=decision)
