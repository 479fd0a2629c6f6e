"""Queues by deadline, against a sorted list."""

import pytest

from stratsim.policy.strait.queues import DeadlineQueues
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile(dict.fromkeys("abc", 1.0))


@pytest.fixture
def requests():
    from stratsim.engine.arrivals import open_loop

    draw = Streams(1).get("queues")
    rows = [(0.0, "abc"[which], "high", float(due)) for which, due in zip(*draw.integers(0, 3, (2, 60)), strict=True)]
    return [request for _, request in open_loop(make_workload(rows, profile=PROFILE))]


def test_they_are_a_sorted_list(requests):
    queues, listed = DeadlineQueues(), []
    for number, request in enumerate(requests):
        queues.push(request)
        listed = sorted([*listed, request], key=lambda each: (each.deadline_s, each.id))
        if number % 3 == 2:
            model, count = listed[0].model, number % 4
            taken = [each for each in listed if each.model == model][:count]
            assert queues.first(model, count) == taken
            assert queues.take(model, count) == taken
            listed = [each for each in listed if each not in taken]
        models = list(dict.fromkeys(each.model for each in listed))
        assert queues.models() == models
        assert queues.count == len(listed)
        assert {head.model: head for head in queues.heads()} == {model: queues.head(model) for model in models}
        assert [queues.head(model) for model in models] == [
            next(each for each in listed if each.model == model) for model in models
        ]


def test_models_may_be_left_out_until_a_time(requests):
    queues = DeadlineQueues()
    for request in requests:
        queues.push(request)
    before = queues.models()
    until_s = {before[0]: 2.0}
    assert queues.models(until_s, 1.0) == before[1:]
    assert queues.models(until_s, 2.0) == before
