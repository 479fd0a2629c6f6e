"""Fewest GPUs: the verdict on numbers of GPUs, by hand; rates, costs and what is refused."""

import pytest

from stratsim.capacity import FewestSpec, find_fewest, parse_gpus, parse_target
from stratsim.capacity.document import headroom
from stratsim.capacity.edge import binding
from stratsim.capacity.fewest import fewest
from stratsim.capacity.measure import Probe
from stratsim.errors import SpecError
from stratsim.run.arrivals import Arrivals
from stratsim.run.spec import make_spec
from stratsim.stats.intervals import share_interval

TARGET = {"p99": 0.01}
MEETS, UNDECIDED, MISSES = [0.001, 0.002, 0.0], [0.008, 0.011, 0.009], [0.2, 0.21, 0.19]
SMALL = {"policy": "fifo", "profile": "rtx3080-disb", "limit": 300}


def probes(*samples):
    return [
        Probe(900.0, {"p99": sample}, {"p99": share_interval(sample)}, gpus=at) for at, sample in enumerate(samples, 1)
    ]


@pytest.mark.parametrize(
    ("samples", "first", "undecided", "misses", "edge"),
    [
        ([MISSES, MISSES, MEETS, MEETS], 2, (), (0, 1), 1),
        ([MISSES, UNDECIDED, MEETS], 2, (1,), (0,), 1),
        ([UNDECIDED, UNDECIDED, MEETS], 2, (0, 1), (), 1),
        ([MEETS, MEETS], 0, (), (), 0),
        ([MISSES, MISSES], None, (), (0, 1), 1),
        ([MISSES, UNDECIDED], None, (1,), (0,), 1),
        ([MISSES, MEETS, UNDECIDED, MEETS], 1, (2,), (0,), 0),  # one that is not decided refutes nothing
        ([MISSES, MEETS, MISSES, MEETS], 3, (), (0, 2), 2),  # one that surely misses does
    ],
)
def test_the_fewest_is_the_first_that_meets_it_with_none_above_that_misses(samples, first, undecided, misses, edge):
    found = fewest(probes(*samples), TARGET)
    assert (found.fewest, found.undecided, found.misses, found.edge) == (first, undecided, misses, edge)


def test_more_gpus_that_do_worse_are_named_where_chance_does_not_explain_it():
    assert fewest(probes(MISSES, MEETS, MISSES), TARGET).not_monotone == (("p99", 1, 2),)
    assert fewest(probes(UNDECIDED, [0.009, 0.010, 0.010]), TARGET).not_monotone == ()


def test_every_goal_must_be_met_and_the_one_that_is_used_most_binds():
    goals = parse_target("p99=50ms,low=10%")
    samples = {"p99": [0.02, 0.02], "low": [0.05, 0.05]}
    probe = Probe(1.0, samples, {name: share_interval(each) for name, each in samples.items()}, gpus=1)
    assert fewest([probe], {goal.name: goal.share for goal in goals}).fewest is None
    assert binding(probe, goals).name == "p99"  # 2 of 1 % against 5 of 10 %


def test_numbers_of_gpus():
    assert parse_gpus("1..4") == (1, 2, 3, 4)
    assert parse_gpus("3") == (3,)
    assert parse_gpus("1,2, 4..6") == (1, 2, 4, 5, 6)
    for text in ("", "x", "1..", "..3", "-1", "1.5", "1..2..3", "1e3", "²"):
        with pytest.raises(SpecError, match="gpus must be numbers such as 4"):
            parse_gpus(text)
    for text in ("4..1", "1..5000"):
        with pytest.raises(SpecError, match="gpus must go from the fewest to the most"):
            parse_gpus(text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rate": "much"}, "rate must be requests per second, 'trace' or 'mix', got 'much'"),
        ({"rate": 0.0}, "rate must be above 0 and finite, got 0.0"),
        ({"gpus": (2, 1)}, "gpus must be different numbers from 1 on, increasing"),
        ({"gpus": (0, 1)}, "gpus must be different numbers from 1 on, increasing"),
        ({"gpus": (1, 20_000)}, "gpus must be at most 256 numbers, each at most 10000"),
        ({"price": -1.0}, "price must be at least 0 and finite"),
        ({"run": make_spec({"load": 0.5})}, "load must be left out"),
        ({"seeds": 1}, "seeds must be at least 2"),
        ({"target": ()}, "a target has at least one goal"),
    ],
)
def test_what_makes_no_question_is_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        FewestSpec(**{"run": make_spec(SMALL), "target": parse_target("p99=50ms"), "rate": 10.0} | fields)


