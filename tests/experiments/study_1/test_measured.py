"""Live runs: read, chained, judged; here replays stand in for them, of a device that is known."""

import gzip
from dataclasses import replace

import numpy as np
import pytest

from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.write import write_profile
from stratsim.policy.registry import parse_policies
from stratsim.predict import Observation, make_predictor
from stratsim.results import summarize, write_results
from stratsim.rng import Streams
from stratsim.run.inputs import Inputs
from stratsim.run.manifest import make_manifest
from stratsim.run.replay import run_policy
from stratsim.run.spec import make_spec
from stratsim.testing import make_profile
from stratsim.trace import read_trace
from stratsim.trace.rule import complete
from study_1.claims import LOG_HYPOTHESES
from study_1.ladder import PairMean, Taught
from study_1.logs import CARDS, read_card
from study_1.measured import COLUMNS, judge_card

pytest.importorskip("pyarrow")

MODELS = ("resnet50", "resnet152", "inceptionv3", "vit-b-16")
BATCHES = 500


def stand_in(folder, path, seed):
    """Serve Poisson arrivals by FIFO on the profile's own device, without any scatter."""
    device = load_profile("h200-fp16")
    device = replace(device, truth=replace(device.truth, noise_cv=0.0))
    file, trace = folder / "device.json", folder / f"{seed}.csv"
    if not file.exists():
        write_profile(device, file)
    draws = Streams(seed).get("arrivals")
    names = draws.choice(MODELS, 1200)
    times = np.cumsum(draws.exponential(1 / 1500, 1200)).tolist()
    lines = [f"{at_s!r},{name},low,0.1" for at_s, name in zip(times, names, strict=True)]
    trace.write_text("\n".join(["arrival_s,model,priority,slo_s", *lines]) + "\n", encoding="utf-8")
    settings = {"max_concurrency": 2, "max_batch": 8, "gpus": 1}
    spec = make_spec({"trace": str(trace), "profile": str(file), "policy": "fifo", "seed": seed, **settings})
    read = read_trace(spec.trace, seed=seed)
    workload = complete(read, device.for_scheduler(), None, resolve=device.resolve, gpus=1, seed=seed)
    (call,) = parse_policies("fifo")
    result = run_policy(Inputs(spec, spec.cluster(), device, read, workload, (call,), ()), call)
    manifest = make_manifest(spec, device, read, workload, [])
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    write_results([result], folder / path, manifest=manifest, summaries=[summarize(result)])
    return device


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    """The folder of both cards, each with a profile and its runs."""
    folder = tmp_path_factory.mktemp("cards")
    seed = 0
    for own, runs in CARDS.values():
        for path in runs.values():
            seed += 1
            device = stand_in(folder, path, seed)
        (folder / own / "calibrated.json.gz").write_bytes(gzip.compress(dump_profile(device).encode()))
    return folder


@pytest.mark.slow
def test_a_card_is_read_with_its_runs_in_order(cards):
    card = read_card(cards, "second card", BATCHES)
    assert list(card.logs) == [0.5, 0.7, 0.85]
    assert [len(log.gpu) for log in card.logs.values()] == [BATCHES] * 3
    log = card.logs[0.7]
    starts = [step.at_s for step in log.steps if step.is_dispatch]
    assert starts == sorted(log.start_s)
    assert log.ready_s == log.start_s


@pytest.fixture(scope="module")
def rows(cards):
    return judge_card(cards, "first card", BATCHES)


def value(rows, predictor, figure="error", arm="own", part="rest"):
    (row,) = [
        each
        for each in rows
        if (each["predictor"], each["figure"], each["arm"], each["part"]) == (predictor, figure, arm, part)
    ]
    return row["value"]


@pytest.mark.slow
def test_the_device_that_made_the_log_is_right_and_the_others_are_ordered(rows):
    assert value(rows, "device") < 0.005
    assert value(rows, "rls") < value(rows, "static-pairs") < value(rows, "constant-fitted") < value(rows, "solo")
    assert value(rows, "solo", "bias") == pytest.approx(-value(rows, "solo")), "who expects nothing underestimates"
    assert value(rows, "rls", "worst-under") >= 0


@pytest.mark.slow
def test_every_arm_and_every_claim_has_its_row(rows):
    assert all(tuple(row) == COLUMNS for row in rows)
    assert {row["arm"] for row in rows if row["predictor"] == "rls"} == {"own", "bare", "carried", "frozen"}
    assert {row["arm"] for row in rows if row["predictor"] == "gpulet"} == {"own"}
    told = [(row["predictor"], row["part"]) for row in rows if row["figure"] == "claim"]
    expected = [(each.name, each.part) for each in LOG_HYPOTHESES for _ in each.claims]
    assert sorted(told) == sorted(expected)


@pytest.mark.slow
def test_what_one_card_taught_counts_on_its_like_from_the_first_batch(rows):
    assert value(rows, "rls", arm="carried", part="early") < value(rows, "rls", arm="bare", part="early")
    assert value(rows, "rls", arm="frozen") < 1.25 * value(rows, "rls")


@pytest.mark.slow
def test_every_interval_holds_its_figure(rows):
    told = [row for row in rows if row["low"] is not None]
    assert told
    assert all(row["low"] <= row["value"] <= row["high"] for row in told)


@pytest.mark.slow
def test_judging_is_a_pure_function(rows, cards):
    assert judge_card(cards, "first card", BATCHES) == rows


# Predictors that only this study has --------------------------------------------------------------------------------

PAIRS = [("a", 1, "b", 1, 2.0), ("b", 1, "a", 1, 4.0)]


def profile_with(pairs):
    from stratsim.model.profile import Pair

    made = make_profile({"a": 0.010, "b": 0.010})
    return replace(made, pairs=tuple(Pair(*pair[:4], slowdown=pair[4]) for pair in pairs)).for_scheduler()


@pytest.mark.parametrize(("pairs", "rate"), [(PAIRS, 1 - (0.5 + 0.75) / 2), ([], 1 / 1.5)])
def test_the_fitted_constant_is_the_mean_loss_of_rate(pairs, rate):
    belief = PairMean().fit(profile_with(pairs))
    assert belief.predict((("a", 1), ("b", 1))) == pytest.approx((rate, rate))


@pytest.mark.parametrize(("learns", "expected"), [(True, [3.0, 5.0]), (False, [3.0, 3.0])])
def test_a_belief_that_was_taught_goes_on_learning_or_not(learns, expected):
    def seen(end_s, slowdown):
        return Observation(("a", 1), 0.01, 0.01 * slowdown, ((0.01 * slowdown, (("b", 1),)),), end_s)

    belief = Taught(make_predictor("ewma-pairs(alpha=1.0)"), [seen(1.0, 3.0)], learns=learns).fit(profile_with(PAIRS))
    found = [1 / belief.predict((("a", 1), ("b", 1)))[0]]
    belief.observe(seen(2.0, 5.0))
    found.append(1 / belief.predict((("a", 1), ("b", 1)))[0])
    assert found == pytest.approx(expected)
    assert belief.has_quantiles
