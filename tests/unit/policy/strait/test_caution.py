"""The margin of co-located batches: by company, from the general to the specific. Worked out by hand."""

import pytest

from stratsim.policy.strait.caution import CautiousRates
from stratsim.predict import Observation, Predictor
from stratsim.testing import make_profile

PROFILE = make_profile(dict.fromkeys("abcde", 10.0)).for_scheduler()


class Half(Predictor):
    """Whoever has company goes at half speed."""

    def rate(self, target, others):
        return 0.5


def cautious(quantile=1.0):
    return CautiousRates(Half().fit(PROFILE), quantile)


def ended(target, *intervals, solo_s=10.0):
    """An observation: the batch was beside these models for these times."""
    stretches = tuple((length_s, tuple((model, 1) for model in others)) for length_s, others in intervals)
    return Observation((target, 1), solo_s, sum(length_s for length_s, _ in intervals), stretches, 0.0)


def test_nothing_is_allowed_for_before_anything_is_known():
    assert cautious().predict((("a", 1), ("b", 1))) == (0.5, 0.5)


def test_one_batch_that_was_twice_as_slow_as_believed():
    """Beside b for 40: at half speed that would be 20 of work, and it was 10, a ratio of 2.

    It counts 1 / 5 at each of three levels: 2 ** (1 - 0.8 ** 3) for a beside b; 2 ** (1 - 0.8 ** 2) for a beside
    another one; 2 ** (1 - 0.8) for other models beside one; and nothing beside two.
    """
    rates = cautious()
    rates.learn_from([ended("a", (40.0, "b"))])
    assert rates.divisor("a", ("b",)) == pytest.approx(2 ** (1 - 0.8**3))
    assert rates.divisor("a", ("c",)) == pytest.approx(2 ** (1 - 0.8**2))
    assert rates.divisor("c", ("b",)) == pytest.approx(2 ** (1 - 0.8))
    assert rates.divisor("a", ("b", "c")) == 1.0
    assert rates.predict((("a", 1), ("b", 1)))[0] == pytest.approx(0.5 / 2 ** (1 - 0.8**3))


def test_with_evidence_each_company_has_its_own():
    """A belief that is right about pairs, and three times too fast where two meet a: the pairs do not pay for it."""
    rates = cautious(0.9)
    rates.learn_from([ended("a", (20.0, "b")), ended("a", (60.0, "bc")), ended("a", (20.0, "de"))] * 50)
    assert rates.divisor("a", ("b",)) == 1.0
    assert rates.divisor("a", ("b", "c")) == pytest.approx(3.0, rel=0.1)
    assert rates.divisor("a", ("d", "e")) == pytest.approx(1.0, rel=0.1)
    # Of another company of two all that is known is what two do to a: a quantile over both, which is 3.
    assert rates.divisor("a", ("b", "d")) == pytest.approx(3.0, rel=0.1)


def test_a_batch_is_put_down_to_the_company_that_it_was_in_for_longest():
    """10 alone, 10 beside b (5 of work, as believed), 30 beside b and c: 5 of 20 are left, and 15 were believed."""
    rates = cautious()
    rates.learn_from([ended("a", (10.0, ""), (30.0, "bc"), (10.0, "b"), solo_s=20.0)] * 1000)
    assert rates.divisor("a", ("b", "c")) == pytest.approx(3.0, rel=0.1)
    assert rates.divisor("a", ("b",)) == 1.0


def test_company_does_not_depend_on_the_order_or_the_sizes_of_batches():
    rates = cautious()
    rates.learn_from([ended("a", (40.0, "bc"))] * 10)
    one, other = rates.predict((("a", 1), ("b", 1), ("c", 1))), rates.predict((("c", 1), ("b", 1), ("a", 1)))
    assert one == other[::-1]
    assert rates.predict_newcomers((("a", 1), ("b", 1)), (("c", 1), ("b", 1)))[0] == one[0]


def test_who_was_alone_or_faster_than_believed_teaches_no_margin():
    rates = cautious()
    rates.learn_from([ended("a", (10.0, "")), ended("a", (12.0, "b"))] * 10)
    assert rates.divisor("a", ("b",)) == 1.0


def test_zero_is_the_belief_as_it_is():
    rates = cautious(0.0)
    rates.learn_from([ended("a", (40.0, "b"))])
    assert rates.predict((("a", 1), ("b", 1))) == (0.5, 0.5)
    assert rates.predict_newcomers((("a", 1),), (("b", 1),)) == (0.5,)
