"""`stratsim compare`: the figures are those of the runs, the intervals those of the differences."""

import json

import numpy as np
import pytest

from stratsim.stats.intervals import mean_interval, paired_interval
from stratsim.stats.quantiles import quantile_interval

OF_SUMMARY = {
    "violation": lambda each: each["violation"],
    "p50_arrived_s": lambda each: each["latency_arrived_s"]["p50"],
    "p95_arrived_s": lambda each: each["latency_arrived_s"]["p95"],
    "p99_arrived_s": lambda each: each["latency_arrived_s"]["p99"],
    "p99_s": lambda each: each["latency_s"]["p99"],
    "mean_slowdown": lambda each: each["slowdown"]["mean"],
    "goodput_per_s": lambda each: each["goodput_per_s"],
}


@pytest.fixture
def made(call):
    """Replay a little into a folder; return its summary by policy."""

    def run(name, *argv):
        ran = call("replay", "--limit", 400, "--policy", "fifo,edf", "--no-timeline", "--json", "--out", name, *argv)
        assert ran.status == 0, ran.err
        return ran.runs

    return run


def rows_of(document):
    return {(row["class"], row["metric"], row["variant"]): row for row in document["rows"]}


@pytest.mark.parametrize("warmup", [(), ("--warmup", 0.5)])
def test_the_values_are_those_of_the_summary(call, made, warmup):
    runs = made("a", *warmup)
    document = call("compare", "a", "--json", "--resamples", 100).document
    assert document["warmup_s"] == (warmup[1] if warmup else None)
    for (name, metric, variant), row in rows_of(document).items():
        expected = OF_SUMMARY[metric](runs[variant]["classes"][name])
        if expected is None:  # it falls among dropped requests
            assert (row["value"], row["difference"], row["infinite"]) == (None, None, 1.0)
            continue
        assert row["value"]["mean"] == pytest.approx(expected, rel=1e-12)
        if not metric.startswith("p"):
            assert row["value"]["low"] <= expected <= row["value"]["high"]
        reference = OF_SUMMARY[metric](runs["fifo"]["classes"][name])
        if variant == "edf" and reference is not None:
            apart = expected - reference
            assert row["difference"]["mean"] == pytest.approx(apart, abs=1e-12)
    assert document["differences"] == sum(row["p"] is not None for row in document["rows"]) > 6


@pytest.mark.slow
def test_a_warm_up_of_its_own_is_that_of_a_replay_with_it(call, made):
    made("a")
    runs = made("b", "--warmup", 0.8)
    rows = rows_of(call("compare", "a", "--warmup", 0.8, "--json", "--resamples", 100).document)
    for (name, metric, variant), row in rows.items():
        mean = None if row["value"] is None else pytest.approx(row["value"]["mean"], rel=1e-12)
        assert OF_SUMMARY[metric](runs[variant]["classes"][name]) == mean


@pytest.mark.slow
def test_several_seeds_are_paired(call, made):
    seeds = [made(f"s{seed}", "--seed", seed) for seed in range(6)]
    document = call("compare", *(f"s{seed}" for seed in (3, 0, 1, 2, 5, 4)), "--json").document
    assert (document["seeds"], document["blocks"]) == ([0, 1, 2, 3, 4, 5], None)
    for (name, metric, variant), row in rows_of(document).items():
        own, base = (
            [OF_SUMMARY[metric](runs[policy]["classes"][name]) for runs in seeds] for policy in (variant, "fifo")
        )
        if None in own:
            assert (row["value"], row["infinite"]) == (None, own.count(None) / 6)
            continue
        expected = mean_interval(own)
        assert list(row["value"].values()) == pytest.approx([expected.mean, expected.low, expected.high], rel=1e-9)
        median = quantile_interval(own)
        assert list(row["quantile"].values()) == pytest.approx([np.median(own), median.low, median.high], rel=1e-9)
        if variant == "edf" and None not in base:
            apart = paired_interval(own, base)
            assert list(row["difference"].values()) == pytest.approx([apart.mean, apart.low, apart.high], abs=1e-9)
            assert row["p"] <= row["p_holm"] <= 1


