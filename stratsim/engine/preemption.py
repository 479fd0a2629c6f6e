"""One GPU at run time whose batches can be stopped on the way: used only by policies that preempt.

The life of an execution between its start and its end:

    EXECUTING -> DRAINING -> STOPPED -> (a slot) -> LAUNCHING -> EXECUTING
    EXECUTING -> HALTING  -> STOPPED ...

A batch that drains still progresses, up to a point where it stops; it may also end before. One that halts keeps the GPU
busy until its latency is over, and slows others, but what it does then does not count.

Where the host's software takes time (`truth.host`), a batch that is given a slot executes `launch_s` later, at its
start as well as when it goes on; and the host is notified of an end or a stop `notice_s` after the device had it: until
then the slot is taken, and the policy knows nothing. A suspension needs no notice: it is the host that holds the next
kernels back. A batch that is being launched has no kernel on the device yet, and is taken back at once.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, cast

from stratsim.device import PreemptableModel, preemptable
from stratsim.engine.clock import Alarm, Order
from stratsim.engine.gpu import Gpu
from stratsim.engine.job import Job, State
from stratsim.engine.recorder import Pause
from stratsim.errors import ProfileError, SpecError
from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stratsim.device import DeviceMemory, Execution, ExecutionModel, PreemptableUnit
    from stratsim.engine.batch import Batch
    from stratsim.engine.clock import Clock, Fired
    from stratsim.engine.recorder import Recorder
    from stratsim.model.preemption import Preemption
    from stratsim.model.profile import HardwareProfile
    from stratsim.model.truth import Host

__all__ = ["PreemptableGpu", "check_preemption"]


def check_preemption(
    mechanism: Preemption, model: ExecutionModel, hardware: HardwareProfile, memory: DeviceMemory | None
) -> None:
    """Refuse a run in which a policy could not preempt.

    Args:
        mechanism: The policy's.
        model: How the simulated GPU shares itself.
        hardware: The profile.
        memory: Of one GPU; None if the weights of all models are always there.

    Raises:
        SpecError: the device model cannot show preemption, or a load of weights might never be served.
        ProfileError: the profile does not say how many kernels a model has.
    """
    if not isinstance(model, PreemptableModel):
        able = ", ".join(preemptable())
        raise SpecError(f"the policy preempts, which device model {model.name!r} cannot show; these can: {able}")
    lacking = [name for name, entry in hardware.models.items() if mechanism.needs_kernels and entry.kernels is None]
    if lacking:
        raise ProfileError(
            f"profile {hardware.name!r} lacks observable.models.{lacking[0]}.kernels, which the policy's way to "
            f"preempt ({type(mechanism).__name__}) needs"
        )
    if memory is not None and not memory.holds_all:
        raise SpecError(
            "the policy preempts: the memory must hold the weights of all models, as what is suspended keeps its "
            f"own, and a load would wait for it for ever; it has {memory.capacity_bytes:.0f} bytes"
        )


class PreemptableGpu(Gpu):
    """The engine's side of one GPU, with `suspend` and `resume`.

    `ready` is never called ahead of time: what is suspended meanwhile must not have started.

    Args:
        *args: As for `Gpu`.
        model: The execution model again, as one whose batches can be stopped.
        mechanism: How batches are stopped.
        kernels: Number of kernels of a batch, by model; what is stopped without regard to kernels needs none.
        draw: A uniform number for the n-th stop of a batch, given the id of its first request and n.
        recorder: Takes note of pauses.
        clock: The clock.
        host: What the host's software adds; None: nothing.
        notify: Called with this GPU and the batches whose end the host is notified of, each with its time, where that
            takes time; returns whether policies are asked.
    """

    __slots__ = (
        "_clock",
        "_draw",
        "_halting",
        "_jobs",
        "_kernels",
        "_launch_s",
        "_mechanism",
        "_model",
        "_notice_s",
        "_notify",
        "_pauses",
        "_returning",
        "announce",
        "ended",
    )

    def __init__(
        self,
        *args: Any,
        model: PreemptableModel,
        mechanism: Preemption,
        kernels: Mapping[str, int],
        draw: Callable[[int, int], float],
        recorder: Recorder,
        clock: Clock,
        host: Host | None,
        notify: Callable[[PreemptableGpu, Sequence[tuple[int, float]]], bool],
    ) -> None:
        super().__init__(*args)
        self._clock = clock
        self._launch_s = 0.0 if host is None else host.launch_s
        self._notice_s = 0.0 if host is None else host.notice_s
        self._notify = notify
        self._model = model
        self._mechanism = mechanism
        self._kernels = kernels
        self._draw = draw
        self._pauses = recorder.pauses
        self._jobs: dict[int, Job] = {}
        self._returning: deque[int] = deque()
        """Resumed batches that wait for a slot."""
        self._halting: list[tuple[float, int]] = []
        """When each halting batch has stopped, in that order: the latency is the same for all."""
        self.announce = False
        """Whether a batch has stopped since this was last made false."""
        self.ended = False
        """Whether a batch has ended in the latest call of `complete`."""

    # From the engine -------------------------------------------------------------------------------------------------

    def ready(self, at_s: float, batch: Batch) -> None:
        """Take a batch whose input is there now."""
        job = self._job(batch.id)
        job.state = State.READY
        job.batch = batch
        job.solo_s = job.until_s = batch.solo_s * (1.0 + self._mechanism.overhead)
        job.kernel_s = job.solo_s / self._kernels[batch.model] if self._mechanism.needs_kernels else 0.0
        if batch.id not in self.state.suspended:
            self.queue.append((at_s, batch))
            self._settle(at_s)

    def copying(self, now_s: float, bytes_per_s: float) -> None:
        """Copies to and from the GPU's memory move that many bytes per second in all, from now on."""
        self.unit.copying(now_s, bytes_per_s)
        self._arm(now_s)

    def complete(self, now_s: float) -> Sequence[Execution[int]]:
        """Return the executions that end now; let those stop that are to, and give free slots to the next."""
        stopped = []
        while self._halting and self._halting[0][0] <= now_s:
            stopped.append(self._halting.pop(0)[1])
            self._stop(stopped[-1], now_s)
        ended: list[Execution[int]] = []
        if self.unit.next_s <= now_s:
            for execution in self.unit.complete(now_s):
                job = self._jobs[execution.key]
                if job.state is State.DRAINING and job.until_s < job.solo_s:
                    job.done_s = job.until_s
                    self._stop(execution.key, now_s)
                    stopped.append(execution.key)
                else:
                    job.state = State.ENDED
                    ended.append(execution)
        self._report([execution.key for execution in ended], stopped, now_s)
        self.ended = bool(ended)
        return ended

    def detach(self) -> None:
        """Forget everything that refers back to the run."""
        super().detach()
        del self._notify

    def suspend(self, batch_id: int, now_s: float) -> None:
        """Begin to stop a batch that is in flight."""
        job = self._job(batch_id)
        self.state.set_aside(batch_id)
        if job.queued:  # a slot had not come yet: back to where it was
            job.queued = False
            self._returning.remove(batch_id)
            self.state.returning.discard(batch_id)
        elif job.state is State.READY:
            self.queue = deque(waiting for waiting in self.queue if waiting[1].id != batch_id)
        elif job.state is State.LAUNCHING:
            self._call_off(job)
        elif job.state is State.EXECUTING:
            self._begin_stop(batch_id, job, now_s)
            self.announce = False  # the policy that decides sees in its view what stops at once
        self._settle(now_s)

    def resume(self, batch_id: int, now_s: float) -> None:
        """Let a suspended batch go on as soon as there is a slot for it."""
        job = self._job(batch_id)
        self.state.take_back(batch_id)
        if job.state is State.DRAINING and job.slot:
            self._call_back(batch_id, job, now_s)
        elif job.state not in (State.COPYING, State.ENDED):
            job.queued = True
            self._returning.append(batch_id)
            if job.pause is not None:
                self.state.returning.add(batch_id)
        self._settle(now_s)

    # Stopping --------------------------------------------------------------------------------------------------------

    def _job(self, batch_id: int) -> Job:
        job = self._jobs.get(batch_id)
        if job is None:
            job = self._jobs[batch_id] = Job()
        return job

    def _begin_stop(self, batch_id: int, job: Job, now_s: float) -> None:
        resolution_s = self._clock.resolution_s(now_s)
        done_s = self._whole_steps_s(self._done_s(batch_id, job, now_s), job, resolution_s)
        lead = min([request.id for request in self.state.requests(batch_id)])
        draw = self._draw(lead, job.stops)
        drain_s, latency_s, lost_s = self._mechanism.stop(done_s, job.solo_s, job.kernel_s, draw)
        job.stops += 1
        job.pause = Pause(batch_id, now_s)
        job.pause.lost_s = lost_s
        self.state.stopping.add(batch_id)
        if not self._mechanism.holds_slot:
            self._free(job, now_s)
        if drain_s > 0 or job.solo_s - done_s <= resolution_s:
            job.state = State.DRAINING
            # What it has left may be less, or rounding alone: then it ends before it stops, and was never stopped.
            until_s = done_s + drain_s
            if until_s < job.solo_s * (1.0 - TIME_RTOL) - resolution_s:
                job.until_s = until_s
                self._execute(batch_id, job, now_s, done_s, again=True)
            return
        job.done_s = max(done_s - lost_s, 0.0)
        job.state = State.HALTING
        if latency_s > 0:
            self._unit.hold(now_s, batch_id)
            self._halting.append((now_s + latency_s, batch_id))
        else:
            self._stop(batch_id, now_s)
            self._report([], [batch_id], now_s)

    def _call_back(self, batch_id: int, job: Job, now_s: float) -> None:
        """Let a batch that drains go on; unless it has been without a slot, nothing has happened to it."""
        done_s = self._done_s(batch_id, job, now_s)
        job.state = State.EXECUTING
        job.until_s = job.solo_s
        self._execute(batch_id, job, now_s, done_s, again=True)
        self.state.stopping.discard(batch_id)
        job.pause = None

    def _stop(self, batch_id: int, now_s: float) -> None:
        """The GPU is free of a batch."""
        job = self._jobs[batch_id]
        if job.state is State.HALTING:
            self._unit.rework(now_s, batch_id, None)
        job.state = State.STOPPED
        assert job.pause is not None  # noqa: S101 (made when it began to stop)
        job.pause.stopped_s = now_s

    # Notices to the host ---------------------------------------------------------------------------------------------

    def _report(self, ended: Sequence[int], stopped: Sequence[int], now_s: float) -> None:
        """Batches have ended or stopped: the host is notified, now or later."""
        if not self._notice_s:
            self._take_note(ended, stopped, now_s)
            return
        if ended or stopped:
            seen = ([(batch_id, now_s) for batch_id in ended], [(i, self._jobs[i].pause) for i in stopped])
            Alarm(self._clock, Order.DEVICE, self._on_notified, seen).arm(now_s + self._notice_s)
        self._arm(now_s)

    def _on_notified(self, event: Fired) -> bool:
        ended, stopped = event.owner
        # A batch that has been launched again meanwhile has not stopped as far as the host is concerned.
        still = [i for i, pause in stopped if self._jobs[i].state is State.STOPPED and self._jobs[i].pause is pause]
        self._take_note([batch_id for batch_id, _ in ended], still, self._clock._now)
        return self._notify(self, ended)

    def _take_note(self, ended: Sequence[int], stopped: Sequence[int], now_s: float) -> None:
        """The host knows that batches have ended, or stopped: their slots are free."""
        for batch_id in stopped:
            job = self._jobs[batch_id]
            if job.slot:
                self._free(job, now_s)
            self.state.stopping.discard(batch_id)
            self.announce = True
        for batch_id in ended:
            self._end(batch_id, self._jobs[batch_id])
        self._settle(now_s)

    def _free(self, job: Job, now_s: float) -> None:
        job.slot = False
        self.free_slots += 1
        assert job.pause is not None  # noqa: S101 (made when it began to stop)
        job.pause.freed_s = now_s
        self._pauses.append(job.pause)

    def _end(self, batch_id: int, job: Job) -> None:
        """A batch has executed to its end."""
        self.free_slots += job.slot
        if job.queued:
            self._returning.remove(batch_id)
            self.state.returning.discard(batch_id)
        self.state.stopping.discard(batch_id)  # it ended before it had stopped, or was called back then
        if batch_id in self.state.suspended:
            self.state.take_back(batch_id)
        del self._jobs[batch_id]

    # Slots -----------------------------------------------------------------------------------------------------------

    def _settle(self, now_s: float) -> None:
        """Give free slots away, to those that were resumed first, and set the alarm.

        Where others wait for what stops, nothing starts before all of it has stopped, even in a slot that is free.
        """
        if self.state.stopping and self._mechanism.holds_slot:
            self._arm(now_s)
            return
        if self._returning:
            # One that halts cannot be called back: it goes on once it has stopped, in its own slot.
            for batch_id in [i for i in self._returning if self._jobs[i].state is not State.HALTING]:
                if self.free_slots:
                    self._returning.remove(batch_id)
                    self._go_on(batch_id, now_s)
        while self.free_slots and self.queue:
            self._start(self.queue.popleft()[1].id, now_s)
        self._arm(now_s)

    def _start(self, batch_id: int, now_s: float) -> None:
        job = self._jobs[batch_id]
        self._take_slot(job)
        self._launch(batch_id, job, now_s)

    def _go_on(self, batch_id: int, now_s: float) -> None:
        job = self._jobs[batch_id]
        job.queued = False
        draining = job.state is State.DRAINING
        self._take_slot(job)
        if draining:
            assert job.pause is not None  # noqa: S101 (it was executing, and gave its slot up)
            job.pause.restart_s = now_s
            self.state.returning.discard(batch_id)
            self._call_back(batch_id, job, now_s)
        else:
            self._launch(batch_id, job, now_s)

    def _take_slot(self, job: Job) -> None:
        self.free_slots -= 1
        job.slot = True

    def _launch(self, batch_id: int, job: Job, now_s: float) -> None:
        """Have the host launch a batch that has a slot."""
        if not self._launch_s:
            self._run(batch_id, job, now_s)
            return
        job.state = State.LAUNCHING
        job.launch = Alarm(self._clock, Order.DEVICE, self._on_launched, batch_id)
        job.launch.arm(now_s + self._launch_s)

    def _on_launched(self, event: Fired) -> bool:
        batch_id: int = event.owner
        now_s = self._clock._now
        self._run(batch_id, self._jobs[batch_id], now_s)
        self._arm(now_s)
        return False

    def _call_off(self, job: Job) -> None:
        """Take a batch back that is being launched: no kernel of it is on the device yet."""
        assert job.launch is not None  # noqa: S101 (it is being launched)
        job.launch.arm(inf)
        job.launch = None
        job.slot = False
        self.free_slots += 1
        job.state = State.READY if job.pause is None else State.STOPPED

    def _run(self, batch_id: int, job: Job, now_s: float) -> None:
        """Let a batch execute from here on, for the first time or again."""
        pause, job.launch, job.state = job.pause, None, State.EXECUTING
        self.state.returning.discard(batch_id)
        if pause is None:
            self.start_s[batch_id] = now_s
            self._execute(batch_id, job, now_s, 0.0)
            return
        pause.restart_s = now_s
        self.state.stopping.discard(batch_id)
        paused = self.state.log.paused_s
        paused[batch_id] = paused.get(batch_id, 0.0) + now_s - pause.stopped_s
        job.pause = None
        job.until_s = job.solo_s
        self._execute(batch_id, job, now_s, job.done_s)

    @property
    def _unit(self) -> PreemptableUnit[int]:
        return cast("PreemptableUnit[int]", self.unit)

    def _execute(self, batch_id: int, job: Job, now_s: float, done_s: float, *, again: bool = False) -> None:
        """Let the unit execute a batch from the work done so far up to `until_s`."""
        batch = job.batch
        assert batch is not None  # noqa: S101 (its input is there)
        if not again and not done_s:  # the usual case: all of it
            self.unit.add(now_s, batch_id, job.solo_s, batch.work, batch.level)
            return
        work = self._model.part(batch.work, done_s / job.solo_s, job.until_s / job.solo_s)
        if again:
            self._unit.rework(now_s, batch_id, work)
        else:
            self.unit.add(now_s, batch_id, job.solo_s, work, batch.level)

    def _done_s(self, batch_id: int, job: Job, now_s: float) -> float:
        return min(max(job.until_s - self._unit.left_s(now_s, batch_id), 0.0), job.until_s)

    def _whole_steps_s(self, done_s: float, job: Job, resolution_s: float) -> float:
        """Return the work done, a whole number of the mechanism's steps where the clock cannot tell it from one.

        It is a difference of times of day, whose rounding grows with them.
        """
        step_s = self._mechanism.step_s(job.kernel_s)
        if not step_s:
            return done_s
        whole_s = round(done_s / step_s) * step_s
        return whole_s if abs(done_s - whole_s) <= resolution_s and whole_s < job.solo_s else done_s

    def _arm(self, now_s: float) -> None:
        next_s = self.unit.next_s
        if self._halting:
            next_s = min(next_s, self._halting[0][0])
        if next_s < inf:
            next_s = max(next_s, now_s)  # what was to end just now must not end a rounding earlier
        self.alarm.arm(next_s)
