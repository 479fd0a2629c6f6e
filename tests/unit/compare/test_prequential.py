"""Judging beliefs on a log: tables worked by hand, and the same as a live scheduler would have seen."""

import math

import numpy as np
import pytest

from stratsim import simulate
from stratsim.compare.log import chain, read_log
from stratsim.compare.prequential import KINDS, quantile_kind, score
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.policy.aware_edf import AwareEdf
from stratsim.policy.preempt import PreemptIdeal
from stratsim.policy.queueing import Fifo
from stratsim.policy.strait.estimates import Estimates
from stratsim.predict import Predictor, make_predictor
from stratsim.run.oracle import reveal
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": {1: 10.0, 2: 20.0}, "b": {1: 10.0, 2: 20.0}})
KNOWN = PROFILE.for_scheduler()


def judge(result, text="constant(slowdown=2.0)", **options):
    return score(read_log(result, KNOWN), KNOWN, {"it": make_predictor(text)}, 2, **options)


def table(scores):
    return {(each.batch, each.kind): each for each in scores.predictions}


# a runs from 0 to 12, b from 4 to 18; whoever is not alone is believed to take twice as long. At 4, a has 6 left, which
# would take until 16; by then b has done 6 of its 10, and would end at 20.
TWO = [("a", 1, 0.0, 0.0, 12.0), ("b", 1, 4.0, 4.0, 18.0)]


@pytest.mark.parametrize(
    ("batch", "kind", "predicted_s", "asked_s"),
    [
        (0, "snapshot", 10.0, 0.0),  # nobody else is there
        (0, "dispatch", 10.0, 0.0),
        (0, "last", 16.0, 4.0),
        (0, "realised", 15.0, math.nan),  # 12 s in which 4 + 8 / 2 of 10 would have been done
        (1, "snapshot", 20.0, 0.0),  # a is there, and taken to stay
        (1, "dispatch", 16.0, 0.0),
        (1, "last", 16.0, 0.0),
        (1, "realised", 14.0, math.nan),  # 14 s in which 8 / 2 + 6 of 10 would have been done: exactly so
    ],
)
def test_two_batches(logged, batch, kind, predicted_s, asked_s):
    found = table(judge(logged(TWO)))[batch, kind]
    assert found.predicted_s == pytest.approx(predicted_s)
    assert found.asked_s == pytest.approx(asked_s, nan_ok=True)
    assert (found.actual_s, found.solo_s) == ((12.0, 10.0), (14.0, 10.0))[batch]
    assert (found.model, found.beside) == (("a", "b"), ("b", "a"))[batch]
    assert found.error == pytest.approx(predicted_s / found.actual_s - 1)


@pytest.mark.parametrize("unended", [(4.0, math.nan), (math.nan, math.nan)])
def test_a_log_with_batches_that_never_ended_is_refused(logged, unended):
    with pytest.raises(SpecError, match="1 of 2 batches of 'by hand' did not execute to their end"):
        read_log(logged([TWO[0], ("b", 1, 4.0, *unended)]), KNOWN)


def test_a_log_with_batches_that_were_stopped_is_refused():
    rows = [(0.0, "a", "low"), (1.0, "b", "high", 12.0)]
    stopped = simulate(make_workload(rows, profile=PROFILE), PROFILE, PreemptIdeal(drop="never"))
    with pytest.raises(SpecError, match="stopped batches while they executed"):
        read_log(stopped, KNOWN)


def test_a_batch_that_ran_alone_is_counted_and_not_judged(logged):
    scores = judge(logged([*TWO, ("a", 1, 20.0, 20.0, 30.0)]))
    assert (scores.judged, scores.alone, scores.censored) == (2, 1, 0)
    assert {each.batch for each in scores.predictions} == {0, 1}


def test_batches_in_flight_at_the_end_are_counted_as_censored(logged):
    later = [("a", 1, 20.0, 20.0, 30.0), ("b", 1, 25.0, 25.0, 35.0), ("b", 1, 60.0, 60.0, 70.0)]
    scores = judge(logged([*TWO, *later]), until_s=29.0)
    assert (scores.judged, scores.alone, scores.censored) == (2, 0, 2)
    assert len(scores.predictions) == 2 * len(KINDS)


def test_batches_on_different_gpus_do_not_meet(logged):
    scores = score(read_log(logged(TWO, gpus=[0, 1]), KNOWN), KNOWN, {"it": make_predictor("solo")}, 2)
    assert (scores.judged, scores.alone) == (0, 2)


