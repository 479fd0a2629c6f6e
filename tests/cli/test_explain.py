"""`stratsim explain`: what it prints, and the lines it refuses with."""

import json
import re
import shutil
from pathlib import Path

import pytest

ARGUMENTS = ["--profile", "rtx3080-disb", "--load", 0.9, "--limit", 600, "--policy", "priority-edf,strait"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A result folder."""
    from stratsim.cli import main

    folder = tmp_path_factory.mktemp("made") / "out"
    assert main(["replay", *[str(each) for each in ARGUMENTS], "--out", str(folder), "--quiet"]) == 0
    return folder


def explanations(call, made, *argv):
    ran = call("explain", made, "--json", *argv)
    assert (ran.status, ran.err) == (0, "")
    return ran.document["explanations"]


def test_a_late_request_in_words(call, made):
    (worst,) = explanations(call, made, "--worst", 1, "--policy", "priority-edf", "--status", "late")
    ran = call("explain", made, "--request", worst["request"], "--policy", "priority-edf")
    assert (ran.status, ran.err) == (0, "")
    assert f"request {worst['request']}, priority-edf: {worst['model']} ({worst['priority']}), late" in ran.out
    for text in ("part", "executing, as if alone", "latency", "slowed by", "Dispatched"):
        assert text in ran.out
    assert " ".join(ran.out.split()).endswith(worst["verdict"])


@pytest.mark.parametrize("status", ["late", "dropped"])
def test_the_cause_has_a_line(call, made, status):
    (worst,) = explanations(call, made, "--worst", 1, "--policy", "strait", "--status", status)
    kind = worst["cause"]["kind"]
    for choice in (["--request", worst["request"]], ["--worst", 1, "--status", status]):
        assert f"\ncause: {kind}\n" in call("explain", made, "--policy", "strait", *choice).out
    said = call("explain", made, "--policy", "strait", "--summary").out.split("violated because: ")[1:]
    assert any(f"{kind} " in causes for causes in said)  # of either class


def test_a_met_request_has_no_cause(call, made):
    assert "cause: " not in call("explain", made, "--worst", 1, "--status", "met").out


def test_parts_in_json_sum_to_the_latency(call, made):
    found = explanations(call, made, "--worst", 50, "--status", "met")
    assert len(found) == 100  # of either policy
    for each in found:
        assert sum(each["parts"].values()) == pytest.approx(each["latency_s"], rel=1e-12)
        lost_s = sum(other["interference_s"] for other in each["slowed_by"]) + each["other_interference_s"]
        assert lost_s == pytest.approx(each["parts"]["interference"], rel=1e-12)


def test_one_request_through_every_policy(call, made):
    found = explanations(call, made, "--request", 17)
    assert [(each["policy"], each["request"]) for each in found] == [("priority-edf", 17), ("strait", 17)]


def test_a_request_named_twice_is_shown_once(call, made):
    choice = ["--request", 17, "--request", 17, "--policy", "strait", "--policy", "strait"]
    assert [each["request"] for each in explanations(call, made, *choice)] == [17]


def test_a_run_without_such_a_request_is_said(call, made):
    ran = call("explain", made, "--worst", 1, "--status", "unfinished")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "no unfinished request in priority-edf\nno unfinished request in strait\n"
    ran = call("explain", made, "--worst", 1, "--status", "unfinished", "--class", "low", "--policy", "strait")
    assert ran.out == "no unfinished low-priority request in strait\n"


def test_the_worst_of_a_class(call, made):
    found = explanations(call, made, "--worst", 5, "--class", "low", "--policy", "priority-edf")
    assert len(found) == 5
    assert {each["priority"] for each in found} == {"low"}


def test_a_summary(call, made):
    ran = call("explain", made, "--summary")
    assert (ran.status, ran.err) == (0, "")
    for text in ("priority-edf", "strait", "mean of part, ms", "interference: victim <- culprit", "violated because: "):
        assert text in ran.out
    figures = re.findall(r"(?<=  )\d+\.\d+(?= |$)", ran.out, re.MULTILINE)
    assert figures
    assert max(len(figure.replace(".", "").lstrip("0")) for figure in figures) <= 3
    document = call("explain", made, "--summary", "--json").document
    for each in document["summaries"]:
        for figures in each["classes"].values():
            assert sum(figures["causes"].values()) == figures["late"] + figures["dropped"]


def test_a_changed_profile_is_said(call, made, tmp_path):
    copy = shutil.copytree(made, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["spec"]["profile"] = "no-such-profile"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    ran = call("explain", copy, "--worst", 1)
    assert ran.status == 0
    assert ran.err.startswith("note: the profile of this run cannot be used: ")
    assert "interference is shared by overlapped time" in ran.err


@pytest.mark.slow
def test_the_page_shows_what_is_printed(call, here):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "explain-a-request.md").read_text(encoding="utf-8")
    commands = [line.split()[1:] for line in page.splitlines() if line.startswith("    stratsim ")]
    replay = [word if word != "edf,priority-edf,strait" else "priority-edf" for word in commands[0]]
    assert call(*replay, "--quiet").status == 0
    assert call(*commands[3]).out.strip() == page.split("```")[1].strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to explain: one of --request ID, --worst N and --summary"),
        (["--request", 1, "--summary"], "say --request or --summary, not both"),
        (["--worst", 2, "--request", 5], "say --request or --worst, not both"),
        (["--worst", 2, "--request", 5, "--summary"], "say --request or --worst or --summary, not all"),
        (["--request", 9999], "no request 9999 in the run of 'priority-edf'; its requests are 0 to 599"),
        (["--worst", 3, "--policy", "strat"], "no run of policy 'strat'"),
        (["--summary", "--class", "high"], "they go with --worst"),
        (["--worst", 0], "0 is not in the range 1<=x<=10000"),
    ],
)
def test_refusals(refused, made, arguments, message):
    assert message in refused("explain", made, *arguments)


def test_folders_without_results(refused, here):
    assert refused("explain", "nowhere", "--summary") == "nowhere: no such folder"
    assert "is not a result folder" in refused("explain", here, "--summary")


def test_a_sweep_is_not_a_result_folder(refused, here):
    (here / "manifest.json").write_text('{"sweeps": []}')
    message = "many: is a sweep; `stratsim sweep replay many ROW --out RESULT` makes a result folder of one"
    (here / "many").mkdir()
    (here / "manifest.json").rename(here / "many" / "manifest.json")
    assert message in refused("explain", "many", "--summary")
    assert message in refused("plot", "many", "--kind", "latency-parts", "--out", "a.svg")
