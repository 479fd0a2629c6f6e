"""`--groups`, `--deal` and `--jobs`: processes change no byte, and all that reads a result reads one of groups."""

import csv
import json
import re
from pathlib import Path

import pytest

GROUPS = ("--gpus", 4, "--groups", 2, "--limit", 400, "--load", 1.2, "--policy", "fifo,strait,native")
GROUPS += ("--engine", "simpy")  # `auto` goes by what this process has simulated before
SWEEP = """
title = "does it matter how a cluster is cut?"

[sweep]
seeds = [1, 2]

[base]
gpus = 4
deal = "model"
max_concurrency = 1

[arrivals]
requests = 300

[axes]
load = [0.8]
groups = [1, 2, 4]
policy = ["fifo"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A result folder."""
    from stratsim.cli import main

    folder = tmp_path_factory.mktemp("made") / "out"
    assert main(["replay", *map(str, GROUPS), "--out", str(folder), "--quiet"]) == 0
    return folder


# Replay ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_write_what_one_does(call, made):
    assert call("replay", *GROUPS, "--jobs", 2, "--out", "apart").status == 0
    names = sorted(path.name for path in made.iterdir())
    assert names == sorted(path.name for path in Path("apart").iterdir())
    for name in names:
        ours, theirs = (folder / name for folder in (made, Path("apart")))
        if name == "summary.json":
            runs = [json.loads(path.read_text())["runs"] for path in (ours, theirs)]
            assert all(run.pop("wall_s") > 0 for each in runs for run in each)
            assert runs[0] == runs[1]
        else:
            assert ours.read_bytes() == theirs.read_bytes(), name


def test_groups_differ_from_one_scheduler_of_all(replay):
    """Nobody may help the other group out, so less is met at this load."""
    cut, whole = (replay(*GROUPS, "--set", f"groups={count}").runs["fifo"]["classes"] for count in (4, 1))
    met = [sum(each["met"] for each in classes.values()) for classes in (cut, whole)]
    assert met[0] < met[1]


def test_the_manifest_says_how_the_gpus_were_cut(made):
    spec = json.loads((made / "manifest.json").read_text())["spec"]
    assert (spec["gpus"], spec["groups"], spec["deal"]) == (4, 2, "round-robin")


@pytest.mark.slow
def test_options_win_over_the_file(replay, write):
    config = write("run.toml", 'gpus = 4\ngroups = 4\ndeal = "client"\nlimit = 50\npolicy = "fifo"\n')
    spec = replay("--config", config, "--groups", 2, "--deal", "model", "--jobs", 2).document["manifest"]["spec"]
    assert (spec["groups"], spec["deal"]) == (2, "model")


ONE_GROUP = "2 jobs for one group of GPUs: a policy that sees all GPUs has one state, which cannot be divided; cut the"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--jobs", 2), ONE_GROUP),
        (("no such file.csv", "--jobs", 2), ONE_GROUP),
        (("--gpus", 4, "--groups", 3), "4 GPUs cannot be cut into 3 equal groups"),
        (("no such file.csv", "--gpus", 4, "--groups", 3), "4 GPUs cannot be cut into 3 equal groups"),
        (("--topology", "8x-h800", "--groups", 2), "topology '8x-h800' has a link that GPUs of groups 0 and 1 share"),
        (("--groups", 0), "--groups must be at least 1, got 0"),
        (("--deal", "clients"), "options: unknown way to deal requests 'clients'; did you mean 'client'?"),
    ],
)
@pytest.mark.parametrize("out", [(), ("--out", "out")])
def test_what_cannot_be_is_said_before_anything_is_read(refused, argv, message, out):
    assert refused("replay", *argv, *out).startswith(message)


@pytest.mark.slow
def test_clients_that_wait_need_a_group_of_their_own(call, refused, write, closed_loop):
    trace = write("disb.json", closed_loop())
    argv = ("replay", trace, "--profile", "rtx3080-disb", "--gpus", 2, "--groups", 2, "--policy", "edf", "--quiet")
    assert "use deal = 'client'" in refused(*argv)
    assert call(*argv, "--deal", "client", "--jobs", 2).status == 0


