"""What a client does when its request is dropped: it hears of it after a while, and may send it again. Times in ms."""

import math
from pathlib import Path

import numpy as np
import pytest

from stratsim import simulate
from stratsim.engine.groups import simulate_groups
from stratsim.errors import SimulationError, SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.groups import Groups
from stratsim.model.rejection import Rejection
from stratsim.model.request import Priority, Status
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient
from stratsim.policy import Drop, DropMode, Policy, Start
from stratsim.policy.queueing import Fifo
from stratsim.results import read_results, summarize, write_results
from stratsim.results.checks import invariants
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import RunSpec
from stratsim.testing import make_profile, make_workload

CASES = Path(__file__).parents[2] / "cases" / "policies"
MS = 1e-3
PROFILE = make_profile({"a": 10 * MS})
ONE = Cluster(max_concurrency=1, prefetch=0, transfers=False)
TWICE = Rejection(reject_s=1 * MS, retries=2, backoff_s=4 * MS, retry_by="all")


class Prompt(Policy):
    """Starts what finds the GPU free, and drops everything else at once."""

    def prepare(self, setting):
        self.waiting, self.seen = [], []

    def on_arrival(self, request, view):
        self.waiting.append(request)
        self.seen.append((request.id, request.arrival_s, request.deadline_s, view.now_s))

    def decide(self, view):
        while self.waiting:
            request = self.waiting.pop(0)
            yield Start((request,)) if view.gpus[0].free_places else Drop(request, "busy")


def run(rows, rejection=None, policy=None, **clients):
    workload = make_workload(rows, profile=PROFILE, **clients)
    result = simulate(workload, PROFILE, policy or Prompt(), cluster=ONE, rejection=rejection)
    assert invariants(result, result.max_concurrency) == []
    return result


def ms(times):
    return [round(at_s / MS, 6) for at_s in times.tolist()]


def closed(name="c", **options):
    return ClosedLoopClient(name, "a", Priority.LOW, 0, 0, **options)


class TestRejections:
    def test_a_client_hears_of_a_drop_after_a_while(self):
        """The GPU is busy until 10. Sent at 1, dropped, known at 4; after 2 of thought the next at 6, and at 11."""
        result = run([(0.0, "a")], Rejection(3 * MS), closed_loop=[closed(start_s=MS, think_s=2 * MS, limit=3)])
        assert ms(result.requests.arrival_s) == [0, 1, 6, 11]
        assert [Status(code).label for code in result.requests.status] == ["met", "dropped", "dropped", "met"]
        assert ms(result.requests.dropped_s[1:3]) == [1, 6]

    def test_a_note_says_how_drops_are_answered(self):
        result = run([(0.0, "a")], closed_loop=[closed(start_s=MS, think_s=2 * MS, limit=2)])
        assert result.notes == (
            (
                "policy 'Prompt': 2 drops of requests that a client waited for: it heard of each after 1 ms "
                "(reject_s); not sent again (retries)"
            ),
        )

    def test_one_at_a_time_hears_of_it_as_late(self):
        """Sent at 1 and dropped; what falls due at 2 is held back until the rejection is known, at 4; then sent."""
        rows = [(0.0, "a"), (MS, "a", "low", math.inf, 0, 0, "cam"), (2 * MS, "a", "low", math.inf, 0, 0, "cam")]
        result = run(rows, Rejection(3 * MS), one_at_a_time=[OneAtATimeClient("cam")])
        assert ms(result.requests.arrival_s) == [0, 1, 4]

    def test_open_loop_requests_do_not_care(self):
        rows = [(at * MS, "a") for at in (0, 1, 5, 12)]
        tables = [run(rows, rejection).requests for rejection in (None, Rejection(5 * MS, retries=3))]
        for name in ("status", "dropped_s", "finish_s", "batch"):
            one, other = (np.asarray(getattr(table, name)) for table in tables)
            assert one.tobytes() == other.tobytes()

    def test_clients_without_think_time_do_not_spin(self):
        """`slow` executes from 0 to 20; `fast` (1.5 ms, due after 7.5) could end at 21.5 at the earliest.

        So what it sends at 0, 1, ... 13 is dropped; what it sends at 14 is due at 21.5, and met.
        """
        spec = RunSpec(
            trace=str(CASES / "two_clients_without_think_time.json"),
            profile=str(CASES / "slow_20ms_fast_1500us.json"),
            policy="fifo",
            max_concurrency=1,
            prefetch=1,
            transfers=False,
        )
        outcome = replay(prepare(spec))
        (requests,) = [result.requests for result in outcome.results]
        fast = requests.client == outcome.results[0].clients.index("fast")
        assert ms(requests.arrival_s[fast])[:16] == [*range(15), 21.5]
        assert requests.status[fast][:15].tolist() == [Status.DROPPED] * 14 + [Status.MET]
        for client in (fast, ~fast):
            assert (np.diff(requests.arrival_s[client]) > 0).all()
        assert any("(reject_s)" in note for note in outcome.notes)

    @pytest.mark.slow
    def test_a_run_that_cannot_proceed_names_the_client(self):
        clients = [closed("slow", limit=1), closed("eager", stop_s=0.1)]
        with pytest.raises(SimulationError, match=r"t=0 s: client 'eager' sent \d+ requests .*think_s.*reject_s"):
            run([], Rejection(0.0), closed_loop=clients)


