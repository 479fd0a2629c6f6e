"""`stratsim replay --json`: one object on stdout, every figure there or null, equal for equal runs."""

import json
import os
import subprocess
import sys

import pytest

FOUR = ["fifo", "priority-fifo", "edf", "priority-edf"]
COUNTS = ("met", "late", "dropped", "unfinished")
CLASS = {"arrived", *COUNTS, "violation", "violation_completed", "latency_s", "latency_arrived_s", "goodput_per_s",
         "jain_models",
         "drop_reasons", "late_share", "dropped_share", "min_model_satisfaction", "dropped_voluntary", "slowdown",
         "execution_slowdown", "starvation_s"}  # fmt: skip
RUN = {"policy", "classes", "equity", "gpu", "pcie", "window_s", "events", "simulated_s", "wall_s"}
GPU = {"utilization", "batches", "mean_batch_size", "mean_concurrency", "mean_slowdown", "max_slowdown"}
PCIE = {"h2d_utilization", "d2h_utilization", "h2d_bytes", "d2h_bytes", "loads", "load_bytes"}
MANIFEST = {
    "engines",
    "stratsim_version",
    "versions",
    "code",
    "seed",
    "trace",
    "profile",
    "topology",
    "offered_load",
    "spec",
    "notes",
}


def without_wall(document):
    """Return the document without the one figure that may differ."""
    for run in document["runs"]:
        assert run.pop("wall_s") > 0
    return document


def test_every_key_is_there(replay):
    ran = replay("--limit", 200, "--gpus", 2)
    document = ran.document
    assert list(document) == ["trace", "runs", "manifest"]
    assert set(document["manifest"]) == MANIFEST
    assert set(document["trace"]) == {"name", "sha256", "format", "requests"}
    assert [run["policy"] for run in document["runs"]] == FOUR
    for run in document["runs"]:
        assert set(run) == RUN
        assert list(run["classes"]) == ["high", "low"]
        for figures in run["classes"].values():
            assert set(figures) == CLASS
            assert list(figures["latency_s"]) == ["p50", "p95", "p99", "mean"]
            assert list(figures["latency_arrived_s"]) == ["p50", "p95", "p99", "beyond"]
        assert [set(entry) for entry in run["gpu"]] == [GPU, GPU]
        assert [set(entry) for entry in run["pcie"]] == [PCIE, PCIE]


def test_figures_are_of_the_right_kind_and_agree(replay):
    for run in replay("--limit", 500, "--load", 1.5).document["runs"]:
        for figures in run["classes"].values():
            assert all(type(figures[key]) is int for key in ("arrived", *COUNTS))
            assert figures["arrived"] == sum(figures[key] for key in COUNTS)
            assert figures["violation"] == pytest.approx(1 - figures["met"] / figures["arrived"])
            assert figures["dropped"] == sum(figures["drop_reasons"].values())
            latency = figures["latency_s"]
            assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
        (gpu,), (pcie,) = run["gpu"], run["pcie"]
        assert 0 < gpu["utilization"] <= 1
        assert 1 <= gpu["mean_batch_size"] <= 8
        assert 0 < pcie["h2d_utilization"] < 1
        assert type(run["events"]) is int
        assert run["simulated_s"] > 0


def test_stdout_is_one_line_and_notes_go_to_stderr(replay):
    ran = replay("--limit", 20)
    assert ran.out.count("\n") == 1
    notes = ran.err.splitlines()
    assert notes
    assert all(note.startswith("note: ") for note in notes)
    assert [f"note: {note}" for note in ran.document["manifest"]["notes"]] == notes
    assert replay("--limit", 20, "--quiet").err == ""


def test_the_manifest_repeats_the_run(replay, write):
    first = replay(
        "--limit", 100, "--load", 0.9, "--gpus", 2, "--policy", "edf(max_batch=2),fifo", "--seed", 4
    ).document
    spec = {key: value for key, value in first["manifest"]["spec"].items() if value is not None}
    write("again.toml", "".join(f"{key} = {json.dumps(value)}\n" for key, value in spec.items()))
    again = replay("--config", "again.toml").document
    assert without_wall(again) == without_wall(first)


def test_the_manifest_says_what_ran(replay):
    manifest = replay("--limit", 10, "--seed", 7).document["manifest"]
    assert manifest["seed"] == 7
    assert manifest["trace"]["requests"] == 10
    assert manifest["profile"]["name"] == "a100-80gb-parvagpu"
    assert manifest["profile"]["label"] == "published + synthetic"
    assert all(len(manifest[part]["sha256"]) == 64 for part in ("trace", "profile"))
    assert {"python", "numpy", "pandas", "scipy", "simpy"} == set(manifest["versions"])


def test_every_policy_replays_the_same_requests(replay):
    runs = replay("--limit", 300).runs
    assert len({tuple(run["classes"][label]["arrived"] for label in ("high", "low")) for run in runs.values()}) == 1


