"""Beliefs that do not learn: known answers of gpulet's regression, and what a profile must have for it."""

import pytest

from stratsim.errors import OutsideProfileError, ProfileError, SpecError
from stratsim.model.parts import Features
from stratsim.model.profile import Link, Pair, SchedulerModel, SchedulerProfile
from stratsim.predict.static import COEFFICIENTS, Coefficients, Constant, Gpulet, Solo, Utilisation, fit_coefficients


def percent(l2, dram):
    return Utilisation(l2 / 100, dram / 100)


def mean(one, other):
    return Utilisation((one.l2 + other.l2) / 2, (one.dram + other.dram) / 2)


# Inputs: glet's utilisation tables (published).
RESNET50_B8 = percent(25.804610379945494, 51.32452611818465)
RESNET50_B32 = percent(28.1903444258127, 62.27229222750162)
VGG16_B8 = percent(32.05999721101224, 56.68343269048246)
LENET_B1 = percent(2.414363678320065, 11.276959732317987)
BERT_B6 = mean(percent(14.006191661801928, 30.31561936214498), percent(16.251708451540086, 30.201366343901302))
MOBILENET_B12 = mean(percent(20.71282927649556, 51.08944292359395), percent(23.216636715928097, 57.87012068028959))
RESNET50_3080 = percent(35.46751708850412, 55.69101699635767)
VGG16_3080 = percent(42.05916712443757, 56.32643734916708)


@pytest.mark.parametrize(
    ("gpu", "own", "own_share", "other", "other_share", "slowdown"),
    [
        ("rtx2080ti", RESNET50_B8, 0.5, VGG16_B8, 0.5, 1.140771),
        ("rtx2080ti", VGG16_B8, 0.5, RESNET50_B8, 0.5, 1.129054),
        ("rtx2080ti", RESNET50_B32, 1.0, RESNET50_B32, 1.0, 1.404940),
        ("rtx2080ti", LENET_B1, 0.5, LENET_B1, 0.5, 1.0),
        ("rtx2080ti", BERT_B6, 0.6, MOBILENET_B12, 0.4, 1.052170),
        ("rtx3080", RESNET50_3080, 0.5, VGG16_3080, 0.5, 1.013648),
    ],
)
def test_gpulets_table(gpu, own, own_share, other, other_share, slowdown):
    assert COEFFICIENTS[gpu].slowdown(own, other, own_share, other_share) == pytest.approx(slowdown, abs=1e-6)


def test_lenet_is_below_one_before_it_is_cut():
    free = COEFFICIENTS["rtx2080ti"]._replace(constant=COEFFICIENTS["rtx2080ti"].constant + 1)
    assert free.slowdown(LENET_B1, LENET_B1, 0.5, 0.5) - 1 == pytest.approx(0.930358, abs=1e-6)


def profile(features, pairs=()):
    models = {
        name: SchedulerModel(name, (0.01, 0.01, 0.016), 0, 0, features={1: each} if each else {})
        for name, each in features.items()
    }
    link = Link(0.0, 1e10)
    return SchedulerProfile("made", models, link, link, tuple(pairs))


NARROW, WIDE, LONG = (Features(0.2, 0.1, 0.3), Features(0.5, 0.8, 0.6), Features(0.9, 0.3, 0.1))
THREE = {"narrow": NARROW, "wide": WIDE, "long": LONG}


def pairs_of(truth, use=lambda each: Utilisation(each.l2, each.memory)):
    return [
        Pair(own, 1, other, 1, truth.slowdown(use(THREE[own]), use(THREE[other]))) for own in THREE for other in THREE
    ]


TRUTH = Coefficients(0.1, 0.7, 0.3, 0.2, 1.1)


def test_coefficients_are_recovered_from_exact_pairs():
    belief = Gpulet().fit(profile(THREE, pairs_of(TRUTH)))
    assert belief.coefficients_ == pytest.approx(TRUTH, abs=1e-9)
    own, other = (Utilisation(NARROW.l2, NARROW.memory), Utilisation(WIDE.l2, WIDE.memory))
    rates = belief.predict((("narrow", 1), ("wide", 1)))
    assert rates == pytest.approx((1 / TRUTH.slowdown(own, other), 1 / TRUTH.slowdown(other, own)))
    assert rates[0] != rates[1], "who hurts whom differs"


