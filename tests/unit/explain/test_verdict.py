"""Which decision made a request late: every kind, worked out by hand, and the sentences that say so."""

from math import nan

import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.explain.aggregate import aggregate
from stratsim.explain.parts import latency_parts, read_run
from stratsim.explain.verdict import explain, interference_of, worst
from stratsim.model.cluster import Cluster
from stratsim.policy.base import Drop, Policy, SetTimer, Start
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.results import read_results, summarize, write_results
from stratsim.results.machine import Machine
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 0.010, "b": 0.004})
CLUSTER = Cluster(device_model="processor-sharing")
ONE_SLOT = Cluster(device_model="processor-sharing", max_concurrency=1)


class Script(Policy):
    """Does what it was told: by request id, when to start it and what to expect, or when to drop it."""

    def __init__(self, **plan):
        self.plan = {int(name[1:]): (at, what) for name, (at, what) in plan.items()}

    def prepare(self, setting):
        self.requests = {}

    def on_arrival(self, request, view):
        self.requests[request.id] = request

    def decide(self, view):
        for number in sorted(self.requests):
            at_s, what = self.plan.get(number, (1e9, nan))
            if at_s > view.now_s:
                if at_s < 1e9:
                    yield SetTimer(at_s)
                continue
            request = self.requests.pop(number)
            yield Drop(request, what) if isinstance(what, str) else Start((request,), 0, what)


def run(tmp_path, rows, policy, cluster=CLUSTER):
    result = simulate(make_workload(rows, profile=PROFILE), PROFILE, policy, cluster=cluster, name="script")
    write_results([result], tmp_path / "out", manifest={}, summaries=[summarize(result)], timeline=False)
    machine = Machine(cluster, PROFILE)
    return read_run(read_results(tmp_path / "out"), machine=machine)


def test_a_later_dispatch_made_it_late(tmp_path):
    # a alone would end at 10; b, from 2 to 10, takes half of the GPU, so a ends at 14
    found = explain(run(tmp_path, [(0.0, "a", "high", 0.012), (0.002, "b")], Script(r0=(0, 0.010), r1=(0, nan))), 0)
    assert found.status == "late"
    assert found.cause.kind == "later dispatch"
    assert [(other.name, other.later) for other in found.slowed_by] == [("b x1 (low)", True)]
    assert found.slowed_by[0].interference_s == pytest.approx(0.004)
    assert found.parts["execution"] == pytest.approx(0.010)
    assert found.parts["interference"] == pytest.approx(0.004)
    assert found.verdict == (
        "Dispatched as it arrived, when its estimated finish was 2 ms before its deadline; it was 2 ms late. "
        "b x1 (low), started 2 ms later, slowed it by 4 ms. "
        "Without the batches dispatched after it (b x1 (low)) it would have been in time."
    )


def test_its_own_dispatch_by_a_wrong_belief(tmp_path):
    # b is there first: a, from 1 on, loses 3 while b does its last 3; it was believed to lose nothing
    rows = [(0.0, "b"), (0.001, "a", "high", 0.012)]
    found = explain(run(tmp_path, rows, Script(r0=(0, nan), r1=(0, 0.011))), 1)
    assert found.cause.kind == "belief"
    assert [(other.name, other.later) for other in found.slowed_by] == [("b x1 (low)", False)]
    assert " b x1 (low), already executing, slowed it by 3 ms." in found.verdict
    assert "it took 3 ms longer than estimated" in found.verdict


def test_a_dispatch_believed_to_be_late(tmp_path):
    rows = [(0.0, "b"), (0.001, "a", "high", 0.012)]
    found = explain(run(tmp_path, rows, Script(r0=(0, nan), r1=(0, 0.014))), 1)
    assert found.cause.kind == "known"
    assert "estimated finish was 2 ms after its deadline" in found.verdict


def test_a_policy_that_does_not_say(tmp_path):
    rows = [(0.0, "b"), (0.001, "a", "high", 0.012)]
    assert explain(run(tmp_path, rows, Script(r0=(0, nan), r1=(0, nan))), 1).cause.kind == "unknown"


