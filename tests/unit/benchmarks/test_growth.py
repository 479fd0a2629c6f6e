"""How cost grows: what is measured, what is kept, what counts as broken."""

from itertools import pairwise

import facts
import growth
import machines
import numpy as np
import pandas as pd
import pytest

from stratsim.model.cluster import Cluster
from stratsim.policy.base import DropMode

POINT = growth.Point("gpus", 4, "fifo", 0, 100_000)
FOUND = {
    "wall_s": 1.0, "cpu_s": 1.0, "before_mb": 100.0, "peak_mb": 150.0, "events": 200_000, "longest_queue": 7,
}  # fmt: skip
KNOWN = {"cpu": "a", "code_sha256": "b", "date": "2000-01-01"}


def rows_of(**changes):
    point = POINT._asdict()
    return pd.DataFrame([point | FOUND, point | {"round": 1} | FOUND | changes])


# What is measured ----------------------------------------------------------------------------------------------------


def test_ten_million_requests_only_when_asked_for():
    usual, full = growth.points(1), growth.points(1, full=True)
    assert max(point.requests for point in usual) == 1_000_000
    assert {point.policy for point in full if point.requests == 10_000_000} == {"fifo", "priority-edf"}
    assert max(point.requests for point in full if point.policy == "strait") == 1_000_000


def test_every_round_repeats_the_same_points():
    points = growth.points(2)
    first, second = points[: len(points) // 2], points[len(points) // 2 :]
    assert [point._replace(round=1) for point in first] == second


def test_points_of_a_policy_follow_each_other():
    policies = [point.policy for point in growth.points(1)]
    assert sum(one != other for one, other in pairwise(policies)) == 2


def test_bursts_by_hand():
    """At twice 100 requests/s, two are served while two more arrive: two wait. Then silence for 20 ms."""
    ms = growth.bursts(8, 2, 100.0) * 1e3
    assert ms == pytest.approx([0, 5, 10, 15, 40, 45, 50, 55])


def test_as_many_wait_as_the_point_says():
    found = growth.measure_one("queue", 100, "fifo", 400)
    assert 90 <= found["longest_queue"] <= 110


def test_longest_queue_by_hand():
    """One slot, 10 ms each: the third arrival finds one executing and one waiting, the fourth nobody."""
    profile = machines.one_model(noise_cv=0.0)
    workload = machines.make_requests(np.array([0.0, 0.001, 0.002, 0.100]), profile)
    cluster = Cluster(max_concurrency=1, prefetch=0, transfers=False)
    assert machines.longest_queue(machines.run("fifo", workload, profile, cluster, DropMode.NEVER)) == 2


def test_slots_are_used():
    """At load 0.7 about 11 of 16 execute: a queue of slots that nobody fills would say nothing."""
    profile = machines.many_models(1, demand=1 / 16)
    arrival_s = growth.poisson(4_000, growth.LOAD * 16 / machines.SERVICE_S)
    result = machines.run("fifo", machines.make_requests(arrival_s, profile), profile, Cluster(max_concurrency=16))
    busy_s = (result.batches.execution_end_s - result.batches.execution_start_s).sum()
    assert busy_s / result.simulated_s == pytest.approx(0.7 * 16, rel=0.1)


# What is kept --------------------------------------------------------------------------------------------------------


def test_what_is_measured_is_not_measured_again(tmp_path):
    log = growth.Log(tmp_path, KNOWN)
    assert log.done == set()
    log.append(POINT, FOUND)
    again = growth.Log(tmp_path, KNOWN | {"date": "2000-01-02"})
    assert again.done == {POINT.key}
    assert again.known["date"] == "2000-01-01"
    assert again.read([POINT])["events"].tolist() == [200_000]
    assert again.read([POINT._replace(round=1)]).empty


def test_fresh_forgets(tmp_path):
    growth.Log(tmp_path, KNOWN).append(POINT, FOUND)
    assert growth.Log(tmp_path, KNOWN, fresh=True).done == set()


def test_an_interrupted_line_is_cut(tmp_path):
    log = growth.Log(tmp_path, KNOWN)
    log.append(POINT, FOUND)
    whole = log.path.read_text()
    log.path.write_text(whole + "gpus,4,fifo,1,1000")
    again = growth.Log(tmp_path, KNOWN)
    assert again.done == {POINT.key}
    assert again.path.read_text() == whole


@pytest.mark.parametrize("name", ["cpu", "code_sha256"])
def test_rows_of_another_machine_or_code_are_not_continued(tmp_path, name):
    growth.Log(tmp_path, KNOWN).append(POINT, FOUND)
    with pytest.raises(SystemExit, match=name):
        growth.Log(tmp_path, KNOWN | {name: "other"})


def test_time_left_goes_by_requests_and_policy():
    spent = {"fifo": [(1.0, 100), (3.0, 100)], "strait": [(50.0, 100)]}
    assert growth.left_s([POINT._replace(requests=50)], spent) == pytest.approx(1.0)
    assert growth.left_s([POINT._replace(requests=50, policy="strait")], spent) == pytest.approx(25.0)
    assert growth.left_s([POINT._replace(requests=50, policy="edf")], spent) == pytest.approx(9.0)


# What is broken ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"events": 200_001}, "gpus 4 fifo: [200000, 200001] events in equal runs"),
        ({"events": 300_001}, "gpus 4 fifo: 3.00 events per request, more than 3"),
    ],
)
def test_what_does_not_depend_on_the_machine_is_judged(changes, said):
    assert said in growth.judge(rows_of(**changes))


def test_a_queue_that_is_too_short_is_told():
    rows = rows_of(longest_queue=89).assign(axis="queue", value=100)
    assert "queue 100 fifo: only 7 requests waited" in growth.judge(rows)
    assert growth.judge(rows_of()) == []


def test_summary_takes_medians_and_memory_from_the_start():
    table = growth.summarize(rows_of(cpu_s=3.0, peak_mb=160.0))
    (row,) = table.to_dict("records")
    assert (row["us_per_request"], row["least_us"], row["most_us"]) == (20.0, 10.0, 30.0)
    assert (row["memory_mb"], row["bytes_per_request"], row["events_per_request"]) == (55.0, 550.0, 2.0)


def test_a_ratio_is_taken_within_its_round():
    """By hand: 10 to 20 us and, on a machine half as fast, 20 to 40: twice, whatever the round; then one of 3."""
    at = POINT._asdict() | FOUND
    rows = pd.DataFrame(
        at | {"round": number, "value": value, "cpu_s": us / 10}
        for number, pair in enumerate([(10, 20), (20, 40), (10, 30)])
        for value, us in zip((1, 1024), pair, strict=True)
    )
    table = growth.summarize(rows)
    assert growth.times(rows, table.iloc[0], table.iloc[1]).tolist() == pytest.approx([2.0, 2.0, 3.0])
    text = growth.markdown(table, facts.facts(), rows)
    assert "| 1 to 1,024 GPUs | fifo | 10 to 30 | 2.00 (2.00 to 3.00) | 2.00 |" in text


def test_the_longest_queue_stands_beside_the_usual_load():
    points = [("gpus", 1, 1.0), ("gpus", 1024, 5.0), ("queue", 100, 1.0), ("queue", 100_000, 1.5)]
    rows = pd.DataFrame(POINT._asdict() | FOUND | {"axis": a, "value": v, "cpu_s": s} for a, v, s in points)
    text = growth.markdown(growth.summarize(rows), facts.facts(), rows)
    assert "| load 0.7 to 100,000 waiting | fifo | 10 to 15 | 1.50 (1.50 to 1.50) |" in text
