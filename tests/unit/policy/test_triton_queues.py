"""Triton's queues: timeouts, levels and limits, by Triton's own tests and by hand. Times in ms, 5 per batch."""

from pathlib import Path

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.codec import load_profile
from stratsim.model.request import Status
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.policy.triton import Triton
from stratsim.results.checks import invariants
from stratsim.run.inputs import prepare
from stratsim.run.replay import run_policy
from stratsim.run.spec import RunSpec
from stratsim.testing import make_profile, make_workload

MS = 1e-3
M, D = Status.MET, Status.DROPPED
CASES = Path(__file__).parents[2] / "cases" / "policies"
PROFILE = make_profile({"a": {1: 5 * MS, 8: 5 * MS}, "b": {1: 5 * MS, 8: 5 * MS}})
ONE = Cluster(max_concurrency=1, prefetch=0, transfers=False)


def serve(policy, rows, profile=PROFILE, cluster=ONE):
    """Run rows (arrival[, model[, class[, deadline]]]); return the result."""
    rows = [(row[0] * MS, *(row[1:3] or ("a",)), *(end * MS for end in row[3:])) for row in rows]
    result = simulate(make_workload(rows, profile=profile), profile, policy, cluster=cluster)
    assert invariants(result, result.max_concurrency) == []
    return result


def dispatches(result):
    """Return (time, size) of each batch."""
    batches = result.batches
    return list(zip((batches.dispatch_s / MS).round(6).tolist(), batches.size.tolist(), strict=True))


def dropped(result):
    """Return (request, time) of each that was dropped."""
    requests = result.requests
    return [(i, round(at / MS, 5)) for i, at in enumerate(requests.dropped_s.tolist()) if requests.status[i] == D]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("delayed_request", [(1000, 1)]),
        ("delayed_request_then_four", [(200, 4), (1000, 1)]),
    ],
)
def test_a_delayed_request_is_served_at_the_latest_when_the_delay_is_over(file, expected):
    """Timeout 100, delay 1000: the first goes behind the others at 100, and goes alone at 1000."""
    spec = RunSpec(
        trace=str(CASES / f"{file}.csv"),
        profile=str(CASES / "batch_5ms.json"),
        policy="triton(preferred=[4],max_queue_delay_s=1.0,timeout_s=0.1,timeout_action=delay)",
        max_concurrency=1,
        prefetch=0,
        transfers=False,
        drop="never",
    )
    inputs = prepare(spec)
    result = run_policy(inputs, inputs.policies[0])
    assert dispatches(result) == expected
    assert not (result.requests.status == Status.UNFINISHED).any()


class TestTritonsOwnTests:
    """qa/L0_model_queue/model_queue_test.py and test.sh; a request of batch size k there is k requests at once here."""

    def test_policy_delay(self):
        """Preferred 4 and 8, delay 10 s, timeout 0.1 s: four of 0.2 go at once, the first at 10."""
        policy = Triton(preferred=[4, 8], max_queue_delay_s=10.0, timeout_s=0.1, timeout_action="delay")
        assert dispatches(serve(policy, [(0,), *[(200,)] * 4])) == [(200, 4), (10_000, 1)]

    def test_policy_reject(self):
        policy = Triton(preferred=[4, 8], max_queue_delay_s=10.0, timeout_s=0.1)
        result = serve(policy, [(0,), *[(200,)] * 4])
        assert dispatches(result) == [(200, 4)]
        assert dropped(result) == [(0, pytest.approx(100, abs=0.001))]

    def test_timeout_override(self):
        """Timeout 1 s, the first asks for 0.1: it is rejected, the others go. One that asks for 10 waits for 1."""
        policy = Triton(preferred=[4, 8], max_queue_delay_s=10.0, timeout_s=1.0, allow_timeout_override=True)
        result = serve(policy, [(0, "a", "low", 100), *[(200,)] * 4])
        assert dispatches(result) == [(200, 4)]
        assert dropped(result) == [(0, pytest.approx(100, abs=0.001))]
        result = serve(policy, [(0, "a", "low", 10_000)])
        assert dropped(result) == [(0, pytest.approx(1000, abs=0.001))]

    def test_max_queue_size(self):
        """Eight are executed for 1 s; of ten that come at 0.5 eight find room."""
        profile = make_profile({"a": {1: 1.0, 8: 1.0}})
        result = serve(Triton(preferred=[4, 8], max_queue_size=8), [*[(0,)] * 8, *[(500,)] * 10], profile)
        assert dispatches(result) == [(0, 8), (1000, 8)]
        assert result.requests.status.tolist() == [M] * 16 + [D] * 2

    def test_priority_levels(self):
        """Two and one of low priority wait; two of high priority come at 0.3 and fill a batch with the first two."""
        rows = [(0, "a", "low"), (0, "a", "low"), (100, "a", "low"), (300, "a", "high"), (300, "a", "high")]
        result = serve(Triton(preferred=[4, 8], max_queue_delay_s=10.0, priority_levels=2), rows)
        assert dispatches(result) == [(300, 4), (10_100, 1)]
        assert result.requests.batch.tolist() == [0, 0, 1, 0, 0]

    def test_default_queue_policy_timeout_prompt_response(self):
        """qa/L0_batcher/queue_timeout_test.py: rejected while the instance is busy, not when it is free at 10 s."""
        profile = make_profile({"a": 10.0})
        result = serve(Triton(timeout_s=1.0), [(0,), (2000,)], profile)
        assert dropped(result) == [(1, 3500)]