def test_waited_too_long(tmp_path):
    # a, due at 15, must start by 5; b is on the GPU from 2 to 6, and a starts at 6
    rows = [(0.0, "a", "high", 0.015), (0.002, "b")]
    found = explain(run(tmp_path, rows, Script(r0=(0.006, 0.016), r1=(0, nan))), 0)
    assert (found.cause.kind, found.cause.at_s) == ("waited", pytest.approx(0.005))
    assert [other.name for other in found.cause.batches] == ["b x1 (low)"]
    assert found.cause.meanwhile == {"high": 0, "low": 1}
    assert found.parts["queueing"] == pytest.approx(0.006)
    assert "From 5 ms after its arrival on it could not have been in time even alone." in found.verdict
    assert "GPU 0 had b x1 (low); batches dispatched since it arrived: 1 of low priority." in found.verdict


def test_waited_for_a_slot(tmp_path):
    rows = [(0.0, "b"), (0.0, "b"), (0.0, "a", "high", 0.011)]
    found = explain(run(tmp_path, rows, Script(r0=(0, nan), r1=(0, nan), r2=(0, nan))), 2)
    assert found.parts["slot_wait"] == pytest.approx(0.008)
    assert [other.batch for other in found.slot_behind] == [0, 1]
    assert "waited 8 ms on the GPU for an execution slot, behind b x1 (low), b x1 (low)" in found.verdict


def test_dropped_beyond_help_and_given_up(tmp_path):
    rows = [(0.0, "b"), (0.0, "a", "high", 0.012), (0.0, "a", "low", 0.020)]
    done = run(tmp_path, rows, Script(r0=(0, nan), r1=(0.003, "infeasible"), r2=(0.003, "guard")))
    lost, given_up = explain(done, 1), explain(done, 2)
    assert (lost.cause.kind, lost.cause.at_s) == ("waited", pytest.approx(0.002))
    assert (given_up.cause.kind, given_up.cause.at_s) == ("given up", pytest.approx(0.003))
    assert lost.parts == {}
    assert lost.verdict.startswith("Dropped as infeasible 3 ms after it arrived, 9 ms before its deadline.")
    assert "Alone it could still have been in time; the GPU had b x1 (low)." in given_up.verdict


def test_a_deadline_that_nobody_could_meet(tmp_path):
    found = explain(run(tmp_path, [(0.0, "a", "high", 0.005)], Script(r0=(0, 0.010))), 0)
    assert "Its deadline was too short" in found.verdict


def test_left_waiting(tmp_path):
    found = explain(run(tmp_path, [(0.0, "b"), (0.0, "a", "high", 0.1)], Script(r0=(0, nan))), 1)
    assert (found.status, found.cause.kind) == ("unfinished", "waited")
    assert found.verdict.startswith("Never dispatched: the policy left it waiting.")


def test_in_time_has_no_cause(tmp_path):
    found = explain(run(tmp_path, [(0.0, "a", "high", 0.020)], Script(r0=(0, 0.010))), 0)
    assert found.cause is None
    assert found.verdict == (
        "Dispatched as it arrived, when its estimated finish was 10 ms before its deadline; "
        "it was back 10 ms before it."
    )


def test_batching_is_told_from_executing(tmp_path):
    profile = make_profile({"a": {1: 0.010, 2: 0.016}})

    class Both(Script):
        def decide(self, view):
            if len(self.requests) == 2:
                yield Start(tuple(self.requests.values()))
                self.requests = {}

    result = simulate(make_workload([(0.0, "a"), (0.0, "a")], profile=profile), profile, Both(), name="script")
    write_results([result], tmp_path / "out", manifest={}, summaries=[summarize(result)], timeline=False)
    found = explain(read_run(read_results(tmp_path / "out"), machine=Machine(CLUSTER, profile)), 1)
    assert found.batching_s == pytest.approx(0.006)
    assert found.parts["execution"] == pytest.approx(0.016)


def test_unknown_request(tmp_path):
    done = run(tmp_path, [(0.0, "a")], Script(r0=(0, nan)))
    with pytest.raises(SpecError, match="no request 7 in the run of 'script'; its requests are 0 to 0"):
        explain(done, 7)


