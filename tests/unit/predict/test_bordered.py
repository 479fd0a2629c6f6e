"""The covariance in parts against the whole matrix, with every safeguard, and what it costs."""

from math import inf

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.predict.least_squares import RecursiveLeastSquares
from stratsim.predict.rls import Rls
from stratsim.rng import Streams

SHARED, LEADING = 5, 4
VARIANCE, PAIR_VARIANCE = 100.0, 10.0


class Dense:
    """The textbook's filter on one matrix of all columns: the known answer."""

    def __init__(self, models, *, forgetting=1.0, directional=False, trace_cap=inf, excitation=0.0):
        self.prior = np.array([VARIANCE] * SHARED + [PAIR_VARIANCE] * models**2)
        self.weights, self.covariance = np.zeros(len(self.prior)), np.diag(self.prior)
        self.forgetting, self.directional = forgetting, directional
        self.trace_cap, self.excitation = trace_cap, excitation

    def update(self, x, y):
        image = self.covariance @ x
        spread, error = float(x @ image), y - float(self.weights @ x)
        innovation = (1.0 if self.directional else self.forgetting) + spread
        self.weights += image * (error / innovation)
        forget = 1.0 if spread < self.excitation else self.forgetting
        grow = (1 / forget - 1) * (1 - spread / innovation) / spread if self.directional else 0.0
        self.covariance -= np.outer(image, image) * (1 / innovation - grow)
        self.covariance *= 1.0 if self.directional else 1 / forget
        if self.covariance.trace() > self.trace_cap:
            self.covariance *= self.trace_cap / self.covariance.trace()
        return error

    def fade(self, keep):
        self.weights[SHARED:] *= keep
        self.covariance[SHARED:] *= keep
        self.covariance[:, SHARED:] *= keep
        rows = np.arange(SHARED, len(self.prior))
        self.covariance[rows, rows] += (1 - keep**2) * self.prior[SHARED:]

    def reset(self):
        self.covariance = np.diag(self.prior)


def parts(models, **settings):
    return RecursiveLeastSquares(
        [0.0] * SHARED, VARIANCE, leading=LEADING, models=models, pair_variance=PAIR_VARIANCE, **settings
    )


def samples(models, count, seed=1):
    """Yield values, terms of one target and a result; one sample in eight has no terms."""
    draws = Streams(seed).get("bordered")
    for number in range(count):
        target, present = draws.integers(models), draws.permutation(models)[: draws.integers(1, 4)]
        terms = [(int(SHARED + target * models + other), float(draws.uniform(0.1, 1.0))) for other in present]
        yield draws.normal(size=LEADING).tolist(), terms if number % 8 else [], float(draws.normal())


def whole(values, terms, models):
    x = np.zeros(SHARED + models**2)
    x[:LEADING] = values
    for column, value in terms:
        x[column] += value
    return x


def both(models, count, *, meanwhile=lambda number, filter_: None, **settings):
    """Return both filters after the same samples, and the largest difference of an error on the way."""
    own, dense, most = parts(models, **settings), Dense(models, **settings), 0.0
    for number, (values, terms, y) in enumerate(samples(models, count)):
        for each in (own, dense):
            meanwhile(number, each)
        error = y - own.predict(values, terms)
        own.correct(own.excite(values, terms), error)
        most = max(most, abs(error - dense.update(whole(values, terms, models), y)))
    return own, dense, most


def same(own, dense, most):
    """Variances start at 100, and so do rounding errors: 1e-11 of that."""
    assert most < 1e-10
    assert np.abs(own.weights - dense.weights).max() < 1e-10
    assert np.abs(own.covariance - dense.covariance).max() < 1e-9
    assert own.trace == pytest.approx(dense.covariance.trace(), rel=1e-11)


@pytest.mark.parametrize("models", [1, 3, 7])
@pytest.mark.parametrize("directional", [True, False])
@pytest.mark.parametrize("forgetting", [1.0, 0.97])
def test_parts_are_the_whole_matrix(models, directional, forgetting):
    same(*both(models, 300, directional=directional, forgetting=forgetting))