def test_a_slot_that_is_taken_over_is_no_overlap(logged):
    scores = judge(logged([("a", 1, 0.0, 0.0, 10.0), ("b", 1, 10.0, 10.0, 20.0)]))
    assert (scores.judged, scores.alone) == (0, 2)


def test_a_batch_is_predicted_before_it_is_learned(logged):
    """The first observation of a pair cannot help its own prediction, only the next.

    b takes 20 beside a, which ends after it, in 25: nothing is known of any pair when b is first predicted.
    """
    found = table(judge(logged(together(3, 50.0, 25.0, 20.0)), "ewma-pairs(alpha=1.0, prior_slowdown=1.0)"))
    for kind in KINDS:
        assert [found[batch, kind].predicted_s for batch in (1, 3, 5)] == pytest.approx([10.0, 20.0, 20.0])


def together(times, gap_s, a_s, b_s):
    """a and b start together, b behind a, time and again."""
    starts_s = [gap_s * k for k in range(times)]
    return [row for at_s in starts_s for row in (("a", 1, at_s, at_s, at_s + a_s), ("b", 1, at_s, at_s, at_s + b_s))]


# a does half of its work in 20 s beside b, which slows it to a quarter, and half in 5 s alone.
HALF = together(400, 30.0, 25.0, 20.0)


@pytest.mark.parametrize(
    ("text", "slowdown"), [("rls", 4.0), ("rls(form=slowdown)", 2.875)], ids=["rate", "slowdown of overlap"]
)
def test_half_of_the_work_overlapped_at_a_slowdown_of_four(logged, text, slowdown):
    """The rate form learns the truth; the usual regression does not, and predicts 20.9 s of 25."""
    predictor = make_predictor(text)
    scores = score(read_log(logged(HALF), KNOWN), KNOWN, {"it": predictor}, 2)
    assert 1 / predictor.predict((("a", 1), ("b", 1)))[0] == pytest.approx(slowdown, rel=1e-3)
    last = [each for each in scores.predictions if each.model == "a" and each.kind == "realised"][-1]
    assert last.predicted_s == pytest.approx(10 * 25 / (20 / slowdown + 5), rel=1e-3)


SHARED = make_profile(
    {"wide": {1: 0.010, 2: 0.015}, "narrow": {1: 0.004, 2: 0.006}, "thin": {1: 0.007, 2: 0.010}},
    sharing={"wide": Sharing(0.9, 7.0), "narrow": Sharing(0.6, 1.0), "thin": Sharing(0.3, 1.5)},
)
MACHINE = Cluster(max_concurrency=3, prefetch=0, transfers=False)


def random_requests(count, gap_s, *, due_s=math.inf):
    draws = np.random.default_rng(1)
    names = list(SHARED.observable.models)
    at_s = np.cumsum(draws.exponential(gap_s, count))
    chosen = draws.choice(names, count)
    rows = [(float(t), str(name), "high", float(t) + due_s) for t, name in zip(at_s, chosen, strict=True)]
    return make_workload(rows, profile=SHARED)


def test_the_oracle_makes_no_error_once_it_knows_who_was_there():
    result = simulate(random_requests(400, 0.004), SHARED, Fifo(drop="never"), cluster=MACHINE, max_batch=2)
    known, oracle = SHARED.for_scheduler(), make_predictor("oracle")
    assert reveal(oracle, SHARED, slots=3)
    scores = score(read_log(result, known), known, {"oracle": oracle}, 3)
    errors = {kind: [abs(each.error) for each in scores.predictions if each.kind == kind] for kind in KINDS}
    assert len(errors["realised"]) > 200
    assert max(errors["realised"]) < 1e-9
    assert max(errors["dispatch"]) > 0.1, "what it cannot know is who will come"
    assert np.mean(errors["last"]) < np.mean(errors["dispatch"])


class Recorded(Predictor):
    """RLS that remembers what it was told."""

    def __init__(self):
        self.belief = make_predictor("rls")
        self.told = []

    def start(self):
        self.belief.fit(self.profile_)

    def rate(self, target, others):
        return self.belief.predict((target, *others))[0]

    def learn(self, observation):
        self.told.append(observation)
        self.belief.observe(observation)


