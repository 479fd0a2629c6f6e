"""Rows of sweeps: one per run, named by its content, with every setting and what `replay` gives."""

import json
from dataclasses import fields

import pytest

from stratsim.model.codec import dump_profile, load_profile
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import RunSpec, make_spec
from stratsim.sweep import make_plan, make_sweep
from stratsim.sweep.figures import FIGURES, flat_figures
from stratsim.sweep.settings import MEANS
from stratsim.sweep.worker import COLUMNS
from tests.unit.sweep.tiny import TINY, rows_of, run


def test_there_is_a_row_per_run_in_the_order_of_the_plan(done):
    out, outcome = done
    rows = rows_of(out)
    policies = ["fifo", "edf(max_batch=1)", "edf(max_batch=2)"]
    expected = [(load, seed, policy) for load in ("0.7", "1.1") for seed in ("1", "2") for policy in policies]
    assert [(row["load"], row["seed"], row["policy"]) for row in rows] == expected
    assert (outcome.made, outcome.failures, next(iter(rows[0]))) == (12, [], "spec_sha256")
    assert [task.sha256 for task in outcome.plan.order()] == [row["spec_sha256"] for row in rows]
    assert len({row["spec_sha256"] for row in rows}) == 12


def test_all_policies_meet_the_same_requests(done):
    counts = {(row["load"], row["seed"], row["high_arrived"]) for row in rows_of(done[0])}
    assert len(counts) == 4
    assert all(int(row["high_arrived"]) + int(row["low_arrived"]) == 60 for row in rows_of(done[0]))


def test_a_row_says_every_setting_of_its_run(done):
    """But how the run was made: no byte of it depends on that."""
    assert ({entry.name for entry in fields(RunSpec)} - set(MEANS)) | set(FIGURES) <= set(COLUMNS)
    row = rows_of(done[0])[0]
    assert (row["gpus"], row["device_model"], row["profile"], row["max_batch"]) == (
        "1",
        "streams",
        "asymmetric-six",
        "2",
    )
    assert json.loads(row["arrivals"])["requests"] == 60
    assert row["profile_sha256"] == make_plan(make_sweep(TINY)).first()[0].settings.profile_sha256


@pytest.mark.slow
def test_a_run_gives_what_replay_gives(tmp_path):
    """The known answer: the same settings through `stratsim replay`."""
    settings = {"limit": 200, "load": 0.9, "max_batch": 4, "warmup_s": 0.5, "workload": str(tmp_path / "rule.toml")}
    (tmp_path / "rule.toml").write_text("[priority]\nhigh_share = 0.5\n")
    data = {"title": "t", "sweep": {"seeds": [7]}, "base": settings, "axes": {"policy": ["edf", "priority-fifo"]}}
    rows = run(data, tmp_path / "out").rows.values()
    for row in rows:
        inputs = prepare(make_spec({**settings, "policy": row["policy"], "seed": 7}))
        (summary,) = replay(inputs).summaries
        found = {name: "" if value is None else str(value) for name, value in flat_figures(summary).items()}
        assert {name: row[name] for name in FIGURES} == found
        assert row["trace_sha256"] == inputs.trace.sha256
    assert len(rows) == 2


@pytest.mark.parametrize("trace", ["default", "limit"])
def test_a_trace_without_a_rate_is_named_by_the_load_that_it_gets(trace):
    base = {"limit": 50} if trace == "limit" else {}
    keys = [
        make_plan(make_sweep({"title": "t", "sweep": {}, "base": {**base, **more}})).first()[0].sha256
        for more in ({}, {"load": 0.7}, {"load": 0.8})
    ]
    assert keys[0] == keys[1] != keys[2]


