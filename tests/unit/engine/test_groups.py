"""Groups of GPUs: a single run of all GPUs under a partitioned policy is the known answer; what is merged."""

from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest

from stratsim.engine.groups import simulate_groups
from stratsim.model.cluster import Cluster
from stratsim.model.groups import Groups
from stratsim.model.request import Priority, Status
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy import Policy
from stratsim.policy.base import DropMode
from stratsim.policy.native import Native
from stratsim.policy.preempt import PreemptReset
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf
from stratsim.policy.strait import Strait
from stratsim.testing import make_workload
from tests.unit.engine.in_groups import PLAIN, PROFILE, assert_same, in_groups, on_one_clock, rows


class PartOfView:
    """What a policy may see that has some of the GPUs only."""

    def __init__(self, gpus):
        self._ids = gpus
        self.now_s = 0.0

    def look(self, view):
        self.now_s = view.now_s
        self.gpus = [view.gpus[gpu] for gpu in self._ids]

    def least_loaded(self):
        gpu = min(self.gpus, key=lambda gpu: (gpu.in_flight, gpu.id))
        return gpu if gpu.free_places else None


class Partitioned(Policy):
    """Policies that have a part of the GPUs each, and are asked only when something happened there."""

    def __init__(self, make, deal, count):
        self.inner = [make() for _ in range(count)]
        self.deal = deal

    def prepare(self, setting):
        each = setting.gpus // len(self.inner)
        self.views = [PartOfView(range(each * n, each * (n + 1))) for n in range(len(self.inner))]
        self.seen = [None] * len(self.inner)
        self.waiting = [set() for _ in self.inner]
        for inner in self.inner:
            inner.prepare(replace(setting, gpus=each))

    def on_arrival(self, request, view):
        group = self.deal(request)
        self.seen[group] = None
        self.waiting[group].add(request)
        self.inner[group].on_arrival(request, view)

    def decide(self, view):
        for group, (inner, part) in enumerate(zip(self.inner, self.views, strict=True)):
            part.look(view)
            if self.waiting[group] and self.seen[group] != self.batches(part):
                for decision in inner.decide(part):
                    gone = getattr(decision, "requests", None) or (decision.request,)
                    self.waiting[group].difference_update(gone)
                    yield decision
            self.seen[group] = self.batches(part)

    def batches(self, part):
        return [batch.id for gpu in part.gpus for batch in (*gpu.executing, *gpu.staged)]


def in_turn(count):
    return lambda request: request.id % count


def by_name(count):
    """Clients are named after the order in which they first appear."""
    known, nameless = {}, []

    def deal(request):
        if request.client is None:
            nameless.append(request)
            return (len(nameless) - 1) % count
        return known.setdefault(request.client, len(known)) % count

    return deal


RULES = {"round-robin": in_turn, "client": by_name}


@pytest.mark.slow_cases("2-client-Edf", "2-round-robin-Edf", "2-round-robin-Fifo")
@pytest.mark.parametrize("policy", [Fifo, Edf, PriorityEdf])
@pytest.mark.parametrize("deal", RULES)
@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_groups_are_what_a_partitioned_policy_does_on_one_clock(policy, deal, count):
    """Batches, drops, noise, co-location and private links: all columns are equal, to the bit."""
    workload = make_workload(rows(1500, 1500, clients=7, slo_s=0.03), profile=PROFILE)
    cut = in_groups(workload, policy, count, deal)
    whole = on_one_clock(workload, Partitioned(policy, RULES[deal](count), count))
    assert_same(cut.batches, whole.batches)
    assert_same(cut.requests, whole.requests, but=["reason"])
    of_cut, of_whole = (np.array([*run.reasons, None])[np.asarray(run.requests.reason)] for run in (cut, whole))
    assert of_cut.tolist() == of_whole.tolist()
    assert (cut.gpus, cut.clients, cut.models) == (whole.gpus, whole.clients, whole.models)
    assert (cut.start_s, cut.end_s, cut.max_concurrency) == (whole.start_s, whole.end_s, whole.max_concurrency)
    # What makes the comparison worth something:
    assert cut.batches.size.max() > 1
    assert {Status.MET, Status.DROPPED} <= set(cut.requests.status.tolist())
    alone_s = cut.batches.solo_s * (1 + 1e-9)
    assert (cut.batches.execution_end_s - cut.batches.execution_start_s > alone_s).mean() > 0.3


def test_by_model_too():
    """Work: c 8 ms, a 5, b 3, as often as each other; c to the first, a to the second, b joins a."""
    workload = make_workload(rows(900, 600), profile=PROFILE)
    table = {"a": 1, "b": 1, "c": 0}
    cut = in_groups(workload, PriorityEdf, deal="model")
    whole = on_one_clock(workload, Partitioned(PriorityEdf, lambda request: table[request.model], 2))
    assert_same(cut.batches, whole.batches)


@pytest.mark.parametrize("deal", ["round-robin", "model", "client"])
def test_a_request_has_the_same_luck_in_any_number_of_groups(deal):
    workload = make_workload(rows(600, 300, clients=5), profile=PROFILE)
    solo_s = []
    for count in (1, 2, 4):
        result = in_groups(workload, partial(Fifo, max_batch=1, drop="never"), count, deal)
        solo_s.append(result.batches.solo_s[result.requests.batch].tolist())
    assert solo_s[0] == solo_s[1] == solo_s[2]
    assert len(set(solo_s[0])) == 600