def asked(rate, target="p99=1s", settings=(), **fields):
    run = make_spec(SMALL | dict(settings))
    return find_fewest(FewestSpec(run, parse_target(target), seeds=2, rate=rate, gpus=(1, 2), **fields))


def test_the_rate_is_given_or_the_traces_or_the_sum_of_the_mix(tmp_path):
    arrivals = Arrivals("periodic", 300)
    assert asked(20.0, arrivals=arrivals)["rate_per_s"] == 20
    (tmp_path / "t.csv").write_text("arrival_s\n" + "".join(f"{number * 0.05}\n" for number in range(41)))
    trace = {"trace": str(tmp_path / "t.csv")}
    assert asked("trace", settings=trace)["rate_per_s"] == pytest.approx(20)
    grown = asked("trace", settings=trace | {"rate_scale": 1.5})
    assert (grown["rate_per_s"], grown["rate_of"]) == (pytest.approx(30), "trace")
    (tmp_path / "mix.toml").write_text("[models.mix]\nresnet152 = 12\nvgg19 = 3\n")
    mixed = asked("mix", settings={"workload": str(tmp_path / "mix.toml")}, arrivals=arrivals)
    assert mixed["rate_per_s"] == 15
    with pytest.raises(SpecError, match=r"rate mix: there is no \[models\] mix; give --workload FILE"):
        asked("mix", arrivals=arrivals)
    for rate in (1e-320, 1e-7, 1e30):
        with pytest.raises(SpecError, match="rate must lie within 1e-06 and 1e"):
            asked(rate, arrivals=arrivals)
    with pytest.raises(SpecError, match="rate trace: an arrival process has no rate of its own; give --rate R"):
        asked("trace", arrivals=arrivals)
    with pytest.raises(SpecError, match="rate trace: a trace without real times has no rate of its own"):
        asked("trace")


def test_the_headroom_is_that_of_the_goal_nearest_to_its_bound():
    goals = parse_target("p99=50ms,low=10%")
    samples = {"p99": [0.0, 0.0], "low": [0.01, 0.03]}
    intervals = {name: share_interval(each) for name, each in samples.items()}
    assert headroom(Probe(1.0, samples, intervals, {"p99_s": [0.010, 0.020]}), goals) == pytest.approx(0.7)
    assert headroom(Probe(1.0, samples, intervals, {"p99_s": [0.001, 0.001]}), goals) == pytest.approx(0.8)
    assert headroom(Probe(1.0, samples, intervals, {"p99_s": [0.06, 0.09]}), goals) == pytest.approx(-0.5)
    assert headroom(Probe(1.0, {"all": [0.0, 0.0]}, intervals), parse_target("all=0%")) == 0


def test_costs_are_those_of_the_fewest():
    document = asked(20.0, arrivals=Arrivals("periodic", 300), price=3.6)
    (fleet,) = document["fleets"]
    assert fleet["gpus"] == 1
    assert fleet["cost_per_hour"] == 3.6
    assert fleet["cost_per_million"] == pytest.approx(3.6 / 3600 / 20 * 1e6)
    assert fleet["edge"]["slowest"]
    never = asked(20.0, "p99=1us", arrivals=Arrivals("periodic", 300), price=3.6)["fleets"][0]
    assert (never["gpus"], never["cost_per_hour"], never["misses"]) == (None, None, [1, 2])


def test_all_numbers_of_gpus_meet_the_same_requests():
    """A server of any size answers a lone request alike."""
    document = asked(0.5, "p50=1s,all=1%", arrivals=Arrivals("periodic", 100))
    one, two = document["fleets"][0]["points"]
    assert one["goals"] == two["goals"]
    assert one["utilization"] == pytest.approx(2 * two["utilization"])