@pytest.mark.slow
def test_a_policy_that_fails_in_its_process_is_reported_as_here(refused, policy_file):
    name = policy_file(decide="raise ValueError('cannot')")
    argv = ("replay", "--policy", name, "--gpus", 2, "--groups", 2, "--limit", 20, "--out", "out", "--jobs")
    # In two processes either group may be the first to fail, each at a time of its own.
    lines = [re.sub(r" at t=\S+ s", "", refused(*argv, jobs)) for jobs in (1, 2)]
    assert lines[0] == lines[1]
    assert "ValueError: cannot" in lines[0]


@pytest.mark.slow
def test_a_process_that_is_killed_is_reported(refused, policy_file):
    name = policy_file(decide="__import__('os')._exit(9)")
    argv = ("replay", "--policy", name, "--gpus", 2, "--groups", 2, "--limit", 20, "--jobs", 2, "--out", "out")
    assert refused(*argv) == "the process of a group was killed (out of memory?)"


# What reads the folder ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["fifo", "strait", "native"])
def test_explain_finds_the_worst(call, made, policy):
    ran = call("explain", made, "--worst", 2, "--policy", policy, "--json")
    assert (ran.status, ran.err) == (0, "")
    assert len(ran.document["explanations"]) == 2


@pytest.mark.slow_cases("latency-parts", "timeline")
@pytest.mark.parametrize("figure", ["timeline", "latency-parts", "violations"])
def test_plots_are_drawn(call, made, figure):
    pytest.importorskip("matplotlib")
    ran = call("plot", made, "--kind", figure, "--out", f"{figure}.svg")
    assert ran.status == 0, ran.err
    assert Path(f"{figure}.svg").stat().st_size > 1000


@pytest.mark.slow
def test_the_report_says_how_and_how_to_run_it_again(call, made):
    assert call("report", made, "--out", "page.html").status == 0
    page = Path("page.html").read_text()
    assert "in 2 groups with a policy each (requests dealt by round-robin)" in page
    assert "--groups 2" in page
    assert "--deal round-robin" in page


def test_every_command_of_the_page_exists():
    from stratsim.cli import cli

    page = Path(__file__).parents[2] / "docs" / "how-to" / "large-traces.md"
    lines = re.findall(r"^ +stratsim (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == 5
    for line in lines:
        command, context = cli, cli.make_context("stratsim", ["--help"], resilient_parsing=True)
        words = line.split()
        while hasattr(command, "get_command"):
            name = words.pop(0)
            command = command.get_command(context, name)
            arguments = ["--help"] if hasattr(command, "get_command") else words
            context = command.make_context(name, list(arguments), parent=context, resilient_parsing=True)


# Sweeps ---------------------------------------------------------------------------------------------------------------


def test_a_sweep_takes_groups_as_an_axis_and_a_rule_as_a_setting(call, write):
    plan = call("sweep", "plan", write("sweep.toml", SWEEP), "--no-time")
    assert "cells 3, runs 6\n" in plan.out
    assert call("sweep", "run", "sweep.toml", "--out", "out").status == 0
    with Path("out/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["groups"], row["deal"], row["seed"]) for row in rows] == [
        (count, "model", seed) for count in "124" for seed in "12"
    ]
    assert len({row["high_p50_s"] for row in rows}) == 6


def test_the_rule_can_be_an_axis(call, write):
    write("sweep.toml", SWEEP)
    axes = ("--set", "groups=[2]", "--set", 'deal=["round-robin", "model"]', "--set", "sweep.seeds=[1]")
    assert call("sweep", "run", "sweep.toml", "--out", "out", *axes).status == 0
    assert Path("out/results.csv").read_text().count("\n") == 3


def test_a_sweep_that_cannot_be_cut_is_refused_before_its_first_run(refused, write):
    write("sweep.toml", SWEEP)
    message = refused("sweep", "plan", "sweep.toml", "--no-time", "--set", "groups=[1, 3]")
    assert "4 GPUs cannot be cut into 3 equal groups" in message
