"""The conformance suite finds what is wrong with a policy, and says it."""

import pytest

from stratsim.model.request import Priority
from stratsim.policy import Drop, Policy, SetTimer, Start, Wake
from stratsim.policy.registry import policy_class, registered
from stratsim.testing import POLICY_CHECKS, check_policy
from stratsim.testing.check_policy import check_decisions_are_legal, check_overload, check_protocol, check_repeatable
from stratsim.testing.liveness import (
    check_after_overload,
    check_alone,
    check_idle_gpu,
    check_prefix,
    check_rare_high_priority,
    check_steady_high_priority,
)

QUICK = {"edf", "fifo", "preempt-kernel"}
"""Policies of which the short run makes what takes a while."""
LONG = {check_alone, check_overload, check_prefix, check_rare_high_priority, check_repeatable}


def marks(name, check):
    slow = check is check_steady_high_priority or (check in LONG and name not in QUICK)
    return [pytest.mark.slow] if slow else []


SHIPPED = [
    pytest.param(name, check, id=f"{name}-{check.__name__}", marks=marks(name, check))
    for name in registered()
    for check in POLICY_CHECKS
]


@pytest.mark.parametrize(("name", "check"), SHIPPED)
def test_the_shipped_policies_pass(name, check):
    check(policy_class(name))


@pytest.mark.parametrize("parameters", [{"max_batch": 1}, {"drop": "never"}, {"drop": "expired", "max_batch": 2}])
def test_the_shipped_policies_pass_with_parameters(parameters):
    check_policy(lambda: policy_class("priority-edf")(**parameters))


class InOrder(Policy):
    """A sound policy, whose parts the broken ones replace."""

    def prepare(self, setting):
        self.waiting = []

    def on_arrival(self, request, view):
        self.waiting.append(request)

    def decide(self, view):
        while self.waiting and (gpu := view.least_loaded()):
            yield Start((self.waiting.pop(0),), gpu.id)


def test_a_sound_policy_passes():
    check_policy(InOrder)


class NeverStarts(InOrder):
    def decide(self, view):
        return ()


class OnlyHigh(InOrder):
    def decide(self, view):
        self.waiting = [request for request in self.waiting if request.priority == 0]
        yield from super().decide(view)


class DropsEverything(InOrder):
    def decide(self, view):
        while self.waiting:
            yield Drop(self.waiting.pop(), "no reason")


class Overcommits(InOrder):
    def decide(self, view):
        while self.waiting:
            yield Start((self.waiting.pop(0),), 0)


class StartsTwice(InOrder):
    def decide(self, view):
        for request in self.waiting[:1]:
            yield Start((request,))


class MixesModels(InOrder):
    def decide(self, view):
        while self.waiting and (gpu := view.least_loaded()):
            batch, self.waiting = self.waiting[:3], self.waiting[3:]
            yield Start(tuple(batch), gpu.id)


class TooLarge(InOrder):
    def decide(self, view):
        while self.waiting and (gpu := view.least_loaded()):
            model = self.waiting[0].model
            batch = [request for request in self.waiting if request.model == model]
            self.waiting = [request for request in self.waiting if request.model != model]
            yield Start(tuple(batch), gpu.id)


class EmptyBatch(InOrder):
    def decide(self, view):
        yield Start(())


class NoSuchGpu(InOrder):
    def decide(self, view):
        yield Start((self.waiting.pop(),), 2)


class Crashes(InOrder):
    def decide(self, view):
        raise KeyError("lost")


class CrashesOnArrival(InOrder):
    def on_arrival(self, request, view):
        raise ZeroDivisionError("division by zero")


class CrashesInPrepare(InOrder):
    def prepare(self, setting):
        raise AttributeError("nothing there")


class LooksBack(InOrder):
    def decide(self, view):
        yield SetTimer(view.now_s)


class NoDecision(InOrder):
    def decide(self, view):
        yield "start"


class ReturnsNothing(InOrder):
    def decide(self, view):
        return None


