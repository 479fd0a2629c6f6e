"""Strait's mechanisms one by one, in the smallest case where each makes a difference. Times in ms.

`wide` starves whatever runs beside it: alone both take 10; together wide goes on at full speed and `narrow` at a tenth.
The belief is a user's, told exactly that, so nothing here depends on learning.
"""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.policy.strait import Strait
from stratsim.predict import Predictor
from stratsim.testing import make_profile, make_workload

MS = 1e-3
PROFILE = make_profile(
    {"wide": 10 * MS, "narrow": 10 * MS}, sharing={"wide": Sharing(1.0, 1000.0), "narrow": Sharing(1.0, 1.0)}
)


class Told(Predictor):
    """Knows who starves whom."""

    def rate(self, target, others):
        """Starved beside wide, else alone for all it knows."""
        return 0.1 if target[0] == "narrow" and any(model == "wide" for model, _ in others) else 1.0


PLAIN = {"margin": 0.0, "explore": 0.0, "fill": False, "rescue_low": False, "max_batch": 1}


def serve(rows, **options):
    policy = Strait(**PLAIN | options)
    policy.belief = Told()
    workload = make_workload([(at * MS, model, level, due * MS) for at, model, level, due in rows], profile=PROFILE)
    return simulate(workload, PROFILE, policy, cluster=Cluster(max_concurrency=2, prefetch=0))


def dispatched(result):
    """When each request was started, ms; None if it was not."""
    batch = result.requests.batch
    return [None if row < 0 else pytest.approx(result.batches.dispatch_s[row] / MS) for row in batch.tolist()]


STARVES = [(0, "narrow", "high", 15), (1, "wide", "low", 90)]


def test_a_low_batch_waits_if_it_would_starve_a_high_one_in_flight():
    assert dispatched(serve(STARVES, guard="off")) == [0, 10]


def test_without_the_harm_check_it_does_not():
    result = serve(STARVES, guard="off", harm_check=False)
    assert dispatched(result) == [0, 1]
    assert result.requests.finish_s[0] > 15 * MS


def test_a_high_batch_waits_for_one_in_flight_as_long_as_it_can():
    rows = [(0, "narrow", "high", 12), (1, "wide", "high", 60)]
    assert dispatched(serve(rows, guard="off")) == [0, 10]


def test_a_high_batch_that_cannot_wait_starts_all_the_same():
    # The wide one must start by 2 to be in time; starving the narrow one is then the lesser evil than losing it too.
    rows = [(0, "narrow", "high", 12), (1, "wide", "high", 12)]
    result = serve(rows, guard="off")
    assert dispatched(result) == [0, 2]
    assert result.requests.finish_s[1] == pytest.approx(12 * MS, rel=2e-3)  # the device gives narrow a thousandth


def test_the_guard_thinks_of_a_high_request_that_has_not_come():
    # One narrow high request has been seen, with 15 to go: beside a wide batch its like would be late.
    rows = [(0, "narrow", "high", 15), (12, "wide", "low", 90)]
    assert dispatched(serve(rows, guard="off")) == [0, 12]
    assert dispatched(serve([*rows, (40, "narrow", "low", 95)])) == [0, None, 40]


def test_the_guard_admits_what_would_be_as_late_without():
    # High requests as tight as this one are late whatever starts: nothing is gained by holding low priority back.
    rows = [(0, "narrow", "high", 10), (12, "narrow", "low", 90), (12, "narrow", "low", 91), (12, "narrow", "low", 92)]
    assert dispatched(serve(rows))[1] == 12


def test_reserved_places_are_left_free_by_low_priority():
    rows = [(0, "narrow", "low", 90), (0, "narrow", "low", 91)]
    assert dispatched(serve(rows, reserve_slots=1, guard="off")) == [0, 10]


def test_before_anything_is_known_each_co_runner_adds_half_of_the_solo_time():
    # 1 + n / 2 beside n. Scaled losses of rate, a third beside one, would be 1.8 beside two and 2 beside three.
    belief = Strait().belief.fit(make_profile(dict.fromkeys("abcd", 10 * MS)).for_scheduler())
    together = [belief.predict(tuple((model, 1) for model in models))[0] for models in ("ab", "abc", "abcd")]
    assert [1 / rate for rate in together] == pytest.approx([1.5, 2.0, 2.5])


def test_low_priority_fills_a_high_batch():
    table = {1: 10 * MS, 2: 12 * MS}
    profile = make_profile({"a": table})
    rows = [(0.0, "a", "high", 50 * MS), (0.0, "a", "low", 50 * MS)]
    for fill, sizes in ((True, [2]), (False, [1, 1])):
        policy = Strait(**PLAIN | {"fill": fill, "max_batch": 2, "guard": "off"}, predictor="solo")
        result = simulate(make_workload(rows, profile=profile), profile, policy, cluster=Cluster(prefetch=0))
        assert result.batches.size.tolist() == sizes


def test_what_is_hopeless_is_dropped_or_served_last():
    rows = [(0, "narrow", "high", 5), (0, "narrow", "high", 50)]
    dropped = serve(rows, guard="off")
    assert dispatched(dropped) == [None, 0]
    kept = serve(rows, guard="off", infeasible="best-effort")
    assert dispatched(kept) == [0, 0]
    assert kept.batches.dispatch_s[kept.requests.batch[1]] <= kept.batches.dispatch_s[kept.requests.batch[0]]
    assert not np.isnan(kept.requests.finish_s).any()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"guard": "on"}, "guard must be one of hypothetical, off, got 'on'"),
        ({"margin": 2.0}, r"margin must be a number within \[0, 1\], got 2.0"),
        ({"refresh": 0}, "refresh must be a whole number, at least 1, got 0"),
        ({"predictor": "rsl"}, "did you mean 'rls'"),
    ],
)
def test_bad_parameters_are_named(option, message):
    with pytest.raises(SpecError, match=message):
        Strait(**option)
