"""What holds for beliefs whatever the profile, the observations and the copies."""

from math import inf, isfinite

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stratsim.errors import ProfileError
from stratsim.model.parts import Features, Kernels, Link
from stratsim.model.profile import Pair, SchedulerModel, SchedulerProfile
from stratsim.predict import Copy, Observation, make_predictor, make_transfer_predictor
from stratsim.predict.least_squares import RecursiveLeastSquares

NAMES = ("a", "b", "c")
LEARNERS = ["ewma-features", "ewma-pairs(half_life_s=1)", "sgd", "nlms(half_life_s=1)", "rls", "rls(half_life_s=1)"]
LEARNERS += ["rls(form=slowdown)", "rls(directional=false, nonnegative=true)"]
FRACTIONS = st.floats(0, 1)
MEMBERS = st.tuples(st.sampled_from(NAMES), st.integers(1, 4))


@st.composite
def profiles(draw):
    models = {}
    for name in NAMES:
        latency_s = draw(st.floats(1e-5, 1.0))
        features = draw(st.none() | st.builds(Features, FRACTIONS, FRACTIONS, st.none() | FRACTIONS))
        kernels = draw(st.none() | st.builds(Kernels, st.integers(1, 1000), st.floats(1e-6, 1e-2)))
        known = {draw(st.sampled_from((1, 4))): features} if features else {}
        models[name] = SchedulerModel(name, (latency_s,) * 5, 0, 0, features=known, kernels=kernels)
    slowdowns = st.floats(0.9, 20.0)
    keys = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), unique=True, max_size=9))
    pairs = tuple(Pair(own, 1, other, 1, draw(slowdowns), draw(st.booleans())) for own, other in keys)
    link = Link(0.0, 1e10)
    return SchedulerProfile("drawn", models, link, link, pairs)


@st.composite
def histories(draw):
    history, end_s = [], 0.0
    for _ in range(draw(st.integers(0, 12))):
        lengths = draw(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=3))
        intervals = tuple((length, tuple(draw(st.lists(MEMBERS, max_size=2)))) for length in lengths)
        end_s += draw(st.floats(0, 5))
        history.append(Observation(draw(MEMBERS), draw(st.floats(1e-6, 1.0)), sum(lengths), intervals, end_s))
    return history


@pytest.mark.parametrize("name", LEARNERS)
@settings(max_examples=settings.default.max_examples // 5)
@given(profile=profiles(), history=histories(), active=st.lists(MEMBERS, max_size=4))
def test_rates_are_rates_whatever_was_seen(name, profile, history, active):
    belief = make_predictor(name)
    try:
        belief.fit(profile)
    except ProfileError:
        assume(False)
    for observation in history:
        belief.observe(observation)
        assert 0 < belief.expected_duration_s(observation) < inf
    for probability in (0.05, 0.75):
        for rates in (belief.predict(tuple(active)), belief.predict_quantile(tuple(active), probability)):
            assert len(rates) == len(active)
            assert all(isfinite(rate) and 0 < rate <= 1 for rate in rates)


@settings(max_examples=settings.default.max_examples // 5)
@given(profile=profiles(), history=histories(), scale=st.sampled_from((0.5, 2.0, 1024.0)))
def test_rates_do_not_depend_on_the_unit_of_time(profile, history, scale):
    """Doubling all times changes no rate, to the last bit."""
    plain, scaled = make_predictor("rls").fit(profile), make_predictor("rls").fit(profile)
    for seen in history:
        intervals = tuple((length * scale, others) for length, others in seen.intervals)
        later = Observation(seen.target, seen.solo_s * scale, sum(x for x, _ in intervals), intervals, seen.end_s)
        plain.observe(seen._replace(duration_s=sum(x for x, _ in seen.intervals)))
        scaled.observe(later)
    active = (("a", 1), ("b", 2), ("c", 3))
    assert plain.predict(active) == scaled.predict(active)


@given(
    forgetting=st.floats(0.8, 1.0),
    variance=st.floats(0.1, 100.0),
    data=st.lists(st.tuples(*[st.floats(-2, 2)] * 4), min_size=1, max_size=30),
)
def test_recursive_is_regularised_weighted_least_squares(forgetting, variance, data):
    rls = RecursiveLeastSquares([0.5, -0.5, 0.0], variance, forgetting=forgetting)
    for *x, y in data:
        rls.update(x, y)
    x, y = np.array([row[:3] for row in data]), np.array([row[3] for row in data])
    weight = forgetting ** np.arange(len(y) - 1, -1, -1)
    prior = forgetting ** len(y) / variance * np.eye(3)
    information = (x.T * weight) @ x + prior
    assume(np.linalg.cond(information) < 1e6)
    expected = np.linalg.solve(information, (x.T * weight) @ y + prior @ np.array([0.5, -0.5, 0.0]))
    assert np.abs(rls.weights - expected).max() < 1e-7
    assert np.abs(rls.covariance @ information - np.eye(3)).max() < 1e-6


COPIES = st.lists(
    st.builds(
        Copy,
        st.integers(0, 2),
        st.sampled_from(("h2d", "d2h")),
        st.sampled_from((0, 1_000, 5_000_000, 20_000_000)),
        st.floats(0, 0.01),
    ),
    max_size=8,
).map(lambda copies: sorted(copies, key=lambda copy: copy.ready_s))


@given(copies=COPIES, uplink=st.sampled_from((inf, 40e9, 12e9)))
def test_contention_only_delays(copies, uplink):
    link = Link(alpha_s=10e-6, bytes_per_s=25e9)
    profile = SchedulerProfile("made", {}, link, link)
    ends_s = make_transfer_predictor(f"contended(uplink_bytes_per_s={uplink})").fit(profile).predict(copies)
    alone_s = make_transfer_predictor("alone").fit(profile).predict(copies)
    wider_s = make_transfer_predictor("contended").fit(profile).predict(copies)
    for end_s, alone, wider, copy in zip(ends_s, alone_s, wider_s, copies, strict=True):
        assert end_s >= wider - 1e-12
        assert wider >= alone - 1e-12
        assert alone >= copy.ready_s
    for direction in ("h2d", "d2h"):
        for gpu in range(3):
            pairs = zip(copies, ends_s, strict=True)
            queue = [end for copy, end in pairs if (copy.gpu, copy.direction) == (gpu, direction) and copy.size_bytes]
            assert queue == sorted(queue), "first in, first out"


@given(copies=COPIES)
def test_the_uplink_carries_no_more_than_it_can(copies):
    """All bytes of a direction, from the first start to the last end, fit into the uplink's capacity."""
    link = Link(alpha_s=0.0, bytes_per_s=25e9)
    profile = SchedulerProfile("made", {}, link, link)
    ends_s = make_transfer_predictor("contended(uplink_bytes_per_s=12e9)").fit(profile).predict(copies)
    for direction in ("h2d", "d2h"):
        rows = [(c, end) for c, end in zip(copies, ends_s, strict=True) if c.direction == direction and c.size_bytes]
        if rows:
            span_s = max(end for _, end in rows) - min(copy.ready_s for copy, _ in rows)
            assert sum(copy.size_bytes for copy, _ in rows) <= 12e9 * span_s * (1 + 1e-9)