def test_a_replay_sees_what_the_live_scheduler_saw(monkeypatch):
    """Observations, and the last estimates of when batches would end, are the same.

    The live one is asked only while somebody waits, which is all the time here but for the last few batches.
    """
    live = []
    note = Estimates._note

    def noting(self, planned, forecast, end_s):
        live.append(planned.expected_s - planned.asked_s)
        note(self, planned, forecast, end_s)

    monkeypatch.setattr(Estimates, "_note", noting)
    policy = AwareEdf(refresh=1, floor=0.05, drop="never")
    policy.belief = Recorded()
    result = simulate(random_requests(300, 0.001), SHARED, policy, cluster=MACHINE, max_batch=2)
    known = SHARED.for_scheduler()
    log = read_log(result, known)
    seen = sorted(
        [each for i, each in enumerate(log.observations) if not log.ran_alone(i)], key=lambda each: each.end_s
    )
    assert len(seen) - 3 <= len(policy.belief.told) > 100
    for told, found in zip(policy.belief.told, seen, strict=False):
        assert (told.target, told.solo_s) == (found.target, found.solo_s)
        assert told.duration_s == pytest.approx(found.duration_s)
        assert [sorted(others) for _, others in told.intervals] == [sorted(others) for _, others in found.intervals]
        assert [length for length, _ in told.intervals] == pytest.approx([length for length, _ in found.intervals])
    last = {e.end_s: e for e in score(log, known, {"it": Recorded()}, 3).predictions if e.kind == "last"}
    ends_s = sorted(each.end_s for each in log.observations)[: len(live)]
    expected_s = [expected for end_s, expected in zip(ends_s, live, strict=True) if end_s in last]
    replayed_s = [last[end_s].predicted_s - last[end_s].asked_s for end_s in ends_s if end_s in last]
    assert len(replayed_s) > 100
    assert replayed_s == pytest.approx(expected_s)


# Servers that hand batches on early, and several runs ----------------------------------------------------------------


def test_asked_at_the_start_of_the_execution(logged):
    """b is dispatched at 1 and waits for a slot until 4: what is predicted is its execution, not the wait."""
    log = read_log(logged([("a", 1, 0.0, 0.0, 12.0), ("b", 1, 1.0, 4.0, 18.0)]), KNOWN)
    found = table(score(log.asked_at_start(), KNOWN, {"it": make_predictor("constant(slowdown=2.0)")}, 2))
    assert found == table(judge(logged(TWO)))


def test_runs_one_after_another_are_one_log(logged):
    """The second begins when the first has ended, at 18."""
    log = read_log(logged(TWO), KNOWN)
    both = chain([log, log])
    assert (log.end_s, both.end_s) == (18.0, 36.0)
    assert both.start_s == (0.0, 4.0, 18.0, 22.0)
    assert [step.batch for step in both.steps] == [0, 1, 0, 1, 2, 3, 2, 3]
    assert [each.end_s for each in both.observations] == [12.0, 18.0, 30.0, 36.0]
    found = table(score(both, KNOWN, {"it": make_predictor("constant(slowdown=2.0)")}, 2))
    for batch, kind in found:
        if batch < 2:
            assert found[batch + 2, kind].predicted_s == pytest.approx(found[batch, kind].predicted_s)


def test_what_was_learned_in_one_run_counts_in_the_next(logged):
    log = read_log(logged(together(1, 50.0, 25.0, 20.0)), KNOWN)
    it = make_predictor("ewma-pairs(alpha=1.0, prior_slowdown=1.0)")
    found = table(score(chain([log, log]), KNOWN, {"it": it}, 2))
    assert [found[batch, "realised"].predicted_s for batch in (1, 3)] == pytest.approx([10.0, 20.0])


# Quantiles ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_quantiles_are_asked_of_beliefs_that_have_them(logged):
    scores = score(
        read_log(logged(HALF), KNOWN),
        KNOWN,
        {"sure": make_predictor("constant"), "table": make_predictor("ewma-pairs"), "rls": make_predictor("rls")},
        2,
        quantiles=(0.05, 0.5, 0.95),
    )
    kinds = [quantile_kind(each) for each in (0.05, 0.5, 0.95)]
    assert kinds == ["q05", "q50", "q95"]
    halves = [quantile_kind(each) for each in (0.025, 0.975, 0.98, 0.001)]
    assert halves == ["q2.5", "q97.5", "q98", "q0.1"], "two quantiles are two kinds"
    assert {each.kind for each in scores.predictions if each.predictor == "sure"} == set(KINDS)
    for name in ("table", "rls"):
        found = {(each.batch, each.kind): each.predicted_s for each in scores.predictions if each.predictor == name}
        for batch in range(0, 800, 50):
            low_s, median_s, high_s = (found[batch, kind] for kind in kinds)
            assert median_s == pytest.approx(found[batch, "realised"])
            assert low_s <= median_s <= high_s
