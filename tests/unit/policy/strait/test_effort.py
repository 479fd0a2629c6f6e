"""What Strait leaves out because it cannot change the answer, and when its belief learns."""

from collections import Counter

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.policy.forecast import Forecast
from stratsim.policy.strait import Strait
from stratsim.policy.strait.estimates import Estimates
from stratsim.policy.strait.high import HighPriority
from stratsim.predict import Predictor
from stratsim.testing import make_profile, make_workload

MS = 1e-3
PROFILE = make_profile(
    {"wide": {1: 10 * MS, 4: 24 * MS}, "narrow": {1: 10 * MS, 4: 16 * MS}},
    sharing={"wide": Sharing(1.0, 9.0), "narrow": Sharing(0.5, 1.0)},
    noise_cv=0.02,
)


def burst(count=300, gap=4.1):
    """Both models and classes in turn, at more than the GPU can take."""
    rows = [
        (i * gap * MS, ("wide", "narrow")[i * i // 3 % 2], ("high", "low")[i % 3 > 0], (i * gap + 60 + i % 7 * 9) * MS)
        for i in range(count)
    ]
    return make_workload(rows, profile=PROFILE)


@pytest.fixture
def calls(monkeypatch):
    """Count how often each of these is called."""
    count = Counter()

    def counting(owner, name, label=None):
        call = getattr(owner, name)

        def counts(*args, **options):
            count[label or name] += 1
            return call(*args, **options)

        monkeypatch.setattr(owner, name, counts)

    for owner, name in ((Forecast, "walk"), (Estimates, "update"), (Predictor, "observe")):
        counting(owner, name)
    counting(Forecast, "update", "forecast updates")
    return count


def serve(rows, **options):
    policy = Strait(**{"margin": 0.0, "explore": 0.0, "max_batch": 1, "predictor": "solo"} | options)
    workload = make_workload([(at * MS, model, level, due * MS) for at, model, level, due in rows], profile=PROFILE)
    return simulate(workload, PROFILE, policy, cluster=Cluster(max_concurrency=2, prefetch=1))


def test_nothing_is_estimated_while_low_priority_finds_all_slots_taken(calls):
    executing = [(0, "narrow", "low", 90), (0, "narrow", "low", 91)]
    serve(executing)
    alone = calls.copy()
    calls.clear()
    serve(executing + [(1 + i, "narrow", "low", 200) for i in range(5)])
    # Five arrivals while both slots are taken; then an update and at most two walks for each as a slot frees up.
    assert calls["update"] <= alone["update"] + 5
    assert calls["walk"] <= alone["walk"] + 10


def test_low_priority_waits_in_the_queue_rather_than_on_the_gpu():
    rows = [(0, "narrow", "low", 90), (0, "narrow", "low", 91), (1, "narrow", "low", 92)]
    result = serve(rows, guard="off", predictor="constant(slowdown=1)")
    at_s = result.batches.dispatch_s[result.requests.batch[2]]
    assert at_s == pytest.approx(10 * MS, rel=0.1)


def test_a_refusal_that_nothing_has_changed_is_not_looked_at_again(calls):
    """A low wide batch would starve the narrow high one; more of them arrive while that one executes."""
    rows = [(0, "narrow", "high", 13), *((1 + i / 10, "wide", "low", 90) for i in range(30))]
    serve(rows, predictor="constant(slowdown=3)")
    assert calls["walk"] < 30


@pytest.mark.parametrize("policy", ["strait", "no guard"])
def test_leaving_out_what_changes_nothing_changes_nothing(policy, monkeypatch):
    options = {"strait": {}, "no guard": {"guard": "off"}}[policy]
    found = []
    for settled in (True, False):
        if not settled:
            monkeypatch.setattr(Strait, "_is_settled", lambda *_: False)
        result = simulate(burst(), PROFILE, Strait(**options), cluster=Cluster(max_concurrency=2, prefetch=1))
        found.append((result.requests.status.tolist(), result.requests.batch.tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("refresh", [1, 8, 32])
def test_the_belief_learns_from_so_many_batches_at_a_time(refresh, monkeypatch):
    versions = []
    learn = Estimates._learn

    def noting(self, now_s):
        before = self._belief.version_, len(self._to_learn)
        learn(self, now_s)
        versions.append((*before, self._belief.version_))

    monkeypatch.setattr(Estimates, "_learn", noting)
    simulate(burst(), PROFILE, Strait(refresh=refresh), cluster=Cluster(max_concurrency=2))
    assert versions
    assert all(queued >= refresh for _, queued, _ in versions)
    # Nothing is learned in between: each time the belief is as it was left.
    assert [before for before, _, _ in versions[1:]] == [after for _, _, after in versions[:-1]]


SHORTCUTS = {
    "a forecast on which nothing has happened is not updated": (
        Estimates,
        "_changed",
        lambda made, _: range(len(made.forecasts)),
    ),
    "an idle GPU goes first": (HighPriority, "_on_idle", lambda *_: None),
    "a GPU on which a batch ends later is not walked": (Estimates, "_surely_later", lambda *_: False),
}


@pytest.mark.parametrize("gpus", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", [{}, {"predictor": "solo"}, {"refresh": 1}, {"harm_check": False}])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_a_shortcut_changes_nothing(shortcut, options, gpus, monkeypatch):
    owner, name, without = SHORTCUTS[shortcut]
    cluster = Cluster(max_concurrency=2, prefetch=1, gpus=gpus)
    workload = burst(gap=5.1 / gpus)
    found = []
    for usual in (True, False):
        if not usual:
            monkeypatch.setattr(owner, name, without)
        result = simulate(workload, PROFILE, Strait(**options), cluster=cluster)
        found.append(result)
    with_it, without_it = found
    assert with_it.requests.batch.tolist() == without_it.requests.batch.tolist()
    assert with_it.batches.gpu.tolist() == without_it.batches.gpu.tolist()
    # One step or several up to now: the same, but for rounding, and so are instants that are worked out from it.
    for name in ("dispatch_s", "expected_s"):
        one, other = getattr(with_it.batches, name), getattr(without_it.batches, name)
        assert one.tolist() == pytest.approx(other.tolist(), rel=1e-12)


def test_work_does_not_grow_with_the_gpus(calls):
    """As much arrives per GPU. Where one is idle others are not walked, and only what changes is updated."""
    per_request = {}
    for gpus in (4, 32):
        calls.clear()
        rows = [(i * 13 * MS / gpus, "wide", "high", i * 13 * MS / gpus + 60 * MS) for i in range(40 * gpus)]
        workload = make_workload(rows, profile=PROFILE)
        simulate(workload, PROFILE, Strait(), cluster=Cluster(max_concurrency=2, prefetch=1, gpus=gpus))
        per_request[gpus] = {name: calls[name] / len(workload) for name in ("walk", "forecast updates")}
    assert per_request[32]["walk"] <= 1.1 * per_request[4]["walk"] < 2.0
    assert per_request[32]["forecast updates"] <= 1.1 * per_request[4]["forecast updates"] < 3.0


def test_what_is_refused_until_then_is_given_up_at_its_deadline():
    # The guard thinks of the narrow high request that has been served: its like would be late beside a wide batch if it
    # came in the first 7.5, and that is likely until 146.
    rows = [(0, "narrow", "high", 15), (20, "wide", "low", 90), (25, "wide", "low", 80), (30, "wide", "low", 120)]
    result = serve(rows, predictor="constant(slowdown=3)")
    assert result.requests.dropped_s[1:].tolist() == pytest.approx([0.09, 0.08, 0.12])