@pytest.mark.parametrize("policy", FOUR)
def test_a_policy_alone_gives_what_it_gives_among_others(replay, policy):
    together = replay("--limit", 200).runs[policy]
    alone = replay("--limit", 200, "--policy", policy).runs[policy]
    together.pop("wall_s")
    alone.pop("wall_s")
    assert alone == together


def test_two_runs_differ_in_wall_time_only(replay):
    argv = ("--limit", 300, "--load", 1.1, "--gpus", 2)
    first = replay(*argv).document
    replay("--limit", 100, "--seed", 99)  # another simulation in between must leave no trace
    assert without_wall(replay(*argv).document) == without_wall(first)


@pytest.mark.slow
def test_the_hash_seed_changes_nothing(here, write, closed_loop):
    """Two processes at once: an open-loop and a closed-loop trace, with different PYTHONHASHSEED."""
    write("loop.json", closed_loop(time=0.5))
    code = (
        "import sys; from stratsim.cli import main\n"
        "a = main(['replay', '--limit', '200', '--json', '--quiet'])\n"
        "b = main(['replay', 'loop.json', '--profile', 'rtx3080-disb', '--json', '--quiet'])\n"
        "sys.exit(a or b)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2024")
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    first, second = ([without_wall(json.loads(line)) for line in out.splitlines()] for out, _ in outputs)
    assert len(first) == 2
    assert first == second


def test_figures_that_do_not_exist_are_null(replay, write):
    write("free.csv", "arrival_s,model,priority,slo_s\n" + "".join(f"{0.1 * i},vgg19,low,\n" for i in range(5)))
    (run,) = replay("free.csv", "--policy", "fifo").document["runs"]
    high, low = run["classes"]["high"], run["classes"]["low"]
    assert high["arrived"] == 0
    assert high["latency_s"] == {"p50": None, "p95": None, "p99": None, "mean": None}
    assert (high["violation"], low["violation"], low["violation_completed"], low["jain_models"]) == (None,) * 4
    assert (low["met"], low["dropped"]) == (5, 0)
    assert low["latency_s"]["mean"] > 0


def test_nothing_completed_gives_nulls_too(replay, write, policy_file):
    write("one.csv", "arrival_s,model,priority,slo_s\n1.0,vgg19,high,0.1\n")
    policy = policy_file(decide="yield Drop(self.waiting.pop(), 'full')")
    (run,) = replay("one.csv", "--policy", policy).document["runs"]
    high = run["classes"]["high"]
    assert (high["violation"], high["violation_completed"], high["dropped"]) == (1.0, None, 1)
    assert high["drop_reasons"] == {"full": 1}
    assert run["gpu"][0]["batches"] == 0
    assert run["gpu"][0]["mean_batch_size"] is None
    assert (run["simulated_s"], run["gpu"][0]["utilization"], high["goodput_per_s"]) == (0.0, None, None)


def test_unfinished_requests_are_counted_and_noted(replay, write, policy_file):
    write("two.csv", "arrival_s,model,priority,slo_s\n1.0,vgg19,high,0.1\n2.0,vgg19,low,0.1\n")
    policy = policy_file(decide="return ()")
    ran = replay("two.csv", "--policy", policy)
    classes = ran.runs[policy]["classes"]
    assert [classes[label]["unfinished"] for label in ("high", "low")] == [1, 1]
    assert [classes[label]["violation"] for label in ("high", "low")] == [1.0, 1.0]
    assert f"note: policy '{policy}' left 2 requests waiting for ever: unfinished" in ran.err


def test_one_request_alone_takes_its_solo_time(replay, write):
    """The profile's own figures: 73 us in, 2.702 ms, 8.4 us out, and 0.14 % of noise on the execution."""
    write("one.csv", "arrival_s,model,priority,slo_s\n1.0,vgg19,high,0.1\n")
    profile = ("--profile", "rtx3080-disb", "--policy", "fifo")
    (run,) = replay("one.csv", *profile).document["runs"]
    latency = run["classes"]["high"]["latency_s"]
    assert latency["p50"] == latency["p99"] == latency["mean"] == pytest.approx(2.783e-3, rel=0.01)
    (bare,) = replay("one.csv", *profile, "--no-transfers").document["runs"]
    copies = latency["mean"] - bare["classes"]["high"]["latency_s"]["mean"]
    assert copies == pytest.approx(73.0e-6 + 8.4e-6, rel=1e-3)


@pytest.mark.slow
def test_the_manifest_says_which_load_was_run(replay):
    """The default rule's load is resolved; the offered load follows the arrivals, whatever was asked for."""
    manifest = replay("--limit", 2000, "--policy", "fifo").document["manifest"]
    assert manifest["spec"]["load"] == 0.7
    assert manifest["offered_load"] == pytest.approx(0.7, rel=0.05)  # the drawn mix differs a little from equal shares
    doubled = replay("--limit", 2000, "--policy", "fifo", "--rate-scale", 2).document["manifest"]
    assert doubled["offered_load"] == pytest.approx(2 * manifest["offered_load"])