def test_rows_are_named_by_content_and_not_by_file(tmp_path):
    text = dump_profile(load_profile("asymmetric-six"))
    (tmp_path / "copy.json").write_text(text)
    (tmp_path / "other.json").write_text(text.replace('"name": "asymmetric-six"', '"name": "another"'))

    def key(profile):
        data = {**TINY, "base": {**TINY["base"], "profile": str(profile)}}
        return make_plan(make_sweep(data)).first()[0].sha256

    assert key("asymmetric-six") == key(tmp_path / "copy.json") != key(tmp_path / "other.json")


def test_a_policy_of_a_file_is_named_by_its_content(tmp_path):
    file = tmp_path / "mine.py"
    text = "from stratsim.policy.queueing import Fifo\n\nclass Mine(Fifo):\n    pass\n"
    data = {**TINY, "axes": {"policy": [f"{file}:Mine"]}}
    file.write_text(text)
    first = make_plan(make_sweep(data)).first()[0]
    file.write_text(text + "# changed\n")
    assert make_plan(make_sweep(data)).first()[0].sha256 != first.sha256
    assert first.settings.policy_sha256 is not None


def test_the_same_run_by_two_ways_is_made_once(tmp_path):
    data = {**TINY, "axes": [{"load": [0.7], "policy": ["fifo", "edf"]}, {"load": [0.7, 0.9], "policy": ["fifo"]}]}
    outcome = run(data, tmp_path)
    assert outcome.made == len(rows_of(tmp_path)) == 2 * 3
    assert make_plan(make_sweep(data)).counts() == (6, 6)


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("profile", ["asymmetric-six", "rtx3080-disb"]),
        ("max_batch", [1, 4]),
        ("max_concurrency", [1, 2]),
        ("topology", ["8x-h800"]),
        ("workload.priority.high_share", [0.1, 0.9]),
        ("arrivals.process", ["poisson", "periodic"]),
        ("transfers", [True, False]),
    ],
)
def test_any_setting_can_be_an_axis(tmp_path, axis, values):
    data = {**TINY, "sweep": {"seeds": [1]}, "axes": {axis: values}}
    data["base"] = {**TINY["base"], "policy": "fifo", "load": 3.0}
    outcome = run(data, tmp_path)
    assert (outcome.made, outcome.failures) == (len(values), [])
    assert len({row["spec_sha256"] for row in rows_of(tmp_path)}) == len(values)
    figures = [tuple(row[name] for name in FIGURES) for row in rows_of(tmp_path)]
    assert len(set(figures)) == len(values)


def test_a_profile_of_the_sweeps_own(tmp_path):
    small = {"base": "asymmetric-six", "models": ["wide-8", "narrow-4"]}
    data = {**TINY, "base": {"profile": "small", "policy": "fifo"}, "profiles": {"small": small}, "axes": {}}
    (row, _) = run(data, tmp_path).rows.values()
    assert set(load_profile(tmp_path / "profiles" / "small.json").observable.models) == {"wide-8", "narrow-4"}
    assert row["profile"] == "small"


def test_a_belief_is_an_axis_and_known_by_its_content(tmp_path):
    slow = {"base": "asymmetric-six", "bytes_per_s": 1e8}
    axes = {"belief": ["asymmetric-six", "slow"]}
    data = {**TINY, "sweep": {"seeds": [1]}, "axes": axes, "profiles": {"slow": slow}}
    run({**data, "base": {**TINY["base"], "policy": "edf"}}, tmp_path / "own")
    plain = {**TINY, "sweep": {"seeds": [1]}, "axes": {"load": [0.7]}, "base": {**TINY["base"], "policy": "edf"}}
    outcome = run(plain, tmp_path / "none")
    rows = rows_of(tmp_path / "own")
    assert [row["belief"] for row in rows] == ["asymmetric-six", "slow"]
    assert len({row["belief_sha256"] for row in rows}) == len({row["spec_sha256"] for row in rows}) == 2
    assert (tmp_path / "own" / "profiles" / "slow.json").is_file()
    (task,) = outcome.plan.order()
    assert "belief_sha256" not in task.settings.requests_key