def test_the_fit_is_the_least_squares_one():
    rows = [(NARROW, WIDE, 1.5), (WIDE, NARROW, 1.2), (NARROW, LONG, 1.3), (LONG, WIDE, 1.9), (LONG, LONG, 1.0)]
    rows = [(Utilisation(a.l2, a.memory), Utilisation(b.l2, b.memory), y) for a, b, y in (*rows, *rows[:2])]
    best = fit_coefficients([*rows, (*rows[0][:2], 1.8)])

    def loss(coefficients):
        total = 0.0
        for own, other, slowdown in [*rows, (*rows[0][:2], 1.8)]:
            x = (own.l2, other.l2, own.dram, other.dram, 1.0)
            total += (slowdown - sum(c * v for c, v in zip(coefficients, x, strict=True))) ** 2
        return total

    for position in range(5):
        for step in (-1e-3, 1e-3):
            moved = [value + step * (i == position) for i, value in enumerate(best)]
            assert loss(moved) > loss(best)


def test_held_out_pairs_are_not_fitted():
    wrong = Pair("narrow", 2, "wide", 1, 50.0, held_out=True)
    belief = Gpulet().fit(profile(THREE, [*pairs_of(TRUTH), wrong]))
    assert belief.coefficients_ == pytest.approx(TRUTH, abs=1e-9)


def test_the_worst_pair_counts_among_several():
    belief = Gpulet("rtx2080ti").fit(profile(THREE))
    beside = {other: belief.predict((("narrow", 1), (other, 1)))[0] for other in THREE}
    everyone = belief.predict((("narrow", 1), ("narrow", 1), ("wide", 1), ("long", 1)))[0]
    assert everyone == min(beside.values()) == beside["wide"]


def test_compute_stands_in_for_a_missing_l2():
    models = {**THREE, "long": Features(0.9, 0.3)}
    made = profile(models, pairs_of(TRUTH, lambda each: Utilisation(each.compute, each.memory)))
    assert Gpulet().fit(made).coefficients_ == pytest.approx(TRUTH, abs=1e-9)


def test_published_coefficients_need_what_they_refer_to():
    with pytest.raises(ProfileError, match=r"^profile 'made' lacks the utilisation .* refer to: l2 of 'long'$"):
        Gpulet("rtx3080").fit(profile({**THREE, "long": Features(0.9, 0.3)}))
    with pytest.raises(ProfileError, match="l2 of 'bare', memory of 'bare'"):
        Gpulet("rtx3080").fit(profile({**THREE, "bare": None}))


def test_a_fit_needs_pairs():
    with pytest.raises(
        ProfileError, match=r"^profile 'made' has no measured pairs to fit to; `stratsim profile pairs`"
    ):
        Gpulet().fit(profile(THREE))
    with pytest.raises(SpecError, match=r"^unknown coefficients 'rtx2080'; did you mean 'rtx2080ti'\?$"):
        Gpulet("rtx2080")


def test_solo_and_constant():
    made = profile(THREE)
    pair, three = (("wide", 1), ("narrow", 2)), (("wide", 1),) * 3
    assert Solo().fit(made).predict(pair) == (1.0, 1.0)
    assert Constant(2).fit(made).predict(pair) == (0.5, 0.5)
    assert Constant(1.25).fit(made).predict(three) == (0.8,) * 3
    assert Constant(3).fit(made).predict(pair[:1]) == (1.0,), "alone is full speed by definition"
    with pytest.raises(SpecError, match=r"^slowdown must be a number within \[1, inf\), got 0\.5$"):
        Constant(0.5)


@pytest.mark.parametrize("belief", [Solo(), Constant(2.0), Gpulet("rtx2080ti")], ids=repr)
def test_static_beliefs_do_not_adapt(belief):
    assert not belief.fit(profile(THREE)).adapts
    with pytest.raises(OutsideProfileError, match="has no model 'wild'; did you mean 'wide'"):
        belief.predict((("wild", 1), ("wide", 1)))
    with pytest.raises(OutsideProfileError, match="covers batch sizes 1 to 2 of model 'wide', got 3"):
        belief.predict((("wide", 3),))
