"""The admission hook of queueing policies: may a request start now? Times are worked out by hand, in milliseconds."""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stratsim import Priority, QueuePolicy, simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.policy import SetTimer
from stratsim.policy.preempt import PreemptGated
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.testing import POLICY_CHECKS, make_profile, make_workload
from stratsim.trace.rule import complete

MS = 1e-3
NEVER = float("inf")
PROFILE = make_profile({"a": 0.010, "b": 0.004}, sharing={"a": Sharing(0.1), "b": Sharing(0.1)})
"""No copies, and batches that share the GPU do not slow each other."""


def _example():
    """Return the class that the pages show."""
    path = Path(__file__).parents[3] / "docs" / "how-to" / "reserved_slot.py"
    spec = importlib.util.spec_from_file_location("reserved_slot", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ReservedSlot


RESERVED = _example()


def run(policy, rows, profile=PROFILE, **cluster):
    """Rows are (arrival in ms, model, class, deadline in ms)."""
    rows = [(at * MS, model, level, deadline * MS) for at, model, level, deadline in rows]
    workload = make_workload(rows, profile=profile)
    return simulate(workload, profile, policy, cluster=Cluster(**({"max_concurrency": 2, "prefetch": 0} | cluster)))


def started_ms(result):
    """When each request was dispatched, in ms; -1: never."""
    dispatch = np.append(result.batches.dispatch_s, -MS)
    return np.round(dispatch[result.requests.batch] / MS, 6).tolist()


class Yes(Edf):
    def may_start(self, request, gpu, view):
        return True


class TestAnAnswerThatIsAlwaysYes:
    @pytest.mark.parametrize("base", [Fifo, PriorityFifo, Edf, PriorityEdf])
    @pytest.mark.parametrize("options", [{}, {"max_batch": 1}, {"drop": "never"}, {"max_batch": 1, "drop": "never"}])
    @pytest.mark.parametrize("gpus", [3, pytest.param(1, marks=pytest.mark.slow)])
    def test_changes_nothing(self, base, options, gpus, a100):
        asked = type("Asked", (base,), {"may_start": Yes.may_start})
        workload, profile = a100(load=1.3, limit=600, gpus=gpus)
        plain, other = (
            simulate(workload, profile, cls(**options), cluster=Cluster(gpus=gpus)) for cls in (base, asked)
        )
        assert np.array_equal(plain.requests.finish_s, other.requests.finish_s, equal_nan=True)
        assert np.array_equal(plain.requests.batch, other.requests.batch)
        assert np.array_equal(plain.batches.gpu, other.batches.gpu)

    def test_a_policy_without_the_hook_is_never_asked(self, monkeypatch):
        monkeypatch.setattr(QueuePolicy, "_start_admitted", None)
        assert started_ms(run(Edf(), [(0, "a", "low", 100)])) == [0]


@pytest.fixture
def a100():
    from stratsim import load_profile, read_trace

    profile = load_profile("a100-80gb-parvagpu")

    def make(load, limit, gpus):
        trace = read_trace(limit=limit)
        return complete(trace, profile.for_scheduler(), resolve=profile.resolve, load=load, gpus=gpus), profile

    return make


class TestAReservedSlot:
    def test_low_priority_leaves_it_to_high_priority(self):
        """Two slots: the second low-priority request waits for the first, the high-priority one at 5 does not."""
        rows = [(0, "a", "low", NEVER), (1, "a", "low", NEVER), (5, "b", "high", NEVER)]
        assert started_ms(run(RESERVED(max_batch=1), rows)) == [0, 10, 5]
        assert started_ms(run(Edf(max_batch=1), rows)) == [0, 1, 9 + 1]

    def test_high_priority_behind_in_the_queue_of_its_model_overtakes(self):
        """It runs from 2 to 12, and until then the other slot is the last one."""
        rows = [(0, "a", "low", 100), (1, "a", "low", 101), (2, "a", "high", 150)]
        assert started_ms(run(RESERVED(max_batch=1), rows)) == [0, 12, 2]

    def test_with_one_slot_there_is_nothing_to_reserve(self):
        rows = [(0, "a", "low", NEVER), (1, "a", "low", NEVER)]
        assert started_ms(run(RESERVED(max_batch=1), rows, max_concurrency=1)) == [0, 10]

    def test_a_held_request_takes_the_gpu_that_has_room(self):
        """Of two GPUs with three slots, GPU 0 may take two low-priority requests and GPU 1 two."""
        rows = [(0, "a", "low", NEVER)] * 5
        result = run(RESERVED(max_batch=1), rows, gpus=2, max_concurrency=3)
        assert started_ms(result) == [0, 0, 0, 0, 10]
        assert Counter(result.batches.gpu[:4].tolist()) == {0: 2, 1: 2}

    def test_low_priority_fills_the_batch_of_high_priority_as_it_takes_no_place(self):
        profile = make_profile({"a": {1: 0.010, 2: 0.010}, "b": 0.004}, sharing={"a": Sharing(0.1)})
        rows = [(0, "a", "low", NEVER), (1, "a", "high", 100), (1, "a", "low", 101)]
        result = run(RESERVED(max_batch=2), rows, profile)
        assert started_ms(result) == [0, 1, 1]
        assert result.batches.size.tolist() == [1, 2]

    def test_a_held_request_that_can_no_longer_be_met_is_dropped(self):
        """At 5 it would have ended at 15."""
        rows = [(0, "a", "low", 100), (1, "a", "low", 12), (5, "b", "high", 100)]
        result = run(RESERVED(max_batch=1), rows)
        assert result.requests.status.tolist() == [1, 3, 1]
        assert round(float(result.requests.dropped_s[1]) / MS, 6) == 5
        kept = run(RESERVED(max_batch=1, drop="never"), rows)
        assert started_ms(kept) == [0, 10, 5]

    @pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
    def test_it_passes_the_conformance_suite(self, check):
        check(RESERVED)


class OneOfAModel(Fifo):
    """At most one batch of a model at a time on a GPU."""

    def may_start(self, request, gpu, view):
        return all(batch.model != request.model for batch in (*gpu.executing, *gpu.staged))


class TestARuleByModel:
    def test_other_models_overtake_what_is_held(self):
        rows = [(0, "a", "low", NEVER), (1, "a", "low", NEVER), (2, "b", "low", NEVER), (3, "b", "low", NEVER)]
        assert started_ms(run(OneOfAModel(max_batch=1), rows)) == [0, 10, 2, 6]

    def test_requests_of_one_model_and_class_keep_their_order(self):
        rows = [(0, "a", "low", NEVER), (1, "a", "low", NEVER), (2, "a", "low", NEVER)]
        assert started_ms(run(OneOfAModel(max_batch=1), rows)) == [0, 10, 20]

    @pytest.mark.parametrize("options", [{"max_batch": 1, "drop": "never"}, {"drop": "never"}, {}])
    def test_it_is_asked_once_per_model_and_class_however_many_wait(self, options):
        asked = []

        class Asks(OneOfAModel):
            def may_start(self, request, gpu, view):
                asked.append((view.now_s, request.model, request.priority))
                return super().may_start(request, gpu, view)

        rows = [(n / 10, "a", ("low", "high")[n % 2], NEVER) for n in range(60)]
        run(Asks(**options), rows)
        assert max(Counter(asked).values()) <= 2  # one that is admitted, one that is refused
        assert len(asked) < 4 * 60 * 2

    @pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
    def test_it_passes_the_conformance_suite(self, check):
        check(OneOfAModel)


class NotBefore(Edf):
    """Low priority waits 3 ms, whatever else there is."""

    def may_start(self, request, gpu, view):
        at_s = request.arrival_s + 3 * MS
        return True if request.priority is Priority.HIGH or view.now_s >= at_s else SetTimer(at_s)


class TestARuleByTime:
    def test_a_timer_asks_again_though_nothing_happens(self):
        assert started_ms(run(NotBefore(), [(0, "a", "low", 100)])) == [3]

    def test_the_earliest_timer_of_all_that_wait_counts(self):
        rows = [(0, "a", "low", NEVER), (1, "b", "low", NEVER), (2, "b", "high", NEVER)]
        assert started_ms(run(NotBefore(max_batch=1), rows, max_concurrency=3)) == [3, 4, 2]

    def test_a_timer_is_set_once_and_not_at_every_moment(self):
        rows = [(0, "a", "low", NEVER), *[(0.1 * n, "b", "high", NEVER) for n in range(1, 20)]]
        timers = run(NotBefore(max_batch=1), rows).events - run(Yes(max_batch=1), rows).events
        assert timers <= 2

    @pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
    def test_it_passes_the_conformance_suite(self, check):
        check(NotBefore)


class TestMistakes:
    def test_a_policy_that_never_lets_anybody_start_fails_the_suite(self):
        class No(Edf):
            def may_start(self, request, gpu, view):
                return False

        liveness = next(check for check in POLICY_CHECKS if check.__name__ == "check_alone")
        with pytest.raises(AssertionError, match="0 of 1 were served"):
            liveness(No)

    def test_a_policy_that_decides_by_itself_is_told_that_nothing_asks_its_hook(self):
        with pytest.raises(TypeError, match="Own: its base class decides by itself, and does not ask `may_start`"):

            class Own(PreemptGated):
                def may_start(self, request, gpu, view):
                    return True
