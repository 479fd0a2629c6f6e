"""Groups of GPUs: a single run of all GPUs under a partitioned policy is the known answer, the rules are tables."""

from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest

from stratsim import simulate
from stratsim.engine.groups import simulate_groups
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.groups import Groups
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority, Status
from stratsim.model.topology import Branch, Branches, Topology, Trunk, load_topology
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient
from stratsim.policy import Policy
from stratsim.policy.base import DropMode
from stratsim.policy.native import Native
from stratsim.policy.preempt import PreemptReset
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf
from stratsim.policy.strait import Strait
from stratsim.results import invariants
from stratsim.testing import make_profile, make_workload

MS, KB = 1e-3, 1000
LINK = Link(20e-6, 1e9)
PROFILE = make_profile(
    {
        "a": {1: 5 * MS, 2: 7 * MS, 4: 11 * MS},
        "b": {1: 3 * MS, 2: 5 * MS, 4: 9 * MS},
        "c": {1: 8 * MS, 2: 12 * MS, 4: 20 * MS},
    },
    sharing={"a": Sharing(0.9, 3.0), "b": Sharing(0.4, 1.0), "c": Sharing(0.7, 2.0)},
    h2d=LINK,
    d2h=LINK,
    bytes_in={"a": 600 * KB, "b": 900 * KB, "c": 150 * KB},
    bytes_out={"a": 4 * KB, "b": 300 * KB, "c": 80 * KB},
    noise_cv=0.05,
    kernels=40,
)
PLAIN = make_profile({"a": 3.0, "b": 1.0, "c": 2.0, "d": 2.0})
"""Seconds, exact in binary floating point; copies cost nothing."""


def rows(count, rate_per_s, *, clients=0, slo_s=0.04, models="abc"):
    """Poisson arrivals of all models and both classes; every fourth request has no client."""
    draw = np.random.default_rng(7)
    found = []
    for number, at_s in enumerate(np.cumsum(draw.exponential(1 / rate_per_s, count))):
        client = f"client-{draw.integers(clients)}" if clients and number % 4 else None
        priority = "high" if draw.random() < 0.3 else "low"
        found.append((at_s, str(draw.choice(list(models))), priority, at_s + slo_s, None, None, client))
    return found


def in_groups(workload, policy=Fifo, groups=2, deal="round-robin", *, profile=PROFILE, jobs=1, seed=5, **cluster):
    """Replay on 4 GPUs unless said otherwise, and check the result."""
    machine = Cluster(**{"gpus": 4, "device_model": "streams", **cluster})
    result = simulate_groups(
        workload,
        profile,
        policy,
        Groups(groups, deal),
        cluster=machine,
        name="mine",
        max_batch=4,
        drop=DropMode.INFEASIBLE,
        seed=seed,
        jobs=jobs,
    )
    assert invariants(result, result.max_concurrency) == []
    return result


def on_one_clock(workload, policy, *, profile=PROFILE, seed=5, **cluster):
    machine = Cluster(**{"gpus": 4, "device_model": "streams", **cluster})
    result = simulate(workload, profile, policy, cluster=machine, max_batch=4, drop=DropMode.INFEASIBLE, seed=seed)
    assert invariants(result, result.max_concurrency) == []
    return result


def columns(table):
    return {field.name: np.asarray(getattr(table, field.name)) for field in fields(table)}


def assert_same(one, other, *, of=slice(None), but=()):
    """Whether two tables are equal, to the bit."""
    theirs = columns(other)
    for name, column in columns(one).items():
        if name not in but:
            np.testing.assert_array_equal(column[of] if column.ndim else column, theirs[name], name)