@pytest.mark.parametrize(("timeout", "at"), [(0.3, 500), (0.4, 1000), (0.5, 1000), (0.91, 1500)])
def test_while_the_instance_is_busy_triton_looks_every_500_ms(timeout, at):
    """Busy from 0 to 10 s, so it looks at 0.5, 1, 1.5. One waits from 0.1 on; at 0.5 an age of 0.4 is not over 0.4."""
    result = serve(Triton(timeout_s=timeout), [(0,), (100,)], make_profile({"a": 10.0}))
    assert dropped(result) == [(1, at)]


def test_a_prompt_rejection_reaches_all_of_the_queue_but_what_is_in_time():
    """Timeout 0.25: at 0.5 the twelve of 0.2 are rejected, wherever they stand; the one of 0.3 expires at 0.55."""
    rows = [(0,), *[(200,)] * 12, (300,)]
    result = serve(Triton(timeout_s=0.25), rows, make_profile({"a": {1: 10.0, 8: 10.0}}))
    assert dropped(result) == [*[(i, 500) for i in range(1, 13)], (13, 1000)]


def test_another_models_batch_in_the_only_place_keeps_an_instance_waiting_too():
    """The place is b's from 0 to 10 s; a waits from 0.1 on, and is looked at every 500 ms from then."""
    result = serve(Triton(timeout_s=0.3), [(0, "b"), (100, "a")], make_profile({"a": 10.0, "b": 10.0}))
    assert dropped(result) == [(1, 600)]


def test_what_is_to_be_delayed_is_not_rejected_while_the_instance_is_busy():
    result = serve(Triton(timeout_s=0.3, timeout_action="delay"), [(0,), (100,)], make_profile({"a": 2.0}))
    assert dispatches(result) == [(0, 1), (2000, 1)]


def test_an_age_equal_to_the_timeout_is_served():
    """At 5 and at 10 the instance is free; the second has waited for exactly 5, the third for 10."""
    assert dispatches(serve(Triton(timeout_s=5 * MS, max_batch=1), [(0,), (0,)])) == [(0, 1), (5, 1)]
    result = serve(Triton(timeout_s=5 * MS, max_batch=1), [(0,), (0,), (0,)])
    assert dropped(result) == [(2, 10)]


@pytest.mark.parametrize("arrival", [0.1, 0.2, 0.3, 0.6, 0.7, 1.1, 2.3, 1000.7])
def test_an_age_equal_to_the_timeout_is_served_whatever_sums_round_to(arrival):
    """In seconds: busy for 0.3 from `arrival` on, timeout 0.3."""
    profile = make_profile({"a": 0.3})
    workload = make_workload([(arrival, "a"), (arrival, "a")], profile=profile)
    result = simulate(workload, profile, Triton(timeout_s=0.3, max_batch=1), cluster=ONE)
    assert result.requests.status.tolist() == [M, M]


@pytest.mark.parametrize("arrival", [0.1, 0.7, 2.3, 1000.7, 1e6 + 0.3, 1e9 + 0.3])
@pytest.mark.parametrize("action", ["reject", "delay"])
def test_what_waits_for_a_preferred_size_is_not_forgotten_late_in_a_run(arrival, action):
    """Timeout 0.1, delay 0.2 s: given up soon after 0.1, or served at 0.2, whatever the clock can resolve by then."""
    profile = make_profile({"a": {1: 0.005, 8: 0.005}})
    policy = Triton(preferred=[4], max_queue_delay_s=0.2, timeout_s=0.1, timeout_action=action)
    result = simulate(make_workload([(arrival, "a")], profile=profile), profile, policy, cluster=ONE)
    if action == "reject":
        assert result.requests.dropped_s[0] - arrival == pytest.approx(0.1, abs=0.01)
    else:
        assert result.batches.dispatch_s[0] - arrival == pytest.approx(0.2, abs=1e-5)


def test_the_override_alone_ends_prefetching():
    """Inert, as no timeout is set; but 1 and 2 are not committed to each other at 2, so four are found at 5."""
    rows = [(at,) for at in (0, 1, 2, 3, 4)]
    assert dispatches(serve(Triton(preferred=[2, 4]), rows)) == [(0, 1), (5, 2), (10, 2)]
    assert dispatches(serve(Triton(preferred=[2, 4], allow_timeout_override=True), rows)) == [(0, 1), (5, 4)]


def test_the_front_is_not_overdue_by_what_lies_beyond_the_largest_batch():
    """Preferred 2, at most 3, delay 20, busy to 30: a low one of 0.5 is beyond three high ones of 29.

    The front holds three high ones, 1 old, so not overdue: a preferred batch of two goes. Were the fourth counted,
    which has waited for 29.5, all three would go.
    """
    profile = make_profile({"a": {1: 0.030, 8: 0.030}})
    rows = [(0, "a", "high"), (0, "a", "high"), (0.5, "a", "low"), *[(29, "a", "high")] * 3]
    policy = Triton(preferred=[2], max_batch=3, max_queue_delay_s=20 * MS, priority_levels=2)
    assert dispatches(serve(policy, rows, profile)) == [(0, 2), (30, 2), (60, 2)]


def test_models_that_tie_are_served_in_the_order_of_the_trace():
    """One of each at 0: the first that the trace lists, whatever the models' names and places in the profile."""
    for names in ("ab", "ba"):
        profile = make_profile(dict.fromkeys(names, 5 * MS))
        for first, second in ("ab", "ba"):
            result = serve(Triton(), [(0, first), (0, second)], profile)
            assert result.batches.dispatch_s[result.requests.batch].tolist() == pytest.approx([0, 5 * MS])


def test_the_registered_policy_is_the_class():
    (call,) = parse_policies("triton(preferred=[4],max_queue_delay_s=0.01)")
    assert isinstance(make_policy(call), Triton)


def test_the_case_files_can_be_read():
    assert load_profile(str(CASES / "batch_5ms.json")).name == "synthetic"
