"""A policy that fails, decides something illegal, or does nothing: what the user is told."""

import math
from pathlib import Path

import pytest

from stratsim import simulate
from stratsim.errors import OutsideProfileError, PolicyError
from stratsim.model.cluster import Cluster
from stratsim.model.request import Status
from stratsim.policy import Drop, Policy, SetTimer, Start, Wake
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": {1: 0.25, 2: 0.375}, "b": 0.25})
ROWS = [(1.0, "a"), (1.0, "a"), (1.0, "a"), (1.0, "b")]


class Scripted(Policy):
    """Answers each round with what `script(requests)` says, `requests` being all that have arrived."""

    def __init__(self, script):
        self.script = script

    def prepare(self, setting):
        self.requests = []

    def on_arrival(self, request, view):
        self.requests.append(request)

    def decide(self, view):
        return self.script(self.requests)


def run(policy, rows=ROWS, **cluster):
    return simulate(make_workload(rows, profile=PROFILE), PROFILE, policy, cluster=Cluster(**cluster), name="mine")


def one(*numbers):
    return lambda requests: [Start(tuple(requests[i] for i in numbers))]


ILLEGAL = {
    "empty": (lambda _r: [Start(())], "an empty batch"),
    "no such GPU": (lambda r: [Start((r[0],), 1)], "there is no GPU 1, only 0 to 0"),
    "negative GPU": (lambda r: [Start((r[0],), -1)], "there is no GPU -1, only 0 to 0"),
    "no free place": (lambda r: [Start((request,)) for request in r], "GPU 0 has no free place"),
    "too large": (one(0, 1, 2), "a batch of 3, but 'a' is profiled up to 2"),
    "two models": (one(0, 3), "a batch of two models, 'a' and 'b'"),
    "twice in a batch": (one(1, 1), "request 1 is not waiting"),
    "started twice": (lambda r: [Start((r[0],)), Start((r[0],))], "request 0 is not waiting"),
    "started after its drop": (lambda r: [Drop(r[2], "x"), Start((r[2],))], "request 2 is not waiting"),
    "dropped twice": (lambda r: [Drop(r[1], "x"), Drop(r[1], "x")], "request 1 is not waiting"),
    "dropped after its start": (lambda r: [Start((r[1],)), Drop(r[1], "x")], "request 1 is not waiting"),
    "a request of its own making": (lambda r: [Start((r[0]._replace(deadline_s=9.0),))], "request 0 is not waiting"),
    "an equal copy": (lambda r: [Drop(r[0]._replace(), "x")], "request 0 is not waiting"),
    "timer now": (lambda _r: [SetTimer(1.0)], "a timer must lie in the future"),
    "timer in the past": (lambda _r: [SetTimer(0.5)], "a timer must lie in the future"),
    "timer never": (lambda _r: [SetTimer(math.inf)], "a timer must lie in the future"),
    "timer NaN": (lambda _r: [SetTimer(math.nan)], "a timer must lie in the future"),
    "a word": (lambda _r: ["start"], "not a decision: yield Start, Drop, SetTimer, Suspend or Resume"),
    "a bare request": (lambda r: [r[0]], "not a decision: yield Start, Drop, SetTimer, Suspend or Resume"),
}


@pytest.mark.parametrize(("script", "message"), ILLEGAL.values(), ids=ILLEGAL)
def test_an_illegal_decision_is_named(script, message):
    with pytest.raises(PolicyError) as caught:
        run(Scripted(script), max_concurrency=2, prefetch=1)
    assert message in str(caught.value)
    assert str(caught.value).startswith("policy 'mine' at t=1 s: ")
    assert (caught.value.policy, caught.value.time_s) == ("mine", 1.0)
    assert caught.value.decision == list(script(_arrived()))[-1]
    assert repr(caught.value.decision) in str(caught.value)


def _arrived():
    """The requests of ROWS, as the engine makes them."""
    seen = Scripted(lambda _requests: [])
    run(seen)
    return seen.requests


def test_nothing_but_the_four_arrived():
    assert [request.id for request in _arrived()] == [0, 1, 2, 3]


def fail(*_arguments):
    raise KeyError("oops")


@pytest.mark.parametrize(
    ("hook", "time_s"), [("prepare", 0.0), ("on_arrival", 1.0), ("decide", 1.0), ("on_done", 1.25), ("script", 1.0)]
)
def test_a_failing_policy_is_named_with_the_place(hook, time_s):
    policy = Scripted(one(0))
    policy.wakes = frozenset({Wake.ARRIVAL, Wake.COPY_OUT_END})
    setattr(policy, hook, fail)
    with pytest.raises(PolicyError) as caught:
        run(policy, rows=ROWS[:1])
    line = fail.__code__.co_firstlineno + 1
    message = str(caught.value)
    assert f"KeyError: 'oops' ({__file__}:{line})" in message
    assert caught.value.time_s == time_s
    assert isinstance(caught.value.__cause__, KeyError)
    if hook != "prepare":
        assert message.startswith("policy 'mine'")


def test_a_generator_that_fails_in_the_middle_is_named_too():
    def script(requests):
        yield Start((requests[0],))
        fail()

    with pytest.raises(PolicyError, match=Path(__file__).name):
        run(Scripted(script))


def test_nothing_is_not_a_decision():
    with pytest.raises(PolicyError, match="not a decision: yield Start, Drop, SetTimer, Suspend or Resume"):
        run(Scripted(lambda _requests: [None]))


def test_decide_without_a_return_value_is_named():
    with pytest.raises(PolicyError, match="must yield decisions or return them, not None"):
        run(Scripted(lambda _requests: None))


def test_our_own_errors_pass_as_they_are():
    def script(_requests):
        raise OutsideProfileError("no such size")

    with pytest.raises(OutsideProfileError, match="no such size"):
        run(Scripted(script))


def test_an_interrupt_is_no_policy_error():
    def script(_requests):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Scripted(script))


def test_what_is_never_started_is_unfinished():
    result = run(Scripted(lambda _requests: []))
    assert result.requests.status.tolist() == [Status.UNFINISHED] * 4
    assert result.notes == ("policy 'mine' left 4 requests waiting for ever: unfinished",)
    assert len(result.batches) == 0
    assert result.end_s == 1.0


def test_what_is_left_over_is_unfinished():
    result = run(Scripted(lambda requests: [] if len(requests) < 4 else [Start((requests.pop(1),))]), rows=ROWS)
    assert result.requests.status.tolist() == [Status.UNFINISHED, Status.MET, Status.UNFINISHED, Status.UNFINISHED]
    assert result.notes == ("policy 'mine' left 3 requests waiting for ever: unfinished",)


def test_a_policy_that_is_never_asked_leaves_everything():
    policy = Scripted(fail)
    policy.wakes = frozenset()
    assert set(run(policy).requests.status.tolist()) == {Status.UNFINISHED}


def test_the_name_in_results_is_the_class_unless_one_is_given():
    workload = make_workload(ROWS, profile=PROFILE)
    assert simulate(workload, PROFILE, Scripted(lambda _r: [])).policy == "Scripted"
    assert run(Scripted(lambda _r: [])).policy == "mine"
