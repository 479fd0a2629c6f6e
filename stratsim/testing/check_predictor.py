"""The conformance suite that every predictor, ours and a user's, must pass.

    from stratsim.testing import check_predictor
    check_predictor(lambda: MyPredictor())

Each check is a function of its own, so that a test runner can parametrise over `PREDICTOR_CHECKS`. A predictor may
refuse, with a ProfileError, a profile that lacks what it is made from; if it accepts one, everything must hold for it.
"""

from __future__ import annotations

import pickle
from itertools import permutations
from math import isfinite
from typing import TYPE_CHECKING

from stratsim.errors import NotFittedError, OutsideProfileError, ProfileError, SpecError
from stratsim.model.parts import Features, Kernels, Link
from stratsim.model.profile import Pair, SchedulerModel, SchedulerProfile
from stratsim.predict.base import Observation, Predictor
from stratsim.rng import Streams
from stratsim.solve import capped_weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.predict.base import Active, Member

    Factory = Callable[[], Predictor]

__all__ = ["PREDICTOR_CHECKS", "check_predictor"]

_LINK = Link(alpha_s=10e-6, bytes_per_s=12e9)
_LATENCY_S = {"narrow": 0.004, "wide": 0.010, "long": 0.025}
_SHARING = {"narrow": (0.4, 1.0), "wide": (0.9, 6.0), "long": (0.7, 1.5)}
"""Demand and weight of each model in the world that observations come from."""


def check_predictor(factory: Callable[[], Predictor]) -> None:
    """Run all checks.

    Args:
        factory: Returns a new predictor on every call.

    Raises:
        AssertionError: says which check failed, and what was expected.
    """
    for check in PREDICTOR_CHECKS:
        check(factory)


def check_protocol(factory: Factory) -> None:
    """It is a Predictor, keeps its parameters, and cannot be asked before it is fitted."""
    predictor = factory()
    name = type(predictor).__name__
    _expect(isinstance(predictor, Predictor), f"{name} is not a stratsim.predict.Predictor")
    _expect(factory() is not predictor, "the factory must return a new predictor on every call")
    try:
        parameters = predictor.get_params()
    except AttributeError as error:
        raise AssertionError(f"{name} does not keep its parameters under their names: {error}") from None
    for ask in (lambda: predictor.predict(_SETS[0]), lambda: predictor.observe(_observations()[0])):
        _expect(_raises(NotFittedError, ask), f"{name} answers before `fit`: NotFittedError is expected")
    fitted = _fit(factory(), _profile())
    if fitted is not None:
        after = fitted.get_params()
        _expect(repr(after) == repr(parameters), f"`fit` changes parameters: {parameters} became {after}")
        _expect(fitted.fit(_profile()) is fitted, "`fit` must return the predictor")


def check_rates(factory: Factory) -> None:
    """Rates lie within (0, 1], before and after learning, for every profile, and alone is full speed."""
    partly = [_fit(factory(), profile) for profile in (_profile(features=False), _profile(pairs=False))]
    for predictor in (*_fitted(factory), *(each for each in partly if each is not None)):
        _expect_rates(predictor)
        for observation in _observations():
            predictor.observe(observation)
        _expect_rates(predictor)


def check_rates_survive_oddities(factory: Factory) -> None:
    """Rates stay within (0, 1] after batches that were far too slow, too fast, or hardly overlapped."""
    for predictor in _fitted(factory):
        for step, factor in enumerate((1e-6, 1e6, 1.0, 1e3, 1e-3) * 4):
            predictor.observe(_odd(factor, float(step)))
            _expect_rates(predictor, _SETS[:2])


def check_predicting_changes_nothing(factory: Factory) -> None:
    """Predictions do not depend on what was asked before."""
    for curious, quiet in zip(_fitted(factory), _fitted(factory), strict=True):
        for observation in _observations()[:20]:
            for active in _SETS:
                curious.predict(active)
                curious.predict_quantile(active, 0.75)
            curious.observe(observation)
            quiet.observe(observation)
        _expect(_answers(curious) == _answers(quiet), "asking changes what is answered later")


