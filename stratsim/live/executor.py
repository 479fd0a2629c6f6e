"""The wall-clock executor: one GPU, open-loop arrivals, the policies of the simulator.

One thread turns one loop:

    poll      enter every stage that the device has reached since the last turn
    admit     all requests that have arrived by now, however far the server has fallen behind
    decide    ask the policy, if something happened that it wakes for; its batches go to the server as they come
    wait      until the next arrival or timer, or until a batch reaches a stage

All times are the trace's: the first request arrives `Plan.lead_s` after the loop begins. Whatever ends the run (the
server, the policy, a signal) ends the loop; what was seen until then is a result all the same.
"""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from dataclasses import replace
from heapq import heappop, heappush
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine import legality
from stratsim.engine.arrivals import open_loop
from stratsim.engine.recorder import Recorder
from stratsim.engine.result import Result
from stratsim.engine.tables import make_tables
from stratsim.errors import PolicyError, ServerError, StratsimError
from stratsim.live.figures import Figures
from stratsim.live.plan import LiveRun
from stratsim.model.server import Stage, Work
from stratsim.policy.base import Drop, Resume, SetTimer, Setting, Start, Suspend, Wake
from stratsim.policy.state import ServerState
from stratsim.policy.view import InFlight, View
from stratsim.rng import Streams

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator

    from stratsim.live.plan import Plan
    from stratsim.model.request import Request
    from stratsim.model.server import Seen, Server
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Decision, Policy

__all__ = ["execute"]

_LONGEST_WAIT_S = 0.5
"""A turn at least this often: patience is looked after."""
_PROGRESS_EVERY_S = 0.5
_PROGRESS_ROOM_S = 0.02
"""Progress is shown only if no arrival or timer comes within so long, as drawing takes time."""
_STAGES = tuple(Stage)