def test_equal_runs_differ_by_nothing(call, made):
    made("before")
    made("after")
    document = call("compare", "before", "after", "--policy", "edf", "--json", "--resamples", 100).document
    assert document["baselines"] == {"": "before"}
    for row in document["rows"]:
        if row["variant"] == "after" and not row["infinite"]:
            assert row["difference"] == {"mean": 0, "low": 0, "high": 0}
            assert row["p_holm"] == 1


def test_settings_that_differ_are_in_the_name(call, made):
    made("a")
    made("b", "--max-batch", 2)
    document = call("compare", "a", "b", "--policy", "edf", "--json", "--resamples", 100).document
    assert [row["variant"] for row in document["rows"][:2]] == ["edf, max_batch=8", "edf, max_batch=2"]


@pytest.mark.slow
def test_the_table_and_the_same_again(call, made):
    made("a")
    ran = call("compare", "a", "--baseline", "edf", "--metric", "violation", "--metric", "p99_s")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert "difference is to edf" in lines[1]
    assert [line.split()[-1] for line in lines if " p Holm" in line] == ["Holm"]
    assert "block bootstrap over time of one run" in ran.out
    assert "p Holm accounts for all 4 differences shown" in ran.out
    assert call("compare", "a", "--baseline", "edf", "--metric", "violation", "--metric", "p99_s") == ran


@pytest.mark.slow
def test_mser_finds_a_start_and_says_where_it_does_not(call, made):
    made("a")
    ran = call("compare", "a", "--warmup", "mser", "--json", "--resamples", 100)
    assert ran.document["warmup_s"] >= 0
    call("replay", "--limit", 30, "--policy", "fifo,edf", "--out", "short")
    short = call("compare", "short", "--warmup", "mser", "--metric", "violation", "--json", "--resamples", 100)
    assert "MSER-5 sees no end of the warm-up of fifo, seed 0" in short.document["notes"][0]


def test_too_short_a_run_says_so(call, made):
    made("a", "--load", 1.5)
    survivors, note = call("compare", "a", "--json", "--resamples", 100).document["notes"]
    assert "replay several seeds" in note
    assert "unanswered: percentiles of completed requests are of the others" in survivors


def test_different_requests_are_refused(call, made, refused):
    made("a")
    made("b", "--load", 0.9)
    made("c", "--seed", 5)
    call("replay", "--limit", 300, "--policy", "edf", "--out", "d", "--max-batch", 2)
    message = refused("compare", "a", "b")
    assert message.startswith("fifo in a and fifo in b served different requests, so they cannot be compared")
    assert "request 1 has arrival_s" in message
    assert "400 and 300" in refused("compare", "a", "d")
    assert refused("compare", "a", "c", "--policy", "fifo").startswith("there is nothing to compare with: only fifo")


def test_mistakes_are_one_line(call, made, refused, here):
    made("a")
    assert refused("compare", "a", "--baseline", "eddf") == "no 'eddf' to compare with; did you mean 'edf'?"
    assert refused("compare", "a", "--policy", "fiffo") == "no run of policy 'fiffo'; did you mean 'fifo'?"
    assert refused("compare", "a", "--metric", "p9_s").startswith("no metric 'p9_s'; did you mean")
    assert refused("compare", "absent") == "absent: no such folder"
    assert "neither a number of seconds nor mser" in refused("compare", "a", "--warmup", "much")
    assert refused("compare", "a", "a").endswith("the same folder is named twice")
    assert refused("compare", "a", "--where", "x=1").startswith("--where chooses among the runs of a sweep")
    assert refused("compare", "a", "--resamples", 5) == "--resamples must be within 100 and 1000000, got 5"
    made("seven", "--seed", 7, "--policy", "fifo")
    assert refused("compare", "a", "seven") == "edf has no run of seed 7, which fifo has: nothing to pair"


