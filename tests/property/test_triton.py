"""Triton's batcher against its rules written once more: a thread that looks at every instant, and needs no timers.

The oracle is written from Triton's source for one model and one instance, in its own terms: a cursor that walks
queues, a payload, a thread that waits. It knows nothing of the policy's code. Time is cut into units of 1/16 s, whose
sums are exact, and of which each has two instants: the unit itself, and just after it, when a timeout of that unit is
over.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.request import Status
from stratsim.policy.triton import Triton
from stratsim.testing import make_profile, make_workload

UNIT_S = 1 / 16
LOOK_AGAIN = 16  # instants: 500 ms
NEVER = 10**9


@dataclass
class Queued:
    number: int
    instant: int
    level: int
    timeout: int  # the instant after which its time is up


@dataclass
class Payload:
    requests: list[Queued] = field(default_factory=list)
    saturated: bool = False
    next_preferred: int = 0


@dataclass
class Oracle:
    preferred: set[int]
    limit: int
    delay: int
    levels: int
    timeout: int
    rejects: bool
    override: bool
    max_size: int
    service: int

    def run(self, arrivals):
        """Take (unit, level, own timeout in units or None) in order; return batches and drops, by unit."""
        self.queue = {level: ([], []) for level in range(max(self.levels, 1))}
        self.payloads, self.current = [], Payload()
        self.free_at, self.sleeps_until, self.notified, self.no_slot_since = 0, -1, True, None
        self.batches, self.drops = [], []
        self.prefetches = not (self.levels or self.timeout or self.override or self.max_size)
        coming = [self._queued(number, *row) for number, row in enumerate(arrivals)]
        self.now = -1
        while coming or any(fresh or late for fresh, late in self.queue.values()) or self.payloads:
            self.now += 1
            assert self.now < 100_000, "somebody waits for ever"
            while coming and coming[0].instant == self.now:
                request = coming.pop(0)
                fresh, late = self.queue[request.level]
                if self.max_size and len(fresh) + len(late) >= self.max_size:
                    self.drops.append((request.number, self.now // 2))
                else:
                    fresh.append(request)
            self._thread()
        return self.batches, sorted(self.drops)

    def _queued(self, number, unit, level, own):
        timeout = self.timeout
        if self.override and own is not None and 0 < own < timeout:
            timeout = own
        return Queued(number, 2 * unit, level if self.levels else 0, 2 * (unit + timeout) if timeout else NEVER)

    def _idle(self):
        return self.now >= self.free_at

    def _thread(self):
        if self._idle() and self.payloads and self._slot():
            self._look()  # what comes at the instant at which an instance frees is seen before it takes a payload
        while True:
            if self._idle() and self.payloads:
                self._dequeue()
            elif not self._slot():
                self._wait_for_slot()
                return
            elif not self._look():
                return

    def _slot(self):
        return len(self.payloads) < 2 if self.prefetches else self._idle() and not self.payloads

    def _look(self):
        """Let the thread look at the queue; True if it is to look again at once."""
        self.no_slot_since = None
        if self.current.saturated or (self.current.requests and self.current not in self.payloads):
            self.current = Payload()
        return self._awake() and self._get_dynamic_batch()

    def _awake(self):
        """Whether the thread runs: an empty payload is looked at always, which changes nothing."""
        size = sum(len(fresh) + len(late) for fresh, late in self.queue.values())
        notified, self.notified = self.notified, False
        wakes = notified or not self.current.requests or size >= self.current.next_preferred
        return size > 0 and (wakes or self.now >= self.sleeps_until)

    def _dequeue(self):
        taken = self.payloads.pop(0)
        while self.delay and self.payloads:
            behind = self.payloads[0]
            if self.now - min(request.instant for request in behind.requests) <= 2 * self.delay:
                break
            behind.saturated = True
            if len(taken.requests) + len(behind.requests) > self.limit:
                break
            taken.requests += self.payloads.pop(0).requests
        taken.saturated = True
        self.batches.append((self.now // 2, [request.number for request in taken.requests]))
        self.free_at = self.now + 2 * self.service
        self.notified = True

    def _wait_for_slot(self):
        if self.no_slot_since is None:
            self.no_slot_since = self.now
        looks, left = divmod(self.now - self.no_slot_since, LOOK_AGAIN)
        if looks and not left and self.rejects:
            for fresh, _ in self.queue.values():
                for request in [one for one in fresh if self.now > one.timeout]:
                    fresh.remove(request)
                    self.drops.append((request.number, self.now // 2))

    def _apply_policy(self, cursor):
        """Return the request at the cursor, past those whose time is up; None at the end."""
        for fresh, late in self.queue.values():
            while cursor < len(fresh) and self.now > fresh[cursor].timeout:
                request = fresh.pop(cursor)
                if self.rejects:
                    self.drops.append((request.number, self.now // 2))
                else:
                    late.append(request)
            if cursor < len(fresh) + len(late):
                return (fresh + late)[cursor], cursor >= len(fresh)
            cursor -= len(fresh) + len(late)
        return None

    def _get_dynamic_batch(self):
        """Follow GetDynamicBatch; True if the thread is to look again at once."""
        held, pending, best, send_now = len(self.current.requests), [], 0, False
        closest = NEVER
        while (found := self._apply_policy(len(pending))) is not None:
            request, is_late = found
            if held + len(pending):
                if held + len(pending) + 1 > max(self.preferred) and best == 0:
                    best, self.current.saturated = len(pending), True
                if held + len(pending) + 1 > self.limit:
                    send_now = True
                    break
            pending.append(request)
            closest = closest if is_late else min(closest, request.timeout)
            if held + len(pending) in self.preferred:
                best = len(pending)
        age = self.now - min((request.instant for request in pending), default=self.now)
        exceeded = self.delay > 0 and age >= 2 * self.delay
        if best and not exceeded:
            if self.delay == 0:
                self.current.saturated = True
            return self._extract(best)
        if not pending:
            self.sleeps_until = self.now + LOOK_AGAIN
            return self.current.saturated
        if send_now or held + len(pending) >= max(self.preferred):
            self.current.saturated = True
            return self._extract(len(pending))
        if exceeded or self.delay == 0:
            return self._extract(len(pending))
        self.current.next_preferred = min(size for size in self.preferred if size > held + len(pending)) - held
        if held and held not in self.preferred:
            return self._extract(len(pending))
        self.sleeps_until = min(self.now + 2 * self.delay - age, closest + 1)
        return False

    def _extract(self, count):
        for _ in range(count):
            fresh, late = next(pair for pair in self.queue.values() if pair[0] or pair[1])
            self.current.requests.append((fresh or late).pop(0))
        if self.current not in self.payloads:
            self.payloads.append(self.current)
        self.notified = True
        if not any(fresh or late for fresh, late in self.queue.values()):
            self.notified, self.sleeps_until = False, self.now + LOOK_AGAIN
        return True


settings_of_triton = st.fixed_dictionaries(
    {
        "preferred": st.sets(st.integers(1, 6), max_size=3),
        "limit": st.integers(1, 6),
        "delay": st.sampled_from([0, 0, 2, 5, 9]),
        "levels": st.sampled_from([0, 0, 2]),
        "timeout": st.sampled_from([0, 0, 0, 3, 6, 12]),
        "rejects": st.booleans(),
        "override": st.booleans(),
        "max_size": st.sampled_from([0, 0, 0, 2]),
        "service": st.sampled_from([1, 3, 8, 25]),
    }
)
arrivals = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 1), st.none() | st.integers(1, 14)), min_size=1, max_size=25
).map(lambda rows: sorted(rows, key=lambda row: row[0]))


def simulated(options, rows):
    """Return what the policy does: batches and drops, in units."""
    profile = make_profile({"a": {1: options["service"] * UNIT_S, 6: options["service"] * UNIT_S}})
    policy = Triton(
        preferred=sorted(options["preferred"]),
        max_batch=options["limit"],
        max_queue_delay_s=options["delay"] * UNIT_S,
        priority_levels=options["levels"],
        timeout_s=options["timeout"] * UNIT_S,
        timeout_action="reject" if options["rejects"] else "delay",
        allow_timeout_override=options["override"],
        max_queue_size=options["max_size"],
    )
    made = [
        (at * UNIT_S, "a", ("high", "low")[level], at * UNIT_S + own * UNIT_S if own else float("inf"))
        for at, level, own in rows
    ]
    cluster = Cluster(max_concurrency=1, prefetch=0, transfers=False)
    result = simulate(make_workload(made, profile=profile), profile, policy, cluster=cluster)
    requests = result.requests
    batches = [
        (round(at / UNIT_S, 3), sorted(i for i, batch in enumerate(requests.batch.tolist()) if batch == row))
        for row, at in enumerate(result.batches.dispatch_s.tolist())
    ]
    drops = [
        (i, round(at / UNIT_S, 3))
        for i, at in enumerate(requests.dropped_s.tolist())
        if requests.status[i] == Status.DROPPED
    ]
    assert not (requests.status == Status.UNFINISHED).any()
    return batches, drops


@pytest.mark.slow
@settings(max_examples=300)
@given(options=settings_of_triton, rows=arrivals)
def test_it_does_what_the_rules_say(options, rows):
    preferred = {size for size in options["preferred"] if size <= options["limit"]} or {options["limit"]}
    batches, drops = Oracle(**(options | {"preferred": preferred})).run(rows)
    assert simulated(options, rows) == ([(at, sorted(numbers)) for at, numbers in batches], drops)


@given(
    rows=st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc"), st.sampled_from(["high", "low"])), min_size=1),
    names=st.permutations("abc"),
    places=st.integers(1, 2),
    parameters=st.sampled_from(
        [{}, {"preferred": [2], "max_queue_delay_s": 0.1}, {"priority_levels": 2, "timeout_s": 0.1}, {"instances": 2}]
    ),
)
def test_neither_the_names_of_models_nor_their_order_in_the_profile_matter(rows, names, places, parameters):
    """Three equal models: renamed and put in another order, every request is served as before."""
    rows = [(at * UNIT_S, *rest) for at, *rest in sorted(rows, key=lambda row: row[0])]
    new = dict(zip("abc", names, strict=True))
    columns = []
    for order, renamed in (("abc", dict(zip("abc", "abc", strict=True))), ("cab", new)):
        profile = make_profile({name: {1: 0.05, 4: 0.07} for name in order})
        workload = make_workload([(at, renamed[model], level) for at, model, level in rows], profile=profile)
        cluster = Cluster(max_concurrency=1, prefetch=places - 1, transfers=False)
        requests = simulate(workload, profile, Triton(max_batch=3, **parameters), cluster=cluster).requests
        columns.append((requests.status.tolist(), requests.batch.tolist(), requests.finish_s.tolist()))
    assert str(columns[0]) == str(columns[1])  # (NaN where a request was dropped)


@pytest.mark.parametrize("service", [1, 25])
def test_the_oracle_knows_the_worked_sequences(service):
    """Preferred 4, delay 5 units: four of 0 to 3 go at 3, one alone when its delay is over or the instance is free."""
    oracle = Oracle({4}, 6, 5, 0, 0, True, False, 0, service)
    rows = [(at, 0, None) for at in (0, 1, 2, 3, 4)]
    assert oracle.run(rows) == ([(3, [0, 1, 2, 3]), (max(9, 3 + service), [4])], [])