def test_worst_are_the_late_then_the_dropped_then_the_tightest(tmp_path):
    rows = [(0.0, "b", "high", 0.1), (0.1, "b", "low", 0.102), (0.2, "b", "high", 0.201), (0.3, "b", "low", 0.4)]
    rows += [(0.4, "b", "low", 0.405)]
    done = run(tmp_path, rows, Script(r0=(0, nan), r1=(0, nan), r2=(0, nan), r3=(0.31, "x"), r4=(0, nan)))
    assert worst(done, 9) == [2, 1, 3, 4, 0]
    assert worst(done, 9, "low") == [1, 3, 4]
    assert worst(done, 1, None, "dropped") == [3]


def test_worst_are_the_unfinished_before_the_met_and_last_those_without_a_deadline(tmp_path):
    rows = [(0.0, "b"), (0.1, "a"), (0.2, "b", "high", 0.3), (0.3, "a", "high", 0.9)]
    done = run(tmp_path, rows, Script(r0=(0, nan), r1=(0, nan), r2=(0, nan)))
    assert list(done.requests["status"]) == ["met", "met", "met", "unfinished"]
    assert worst(done, 9) == [3, 2, 1, 0]


def test_aggregates_agree_with_single_explanations(tmp_path):
    rows = [(0.0, "b"), (0.0, "a", "high", 0.012), (0.0, "a", "low", 0.020), (0.1, "a", "high", 0.112), (0.102, "b")]
    plan = {"r0": (0, nan), "r1": (0.003, "infeasible"), "r2": (0.003, "guard"), "r3": (0, 0.11), "r4": (0, nan)}
    done = run(tmp_path, rows, Script(**plan))
    found = aggregate(done)
    assert found["classes"]["high"]["causes"] == {"waited": 1, "later dispatch": 1}
    assert found["classes"]["low"]["causes"] == {"given up": 1}
    assert found["classes"]["high"]["late_mean_parts_s"]["interference"] == pytest.approx(0.004)
    assert found["classes"]["low"]["late_mean_parts_s"] is None
    assert found["classes"]["high"]["dropped_mean_wait_s"] == pytest.approx(0.003)
    victim = next(pair for pair in found["pairs"] if pair["victim"] == "a")
    assert (victim["culprit"], victim["culprit_class"]) == ("b", "low")
    assert (victim["total_s"], victim["late_s"]) == (pytest.approx(0.004), pytest.approx(0.004))
    assert {"class": "high", "model": "b", "model_class": "low", "requests": 1} in found["blockers"]


def test_time_stopped_is_told_from_interference(tmp_path):
    done = run(tmp_path, [(0.0, "a", "high", 0.012), (0.002, "b")], Script(r0=(0, nan), r1=(0, nan)))
    parts = latency_parts(done.requests, done.batches.assign(stopped_s=[0.0035, 0.0]), None)
    assert parts.loc[0, "preemption"] == pytest.approx(0.0035)
    assert parts.loc[0, "interference"] == pytest.approx(0.0005)
    assert parts.loc[0].sum() == pytest.approx(done.requests.loc[0, "latency_s"], rel=1e-12)


def test_a_stop_made_it_late(tmp_path):
    # a is stopped at 2 for b, which runs from 2 to 6, and ends at 14 instead of 10
    policy = make_policy(parse_policies("preempt-ideal(latency_s=0)")[0])
    rows = [(0.0, "a", "low", 0.013), (0.002, "b", "high", 0.1)]
    result = simulate(make_workload(rows, profile=PROFILE), PROFILE, policy, cluster=ONE_SLOT, name="preempt-ideal")
    write_results([result], tmp_path / "out", manifest={}, summaries=[summarize(result)], timeline=False)
    found = explain(read_run(read_results(tmp_path / "out"), machine=Machine(ONE_SLOT, PROFILE)), 0)
    assert found.parts["preemption"] == pytest.approx(0.004)
    assert found.parts["interference"] == 0
    assert found.cause.kind == "preempted"
    assert [other.name for other in found.cause.batches] == ["b x1 (high)"]
    assert "Had it not been stopped, it would have been in time; meanwhile GPU 0 had b x1 (high)." in found.verdict


def test_interference_of_some_is_that_of_all(tmp_path):
    rows = [(0.001 * i, "ab"[i % 2], "high", 0.2) for i in range(20)]
    done = run(
        tmp_path, rows, Script(**{f"r{i}": (0, nan) for i in range(20)}), Cluster(device_model="streams", prefetch=30)
    )
    every = interference_of(done, done.batches.index)
    assert interference_of(done, [7]).by == {7: every.by[7]}
