"""Fewest weighted late requests: what runs is what a plan says that leaves the least weight late."""

from __future__ import annotations

from bisect import insort
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from stratsim.errors import SpecError
from stratsim.model.request import Priority
from stratsim.model.tolerance import RANK_DIGITS, latest_finish_s
from stratsim.policy.arguments import batch_limits, number, one_of, whole
from stratsim.policy.base import Decision, Drop, DropMode, Policy, Resume, Setting, Start, Suspend, Wake
from stratsim.policy.book import Book
from stratsim.policy.copy_times import CopyTimes
from stratsim.policy.fewest_late.plan import Job, late_weight, plan, walk
from stratsim.policy.preempt.mechanism import make_mechanism
from stratsim.predict import make_predictor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stratsim.model.preemption import Preemption
    from stratsim.model.request import Request
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["FewestLate"]

_HIGH = Priority.HIGH
Entry = tuple[float, int, "Request"]


class _Choice:
    """One way to go on: an order of jobs, how many of them run at once, and what is stopped for it."""

    __slots__ = ("late", "order", "slots", "stops")

    def __init__(self, order: list[Job], slots: int, stops: list[Job], late: float) -> None:
        self.order = order
        self.slots = slots
        self.stops = stops
        self.late = late


class FewestLate(Policy):
    """Run what a plan says that leaves the least weight of requests late.

    A request of high priority weighs `weight`, one of low priority 1. Whenever something happens, everything that is in
    flight or waits is planned anew (`stratsim.policy.fewest_late.plan`): by due date, and whenever a batch would be
    late, the one of least weight per work is put off. The plan runs up to C batches at once, at the rates that the
    belief gives for who runs beside whom; plans with fewer at once are tried as well, and plans that stop what runs.
    The plan with the least weight late is carried out, the one with fewer stops among equals. It has no rule for high
    priority but the weight: what is put off is what costs least.

    A batch grows only where that pays and all of it stays in time at `stretch` times its time alone: once started it
    cannot be planned again.

    Source: ours. Moore and Hodgson 1968 for the order; weights, slots at rates of a belief, and stops are our choice.

    Args:
        weight: How many late requests of low priority are as bad as one of high priority, > 0.
        predictor: The belief about interference (`stratsim predictor list`).
        mechanism: How a batch is stopped: `gated`, `kernel`, `reset`, `context`, `ideal`; `none`: never.
        gate: Kernels in flight at most, where launches are gated.
        stop_cost: What a stop must save at least, in late requests of low priority: a plan is an estimate, and what was
            stopped drains, and comes back.
        stretch: What a batch is allowed for its company when it grows, as a multiple of its time alone, >= 1.
        pays: A batch takes a third request and more only if that lengthens it by at most this share of a batch of one.
        horizon: Waiting batches that are planned, the first by due date.
        refresh: The belief learns from so many ended batches at a time; 1 is exact, and slower.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.COPY_IN_END, Wake.EXECUTION_END, Wake.STOP})

    def __init__(
        self,
        *,
        weight: float = 8.0,
        predictor: str = "rls(form=additive)",
        mechanism: str = "gated",
        gate: int = 16,
        stop_cost: float = 1.0,
        stretch: float = 1.2,
        pays: float = 0.3,
        horizon: int = 16,
        refresh: int = 8,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        if not 0.0 < weight < float("inf"):
            raise SpecError(f"weight must be a positive number, got {weight!r}")
        number("stretch", stretch, 1, 100)
        number("pays", pays, 0, 100)
        whole("horizon", horizon, 1)
        whole("refresh", refresh, 1)
        stops = mechanism != "none"
        self.preemption: Preemption | None = make_mechanism(mechanism, gate, sync=False) if stops else None
        self.belief = make_predictor(predictor)
        self._weight = float(weight)
        number("stop_cost", stop_cost, 0, 1e9)
        self._stop_cost = stop_cost
        self._gate = gate if mechanism == "gated" else 1
        self._stretch = stretch
        self._pays = pays
        self._horizon = horizon
        self._refresh = refresh
        self._max_batch = max_batch
        if drop is not None:
            one_of("drop", drop, tuple(mode.value for mode in DropMode))
        self._drop = DropMode(drop) if drop is not None else None

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        profile = setting.profile
        self._slots = setting.max_concurrency
        self._limit = batch_limits(setting, self._max_batch)
        self._mode = self._drop or setting.drop
        self._latency_s = {name: model.latency_s for name, model in profile.models.items()}
        self._weights_bytes = {
            name: (model.weights_bytes or 0) if setting.memory_bytes is not None else 0
            for name, model in profile.models.items()
        }
        self._kernel_share = {
            name: 1.0 / model.kernels.count if model.kernels else 0.0 for name, model in profile.models.items()
        }
        self._in_s, self._out_s = CopyTimes(profile.h2d), CopyTimes(profile.d2h)
        self._rates = self.belief.fit(profile).predict
        self._book = Book(self.belief, self._refresh, setting.gpus)
        self._queues: dict[str, list[Entry]] = {}
        self._waiting = 0

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request."""
        entry = (round(request.deadline_s, RANK_DIGITS), request.id, request)
        insort(self._queues.setdefault(request.model, []), entry)
        self._waiting += 1

    def decide(self, view: View) -> Iterator[Decision]:
        """Drop what is late whatever happens, plan, and carry the plan out."""
        now_s = view.now_s
        self._book.update(now_s)
        if self._waiting:
            yield from self._give_up(now_s)
        if self._waiting or any(gpu.suspended for gpu in view.gpus):
            shares = self._shares(view) if len(view.gpus) > 1 else (tuple(self._queues.values()),)
            for gpu, queues in zip(view.gpus, shares, strict=True):
                yield from self._serve(gpu, queues, now_s)
        self._book.look(view)

    # What waits -------------------------------------------------------------------------------------------------------

    def _give_up(self, now_s: float) -> Iterator[Drop]:
        if self._mode is DropMode.NEVER:
            return
        infeasible = self._mode is DropMode.INFEASIBLE
        for model, queue in self._queues.items():
            solo_s = self._latency_s[model][1] if infeasible else 0.0
            kept: list[Entry] = []
            for at, entry in enumerate(queue):
                request = entry[2]
                copies_s = self._in_s[request.bytes_in] + self._out_s[request.bytes_out] if infeasible else 0.0
                if now_s + copies_s + solo_s <= latest_finish_s(request.deadline_s):
                    kept.append(entry)
                    if not infeasible:  # by deadline: nobody behind has expired
                        kept += queue[at + 1 :]
                        break
                else:
                    self._waiting -= 1
                    yield Drop(request, "expired" if now_s > request.deadline_s else "infeasible")
            queue[:] = kept

    def _shares(self, view: View) -> list[tuple[list[Entry], ...]]:
        """Return, by GPU, the requests that are planned there: by deadline, each goes where least work is."""
        work_s = [sum([self._book.left_s(batch) for batch in _all(gpu)]) for gpu in view.gpus]
        shares: list[dict[str, list[Entry]]] = [{} for _ in view.gpus]
        most = self._horizon * len(view.gpus) * max(self._limit.values(), default=1)
        heads = sorted([entry for queue in self._queues.values() for entry in islice(queue, most)])
        for entry in heads[:most]:
            model = entry[2].model
            at = min(range(len(work_s)), key=lambda gpu: round(work_s[gpu], RANK_DIGITS))
            shares[at].setdefault(model, []).append(entry)
            work_s[at] += self._latency_s[model][1]
        return [tuple(share.values()) for share in shares]

    def _chunks(self, queues: Iterable[list[Entry]], gpu: GpuView, now_s: float, *, by_class: bool) -> list[Job]:
        """Return the waiting requests as batches that could be started, the first by due date."""
        chunks: list[Job] = []
        for queue in queues:
            if not queue:
                continue
            model = queue[0][2].model
            most = self._horizon * self._limit[model]
            entries = queue[:most]
            if by_class:
                entries = sorted(entries, key=_class)
            loads_s = 0.0 if model in gpu.resident else self._in_s[self._weights_bytes[model]]
            self._split(model, [entry[2] for entry in entries], loads_s, now_s, chunks)
        for chunk in chunks:
            chunk.judge(now_s)
        if len(chunks) > self._horizon:
            chunks.sort(key=_due)
            del chunks[self._horizon :]
        return chunks

    def _split(self, model: str, requests: Sequence[Request], loads_s: float, now_s: float, chunks: list[Job]) -> None:
        """Cut a model's requests, in this order, into batches that stay in time and that pay."""
        latency_s, limit = self._latency_s[model], self._limit[model]
        at = 0
        while at < len(requests) and len(chunks) <= self._horizon * 4:
            first = requests[at]
            size, bytes_in, bytes_out = 1, first.bytes_in, first.bytes_out
            due_s = latest_finish_s(first.deadline_s)
            for request in requests[at + 1 : at + limit]:
                longer_s = latency_s[size + 1] - latency_s[size]
                if size >= 2 and longer_s > self._pays * latency_s[1]:  # a pair always may
                    break
                both_in, both_out = bytes_in + request.bytes_in, bytes_out + request.bytes_out
                nearer_s = min(due_s, latest_finish_s(request.deadline_s))
                takes_s = self._in_s[both_in] + self._stretch * latency_s[size + 1] + self._out_s[both_out]
                if now_s + loads_s + takes_s > nearer_s:
                    break
                size, bytes_in, bytes_out, due_s = size + 1, both_in, both_out, nearer_s
            taken = requests[at : at + size]
            at += size
            left_s = loads_s + self._in_s[bytes_in] + latency_s[size]
            chunks.append(Job((model, size), left_s, self._out_s[bytes_out], self._weighed(taken), taken))

    def _weighed(self, requests: Iterable[Request]) -> list[tuple[float, float]]:
        weight = self._weight
        return [
            (latest_finish_s(request.deadline_s), weight if request.priority is _HIGH else 1.0) for request in requests
        ]

    # The plan ---------------------------------------------------------------------------------------------------------

    def _serve(self, gpu: GpuView, queues: Sequence[list[Entry]], now_s: float) -> Iterator[Decision]:
        """Plan one GPU and carry the plan out, until it asks for nothing more."""
        stopped = False  # what was planned with a stop is carried out before another is thought of: so this ends
        while True:
            running = [self._job(batch, now_s) for batch in (*gpu.executing, *gpu.staged)]
            if len(running) >= self._slots and (stopped or self.preemption is None):
                return
            choice = self._choose(gpu, queues, running, now_s, stops=not stopped)
            if choice is None:
                return
            for job in reversed(choice.stops):
                stopped = True
                yield Suspend(job.batch)  # type: ignore[arg-type]  # (what runs is a batch)
            decision = self._first(gpu, choice)
            if decision is None:
                return
            yield decision
            if type(decision) is Start:
                self._started(gpu, decision.requests, queues)

    def _choose(
        self, gpu: GpuView, queues: Sequence[list[Entry]], running: list[Job], now_s: float, *, stops: bool
    ) -> _Choice | None:
        """Return the best way to go on; None if there is nothing to plan."""
        suspended = [self._job(batch, now_s) for batch in gpu.suspended]
        best: _Choice | None = None
        tried: list[tuple[object, ...]] = []
        for by_class in (False, True):
            chunks = self._chunks(queues, gpu, now_s, by_class=by_class)
            if not chunks and not suspended:
                return None
            shape = tuple([(chunk.key, chunk.due_s, chunk.value) for chunk in chunks])
            if shape in tried:
                continue
            tried.append(shape)
            for choice in self._choices(running, [*suspended, *chunks], now_s, stops=stops):
                if best is None or self._cost(choice) < self._cost(best):
                    best = choice
                if best.late <= 0.0:
                    return best
        return best

    def _choices(self, running: list[Job], rest: list[Job], now_s: float, *, stops: bool) -> Iterator[_Choice]:
        """Yield what can be done: with what runs first, then by stopping some of it; each at C slots, then at fewer."""
        slots = self._slots
        for at_once in range(slots, max(len(running), 1) - 1, -1):
            order = plan(rest, at_once, now_s, self._rates, running)
            yield _Choice(order[len(running) :], at_once, [], late_weight(order))
        if self.preemption is None or not running or not stops:
            return
        for at_once in range(slots, 0, -1):
            order = plan([*running, *rest], at_once, now_s, self._rates)
            first = order[:at_once]
            losers = [job for job in running if job not in first]
            if not losers:
                continue
            drains = [(job.key, min(self._drain_s(job), job.left_s)) for job in losers]
            walk(order, at_once, now_s, self._rates, [drain for drain in drains if drain[1] > 0.0])
            others = [job for job in order if job not in running or job in losers]
            yield _Choice(others, at_once, losers, late_weight(order))

    def _cost(self, choice: _Choice) -> tuple[float, int]:
        """Return what choices are compared by: the weight late, stops included; no stop among equals."""
        stops = len(choice.stops)
        return choice.late + self._stop_cost * stops, stops

    def _drain_s(self, job: Job) -> float:
        """Return the solo work that a batch still does once it is stopped: three quarters of the gate, on average."""
        model, size = job.key
        return 0.75 * self._gate * self._kernel_share[model] * self._latency_s[model][size]

    def _job(self, batch: InFlight, now_s: float) -> Job:
        out_s = self._out_s[sum([request.bytes_out for request in batch.requests])]
        left_s = self._book.left_s(batch)
        job = Job((batch.model, batch.size), left_s, out_s, self._weighed(batch.requests), batch=batch)
        job.judge(now_s)
        return job

    # Carrying it out --------------------------------------------------------------------------------------------------

    def _first(self, gpu: GpuView, choice: _Choice) -> Decision | None:
        """Return the start or the resumption that comes next, None if no slot is free for it."""
        if not choice.order or gpu.in_flight >= choice.slots or not gpu.free_places:
            return None
        job = choice.order[0]
        if job.batch is not None:
            return None if job in choice.stops else Resume(job.batch)
        return Start(tuple(job.requests), gpu.id, job.end_s + job.tail_s)  # type: ignore[arg-type]

    def _started(self, gpu: GpuView, requests: Sequence[Request], queues: Sequence[list[Entry]]) -> None:
        batch = gpu.newest
        assert batch is not None  # noqa: S101 (it has just been started)
        model = requests[0].model
        self._book.started(batch, self._latency_s[model][len(requests)])
        taken = {request.id for request in requests}
        own = self._queues[model]
        for queue in (own, *[queue for queue in queues if queue is not own and queue and queue[0][2].model == model]):
            queue[:] = [entry for entry in queue if entry[1] not in taken]
        self._waiting -= len(taken)


def _all(gpu: GpuView) -> Iterable[InFlight]:
    return (*gpu.executing, *gpu.staged, *gpu.suspended)


def _class(entry: Entry) -> int:
    return entry[2].priority


def _due(job: Job) -> float:
    return round(job.due_s, RANK_DIGITS)