def execute(
    plan: Plan,
    policy: Policy,
    name: str,
    server: Server,
    *,
    first_batch: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LiveRun:
    """Serve a workload; never raises what goes wrong on the way, but returns it with what was measured.

    Args:
        plan: What to run.
        policy: Its `prepare` is called.
        name: What to call it.
        server: Loaded and started, with nothing in flight.
        first_batch: Number of the first batch, as numbers count up over a server's life.
        progress: Called now and then with (requests admitted, requests in all).
    """
    executor = _Executor(plan, policy, name, server, first_batch)
    stopped: BaseException | None = None
    with _young_garbage_only():
        try:
            executor.go(progress)
        except (KeyboardInterrupt, StratsimError) as error:
            stopped = error
        except MemoryError as error:
            stopped = _caused(ServerError("out of memory"), error)
        except Exception as error:  # noqa: BLE001 (whatever a server's library raises must not lose the run)
            stopped = _caused(ServerError(f"{type(error).__name__}: {error}"), error)
    return LiveRun(executor.result(complete=stopped is None), executor.figures, executor.batches, stopped)


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@contextmanager
def _young_garbage_only() -> Iterator[None]:
    """Keep the collector from walking everything that was there before: that takes tens of milliseconds."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Executor:
    """One run's state."""

    def __init__(self, plan: Plan, policy: Policy, name: str, server: Server, first_batch: int) -> None:
        self.plan = plan
        self.policy = policy
        self.name = name
        self.server = server
        self.first_batch = first_batch
        self.figures = Figures()
        self.recorder = Recorder(len(plan.workload), waits_for_replies=False)
        self.log = self.recorder.log
        state = ServerState(1, plan.slots + plan.prefetch, self.log, plan.profile.models)
        self.view = View(state)
        self.gpu = state.gpus[0]
        self.waiting = state.waiting
        self.requests = [request for _, request in open_loop(plan.workload)]
        self.admitted = 0
        self.timers: list[float] = []
        self.batches = 0
        self.out: dict[int, InFlight] = {}
        """Batches whose outputs are not back on the host."""
        self.shift_s = 0.0
        """The trace's time when the server's clock is 0."""
        self.now_s = -inf
        self.progressed_s = -inf
        """When a batch last reached a stage, or the policy last decided on a request."""
        self.shown_s = -inf
        self.wall_s = 0.0

    # The loop --------------------------------------------------------------------------------------------------------

    def go(self, progress: Callable[[int, int], None] | None) -> None:
        """Serve until every request is answered, dropped, or left waiting by the policy."""
        began = time.perf_counter()
        plan = self.plan
        setting = Setting(
            profile=plan.profile,
            gpus=1,
            max_concurrency=plan.slots,
            prefetch=plan.prefetch,
            max_batch=plan.max_batch,
            drop=plan.drop,
            streams=Streams(plan.seed).child("policy"),
        )
        self._guarded(self.policy.prepare, setting)
        first_s = self.requests[0].arrival_s if self.requests else 0.0
        self.shift_s = first_s - plan.lead_s - self.server.now_s()
        try:
            while self._turn():
                due_s = self._due_s()
                if progress is not None and due_s - self.now_s > _PROGRESS_ROOM_S:
                    self._show(progress)
                self.server.wait(due_s - self.shift_s)
        finally:
            self.wall_s = time.perf_counter() - began

    def _turn(self) -> bool:
        """Make one turn of the loop; return whether another is needed."""
        self.figures.turns += 1
        seen = self.server.poll()
        self.now_s = self.log.now_s = self._clock_s()
        woken = False
        for stage in seen:
            woken |= self._enter(stage)
        woken |= self._admit()
        timer = self._timers_due()
        if timer or (woken and self.waiting):
            self._decide()
        if seen:
            self.progressed_s = self.now_s
        self._check_patience()
        return not self._over()

    def _clock_s(self) -> float:
        """Return the trace's time; an arrival due by the server's clock is due, whatever rounding says."""
        clock_s, due_s = self.server.now_s(), self._next_s()
        now_s = clock_s + self.shift_s
        return max(now_s, due_s) if due_s - self.shift_s <= clock_s else now_s

    def _next_s(self) -> float:
        """Return the time of the next arrival or timer."""
        arrival_s = self.requests[self.admitted].arrival_s if self.admitted < len(self.requests) else inf
        return min(arrival_s, self.timers[0]) if self.timers else arrival_s

    def _due_s(self) -> float:
        """Return when the next turn begins, should no batch reach a stage before."""
        return min(self._next_s(), self.now_s + _LONGEST_WAIT_S)

    def _over(self) -> bool:
        """Whether nothing can happen any more, but for the timers of a policy that does nothing else for long."""
        if self.admitted < len(self.requests) or self.out:
            return False
        if not (self.waiting and self.timers):
            return True
        deadlines = [request.deadline_s for request in self.waiting.values() if request.deadline_s < inf]
        return self.now_s - max(self.progressed_s, *deadlines, -inf) > self.plan.patience_s

    def _check_patience(self) -> None:
        if self.out and self.now_s - self.progressed_s > self.plan.patience_s:
            oldest = next(iter(self.out.values()))
            raise ServerError(
                f"no batch has reached a stage for {self.plan.patience_s:g} s: {len(self.out)} in flight, the oldest "
                f"({oldest.size} of {oldest.model!r}) for {self.now_s - oldest.dispatch_s:.1f} s"
            )

    def _show(self, progress: Callable[[int, int], None]) -> None:
        if self.now_s - self.shown_s >= _PROGRESS_EVERY_S:
            self.shown_s = self.now_s
            progress(self.admitted, len(self.requests))

    # What happens ----------------------------------------------------------------------------------------------------

    def _admit(self) -> bool:
        """Admit the requests that have arrived; return whether the policy wakes for them."""
        before, now_s = self.admitted, self.now_s
        requests = self.requests
        while self.admitted < len(requests) and requests[self.admitted].arrival_s <= now_s:
            request = requests[self.admitted]
            self.admitted += 1
            self.figures.lag_s.append(now_s - request.arrival_s)
            self.waiting[request.id] = request
            self._guarded(self.policy.on_arrival, request, self.view)
        if self.admitted > before and not self.out:
            self.progressed_s = now_s
        return self.admitted > before and Wake.ARRIVAL in self.policy.wakes

    def _timers_due(self) -> bool:
        due = False
        while self.timers and self.timers[0] <= self.now_s:
            heappop(self.timers)
            due = True
        return due

    def _enter(self, seen: Seen) -> bool:
        """Enter a stage in the log, and do what follows; return whether the policy wakes for it."""
        batch_id = seen.batch - self.first_batch
        batch, position = self.out.get(batch_id), _STAGES.index(seen.stage)
        column: array[float] = getattr(self.log, seen.stage.value)
        before: array[float] = getattr(self.log, _STAGES[position - 1].value) if position else self.log.dispatch_s
        if batch is None or isfinite(column[batch_id]) or not isfinite(before[batch_id]):
            raise ServerError(f"the server reports {seen.stage.value} of batch {seen.batch}, which cannot be")
        at_s = seen.time_s + self.shift_s
        column[batch_id] = placed_s = max(min(at_s, self.now_s), before[batch_id])
        if placed_s != at_s:
            self.figures.moved_s.append(abs(placed_s - at_s))
        self.figures.seen_after_s.append(self.now_s - placed_s)
        return self._follow(seen.stage, batch)

    def _follow(self, stage: Stage, batch: InFlight) -> bool:
        wakes = self.policy.wakes
        if stage is Stage.COPY_IN_END:
            return Wake.COPY_IN_END in wakes
        if stage is Stage.EXECUTION_END:
            del self.gpu.batches[batch.id]
            return Wake.EXECUTION_END in wakes
        if stage is Stage.COPY_OUT_END:
            del self.out[batch.id]
            if Wake.COPY_OUT_END in wakes:
                self._guarded(self.policy.on_done, batch, self.view)
                return True
        return False

    # Decisions -------------------------------------------------------------------------------------------------------

    def _decide(self) -> None:
        submits, began = len(self.figures.submit_s), time.perf_counter()
        try:
            decisions = self.policy.decide(self.view)
            if decisions is None:
                raise self._illegal(legality.NOTHING_YIELDED, None)
            for decision in decisions:
                self._apply(decision)
        except ServerError:
            raise
        except Exception as error:
            raise legality.blame(error, self.name, self.now_s) from error
        spent_s = time.perf_counter() - began
        decided_s = max(spent_s - sum(self.figures.submit_s[submits:]), 0.0)
        self.figures.decide_s.append(decided_s)
        if len(self.figures.submit_s) > submits:
            self.figures.think_s.append(decided_s)

    def _apply(self, decision: Decision) -> None:
        match decision:
            case Start():
                self._start(decision)
            case Drop():
                request = decision.request
                if self.waiting.pop(request.id, None) is not request:
                    raise self._illegal(legality.not_waiting(request), decision)
                self.recorder.drop(request, self.now_s, decision.reason)
                self.progressed_s = self.now_s
            case SetTimer():
                if not (isfinite(decision.at_s) and decision.at_s > self.now_s):
                    raise self._illegal(legality.IN_THE_PAST, decision)
                heappush(self.timers, decision.at_s)
            case Suspend() | Resume():
                raise self._illegal("a real device cannot preempt: Suspend and Resume are not served live", decision)
            case _:
                raise self._illegal(legality.NOT_A_DECISION, decision)

    def _start(self, decision: Start) -> None:
        requests, gpu_id, expected_s = decision
        if gpu_id != 0 or not requests or self.view.gpus[0].free_places < 1:
            raise self._illegal(legality.start_fault(decision, self.view.gpus, self.plan.largest), decision)
        if not legality.are_requests(requests):
            raise self._illegal(legality.BARE_REQUEST, decision)
        model = requests[0].model
        if len(requests) > self.plan.largest[model]:
            raise self._illegal(self._too_large(decision), decision)
        for request in requests:
            if self.waiting.pop(request.id, None) is not request or request.model != model:
                raise self._illegal(legality.member_fault(request, decision), decision)
        batch_id = self.batches
        for request in requests:
            self.recorder.batch_of[request.id] = batch_id
        self.batches = batch_id + 1
        if batch_id >= self.recorder.rows:
            self.recorder.grow()
        self.log.dispatch_s[batch_id] = self.progressed_s = self.now_s
        self.recorder.solo_s[batch_id] = self.plan.profile.models[model].latency_s[len(requests)]
        if expected_s is not None and not isnan(expected_s):
            if not self.recorder.expected_s:
                self.recorder.expect()
            self.recorder.expected_s[batch_id] = expected_s
        self.gpu.batches[batch_id] = requests
        self.out[batch_id] = self.gpu.batch(batch_id)
        self._submit(batch_id, requests)

    def _submit(self, batch_id: int, requests: tuple[Request, ...]) -> None:
        work = Work(
            requests[0].model,
            len(requests),
            sum([request.bytes_in for request in requests]),
            sum([request.bytes_out for request in requests]),
        )
        began = time.perf_counter()
        try:
            self.server.submit(self.first_batch + batch_id, work)
        except ServerError:
            raise
        except Exception as error:  # the policy, from whose loop this is called, is not to blame
            raise ServerError(f"{type(error).__name__}: {error}") from error
        self.figures.submit_s.append(time.perf_counter() - began)

    def _too_large(self, decision: Start) -> str:
        """Say why a batch is too large: for the profile, or for what was loaded."""
        model = decision.requests[0].model
        if len(decision.requests) <= self.plan.profile.model(model).max_batch:
            largest = self.plan.largest[model]
            return f"a batch of {len(decision.requests)}, but {model!r} is loaded up to {largest}: raise max_batch"
        return legality.start_fault(decision, self.view.gpus, self.plan.largest)

    def _guarded(self, call: Callable[..., object], *args: object) -> None:
        try:
            call(*args)
        except Exception as error:
            raise legality.blame(error, self.name, self.now_s) from error

    def _illegal(self, message: str, decision: object) -> PolicyError:
        return PolicyError(message, policy=self.name, time_s=self.now_s, decision=decision)

    # The result ------------------------------------------------------------------------------------------------------

    def result(self, *, complete: bool) -> Result:
        """Return the tables of what happened.

        Args:
            complete: False leaves out the requests that had not arrived yet.
        """
        workload = self.plan.workload if complete else _head(self.plan.workload, self.admitted)
        recorder = self.recorder
        recorder.batch_of = recorder.batch_of[: len(workload)]
        requests, batches, clients = make_tables(recorder, workload, self.batches, None, all_seen=True)
        times = (requests.arrival_s, requests.dropped_s, *(getattr(batches, stage.value) for stage in _STAGES))
        ends = [float(np.nan_to_num(column).max(initial=0.0)) for column in (*times, batches.dispatch_s)]
        return Result(
            policy=self.name,
            requests=requests,
            batches=batches,
            models=workload.models,
            clients=clients,
            reasons=tuple(recorder.reasons),
            gpus=1,
            max_concurrency=self.plan.slots,
            copy_engines=self.server.info.details.get("copy_engines"),
            events=self.admitted + len(self.figures.seen_after_s),
            start_s=float(requests.arrival_s[0]) if len(requests) else 0.0,
            end_s=max(ends),
            wall_s=self.wall_s,
            notes=self._notes(complete),
        )

    def _notes(self, complete: bool) -> tuple[str, ...]:
        used = {request.model for request in self.requests[: self.admitted]}
        shortest_s = min([self.plan.profile.latency_s(model) for model in used], default=inf)
        notes = list(self.figures.note(self.name, shortest_s))
        if complete and self.waiting:
            notes.append(f"policy {self.name!r} left {len(self.waiting)} requests waiting for ever: unfinished")
        return tuple(notes)


def _head(workload: Workload, count: int) -> Workload:
    """Return the first so many requests."""
    columns = ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out", "client")
    taken: dict[str, Any] = {name: getattr(workload, name)[:count] for name in columns}
    return replace(workload, **taken)
