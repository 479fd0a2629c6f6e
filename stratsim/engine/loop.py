"""The event loop: moves requests, batches and copies through the simulated machine, and asks the policy what to do.

The life of a batch:

    dispatch -> copy-in (copy engine, FIFO) -> wait for an execution slot -> execute -> copy-out (copy engine, FIFO)

Which event makes which next:

    ARRIVAL              admit every request of this instant, arm the next arrival
    DEVICE (execution)   free the slot for the first batch that waits, submit the copy-out
    DEVICE (copy-in)     give the batch a free slot, or let it wait with its input on the GPU
    REPLY                notify clients that wait for it, and policies that ask for it
    TIMER                a policy's own wake-up

An event for the end of a copy is scheduled only if something depends on it (`stratsim.engine.copies`).

Who handles them: `Admission` lets requests in, `Decisions` asks the policy and dispatches batches, `Run` does what
follows when something has ended on the `Machine`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from stratsim.device.noise import profile_noise
from stratsim.engine import legality
from stratsim.engine.admission import Admission
from stratsim.engine.arrivals import NoiseFactors
from stratsim.engine.clients import ClientAdmission
from stratsim.engine.decisions import Decisions
from stratsim.engine.layout import lay_out
from stratsim.engine.machine import Handlers, Machine
from stratsim.engine.tables import attempts_column, load_table, make_result, pause_table
from stratsim.errors import PolicyError, SimulationError
from stratsim.policy.base import Setting, Wake
from stratsim.rng import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.engine.clock import Fired
    from stratsim.engine.gpu import Gpu
    from stratsim.engine.layout import Layout
    from stratsim.engine.options import Options
    from stratsim.engine.preemption import PreemptableGpu
    from stratsim.engine.result import Result
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy
    from stratsim.policy.view import InFlight

__all__ = ["Run", "setting_of"]


class Run:
    """One run: what ends, and what follows from it. Nothing outlives it.

    Args:
        workload: What arrives.
        profile: The hardware.
        policy: Its `prepare` is called.
        options: All else.
    """

    __slots__ = (
        "admission",
        "clients_wait",
        "clock",
        "copies",
        "copies_out",
        "decisions",
        "loaders",
        "log",
        "machine",
        "name",
        "policy",
        "recorder",
        "several_gpus",
        "state",
        "view",
        "waiting",
        "wakes_on_arrival",
        "wakes_on_execution",
        "wakes_on_reply",
        "wakes_on_stop",
        "workload",
    )

    def __init__(self, workload: Workload, profile: Profile, policy: Policy, options: Options) -> None:
        self.name = name = options.name
        self.workload = workload
        self.policy = policy
        streams = Streams(options.seed)
        handlers = Handlers(
            self._on_execution,
            self._on_preemptable,
            self._on_hosted,
            self._on_notified,
            self._on_notified_preemptable,
            self._on_reply,
        )
        layout = lay_out(workload, profile, policy, options.cluster, name)
        self.machine = machine = Machine(layout, workload, options.cluster.gpus, policy, streams, handlers)
        variation = options.noise or profile_noise(layout.hardware.noise_cv, layout.hardware.truth.noise_cvs)
        noise = NoiseFactors(workload, variation, streams, options.factors)
        self.admission = (
            ClientAdmission(name, workload, policy, machine, options.rejection, noise)
            if workload.waits_for_replies
            else Admission(name, workload, policy, machine, options.rejection)
        )
        self.clients_wait = workload.waits_for_replies
        self.decisions = Decisions(name, policy, machine, self.admission, noise.factors)
        self.wakes_on_arrival = Wake.ARRIVAL in policy.wakes
        self.wakes_on_execution = Wake.EXECUTION_END in policy.wakes
        self.wakes_on_reply = Wake.COPY_OUT_END in policy.wakes
        self.wakes_on_stop = Wake.STOP in policy.wakes
        # What events need is here as well. Reached by way of the machine each time, here and in `Decisions`, it made
        # runs of whole machines 4 % longer, of a bare queue 6 %.
        self.clock, self.view, self.recorder = machine.clock, machine.view, machine.recorder
        self.loaders, self.copies, self.copies_out = machine.loaders, machine.copies, layout.copies_out
        self.state, self.waiting, self.log = machine.state, machine.state.waiting, machine.recorder.log
        self.several_gpus = len(machine.gpus) > 1
        try:
            policy.prepare(setting_of(profile, options, layout, streams))
        except Exception as error:
            raise legality.blame(error, name, self.clock._now) from error

    def go(self, progress: Callable[[int, int], None] | None) -> Result:
        """Run until no event is left."""
        began = time.perf_counter()
        self.clock.run_merged(
            self.admission.begin(progress),
            self.admission.admit,
            self.decisions.ask,
            announce_arrivals=self.admission.announces,
        )
        left = sum([len(gpu.suspended) for gpu in self.state.gpus])
        if left:
            message = f"left {left} batches suspended for ever"
            raise PolicyError(message, policy=self.name, time_s=float(self.clock._now))
        executing = sum([len(gpu.batches) for gpu in self.state.gpus])
        if executing:
            raise SimulationError(f"device model {self.machine.layout.model.name!r}: {executing} batches never end")
        notes, batches, attempts = self._notes(), self.decisions.batches, self.admission.attempts
        del self.admission, self.decisions  # and with them the factors: room for the tables
        result = self._result(batches, attempts, notes, began)
        self.machine.detach()
        self.loaders = None
        return result

    def _result(self, batches: int, attempts: dict[int, int] | None, notes: tuple[str, ...], began: float) -> Result:
        layout = self.machine.layout
        result = make_result(
            self.name,
            self.recorder,
            self.workload,
            layout,
            gpus=len(self.machine.gpus),
            batches=batches,
            events=self.clock.scheduled,
            notes=notes,
            began=began,
        )
        memory = layout.memories[0] if layout.memories else None
        return replace(
            result,
            loads=None if memory is None else load_table(self.recorder, result.batches, memory, self.workload.models),
            pauses=pause_table(self.recorder) if layout.preemption is not None else None,
            attempts=None if attempts is None else attempts_column(attempts, len(result.requests)),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.waiting:
            notes.append(f"policy {self.name!r} left {len(self.waiting)} requests waiting for ever: unfinished")
        notes += [f"policy {self.name!r}: {note}" for note in self.admission.notes]
        return tuple(notes)

    # What has ended on the machine ------------------------------------------------------------------------------------

    def _on_execution(self, event: Fired) -> bool:
        """Executions have ended on a GPU: their outputs are copied out, their places are free."""
        gpu: Gpu = event.owner
        now_s = self.clock._now
        ended = gpu.complete(now_s)
        if not ended:  # a phase: nothing that anybody could see
            return False
        state = gpu.state
        for execution in ended:
            batch_id = execution.key
            self.log.execution_end_s[batch_id] = now_s
            if self.copies_out:
                self.copies.copy_out(gpu, state.batch(batch_id), now_s)
            if self.loaders is not None:
                self.loaders.executed(gpu, state.batches[batch_id][0].model, now_s)
            del state.batches[batch_id]
            if self.several_gpus:
                self.state.changed(state)
        # Requests that arrive at this very instant announce themselves, if the policy wakes on arrivals.
        return self.wakes_on_execution and (len(self.waiting) > 0 or not self.wakes_on_arrival)

    def _on_preemptable(self, event: Fired) -> bool:
        """Do what `_on_execution` does on a GPU whose batches can be stopped."""
        gpu: PreemptableGpu = event.owner
        self._on_execution(event)
        stopped, gpu.announce = gpu.announce, False
        return (self.wakes_on_execution and gpu.ended) or (self.wakes_on_stop and stopped)

    def _on_hosted(self, event: Fired) -> bool:
        """Do the device's part of `_on_execution`: the host is not notified yet."""
        gpu: Gpu = event.owner
        now_s = self.clock._now
        for execution in gpu.complete(now_s):
            if self.copies_out:
                self.copies.copy_out(gpu, gpu.state.batch(execution.key), now_s)
        return False

    def _on_notified_preemptable(self, gpu: PreemptableGpu, ended: Sequence[tuple[int, float]]) -> bool:
        """Do what `_on_notified` does on a GPU whose batches can be stopped."""
        self._on_notified(gpu, ended)
        stopped, gpu.announce = gpu.announce, False
        return (self.wakes_on_execution and len(ended) > 0) or (self.wakes_on_stop and stopped)

    def _on_notified(self, gpu: Gpu, ended: Sequence[tuple[int, float]]) -> bool:
        """Do the rest of it: the host is notified that these batches, each with its time, have ended."""
        state = gpu.state
        for batch_id, end_s in ended:
            self.log.execution_end_s[batch_id] = end_s
            if self.loaders is not None:
                self.loaders.executed(gpu, state.batches[batch_id][0].model, self.clock._now)
            del state.batches[batch_id]
            if self.several_gpus:
                self.state.changed(state)
        return self.wakes_on_execution and (len(self.waiting) > 0 or not self.wakes_on_arrival)

    def _on_reply(self, batch: InFlight, start_s: float, now_s: float) -> None:
        """A batch's outputs are on the host since `now_s`, and the host knows it now."""
        self.log.copy_out_start_s[batch.id] = start_s
        self.log.copy_out_end_s[batch.id] = now_s
        if self.clients_wait:  # else a call for nothing per request
            for request in batch.requests:
                self.admission.reply(request)
        if self.wakes_on_reply:
            self.log.now_s = self.clock._now  # later than the copy's end where the host is notified of it later
            try:
                self.policy.on_done(batch, self.view)
            except Exception as error:
                raise legality.blame(error, self.name, self.clock._now) from error


def setting_of(profile: Profile, options: Options, layout: Layout, streams: Streams) -> Setting:
    """Return what the policy is told before the run."""
    known = options.belief or profile
    return Setting(
        profile=known.for_scheduler(options.cluster.solo_links(known.observable.pcie)),
        gpus=options.cluster.gpus,
        max_concurrency=layout.slots,
        prefetch=layout.prefetch,
        max_batch=options.max_batch,
        drop=options.drop,
        streams=streams.child("policy"),
        memory_bytes=layout.memories[0].capacity_bytes if layout.memories else None,
    )
