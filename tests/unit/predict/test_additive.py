"""The additive form: each co-runner adds its part to the slowdown, in every interval of the execution by itself."""

import pytest

from stratsim.predict import make_predictor

SLOWDOWNS = ((("b",), 2.0), (("c",), 1.5), (("b", "b"), 3.0), (("b", "c"), 2.5), (("b", "b", "c"), 3.5))
"""Slowdowns of a: b adds 1, c a half."""


@pytest.mark.parametrize("learner", ["rls", "nlms(share=0.5)"])
def test_what_pairs_taught_holds_for_any_number(knowledge, batch, learner):
    name, _, rest = learner.partition("(")
    belief = make_predictor(f"{name}(form=additive,features=[]{',' + rest if rest else ')'}").fit(knowledge())
    for at in range(400):
        belief.observe(batch("a", (1.0, ("b",), 2.0), end_s=at))
        belief.observe(batch("a", (1.0, ("c",), 1.5), end_s=at))
        belief.observe(batch("a", (0.5, ("b", "c"), 2.5), end_s=at))
    for others, slowdown in SLOWDOWNS:
        rate = belief.predict((("a", 1), *((other, 1) for other in others)))[0]
        assert 1 / rate == pytest.approx(slowdown, rel=1e-3)


def test_the_rate_form_cannot_say_that(knowledge, batch):
    belief = make_predictor("rls(features=[])").fit(knowledge())
    for at in range(400):
        belief.observe(batch("a", (1.0, ("b",), 2.0), end_s=at))
        belief.observe(batch("a", (1.0, ("c",), 1.5), end_s=at))
    rate = belief.predict((("a", 1), ("b", 1), ("b", 1), ("c", 1)))[0]
    assert abs(1 / rate - 3.5) > 0.2


def test_partial_overlap_is_not_biased(knowledge, batch):
    """Half of the work at slowdown 4: 25 ms for 10. The belief converges to 4, as the rate form does."""
    belief = make_predictor("rls(form=additive,features=[])").fit(knowledge())
    for at in range(400):
        belief.observe(batch("a", (0.5, ("b",), 4.0), end_s=at))
    assert 1 / belief.predict((("a", 1), ("b", 1)))[0] == pytest.approx(4.0, rel=1e-3)  # on its way to it


def test_the_tangent_touches_where_the_belief_is_right(knowledge, batch):
    """Without an error there is nothing to correct, whatever the intervals."""
    belief = make_predictor("rls(form=additive,features=[],prior_slowdown=2)").fit(knowledge())
    before = list(belief.weights_)
    belief.observe(batch("a", (0.3, ("b",), 2.0), (0.4, ("b", "c"), 3.0)))
    assert belief.weights_ == pytest.approx(before, abs=1e-12)