def check_order_of_the_set(factory: Factory) -> None:
    """Each batch gets the same rate wherever it stands in the set."""
    for predictor in _fitted(factory):
        for observation in _observations()[:20]:
            predictor.observe(observation)
        for active in _SETS:
            expected = dict(zip(active, predictor.predict(active), strict=True))
            for order in permutations(active):
                rates = predictor.predict(order)
                same = all(expected[member] == rate for member, rate in zip(order, rates, strict=True))
                _expect(same, f"the rates of {active} depend on the order: {order} gives {rates}")


def check_newcomers(factory: Factory) -> None:
    """A batch that joins others is predicted as it is in the whole set."""
    for predictor in _fitted(factory):
        for observation in _observations()[:20]:
            predictor.observe(observation)
        for active in _SETS:
            others, targets = active[1:], tuple([(model, 1) for model in _LATENCY_S])
            expected = tuple([predictor.predict((target, *others))[0] for target in targets])
            rates = predictor.predict_newcomers(targets, others)
            _expect(rates == expected, f"{targets} joining {others} have rates {rates}, in the whole sets {expected}")


def check_repeatable(factory: Factory) -> None:
    """The same observations give the same belief: in two objects, and in one that is fitted a second time."""
    for predictor, other in zip(_fitted(factory), _fitted(factory), strict=True):
        first = _learned(predictor)
        _expect(_learned(other) == first, "two predictors that saw the same differ")
        predictor.fit(predictor.profile_)
        _expect(_learned(predictor) == first, "`fit` must forget everything: a second run gives another belief")


def check_pickle(factory: Factory) -> None:
    """A predictor can be pickled, and its copy predicts and learns the same."""
    for predictor in _fitted(factory):
        for observation in _observations()[:20]:
            predictor.observe(observation)
        try:
            copy = pickle.loads(pickle.dumps(predictor))  # noqa: S301 (our own bytes)
        except Exception as error:  # noqa: BLE001 (pickling may raise anything)
            raise AssertionError(f"{type(predictor).__name__} cannot be pickled: {error}") from None
        _expect(_answers(copy) == _answers(predictor), "a pickled copy predicts something else")
        for each in (copy, predictor):
            for observation in _observations()[20:]:
                each.observe(observation)
        _expect(_answers(copy) == _answers(predictor), "a pickled copy learns something else")


def check_order_of_observations(factory: Factory) -> None:
    """Batches are observed in the order of their ends; going back is refused and teaches nothing."""
    for predictor in _fitted(factory):
        late, early = _observations()[5], _observations()[4]
        predictor.observe(late)
        before = _answers(predictor)
        _expect(_raises(SpecError, lambda p=predictor, o=early: p.observe(o)), "an observation went back in time")  # type: ignore[misc]
        _expect(_answers(predictor) == before, "a refused observation was learned from")


def check_batches_alone_teach_nothing(factory: Factory) -> None:
    """A batch that overlapped nobody ran at full speed by definition: whatever it took, it says nothing."""
    for predictor in _fitted(factory):
        before = _answers(predictor)
        predictor.observe(Observation(("wide", 1), 0.010, 0.090, ((0.090, ()),), 1e-6))
        _expect(_answers(predictor) == before, "a batch that overlapped nobody changed the belief")


def check_unknown_batches(factory: Factory) -> None:
    """A model or a batch size that the profile does not cover is an OutsideProfileError."""
    for predictor in _fitted(factory):
        for stranger in (("nobody", 1), ("wide", 99), ("wide", 0)):
            asked = _raises(OutsideProfileError, lambda p=predictor, s=stranger: p.predict((s, ("wide", 1))))  # type: ignore[misc]
            _expect(asked, f"OutsideProfileError is expected for {stranger}")


PREDICTOR_CHECKS: tuple[Callable[[Factory], None], ...] = (
    check_protocol,
    check_rates,
    check_rates_survive_oddities,
    check_predicting_changes_nothing,
    check_order_of_the_set,
    check_newcomers,
    check_repeatable,
    check_pickle,
    check_order_of_observations,
    check_batches_alone_teach_nothing,
    check_unknown_batches,
)
"""All checks, each a function of a predictor factory."""