class TestRetries:
    """0 executes until 10. 1 is sent at 1, rejected at 2; backoff 4: again at 6, rejected at 7; 8: again at 15."""

    ROWS = ((0.0, "a"), (MS, "a"))

    def test_a_retry_is_the_same_request(self):
        policy = Prompt()
        result = run(self.ROWS, TWICE, policy)
        assert result.attempts.tolist() == [1, 3]
        assert ms(result.requests.arrival_s) == [0, 1]
        assert ms(result.batches.dispatch_s) == [0, 15]
        assert ms(result.requests.finish_s - result.requests.arrival_s) == [10, 24]
        assert result.requests.status.tolist() == [Status.MET] * 2
        assert np.isnan(result.requests.dropped_s[1])
        assert len(result.requests) == 2

    def test_a_policy_sees_an_arrival_now_and_the_deadline_that_it_had(self):
        policy = Prompt()
        run([(0.0, "a"), (MS, "a", "low", 0.5)], TWICE, policy)
        seen = [(request, *(round(at / MS, 6) for at in times)) for request, *times in policy.seen if request]
        assert seen == [(1, 1, 500, 1), (1, 6, 500, 6), (1, 15, 500, 15)]

    def test_after_the_last_attempt_it_is_dropped(self):
        result = run(self.ROWS, Rejection(MS, 1, 4 * MS, "all"))
        assert result.requests.status.tolist() == [Status.MET, Status.DROPPED]
        assert ms(result.requests.dropped_s[1:]) == [6]
        assert (result.attempts.tolist(), result.reasons) == ([1, 2], ("busy",))

    def test_nothing_is_sent_again_at_or_after_the_deadline(self):
        """Due at 15: the third attempt would come then. Due at 15.1 it is made, though it cannot be met."""
        for due_ms, attempts, status in ((15, 2, Status.DROPPED), (15.1, 3, Status.LATE)):
            result = run([(0.0, "a"), (MS, "a", "low", due_ms * MS)], TWICE)
            assert (result.attempts.tolist(), result.requests.status.tolist()) == ([1, attempts], [Status.MET, status])

    def test_by_default_requests_of_a_trace_are_not_sent_again(self):
        result = run(self.ROWS, Rejection(MS, 2, 4 * MS))
        assert result.attempts.tolist() == [1, 1]
        assert result.requests.status.tolist() == [Status.MET, Status.DROPPED]
        assert run(self.ROWS).attempts is None

    def test_a_client_waits_until_its_request_is_answered_at_last(self):
        """At 1, 6 and 15 the same request, which ends at 25; 1 of thought: its second at 26."""
        client = closed(start_s=MS, think_s=MS, limit=2)
        result = run([(0.0, "a")], Rejection(MS, 2, 4 * MS), closed_loop=[client])
        assert ms(result.requests.arrival_s) == [0, 1, 26]
        assert result.attempts.tolist() == [1, 3, 1]
        assert ms(result.requests.finish_s) == [10, 25, 36]

    def test_a_client_that_ends_sends_nothing_again(self):
        """It ends at 6: neither an attempt nor a further request then."""
        result = run([(0.0, "a")], Rejection(MS, 2, 4 * MS), closed_loop=[closed(start_s=MS, stop_s=6 * MS)])
        assert ms(result.requests.arrival_s)[:3] == [0, 1, 2]  # rejected at 2, it sends another: it does not think
        assert result.attempts.tolist() == [1] * len(result.requests)

    def test_the_draw_of_a_request_stays_its_own(self):
        noisy = make_profile({"a": 10 * MS}, noise_cv=0.3)
        workload = make_workload([(0.0, "a"), (MS, "a"), (0.2, "a")], profile=noisy)
        results = [simulate(workload, noisy, Prompt(), cluster=ONE, rejection=r) for r in (None, TWICE)]
        rows = [result.requests.batch[2] for result in results]
        assert results[0].batches.solo_s[rows[0]] == results[1].batches.solo_s[rows[1]]

    def test_groups_keep_the_attempts_of_their_requests(self):
        """Two groups, dealt in turn: each is the case of one."""
        workload = make_workload([(0.0, "a"), (0.0, "a"), (MS, "a"), (MS, "a")], profile=PROFILE)
        cluster = Cluster(gpus=2, max_concurrency=1, prefetch=0, transfers=False)
        result = simulate_groups(
            workload, PROFILE, Prompt, Groups(2), cluster=cluster, name="p", max_batch=1, drop=DropMode.NEVER,
            rejection=TWICE,
        )  # fmt: skip
        assert result.attempts.tolist() == [1, 1, 3, 3]

    def test_files_have_the_column_only_then(self, tmp_path):
        for rejection, columns in ((None, 0), (TWICE, 1)):
            result = run(self.ROWS, rejection)
            folder = tmp_path / str(columns)
            write_results([result], folder, manifest={}, summaries=[summarize(result)])
            frame = read_results(folder).requests()
            assert [name for name in frame.columns if name == "attempts"] == ["attempts"] * columns
            if columns:
                assert frame["attempts"].tolist() == [1, 3]

    def test_a_class_counts_a_request_once(self):
        figures = summarize(run(self.ROWS, TWICE))["classes"]["low"]
        assert (figures["arrived"], figures["met"], figures["dropped"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"reject_s": -1.0}, "reject_s must be >= 0"),
        ({"reject_s": math.nan}, "reject_s must be >= 0"),
        ({"retries": -1}, "retries must be a whole number"),
        ({"backoff_s": 0.0}, "backoff_s must be > 0"),
        ({"retry_by": "wating"}, "did you mean 'waiting'"),
    ],
)
def test_settings_out_of_range(setting, message):
    with pytest.raises(SpecError, match=message):
        RunSpec(**setting)


def test_drops_of_a_queueing_policy_are_open_to_retries():
    """Due at 16.5 it is infeasible when the GPU is free, at 10; again at 15, and 24 would be too late: dropped."""
    result = run([(0.0, "a"), (MS, "a", "high", 16.5 * MS)], TWICE, Fifo())
    assert result.attempts.tolist() == [1, 2]
    assert result.requests.status.tolist() == [Status.MET, Status.DROPPED]