BROKEN = {
    NeverStarts: "at light load 0 of 40 requests met an easy deadline",
    OnlyHigh: "of 40 requests met an easy deadline",
    DropsEverything: "at light load 0 of 40 requests met an easy deadline",
    Overcommits: "GPU 0 has no free place",
    StartsTwice: "request 0 is not waiting",
    MixesModels: "a batch of two models",
    TooLarge: "is profiled up to",
    EmptyBatch: "an empty batch",
    NoSuchGpu: "there is no GPU 2, only 0 to 1",
    Crashes: "KeyError: 'lost'",
    CrashesOnArrival: "ZeroDivisionError: division by zero",
    CrashesInPrepare: "AttributeError: nothing there",
    LooksBack: "a timer must lie in the future",
    NoDecision: "not a decision: yield Start, Drop, SetTimer, Suspend or Resume in 'start'",
    ReturnsNothing: "`decide` must yield decisions or return them, not None",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_policy_fails_with_the_reason(broken):
    with pytest.raises(AssertionError) as caught:
        check_policy(broken)
    message = str(caught.value)
    assert BROKEN[broken] in message
    assert "\n" not in message


@pytest.mark.parametrize("broken", [Overcommits, Crashes, NoDecision], ids=lambda broken: broken.__name__)
def test_an_illegal_decision_names_policy_and_time(broken):
    with pytest.raises(AssertionError, match=rf"policy '{broken.__name__}' at t=[0-9.e-]+ s: "):
        check_policy(broken)


def test_a_crash_names_file_and_line():
    with pytest.raises(AssertionError, match=r"test_check_policy\.py:\d+\)$"):
        check_policy(Crashes)


class RemembersRuns(InOrder):
    """Counts across runs: the second run serves in another order."""

    runs = 0

    def prepare(self, setting):
        super().prepare(setting)
        self.runs += 1

    def decide(self, view):
        while self.waiting and (gpu := view.least_loaded()):
            yield Start((self.waiting.pop(0 if self.runs < 2 else -1),), gpu.id)


class KeepsItsQueue(InOrder):
    def __init__(self):
        self.waiting = []
        self.served = 0

    def prepare(self, setting):
        """Forget to reset."""

    def decide(self, view):
        while self.waiting and (gpu := view.least_loaded()):
            self.served += 1
            yield Start((self.waiting.pop(-1 if self.served > 100 else 0),), gpu.id)


@pytest.mark.parametrize("broken", [RemembersRuns, KeepsItsQueue], ids=lambda broken: broken.__name__)
def test_a_policy_that_does_not_forget_is_found(broken):
    message = "behaves differently when prepared a second time: `prepare` must forget everything"
    with pytest.raises(AssertionError, match=message):
        check_repeatable(broken)


def test_a_policy_that_differs_from_object_to_object_is_found():
    made = []

    class Differs(InOrder):
        def prepare(self, setting):
            super().prepare(setting)
            made.append(None) if not hasattr(self, "number") else None
            self.number = getattr(self, "number", len(made))

        def decide(self, view):
            while self.waiting and (gpu := view.least_loaded()):
                yield Start((self.waiting.pop(0 if self.number < 2 else -1),), gpu.id)

    with pytest.raises(AssertionError, match="behaves differently when made anew"):
        check_repeatable(Differs)


def test_a_policy_that_leaves_requests_waiting_is_found():
    class Forgetful(InOrder):
        def on_arrival(self, request, view):
            if request.id % 7:
                self.waiting.append(request)

    with pytest.raises(AssertionError, match=r"^\d+ of 400 requests were never dispatched or dropped$"):
        check_overload(Forgetful)


def test_a_policy_that_assumes_places_is_found():
    class Eager(InOrder):
        """Starts three at once without looking: right only where three places are."""

        wakes = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

        def decide(self, view):
            for _ in range(min(len(self.waiting), 3 - view.gpus[0].in_flight)):
                yield Start((self.waiting.pop(0),))

    with pytest.raises(AssertionError, match="has no free place"):
        check_decisions_are_legal(Eager)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "Incomplete lacks a member of stratsim.policy.Policy"),
        (dict.fromkeys(("prepare", "on_arrival", "on_done", "decide"), len), "lacks a member"),
        ({**dict.fromkeys(("prepare", "on_arrival", "on_done", "decide"), len), "wakes": set()}, "`wakes` must be a"),
    ],
)
def test_an_incomplete_policy_is_named(members, message):
    with pytest.raises(AssertionError, match=message):
        check_protocol(type("Incomplete", (), members))


def test_a_factory_must_make_new_policies():
    policy = InOrder()
    with pytest.raises(AssertionError, match="the factory must return a new policy on every call"):
        check_policy(lambda: policy)


class BearsAGrudge(InOrder):
    """Serves no low priority once it has seen high priority."""

    def prepare(self, setting):
        super().prepare(setting)
        self.urgent = False

    def on_arrival(self, request, view):
        self.urgent |= request.priority is Priority.HIGH
        if not self.urgent or request.priority is Priority.HIGH:
            self.waiting.append(request)


class WaitsForCompany(InOrder):
    """Serves a request when another one has come."""

    def decide(self, view):
        while len(self.waiting) > 1 and (gpu := view.least_loaded()):
            yield Start((self.waiting.pop(0),), gpu.id)


@pytest.mark.parametrize(
    ("policy", "check", "message"),
    [
        (WaitsForCompany, check_alone, "a lone high-priority small request without a deadline: 0 of 1 were served"),
        (WaitsForCompany, check_idle_gpu, "requests that come to an idle GPU, a second apart: 0 of 40"),
        (BearsAGrudge, check_rare_high_priority, "long after one tight high-priority request: 0 of 40"),
        (BearsAGrudge, check_after_overload, "a minute after an overload 0 were met"),
        (BearsAGrudge, check_steady_high_priority, "a tenth of the GPU low priority waited nan s"),
    ],
)
def test_what_is_left_undone_is_found(policy, check, message):
    with pytest.raises(AssertionError, match=message):
        check(policy)


def test_decisions_that_know_the_future_are_found():
    made = []

    class LastFirst(InOrder):
        """Serves the newest request first where it is the first of its kind to be made, as if it knew the rest."""

        def on_arrival(self, request, view):
            self.waiting.insert(0 if made.index(self) == 0 else len(self.waiting), request)

    def factory():
        made.append(LastFirst())
        return made[-1]

    with pytest.raises(AssertionError, match=r"decisions before .* s depend on what arrives from then on"):
        check_prefix(factory)