_SETS: tuple[Active, ...] = (
    (("narrow", 1), ("wide", 4)),
    (("wide", 2), ("wide", 3)),
    (("long", 8), ("narrow", 1)),
    (("long", 1), ("narrow", 8), ("wide", 1)),
)


def _profile(*, features: bool = True, pairs: bool = True) -> SchedulerProfile:
    known = {"narrow": Features(0.3, 0.2, 0.1), "wide": Features(0.8, 0.6, 0.5), "long": Features(0.4, 0.7, 0.6)}
    models = {
        name: SchedulerModel(
            name,
            tuple(latency_s * (1 + 0.4 * max(batch - 1, 0)) for batch in range(9)),
            bytes_in=100_000,
            bytes_out=1_000,
            features={1: known[name]} if features else {},
            kernels=Kernels(count=100, mean_s=latency_s / 200) if features else None,
        )
        for name, latency_s in _LATENCY_S.items()
    }
    measured = tuple(
        Pair(own, 1, other, 1, 1 / _true_rates(((own, 1), (other, 1)))[0], held_out=own == other)
        for own in models
        for other in models
    )
    return SchedulerProfile("conformance", models, _LINK, _LINK, measured if pairs else ())


def _fit(predictor: Predictor, profile: SchedulerProfile) -> Predictor | None:
    """Return the fitted predictor, or None if it refuses the profile as it may."""
    try:
        return predictor.fit(profile)
    except ProfileError:
        return None


def _fitted(factory: Factory) -> list[Predictor]:
    """Return a new predictor for each profile that it accepts: one with everything, and one with latencies alone."""
    made = [_fit(factory(), profile) for profile in (_profile(), _profile(features=False, pairs=False))]
    _expect(made[0] is not None, "a profile with features and measured pairs is refused")
    return [predictor for predictor in made if predictor is not None]


def _true_rates(active: Sequence[Member]) -> list[float]:
    sharing = [_SHARING[model] for model, _ in active]
    return capped_weighted([demand for demand, _ in sharing], [weight for _, weight in sharing])


def _observations(count: int = 60) -> list[Observation]:
    """Return batches that ran with one or two others for a part of their time, and some alone."""
    draws = Streams(11).get("conformance", "predictor")
    names = tuple(_LATENCY_S)
    made = []
    for index in range(count):
        target = (names[index % 3], 1 + index % 8)
        others = tuple((names[int(draws.integers(3))], 1 + int(draws.integers(8))) for _ in range(index % 3))
        solo_s = _LATENCY_S[target[0]] * (1 + 0.4 * (target[1] - 1))
        work = float(draws.uniform(0.2, 1.0))
        slow_s = work * solo_s / _true_rates((target, *others))[0] * float(1 + 0.02 * draws.normal())
        rest_s = (1 - work) * solo_s
        made.append(Observation(target, solo_s, slow_s + rest_s, ((slow_s, others), (rest_s, ())), 0.01 * (index + 1)))
    return made


def _odd(factor: float, end_s: float) -> Observation:
    overlap_s, rest_s = factor * 1e-3, 1e-9
    intervals = ((overlap_s, (("narrow", 1),)), (rest_s, ()))
    return Observation(("wide", 4), 1e-3, overlap_s + rest_s, intervals, end_s)


def _answers(predictor: Predictor) -> list[tuple[float, ...]]:
    return [predictor.predict(active) for active in _SETS]


def _learned(predictor: Predictor) -> list[tuple[float, ...]]:
    for observation in _observations():
        predictor.observe(observation)
    return _answers(predictor)


def _expect_rates(predictor: Predictor, sets: Sequence[Active] = _SETS) -> None:
    for active in sets:
        for rates in (predictor.predict(active), predictor.predict_quantile(active, 0.75)):
            legal = len(rates) == len(active) and all(isfinite(rate) and 0 < rate <= 1 for rate in rates)
            _expect(legal, f"rates must lie within (0, 1], got {rates} for {active}")
    alone = predictor.predict((("wide", 1),))
    _expect(alone == (1.0,), f"alone is full speed by definition, got {alone}")


def _raises(kind: type[Exception], call: Callable[[], object]) -> bool:
    try:
        call()
    except kind:
        return True
    return False


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