def group_of(result, each=2):
    """The group that served each request."""
    assert (result.requests.batch >= 0).all()
    return (result.batches.gpu[result.requests.batch] // each).tolist()


# One clock, a policy that is partitioned ------------------------------------------------------------------------------


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


@pytest.mark.parametrize("policy", [Fifo, Edf, PriorityEdf])
@pytest.mark.parametrize("deal", RULES)
@pytest.mark.parametrize("count", [2, 4])
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


# Rules ----------------------------------------------------------------------------------------------------------------


def dealt(table, deal, count=2):
    workload = make_workload(table, profile=PLAIN)
    result = in_groups(workload, partial(Fifo, drop="never", max_batch=1), count, deal, profile=PLAIN, gpus=2 * count)
    return group_of(result)


def test_round_robin_goes_by_the_place_in_the_trace():
    assert dealt([(float(at), "a") for at in range(7)], "round-robin", 3) == [0, 1, 2, 0, 1, 2, 0]


def test_models_are_balanced_by_work():
    """b 4 x 1 s to group 0; a 1 x 3 s to group 1; c, 2 s, to group 1 (3 < 4); d, 2 s, to group 0 (4 < 5)."""
    models = "abcbdbb"
    table = [(float(at), model) for at, model in enumerate(models)]
    assert dealt(table, "model") == [{"b": 0, "a": 1, "c": 1, "d": 0}[model] for model in models]


def test_fewer_models_than_groups_leave_a_group_idle():
    table = [(1.0, "a"), (2.0, "a"), (3.0, "b")]
    assert dealt(table, "model", 3) == [0, 0, 1]
    result = in_groups(make_workload(table, profile=PLAIN), groups=4, deal="model", profile=PLAIN)
    assert (result.start_s, result.gpus, result.max_concurrency) == (1.0, 4, 2)


def test_an_empty_trace():
    result = in_groups(make_workload([], profile=PLAIN), profile=PLAIN)
    assert (len(result.requests), len(result.batches), result.start_s, result.end_s) == (0, 0, 0.0, 0.0)


def test_clients_take_turns_and_so_do_requests_without_one():
    """p, q, r are the first, second and third client: groups 0, 1, 0. The nameless alternate among themselves."""
    names = ["p", None, "q", "q", None, None, "r", "p", None]
    table = [(float(at), "a", "low", None, None, None, name) for at, name in enumerate(names)]
    assert dealt(table, "client") == [0, 0, 1, 1, 1, 0, 0, 0, 1]


def test_without_names_client_is_round_robin():
    assert dealt([(float(at), "a") for at in range(5)], "client") == [0, 1, 0, 1, 0]


# Luck -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deal", ["round-robin", "model", "client"])
def test_a_request_has_the_same_luck_in_any_number_of_groups(deal):
    workload = make_workload(rows(600, 300, clients=5), profile=PROFILE)
    solo_s = []
    for count in (1, 2, 4):
        result = in_groups(workload, partial(Fifo, max_batch=1, drop="never"), count, deal)
        solo_s.append(result.batches.solo_s[result.requests.batch].tolist())
    assert solo_s[0] == solo_s[1] == solo_s[2]
    assert len(set(solo_s[0])) == 600


# What is merged -------------------------------------------------------------------------------------------------------

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


# Clients that wait ----------------------------------------------------------------------------------------------------


def of_client(result, name):
    chosen = result.requests.client == result.clients.index(name)
    return result.requests.arrival_s[chosen].tolist()


def test_closed_loop_clients_are_dealt_in_turn():
    """Of three clients the first and third share a GPU, one slot: each has its reply after 6 s; the second after 3."""
    loop = [ClosedLoopClient(name, "a", Priority.LOW, 0, 0, stop_s=10.0) for name in "pqr"]
    workload = make_workload([], profile=PLAIN, closed_loop=loop)
    one_by_one = partial(Fifo, max_batch=1, drop="never")
    result = in_groups(
        workload, one_by_one, deal="client", profile=PLAIN, gpus=2, max_concurrency=1, device_model="exclusive"
    )
    assert of_client(result, "p") == [0.0, 3.0, 9.0]
    assert of_client(result, "q") == [0.0, 3.0, 6.0, 9.0]
    assert of_client(result, "r") == [0.0, 6.0]
    assert (np.diff(result.requests.arrival_s) >= 0).all()


def test_clients_of_the_rows_come_before_closed_loop_ones():
    """p, q and r are the first three, so the loop l goes to group 1, m to group 0."""
    loop = [ClosedLoopClient(name, "b", Priority.LOW, 0, 0, limit=1) for name in "lm"]
    table = [(0.0, "b", "low", None, None, None, name) for name in "pqr"]
    workload = make_workload(table, profile=PLAIN, closed_loop=loop)
    result = in_groups(workload, partial(Fifo, drop="never"), deal="client", profile=PLAIN, gpus=2)
    gpu = {result.clients[code]: result.batches.gpu[batch] for code, batch in
           zip(result.requests.client.tolist(), result.requests.batch.tolist(), strict=True)}  # fmt: skip
    assert gpu == {"p": 0, "q": 1, "r": 0, "l": 1, "m": 0}


def test_one_at_a_time_requests_are_merged_in_the_order_of_arrival():
    """p's second, due at 1, is sent at 3, after q's, which is due at 2: as many are sent as the trace has rows, but
    they have other places."""
    table = [(0.0, "a", "low", None, None, None, "p"), (1.0, "a", "low", None, None, None, "p"),
             (2.0, "b", "low", None, None, None, "q")]  # fmt: skip
    workload = make_workload(table, profile=PLAIN, one_at_a_time=[OneAtATimeClient("p"), OneAtATimeClient("q")])
    result = in_groups(workload, partial(Fifo, drop="never"), deal="client", profile=PLAIN, gpus=2)
    assert result.requests.arrival_s.tolist() == [0.0, 2.0, 3.0]
    assert [result.clients[code] for code in result.requests.client] == ["p", "q", "p"]
    assert result.requests.finish_s.tolist() == [3.0, 3.0, 6.0]


def test_each_group_of_one_at_a_time_clients_is_its_own_run():
    table = rows(400, 900, clients=5, slo_s=0.2)
    named = [row for row in table if row[-1]]
    clients = list(dict.fromkeys(row[-1] for row in named))
    noiseless = replace(PROFILE, truth=replace(PROFILE.truth, noise_cv=0.0))

    def workload(chosen):
        waiting = [OneAtATimeClient(name) for name in clients if any(row[-1] == name for row in chosen)]
        return make_workload(chosen, profile=PROFILE, one_at_a_time=waiting)

    result = in_groups(workload(named), Edf, deal="client", profile=noiseless)
    for group in range(2):
        own = [row for row in named if clients.index(row[-1]) % 2 == group]
        alone = on_one_clock(workload(own), Edf(), profile=noiseless, gpus=2)
        for name in alone.clients:
            assert of_client(result, name) == of_client(alone, name)
    assert len(result.requests) < len(named)


# Processes ------------------------------------------------------------------------------------------------------------


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


# What cannot be cut ---------------------------------------------------------------------------------------------------

TWO_SWITCHES = Topology(
    switches={"A": Branch(bytes_per_s=1.2e9), "B": Branch(bytes_per_s=1.2e9)},
    gpus=(Branches(under="A", count=2), Branches(under="B", count=2)),
    name="two switches",
)


def test_a_switch_within_a_group_is_shared_there_and_only_there():
    """Each half, alone on a machine of its own, does the same; without its switch it would be faster."""
    quiet = replace(PROFILE, truth=replace(PROFILE.truth, noise_cv=0.0))
    table = rows(800, 900)
    one_by_one = partial(Fifo, max_batch=1, drop="never")
    cut = in_groups(make_workload(table, profile=quiet), one_by_one, profile=quiet, topology=TWO_SWITCHES)
    half = Topology(switches={"A": Branch(bytes_per_s=1.2e9)}, gpus=(Branches(under="A", count=2),))
    for group in range(2):
        part = make_workload(table[group::2], profile=quiet)
        alone = on_one_clock(part, one_by_one(), profile=quiet, gpus=2, topology=half)
        assert_same(cut.batches, alone.batches, of=cut.batches.gpu // 2 == group, but=["gpu"])
    free = in_groups(make_workload(table, profile=quiet), one_by_one, profile=quiet)
    assert free.batches.copy_in_end_s.sum() < cut.batches.copy_in_end_s.sum()


def test_gpus_keep_their_own_links():
    """The last GPU's link is ten times slower than the others'."""
    tree = Topology(gpus=(Branches(1e9, count=3), Branches(1e8)), name="uneven")
    table = [(float(at), "b") for at in range(4)]
    result = in_groups(make_workload(table, profile=PROFILE), groups=4, topology=tree)
    copied_s = result.batches.copy_in_end_s - result.batches.copy_in_start_s
    assert result.batches.gpu.tolist() == [0, 1, 2, 3]
    assert copied_s == pytest.approx([20e-6 + 0.9 * MS] * 3 + [20e-6 + 9 * MS], rel=1e-9)


def test_a_root_that_nobody_fills_does_not_matter():
    """Four links of 1 GB/s are all that could ever use it."""
    workload = make_workload(rows(50, 300), profile=PROFILE)
    tree = Topology(root=Trunk(4e9), name="wide")
    assert_same(in_groups(workload, topology=tree).batches, in_groups(workload).batches)


REFUSED = {
    "not divisible": (
        {"gpus": 6, "groups": 4},
        "6 GPUs cannot be cut into 4 equal groups",
    ),
    "more groups than GPUs": ({"gpus": 2, "groups": 4}, "2 GPUs cannot be cut into 4 equal groups"),
    "shared switch": (
        {"gpus": 8, "topology": load_topology("8x-h800")},
        "topology '8x-h800' has a link that GPUs of groups 0 and 1 share: what one copies slows the other",
    ),
    "cut through a switch": (
        {"groups": 4, "topology": TWO_SWITCHES},
        "topology 'two switches' has a link that GPUs of groups 0 and 1 share",
    ),
    "shared uplink": (
        {"uplink_bytes_per_s": 3.9e9},
        "topology 'uplink_bytes_per_s' has a link that GPUs of groups 0 and 1 share",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_groups_share_is_refused(name):
    options, message = REFUSED[name]
    with pytest.raises(SpecError) as error:
        in_groups(make_workload([(0.0, "a")], profile=PROFILE), **options)
    assert str(error.value).startswith(message)


def test_links_do_not_matter_where_nothing_is_copied():
    workload = make_workload(rows(50, 300), profile=PROFILE)
    result = in_groups(workload, uplink_bytes_per_s=1e6, transfers=False)
    assert (result.batches.copy_in_end_s == result.batches.dispatch_s).all()


@pytest.mark.parametrize("deal", ["round-robin", "model"])
@pytest.mark.parametrize(
    "clients",
    [
        {"closed_loop": [ClosedLoopClient("p", "a", Priority.LOW, 0, 0, limit=1)]},
        {"one_at_a_time": [OneAtATimeClient("p")]},
    ],
    ids=lambda clients: next(iter(clients)),
)
def test_a_client_that_waits_is_one_groups_business(clients, deal):
    workload = make_workload([(0.0, "a", "low", None, None, None, "p")], profile=PLAIN, **clients)
    with pytest.raises(SpecError, match=f"deal = '{deal}' would send .* use deal = 'client'"):
        in_groups(workload, deal=deal, profile=PLAIN)
    assert len(in_groups(workload, deal=deal, groups=1, profile=PLAIN).requests) > 0


def test_rules_and_counts_are_checked():
    with pytest.raises(SpecError, match=r"unknown way to deal requests 'modle'; did you mean 'model'"):
        Groups(2, "modle")
    with pytest.raises(SpecError, match="groups must be at least 1, got 0"):
        Groups(0)


def test_factors_are_one_per_request():
    workload = make_workload([(0.0, "a"), (1.0, "a")], profile=PLAIN)
    result = simulate(workload, PLAIN, Fifo(), factors=np.array([1.0, 2.0]))
    assert result.batches.solo_s.tolist() == [3.0, 6.0]
    with pytest.raises(SpecError, match="factors must be one per request"):
        simulate(workload, PLAIN, Fifo(), factors=np.array([1.0]))