def test_without_the_profile_there_is_no_slowdown(call, made, here):
    made("a")
    manifest = json.loads((here / "a" / "manifest.json").read_text())
    manifest["profile"]["sha256"] = "other"
    (here / "a" / "manifest.json").write_text(json.dumps(manifest))
    document = call("compare", "a", "--json", "--resamples", 100).document
    assert not any(row["metric"] == "mean_slowdown" for row in document["rows"])
    assert any(note.startswith("no mean_slowdown") for note in document["notes"])


# A sweep --------------------------------------------------------------------------------------------------------------


HEAD = "spec_sha256,phase,load,policy,setting,max_concurrency,seed,high_arrived,high_violation,low_p99_s\n"
TABLE = {
    "axes": ["load"],
    "conditions": ["load"],
    "choices": ["max_concurrency", "setting"],
    "figures": ["high_arrived", "high_violation", "low_p99_s"],
}


def sweep(here, rows, head=HEAD, table=TABLE):
    (here / "sweep").mkdir()
    (here / "sweep" / "results.csv").write_text(head + "".join(",".join(map(str, row)) + "\n" for row in rows))
    (here / "sweep" / "manifest.json").write_text(json.dumps({"sweep_format": 1, "table": table, "sweeps": []}))
    return "sweep"


def runs(policy, values, load="0.9", phase="results", slots=2):
    return [
        (f"{policy}{load}{seed}{slots}", phase, load, policy, policy, slots, seed, 100, value, 0.1)
        for seed, value in enumerate(values)
    ]


def test_a_sweep_is_compared_cell_by_cell(call, here):
    rows = [
        *runs("fifo", [0.9], phase="pilot"),
        *runs("fifo", [0.10, 0.20, 0.30]),
        *runs("edf", [0.05, 0.16, 0.24]),
        *runs("fifo", [0.4, 0.4, 0.5], load="1.1"),
        *runs("edf", [0.4, 0.4, 0.5], load="1.1"),
    ]
    document = call("compare", sweep(here, rows), "--metric", "violation", "--json").document
    assert document["baselines"] == {"load 0.9": "fifo", "load 1.1": "fifo"}
    found = {(row["cell"], row["variant"]): row for row in document["rows"]}
    # -0.05, -0.04, -0.06: mean -0.05, s 0.01, t(0.975, 2) 4.30265
    apart = found["load 0.9", "edf"]["difference"]
    assert list(apart.values()) == pytest.approx([-0.05, -0.05 - 0.0248414, -0.05 + 0.0248414], abs=1e-6)
    assert found["load 0.9", "edf"]["p_holm"] == pytest.approx(2 * found["load 0.9", "edf"]["p"])
    assert found["load 1.1", "edf"]["difference"] == {"mean": 0, "low": 0, "high": 0}
    one = call("compare", "sweep/results.csv", "--where", "load=0.9", "--metric", "violation", "--json").document
    assert one["baselines"] == {"": "fifo"}
    assert "load 1.1: difference is to fifo" in call("compare", "sweep").out


def test_settings_of_a_policy_are_told_apart_and_missing_seeds_are_said(call, here):
    rows = [*runs("edf", [0.1, 0.2, 0.3], slots=1), *runs("edf", [0.1, 0.2], slots=2)]
    document = call("compare", sweep(here, rows), "--metric", "violation", "--json").document
    assert [row["variant"] for row in document["rows"]] == ["edf, C=1", "edf, C=2"]
    assert document["notes"] == ["only the 2 seeds that all policies have are compared"]


def test_a_policy_stands_for_the_first_of_its_variants(call, here):
    rows = [*runs("edf", [0.1, 0.2]), *runs("lax", [0.1, 0.3], slots=1), *runs("lax", [0.1, 0.2], slots=2)]
    document = call("compare", sweep(here, rows), "--baseline", "lax", "--metric", "violation", "--json").document
    assert document["baselines"] == {"": "lax, C=1"}
    assert [row["variant"] for row in document["rows"]] == ["lax, C=1", "edf", "lax, C=2"]


