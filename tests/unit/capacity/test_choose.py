"""Settings chosen on pilot seeds: which trials there are, where they are tried, and which one wins."""

import pytest

from stratsim.capacity import FewestSpec, find_fewest, parse_target
from stratsim.capacity.choose import Choose, Trial, choose, parse_choose, trials
from stratsim.capacity.measure import Probe, Question
from stratsim.capacity.probe import Job
from stratsim.errors import SpecError
from stratsim.model.codec import dump_profile
from stratsim.model.parts import Link
from stratsim.run.arrivals import Arrivals
from stratsim.run.spec import RunSpec, make_spec
from stratsim.stats.intervals import share_interval
from stratsim.testing import make_profile

GOALS = parse_target("p99=50ms,high=10%")


def test_values_are_lists_and_ranges():
    texts = ["max_batch=1,2,8", "max-concurrency=1..3", "drop=never,expired", "delay=0,0.002"]
    assert parse_choose(texts) == {
        "max_batch": (1, 2, 8),
        "max_concurrency": (1, 2, 3),
        "drop": ("never", "expired"),
        "delay": (0, 0.002),
    }
    for text, message in {
        "max_batch": "choose takes NAME=VALUES, such as max_batch=1,2,4,8",
        "=1": "choose takes NAME=VALUES",
        "max_batch=4..1": "choose: max_batch must be values or a range from the least to the most, got '4..1'",
        "max_batch=a..b": "choose: max_batch must be values or a range",
    }.items():
        with pytest.raises(SpecError, match=message):
            parse_choose([text])
    with pytest.raises(SpecError, match="choose: max_batch is named twice"):
        parse_choose(["max_batch=1", "max_batch=2"])


def test_impossible_values_are_refused_before_any_run():
    for values, message in (
        ({"max_batch": (0,)}, "max_batch must be at least 1, got 0"),
        ({"max_batch": ("many",)}, "choose: Expected `int`, got `str`"),
        ({"max_batch": (1, 1)}, "max_batch must have different values"),
        ({"drop": ("nevr",)}, "unknown drop mode 'nevr'; did you mean 'never'?"),
        ({"x": tuple(range(40)), "y": tuple(range(40))}, "choose: 1600 combinations are more than 1000"),
    ):
        with pytest.raises(SpecError) as caught:
            Choose(values)
        assert message in str(caught.value)
    with pytest.raises(SpecError, match="pilots must be 2 to 1000 seeds"):
        Choose({}, pilots=1)


def test_a_policy_is_tried_with_what_concerns_it():
    values = {"max_batch": (1, 4), "delay": (0, 0.002)}
    edf, triton = trials("edf,triton(max_queue_delay_s={delay})", values)
    assert edf == [Trial("edf", (("max_batch", 1),)), Trial("edf", (("max_batch", 4),))]
    assert [trial.policy for trial in triton] == [
        "triton(max_queue_delay_s=0)", "triton(max_queue_delay_s=0.002)",
    ] * 2  # fmt: skip
    assert trials("edf", {}) == [[Trial("edf", ())]]
    with pytest.raises(
        SpecError, match=r"no policy has \{max_btch\}, and no server has 'max_btch'; did you mean 'max_b"
    ):
        trials("edf", {"max_btch": (1,)})


def chosen(monkeypatch, shares):
    """Choose among two trials by shares that missed, by number of GPUs; return the choice and what was tried."""
    tried = [Trial("one", ()), Trial("two", ())]
    asked = []

    def measure(question, job, seeds, backend):
        asked.append((job.gpus, job.policy, tuple(seeds)))
        p99, high = shares(job.gpus, job.policy)
        samples = {"p99": [p99, p99 * 1.1], "high": [high, high * 1.1]}
        return Probe(1.0, samples, {name: share_interval(each) for name, each in samples.items()}, gpus=job.gpus)

    monkeypatch.setattr("stratsim.capacity.choose.measure", measure)
    question = Question(RunSpec(seed=5), GOALS, seeds=4)
    jobs = [Job(question.run, None, "one", 1.0, GOALS, gpus) for gpus in (1, 2, 3, 4, 5, 6, 7, 8)]
    return choose(question, jobs, tried, 2, backend=None), asked


def test_what_uses_least_of_the_goals_wins_at_the_fewest_gpus_that_do(monkeypatch):
    def shares(gpus, policy):
        # one: 0.5 of 1 % from 3 GPUs on; two: 0.2 of 1 %, but 9 of 10 % of the violations
        return (0.005 if gpus >= 3 else 0.3, 0.01) if policy == "one" else (0.002 if gpus >= 4 else 0.3, 0.09)

    found, asked = chosen(monkeypatch, shares)
    assert found.trial.policy == "one"
    assert found.record["gpus"] == 3
    assert found.record["seeds"] == [9, 10]  # behind the four of the results
    assert {seeds for _, _, seeds in asked} == {(9, 10)}
    assert sorted({gpus for gpus, _, _ in asked}) == [2, 3, 4]  # halved, not all eight
    assert [each["used"] for each in found.record["trials"]] == pytest.approx([0.525, 31.5])


def test_where_nothing_is_enough_the_most_gpus_decide(monkeypatch):
    found, _ = chosen(monkeypatch, lambda gpus, policy: (0.5 if policy == "one" else 0.4, 0.0))
    assert (found.trial.policy, found.record["gpus"]) == ("two", 8)


def test_one_trial_costs_no_run():
    assert choose(None, [], [Trial("edf", ())], 3, backend=None) == (Trial("edf", ()), None)


@pytest.mark.slow
def test_free_batches_are_chosen_and_confirmed_on_other_seeds(tmp_path):
    """A batch of four takes as long as one request: with batches of one, 250/s need three servers of 100/s."""
    link = Link(alpha_s=0.0, bytes_per_s=1e12)
    (tmp_path / "p.json").write_text(dump_profile(make_profile({"a": {1: 0.010, 4: 0.010}}, h2d=link, d2h=link)))
    (tmp_path / "rule.toml").write_text("[slo]\nnone = true\n")
    run = make_spec({
        "profile": str(tmp_path / "p.json"), "workload": str(tmp_path / "rule.toml"), "policy": "fifo",
        "device_model": "exclusive", "max_concurrency": 1, "prefetch": 0, "transfers": False, "drop": "never",
    })  # fmt: skip
    common = {"seeds": 3, "rate": 250.0, "gpus": (1, 2, 3, 4)}
    target = parse_target("p95=35ms")
    spec = FewestSpec(run, target, Arrivals("poisson", 500), **common, choose=Choose({"max_batch": (1, 4)}, 2))
    document = find_fewest(spec)
    (fleet,) = document["fleets"]
    assert fleet["settings"] == {"max_batch": 4}
    assert fleet["gpus"] == 1
    assert fleet["chosen"]["seeds"] == [3, 4]
    assert document["seeds"] == [0, 1, 2]
    with_it = FewestSpec(make_spec({**run.as_dict(), "max_batch": 4}), target, Arrivals("poisson", 500), **common)
    assert find_fewest(with_it)["fleets"][0]["points"] == fleet["points"]
    without = FewestSpec(make_spec({**run.as_dict(), "max_batch": 1}), target, Arrivals("poisson", 500), **common)
    assert find_fewest(without)["fleets"][0]["gpus"] >= 3
