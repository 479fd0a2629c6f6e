"""Targets: what they mean, and what is refused with the way out; which requests miss them, by hand."""

import numpy as np
import pytest

from stratsim.capacity.probe import Job, figures_of, percentile_of
from stratsim.capacity.target import Goal, own_models, parse_target
from stratsim.engine import simulate
from stratsim.errors import OutsideProfileError, SpecError
from stratsim.model.cluster import Cluster
from stratsim.policy.queueing import Fifo
from stratsim.run.spec import RunSpec
from stratsim.testing import make_profile, make_workload


def test_a_target_is_a_list_of_violations_and_percentiles():
    assert parse_target("high=1%, low=0.05") == (Goal("high", 0.01, group="high"), Goal("low", 0.05, group="low"))
    assert parse_target("p99=50ms") == (Goal("p99", 0.01, 0.050),)
    assert parse_target("high:p99.9=1500us") == (Goal("high:p99.9", 0.001, 0.0015, "high"),)
    assert parse_target("resnet50:p95=2 s, resnet50:low:p50=1s,resnet50:all=3%") == (
        Goal("resnet50:p95", 0.05, 2.0, "all", "resnet50"),
        Goal("resnet50:low:p50", 0.5, 1.0, "low", "resnet50"),
        Goal("resnet50:all", 0.03, None, "all", "resnet50"),
    )
    assert [goal.words for goal in parse_target("p99=50ms,high=1%")] == [
        "p99 at most 50 ms",
        "high violations at most 1 %",
    ]
    assert parse_target("p95=1s")[0].quantile == 0.95
    assert parse_target("all=1%")[0].quantile is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("high", "a target is FIGURE=LIMIT, such as high=1% or p99=50ms, got 'high'"),
        ("hgh=1%", "target: no figure 'hgh'; did you mean 'high'?; a percentile lies above p0 and below p100"),
        ("p0=1ms", "target: no figure 'p0'; did you mean 'p50'?; a percentile lies above p0 and below p100"),
        (
            "p100=1ms",
            "target: no figure 'p100'; known: all, high, low, p50, p95, p99; a percentile lies above p0 and below p100",
        ),
        ("high=1%,high=2%", "target: high is named twice"),
        ("p99=1ms,p99=2ms", "target: p99 is named twice"),
        ("high=much", "target: high must be a share such as 1% or 0.01, got 'much'"),
        ("high=1", "target: high must be at least 0 and below 100 %, got '1'; write 1% for percent"),
        ("low=-1%", "target: low must be at least 0 and below 100 %, got '-1%'"),
        ("low=nan", "target: low must be at least 0 and below 100 %, got 'nan'; write nan% for percent"),
        ("p99=50", "target: p99 needs a unit: 50ms, 50s or 50us"),
        ("p99=soon", "target: p99 must be a latency such as 50ms, got 'soon'"),
        ("p99=1%", "target: p99 must be a latency such as 50ms, got '1%'"),
        ("p99=0ms", "target: p99 must be above 0 and at most 1e+09 s, got '0ms'"),
        ("p99=nanms", "target: p99 must be above 0 and at most 1e+09 s, got 'nanms'"),
    ],
)
def test_mistakes_say_the_way_out(text, message):
    with pytest.raises(SpecError) as caught:
        parse_target(text)
    assert str(caught.value) == message


def test_models_have_the_names_of_the_profile():
    def resolve(name):
        if name != "r50":
            raise OutsideProfileError(f"no model {name!r}")
        return "resnet50"

    (goal,) = own_models(parse_target("r50:p99=1ms"), resolve)
    assert (goal.model, goal.name) == ("resnet50", "r50:p99")
    with pytest.raises(SpecError, match="target: no model 'bert'"):
        own_models(parse_target("bert:high=1%"), resolve)


@pytest.fixture
def four_requests():
    """One server, 10 ms each: a (high) takes 10 ms, b is dropped, then a takes 20 and b 30 ms."""
    profile = make_profile({"a": 0.010, "b": 0.010})
    columns = {
        "arrival_s": [0.0, 0.0, 0.0, 0.0],
        "model": ["a", "b", "a", "b"],
        "priority": ["high", "low", "low", "low"],
        "deadline_s": [0.010, 0.015, 0.030, 0.035],
    }
    server = Cluster(max_concurrency=1, prefetch=0, transfers=False)
    policy = Fifo(max_batch=1, drop="infeasible")
    workload = make_workload(columns, profile=profile)
    return simulate(workload, profile, policy, cluster=server)


def test_the_share_that_misses_a_goal_counts_drops(four_requests):
    goals = parse_target("p50=10ms,p90=1s,all=50%,a:p90=20ms,b:p50=25ms,b:high=1%,low:p50=1s")
    found = figures_of(four_requests, Job(RunSpec(), None, "fifo", 1.0, goals))
    assert found["p50"] == 3 / 4  # 10, none, 20, 30 ms: one that takes just 10 ms is in time
    assert (found["p90"], found[percentile_of(goals[1])]) == (1 / 4, np.inf)
    assert found["all"] == 1 / 4
    assert (found["a:p90"], found[percentile_of(goals[3])]) == (0, pytest.approx(0.019))
    assert found["b:p50"] == 1
    assert "b:high" not in found
    assert found["low:p50"] == 1 / 3
    assert found["utilization"] == pytest.approx(1)