def test_a_table_that_cannot_be_compared_is_one_line(refused, here):
    name = sweep(here, [*runs("fifo", [0.1, 0.2]), *runs("edf", [0.1, 0.2])[:1]])
    assert refused("compare", name) == "the policies have 1 seeds in common; a comparison needs at least 2"
    assert refused("compare", name, "--warmup", "2").startswith("a sweep's table holds no requests")
    assert refused("compare", name, "--where", "load=7").endswith("no run has load 7; it has 0.9")
    assert refused("compare", name, "--where", "laod=7").endswith("did you mean 'load'?")
    (here / "other.csv").write_text("a,b\n1,2\n")
    assert refused("compare", "other.csv") == ".: there is no sweep (`stratsim sweep run` makes one)"


def test_a_table_without_policies_is_one_line(refused, here):
    name = sweep(here, [("x", 1)], "spec_sha256,a\n", {**TABLE, "axes": [], "conditions": [], "figures": ["a"]})
    message = f"{name}/results.csv: is no table of runs of policies: it has no column 'policy'"
    assert refused("compare", name) == message


def test_an_axis_inside_the_workload_is_a_condition(call, here):
    """The column holds JSON; the folder says which part of it was varied."""
    head = "spec_sha256,phase,workload,policy,setting,max_concurrency,seed,high_arrived,high_violation,low_p99_s\n"
    rows = [
        (f"{policy}{share}{seed}", "results", f'"{{""priority"":{{""high_share"":{share}}}}}"', policy, policy, 2, seed,
         100, value + share, 0.1)
        for share in (0.25, 0.5) for policy in ("fifo", "edf") for seed, value in enumerate((0.1, 0.2))
    ]  # fmt: skip
    table = {**TABLE, "axes": ["workload.priority.high_share"], "conditions": ["workload"]}
    document = call("compare", sweep(here, rows, head, table), "--metric", "violation", "--json").document
    name = "workload.priority.high_share"
    assert document["baselines"] == {f"{name} 0.25": "fifo", f"{name} 0.5": "fifo"}
    one = call("compare", "sweep", "--where", f"{name}=0.5", "--metric", "violation", "--json").document
    assert [row["value"]["mean"] for row in one["rows"]] == pytest.approx([0.65, 0.65])


def test_a_condition_counts_where_the_axes_do_not_tell_it(call, here):
    """The device model comes with the profile; the warm-up is another in the second half of the table."""
    head = "spec_sha256,phase,load,device_model,warmup_s,policy,setting,max_concurrency,seed,high_arrived,"
    head += "high_violation,low_p99_s\n"
    rows = [
        (f"{policy}{load}{model}{warmup}{seed}", "results", load, model, warmup, policy, policy, 2, seed, 100, 0.1, 0.1)
        for load, model in (("0.5", "streams"), ("0.9", "roofline")) for warmup in ("1.0", "2.0")
        for policy in ("fifo", "edf") for seed in (1, 2)
    ]  # fmt: skip
    table = {**TABLE, "conditions": ["load", "device_model", "warmup_s"]}
    document = call("compare", sweep(here, rows, head, table), "--metric", "violation", "--json").document
    assert list(document["baselines"]) == [
        "load 0.5, warmup_s 1.0", "load 0.5, warmup_s 2.0", "load 0.9, warmup_s 1.0", "load 0.9, warmup_s 2.0",
    ]  # fmt: skip


def test_policies_that_met_other_requests_are_refused(refused, here):
    uneven = runs("fifo", [0.1, 0.2]) + [(*row[:7], 99, *row[8:]) for row in runs("edf", [0.1, 0.2])]
    name = sweep(here, uneven)
    assert refused("compare", name) == "policies served different requests, seed 0: high_arrived"