LOADED = replace(
    PROFILE,
    observable=replace(
        PROFILE.observable,
        models={name: replace(model, weights_bytes=4_000_000) for name, model in PROFILE.observable.models.items()},
    ),
)


RUNS = {
    "fifo": {"policy": Fifo},
    "strait": {"policy": Strait},
    "native": {"policy": Native},
    "preempt-reset": {"policy": PreemptReset, "device_model": "exclusive", "max_concurrency": 1, "rate_per_s": 500},
    "weights": {"policy": Fifo, "profile": LOADED, "memory": 9e6, "rate_per_s": 300},
}


@pytest.mark.slow_cases("preempt-reset", "strait")
@pytest.mark.parametrize("name", RUNS)
def test_merged_tables_are_each_groups_own(name):
    """The invariants hold (`in_groups`), and each group's part is its own run: batch, client and reason included."""
    options = {"rate_per_s": 800, "profile": PROFILE} | RUNS[name]
    policy, profile, rate_per_s = options.pop("policy"), options.pop("profile"), options.pop("rate_per_s")
    noiseless = replace(profile, truth=replace(profile.truth, noise_cv=0.0))
    table = rows(600, rate_per_s, clients=6)
    result = in_groups(make_workload(table, profile=profile), policy, profile=noiseless, **options)
    assert (np.diff(result.batches.dispatch_s) >= 0).all()
    assert result.requests.arrival_s.tolist() == [row[0] for row in table]
    names = np.array([*result.clients, None])[result.requests.client]
    assert names.tolist() == [row[-1] for row in table]
    for group in range(2):
        part = make_workload(table[group::2], profile=profile)
        alone = on_one_clock(part, policy(), profile=noiseless, gpus=2, **options)
        chosen = np.flatnonzero(result.batches.gpu // 2 == group)
        assert_same(result.batches, alone.batches, of=chosen, but=["gpu"])
        assert (result.batches.gpu[chosen] - 2 * group).tolist() == alone.batches.gpu.tolist()
        mine = slice(group, None, 2)
        assert_same(result.requests, alone.requests, of=mine, but=["batch", "client", "reason"])
        batch = np.append(chosen, -1)[alone.requests.batch]
        assert result.requests.batch[mine].tolist() == batch.tolist()
        reasons = [np.array([*run.reasons, None])[np.asarray(run.requests.reason)] for run in (result, alone)]
        assert reasons[0][mine].tolist() == reasons[1].tolist()
        for ours, theirs in ((result.loads, alone.loads), (result.pauses, alone.pauses)):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                rows_of = np.flatnonzero(np.isin(ours.batch, chosen))
                assert len(rows_of) > 10
                assert ours.batch[rows_of].tolist() == chosen[theirs.batch].tolist()
                assert_same(ours, theirs, of=rows_of, but=["batch"])


def test_what_a_group_leaves_behind_is_said_with_its_number():
    class Idle(Fifo):
        def decide(self, view):
            return ()

    result = in_groups(make_workload([(0.0, "a"), (1.0, "a"), (2.0, "a")], profile=PLAIN), Idle, profile=PLAIN)
    assert result.notes == (
        "group 0: policy 'mine' left 2 requests waiting for ever: unfinished",
        "group 1: policy 'mine' left 1 requests waiting for ever: unfinished",
    )


def test_what_happens_at_one_instant_keeps_its_order():
    """Requests that of the trace, batches that of their groups."""
    workload = make_workload([(0.0, model) for model in "abcd"], profile=PLAIN)
    result = in_groups(workload, Fifo, profile=PLAIN, gpus=2)
    assert [result.models[code] for code in result.requests.model] == ["a", "b", "c", "d"]
    assert [result.models[code] for code in result.batches.model] == ["a", "c", "b", "d"]
    assert result.requests.batch.tolist() == [0, 2, 1, 3]


@pytest.mark.slow_cases("True")
@pytest.mark.parametrize("waits", [False, True])
def test_processes_change_nothing(waits):
    loop = [ClosedLoopClient(f"loop-{n}", "b", Priority.HIGH, 1, 1, limit=20) for n in range(3)] if waits else []
    workload = make_workload(rows(500, 800, clients=6), profile=PROFILE, closed_loop=loop)
    told = {1: [], 2: []}
    runs = []
    for jobs, calls in told.items():
        runs.append(
            simulate_groups(
                workload,
                PROFILE,
                Strait,
                Groups(4, "client"),
                cluster=Cluster(gpus=4),
                name="strait",
                max_batch=4,
                drop=DropMode.EXPIRED,
                seed=3,
                jobs=jobs,
                progress=lambda done, total, calls=calls: calls.append((done, total)),
            )
        )
    here, apart = (replace(run, wall_s=0.0) for run in runs)
    assert_same(here.requests, apart.requests)
    assert_same(here.batches, apart.batches)
    plain = [f.name for f in fields(here) if f.name not in ("requests", "batches", "loads", "pauses")]
    assert [getattr(here, name) for name in plain] == [getattr(apart, name) for name in plain]
    for calls in told.values():
        assert len(calls) == 4
        assert calls[-1] == (len(here.requests), 0 if waits else 500)
