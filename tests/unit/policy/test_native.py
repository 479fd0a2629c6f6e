"""Unmanaged sharing: a stream per client, and nothing else to wait for."""

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy.native import Native
from stratsim.results import invariants, summarize
from stratsim.testing import make_profile, make_workload

SECOND = Link(alpha_s=0.0, bytes_per_s=8.0)
PROFILE = make_profile({"a": 1.0, "b": 1.0})
COPYING = make_profile({"a": 1.0}, bytes_in=2, bytes_out=4, h2d=SECOND, d2h=SECOND)


def row(at_s, client, model="a"):
    return (at_s, model, "high", None, None, None, client)


def run(rows=(), profile=PROFILE, closed_loop=(), **cluster):
    workload = make_workload(rows, profile=profile, closed_loop=closed_loop)
    result = simulate(workload, profile, Native(), cluster=Cluster(**cluster))
    assert invariants(result, result.max_concurrency) == []
    return result


def test_every_client_executes_at_once_whatever_the_runs_slots():
    result = run([row(0.0, name) for name in "pqrst"], max_concurrency=1, prefetch=0)
    assert result.max_concurrency == 5
    assert result.requests.finish_s.tolist() == [5.0] * 5  # processor sharing by default


def test_a_client_waits_for_its_own_last_request_only():
    profile = make_profile({"a": 1.0}, sharing={"a": Sharing(0.25, 1.0)})  # four fit side by side
    result = run([row(0.0, "p"), row(0.0, "p"), row(0.5, "q"), row(0.5, "p")], profile)
    assert result.requests.finish_s.tolist() == [1.0, 2.0, 1.5, 3.0]
    assert result.batches.size.tolist() == [1, 1, 1, 1]


def test_the_next_is_dispatched_when_the_last_is_back_on_the_host():
    result = run([row(0.0, "p"), row(0.0, "p")], COPYING)
    assert result.batches.dispatch_s.tolist() == [0.0, 1.75]  # copy-in .25, execution 1, copy-out .5
    assert result.requests.finish_s.tolist() == [1.75, 3.5]


def test_requests_without_a_client_share_a_stream_per_model():
    result = run([(0.0, "a"), (0.0, "b"), (0.0, "a")])
    assert result.max_concurrency == 2
    assert result.requests.finish_s.tolist() == [2.0, 2.0, 3.0]


def test_a_client_named_like_a_model_is_another_stream():
    result = run([(0.0, "a"), row(0.0, "a")])
    assert result.max_concurrency == 2
    assert result.requests.finish_s.tolist() == [2.0, 2.0]


def test_streams_are_dealt_out_to_the_gpus_and_stay_there():
    result = run([row(0.0, "p"), row(0.0, "q"), row(0.0, "r"), row(9.0, "q")], gpus=2)
    assert result.batches.gpu.tolist() == [0, 1, 0, 1]


def test_a_device_that_runs_one_at_a_time_still_takes_every_clients_input():
    result = run([row(0.0, name) for name in "pqr"], COPYING, device_model="exclusive")
    assert result.max_concurrency == 1
    assert result.batches.copy_in_end_s.tolist() == [0.25, 0.5, 0.75]
    assert result.batches.execution_start_s.tolist() == [0.25, 1.25, 2.25]


def test_closed_loop_clients_have_a_stream_each():
    clients = [ClosedLoopClient(name, "a", Priority.LOW, 0, 0, limit=2) for name in "xy"]
    result = run(closed_loop=clients)
    assert result.max_concurrency == 2
    assert sorted(result.requests.finish_s.tolist()) == [2.0, 2.0, 4.0, 4.0]


def test_late_requests_are_served_all_the_same():
    profile = make_profile({"a": 1.0})
    workload = make_workload([(0.0, "a", "low", 0.5)], profile=profile)
    result = simulate(workload, profile, Native())
    assert result.requests.finish_s.tolist() == [1.0]


# Figures per client ---------------------------------------------------------------------------------------------------


def test_figures_by_client_are_service_over_solo():
    # p is alone; q sends two at once: the second waits, which is latency, not service.
    result = run([row(0.0, "p"), row(4.0, "q"), row(4.0, "q")], COPYING)
    figures = summarize(result, profile=COPYING.for_scheduler())["clients"]
    assert list(figures) == ["p", "q"]
    assert figures["p"] == {
        "completed": 1,
        "mean_latency_s": 1.75,
        "mean_service_s": 1.75,
        "slowdown": 1.0,
        "throughput_per_s": 1 / 7.5,
        "p95_s": 1.75,
        "p99_s": 1.75,
        "service_p95_s": 1.75,
        "service_p99_s": 1.75,
    }
    assert figures["q"]["mean_latency_s"] == (1.75 + 3.5) / 2
    assert figures["q"]["mean_service_s"] == 1.75
    assert figures["q"]["service_p99_s"] == pytest.approx(1.75)
    assert figures["q"]["p99_s"] == pytest.approx(1.75 + 0.99 * 1.75)


def test_the_slowdown_counts_the_copies_on_both_sides():
    profile = make_profile({"a": 1.0}, bytes_in=8, h2d=SECOND, d2h=SECOND)
    result = run([row(0.0, "p"), row(0.0, "q")], profile)
    # p: copy 0-1, executes alone 1-2 while q copies; q: waits for the engine, copies 1-2, executes 2-3.
    figures = summarize(result, profile=profile.for_scheduler())["clients"]
    assert [figures[name]["slowdown"] for name in "pq"] == [1.0, 1.0]
    assert figures["q"]["mean_latency_s"] == 3.0


def test_without_clients_or_without_solo_times_there_are_no_such_figures():
    nameless = run([(0.0, "a")])
    assert "clients" not in summarize(nameless, profile=PROFILE.for_scheduler())
    assert "clients" not in summarize(run([row(0.0, "p")]))


def test_only_counted_requests_make_a_clients_figures():
    result = run([row(0.0, "p"), row(10.0, "p"), row(20.0, "q")])
    figures = summarize(result, warmup_s=5.0, profile=PROFILE.for_scheduler())["clients"]
    assert {name: entry["completed"] for name, entry in figures.items()} == {"p": 1, "q": 1}