@pytest.mark.parametrize("directional", [True, False])
def test_under_a_trace_cap_and_without_excitation_as_well(directional):
    prior = VARIANCE * SHARED + PAIR_VARIANCE * 16
    settings = {"directional": directional, "forgetting": 0.95, "excitation": 0.3}
    own, dense, most = both(4, 400, trace_cap=1.2 * prior, **settings)
    same(own, dense, most)
    if not directional:
        assert own.trace == pytest.approx(1.2 * prior, rel=0.01), "it was reached"


@pytest.mark.parametrize("directional", [True, False])
def test_fading_and_starting_anew_in_between(directional):
    def meanwhile(number, filter_):
        if number % 13 == 5:
            filter_.fade(0.9)
        if number % 71 == 70:
            filter_.reset()

    same(*both(4, 300, meanwhile=meanwhile, directional=directional, forgetting=0.98))


def test_where_forgetting_gives_back_what_the_sample_took():
    """A spread of 3 beside a noise of 1, forgetting 1/4: the covariance stays, and the weights move all the same."""
    own = RecursiveLeastSquares([0.0], 8.0, models=2, pair_variance=4.0, directional=True, forgetting=0.25)
    before = own.covariance
    image = own.excite([0.5], [(1, 0.5)])
    assert image[0] == 3.0
    own.correct(image, 1.0)
    assert np.abs(own.covariance - before).max() < 1e-250
    assert own.weights == pytest.approx([8 * 0.5 / 4, 4 * 0.5 / 4, 0.0, 0.0, 0.0])


def test_raising_shared_weights_leaves_the_terms():
    own = parts(3)
    for values, terms, y in samples(3, 40):
        own.correct(own.excite(values, terms), y - own.predict(values, terms))
    before = own.weights
    own.raise_to_zero(np.array([True, True, True, False]))
    assert before[:3].min() < 0.0 <= own.weights[:3].min()
    assert own.weights[3] == before[3]
    assert own.weights[SHARED:] == pytest.approx(before[SHARED:], abs=1e-13)


def test_a_rest_stays_symmetric_to_the_last_bit():
    own, _, _ = both(5, 500, directional=True, forgetting=0.97)
    rest = own._terms[:, LEADING + 1 :]
    assert (rest == rest.transpose(0, 2, 1)).all()
    assert (own.shared_covariance == own.shared_covariance.T).all()


def test_memory_grows_with_the_cube_of_the_models():
    """The whole matrix of 64 models would take 134 MB."""
    assert parts(64)._terms.nbytes == 8 * 64 * 64 * (64 + LEADING + 1) < 3e6


@pytest.mark.slow
def test_256_models_are_accepted_and_more_than_512_refused(knowledge, batch):
    belief = Rls().fit(knowledge([f"m{number}" for number in range(256)], sizes=1))
    for _ in range(30):
        belief.observe(batch("m7", (1.0, ["m200"], 2.0)))
    assert 1 / belief.predict((("m7", 1), ("m200", 1)))[0] == pytest.approx(2.0, rel=0.05)
    names = [f"m{number}" for number in range(513)]
    with pytest.raises(SpecError, match=r"513 models have 263,169 terms .* would take 1 GB: give pair_variance=0"):
        Rls().fit(knowledge(names, sizes=1))
    assert Rls(pair_variance=0.0).fit(knowledge(names, sizes=1)).names_


@pytest.mark.parametrize("parameters", [{}, {"form": "additive"}, {"pair_variance": 0.0}, {"half_life_s": 2.0}])
def test_many_asked_at_once_are_those_asked_one_by_one(knowledge, batch, parameters):
    names = [f"m{number}" for number in range(15)]
    belief = Rls(**parameters).fit(knowledge(names, features={n: (0.05 * i, 0.5) for i, n in enumerate(names)}))
    for i in range(40):
        belief.observe(batch(names[i % 7], (0.6, [names[i % 5]], 1.5 + i % 3), end_s=0.1 * i))
    singles, beside = tuple([(name, 1) for name in names]), (("m3", 2), ("m1", 1))
    joining = [belief.predict((one, *beside))[0] for one in singles]
    assert belief.predict_newcomers(singles, beside) == pytest.approx(joining, rel=1e-14)
    hosting = [belief.predict((("m2", 4), one))[0] for one in singles]
    assert belief.predict_hosts(("m2", 4), singles) == pytest.approx(hosting, rel=1e-14)
    assert belief.predict_hosts(("m2", 4), singles[:2]) == pytest.approx(hosting[:2], rel=1e-14)
