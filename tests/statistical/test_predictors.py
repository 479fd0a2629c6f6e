"""How well beliefs predict on a synthetic GPU with heavy and light kernels, each scored before it is told.

Six models, two of them with heavy kernels that win against the others; slots are kept busy with random batches most of
the time. What happens is the same for all beliefs (nobody decides anything by them), so they are compared in pairs.
"""

import numpy as np
import pytest

from stratsim.model.parts import Features, Link
from stratsim.model.profile import Pair, SchedulerModel, SchedulerProfile
from stratsim.predict import Observation, make_predictor
from stratsim.rng import Streams
from stratsim.solve import capped_weighted

NAMES = "abcdef"
HEAVY = "ab"
BATCHES = 1000
SCORED_FROM = 300
WORLDS = 4
MEASUREMENT_CV = 0.03


def make_world(number):
    """Return the true rates of a random device and its profile."""
    draws = Streams(1).get("world", str(number))
    demand = {name: float(draws.uniform(0.7, 1.0) if name in HEAVY else draws.uniform(0.3, 0.9)) for name in NAMES}
    weight = {name: float(draws.uniform(6, 9) if name in HEAVY else draws.uniform(1, 1.5)) for name in NAMES}
    latency_s = {name: float(draws.uniform(0.003, 0.020)) for name in NAMES}
    tell = {name: Features(demand[name] * float(draws.uniform(0.5, 1)), demand[name] / 2) for name in NAMES}

    def rates(active):
        return capped_weighted([demand[name] for name, _ in active], [weight[name] for name, _ in active])

    models = {
        name: SchedulerModel(
            name, tuple(latency_s[name] * (1 + 0.5 * max(b - 1, 0)) for b in range(5)), 0, 0, features={1: tell[name]}
        )
        for name in NAMES
    }
    pairs = tuple(
        Pair(own, 1, other, 1, 1 / rates(((own, 1), (other, 1)))[0] * float(1 + MEASUREMENT_CV * draws.normal()))
        for own in NAMES
        for other in NAMES
    )
    link = Link(0.0, 1e10)
    return rates, SchedulerProfile("heavy and light", models, link, link, pairs)


def history(world, slots):
    """Return batches in the order of their ends."""
    rates, profile = world
    draws = Streams(2).get("history", str(slots))
    now_s, running, ended = 0.0, [], []
    while len(ended) < BATCHES:
        while len(running) < slots and not (running and draws.random() < 0.2):
            member = (NAMES[int(draws.integers(6))], int(draws.choice((1, 2, 4))))
            solo_s = profile.latency_s(*member)
            left_s = solo_s * float(1 + 0.02 * draws.normal())
            running.append({"member": member, "solo_s": solo_s, "left_s": left_s, "start_s": now_s, "intervals": []})
        active = tuple(each["member"] for each in running)
        true = rates(active)
        step_s = min(each["left_s"] / rate for each, rate in zip(running, true, strict=True))
        now_s += step_s
        for i, (each, rate) in enumerate(zip(running, true, strict=True)):
            each["left_s"] -= step_s * rate
            each["intervals"].append((step_s, active[:i] + active[i + 1 :]))
        for each in [each for each in running if each["left_s"] <= 1e-12]:
            running.remove(each)
            duration_s = sum(length_s for length_s, _ in each["intervals"])
            ended.append(Observation(each["member"], each["solo_s"], duration_s, tuple(each["intervals"]), now_s))
    return ended


def score(text, profile, seen):
    """Return the mean relative error of the expected duration of batches that overlapped somebody."""
    belief = make_predictor(text).fit(profile)
    found = []
    for i, each in enumerate(seen):
        if i >= SCORED_FROM and any(others for _, others in each.intervals):
            found.append(abs(belief.expected_duration_s(each) / each.duration_s - 1))
        belief.observe(each)
    return sum(found) / len(found)


LADDER = ("solo", "constant(slowdown=1.5)", "gpulet", "ewma-features", "ewma-pairs", "sgd", "nlms", "rls")
VARIANTS = ("pair_variance=0", "half_life_s=10", "warm_start=false")


@pytest.fixture(scope="module", params=[2, 3], ids=lambda slots: f"{slots} at once")
def errors(request):
    """Mean error by belief, shape (worlds,)."""
    rows = []
    for number in range(WORLDS):
        world = make_world(number)
        seen = history(world, request.param)
        texts = {name.partition("(")[0]: name for name in LADDER} | {each: f"rls({each})" for each in VARIANTS}
        rows.append([score(text, world[1], seen) for text in texts.values()])
    return dict(zip(texts, np.array(rows).T, strict=True))


def test_the_ladder(errors):
    """In every world: blind beliefs are worst, a table of pairs comes next, RLS is best."""
    blind = np.minimum(errors["solo"], errors["constant"])
    assert (errors["ewma-pairs"] < blind).all()
    assert (errors["rls"] < 0.5 * blind).all()
    for name in ("gpulet", "ewma-features", "ewma-pairs", "sgd", "nlms"):
        assert (errors["rls"] < errors[name]).all()


def test_pair_terms_more_than_halve_the_error(errors):
    """The heaviness of kernels is no solo figure: features alone do not tell who hurts whom."""
    assert errors["rls"].mean() < 0.5 * errors["pair_variance=0"].mean()


def test_measured_pairs_are_soon_made_up_for(errors):
    assert errors["warm_start=false"] == pytest.approx(errors["rls"], rel=0.1)


def test_a_half_life_costs_some_accuracy(errors):
    assert (errors["half_life_s=10"] > errors["rls"]).all()
    assert errors["half_life_s=10"].mean() < 1.6 * errors["rls"].mean()
