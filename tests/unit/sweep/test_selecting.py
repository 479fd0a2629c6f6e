"""Runs of a study: what is there is not made again, the table is the same bytes whoever made it, failures are told."""

import csv
import json
import re
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from stratsim import bundled
from stratsim.cli import main
from stratsim.errors import OutputError, SpecError
from stratsim.experiment import one_run
from stratsim.experiment.planning import make_plan
from stratsim.experiment.study import make_study
from stratsim.experiment.sweep import run_study

TINY = {
    "title": "tiny",
    "arrivals": {"requests": 60},
    "base": {"max_batch": 2},
    "axes": {"profile": ["small"], "load": [0.8], "max_concurrency": [1, 2]},
    "profiles": {"small": {"base": "asymmetric-six", "models": ["wide-8", "narrow-4"]}},
    "policies": {
        "strait": {"policy": "strait(predictor=constant(slowdown=2))", "role": "strait"},
        "blind": {"policy": "priority-edf(max_batch={b})", "settings": {"b": [1, 2]}, "role": "rival-blind"},
        "oracle": {"policy": "strait(predictor=oracle)", "role": "oracle"},
        "fifo": {"policy": "fifo", "role": "reference"},
    },
    "seeds": {"pilot": [1], "results": [11, 12]},
    "saturation": {"requests": 200, "width": 0.2, "concurrency": [1]},
    "analysis": {"reference": "fifo"},
}


def rows_of(out):
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    return out, run_study(make_study(TINY), TINY, out)


def test_every_run_has_a_row(done):
    out, outcome = done
    rows = rows_of(out)
    assert outcome.failures == []
    pilot = [row for row in rows if row["phase"] == "pilot"]
    assert len(pilot) == 2 * (1 + 2 + 1 + 1)
    assert {row["seed"] for row in pilot} == {"1"}
    assert {row["seed"] for row in rows if row["phase"] == "results"} == {"11", "12"}
    assert len({row["spec_sha256"] for row in rows}) == len(rows) == outcome.made
    arrived = {(row["seed"], row["high_arrived"], row["low_arrived"]) for row in rows}
    assert len(arrived) == 3  # all policies meet the same requests
    assert all(int(row["high_arrived"]) + int(row["low_arrived"]) == 60 for row in rows)


def test_load_is_in_units_of_the_saturation(done):
    out, _ = done
    (point,) = json.loads((out / "saturation.json").read_text()).values()
    assert {float(row["rate_per_s"]) for row in rows_of(out)} == {0.8 * point["rate_per_s"]}


def test_what_is_there_is_not_made_again(done):
    out, first = done
    before = (out / "results.csv").read_bytes()
    again = run_study(make_study(TINY), TINY, out)
    assert (again.made, again.rows) == (0, first.rows)
    assert (out / "results.csv").read_bytes() == before


def test_an_interrupted_study_goes_on(done, tmp_path):
    """Cut off in the middle of a line, as a process that was killed leaves it."""
    out, first = done
    text = (out / "results.csv").read_text()
    lines = text.splitlines(keepends=True)
    run_study(make_study(TINY), TINY, tmp_path)
    (tmp_path / "results.csv").write_text("".join(lines[:6]) + lines[6][:40])
    again = run_study(make_study(TINY), TINY, tmp_path)
    assert again.made == len(first.rows) - 5
    assert (tmp_path / "results.csv").read_text() == text


def test_what_was_done_before_an_interruption_is_kept(done, tmp_path):
    _, first = done

    def stop(stage, done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(make_study(TINY), TINY, tmp_path, progress=stop)
    assert len(rows_of(tmp_path)) == 3
    assert run_study(make_study(TINY), TINY, tmp_path).made == len(first.rows) - 3


class Backwards(ThreadPoolExecutor):
    """Makes runs in another order than they were asked for."""

    def __init__(self):
        super().__init__(1)
        self._waiting = []

    def submit(self, fn, *args):
        future = Future()
        self._waiting.append((future, fn, args))
        super().submit(self._one)
        return future

    def _one(self):
        future, fn, args = self._waiting.pop()
        future.set_result(fn(*args))


def test_the_table_is_the_same_bytes_in_whatever_order_runs_end(done, tmp_path):
    out, _ = done
    run_study(make_study(TINY), TINY, tmp_path, executor=Backwards())
    assert (tmp_path / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


@pytest.mark.slow
def test_the_table_is_the_same_bytes_for_two_processes(done, tmp_path):
    out, _ = done
    run_study(make_study(TINY), TINY, tmp_path, jobs=2)
    assert (tmp_path / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


def test_rows_of_other_code_are_not_continued(done, tmp_path, monkeypatch):
    run_study(make_study(TINY), TINY, tmp_path)
    monkeypatch.setattr("stratsim.experiment.sweep.code_sha256", lambda code: "other")
    with pytest.raises(OutputError, match="made by other code than this; --fresh starts anew"):
        run_study(make_study(TINY), TINY, tmp_path)
    assert run_study(make_study(TINY), TINY, tmp_path, trust=True).made == 0
    assert run_study(make_study(TINY), TINY, tmp_path, fresh=True).made > 0


@pytest.mark.parametrize("content", ['{"spec": {}}', '{"study": "s"}', "[]", "not JSON", ""])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_that_is_not_a_studys_is_left_alone(tmp_path, content, fresh):
    """A result of `stratsim replay` has a manifest.json and a summary.json too."""
    for name in ("manifest.json", "summary.json"):
        (tmp_path / name).write_text(content)
    with pytest.raises(OutputError, match="exists already and is not a study's folder"):
        run_study(make_study(TINY), TINY, tmp_path, fresh=fresh)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "manifest.json": content,
        "summary.json": content,
    }


@pytest.mark.parametrize("content", ['{"spec": {}}', '{"study": "s"}', "[]"])
def test_a_result_of_replay_is_no_study_to_show(tmp_path, capsys, content):
    (tmp_path / "manifest.json").write_text(content)
    for command in (["show", str(tmp_path)], ["replay", str(tmp_path), "3f", "--out", str(tmp_path / "why")]):
        assert main(["experiment", *command]) == 2
        assert f"{tmp_path}: there is no study" in capsys.readouterr().err


@pytest.mark.parametrize(("kept", "message"), [(None, "no rows"), (0, "no rows"), (1, "no rows"), (4, "3 rows so far")])
def test_a_study_without_results_says_so(done, tmp_path, capsys, kept, message):
    """`kept` lines of results.csv, of which the first has the names; None: there is no file."""
    out, _ = done
    for name in ("manifest.json", "saturation.json"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    if kept is not None:
        lines = (out / "results.csv").read_text().splitlines(keepends=True)
        (tmp_path / "results.csv").write_text("".join(lines[:kept]))
    assert main(["experiment", "show", str(tmp_path)]) == 0
    assert message in capsys.readouterr().out.splitlines()[-1]


def test_a_failure_is_reported_and_loses_nothing_else(tmp_path, monkeypatch, capsys):
    real = one_run.make_policy

    def failing(call):
        if "max_batch=1" in call.text:
            raise RuntimeError("broken")
        return real(call)

    monkeypatch.setattr(one_run, "make_policy", failing)
    outcome = run_study(make_study(TINY), TINY, tmp_path)
    assert len(outcome.failures) == 2  # at C = 1 and C = 2, in the pilot; the other setting is chosen
    message = str(outcome.failures[0])
    assert "RuntimeError: broken" in message
    assert "load=0.8, priority-edf(max_batch=1), C=1, seed 1" in message
    assert {row["setting"] for row in outcome.rows if row["policy"] == "blind"} == {"priority-edf(max_batch=2)"}


FAILING = """
from stratsim.policy.queueing import Fifo

class Failing(Fifo):
    \"\"\"Fails at once. Source: a test.\"\"\"

    def decide(self, view):
        raise RuntimeError("broken")
"""


@pytest.mark.slow
def test_a_failure_in_another_process_is_reported_and_loses_nothing_else(tmp_path):
    (tmp_path / "failing.py").write_text(FAILING)
    policies = {**TINY["policies"], "bad": {"policy": f"{tmp_path}/failing.py:Failing", "role": "rival-blind"}}
    outcome = run_study(make_study({**TINY, "policies": policies}), TINY, tmp_path / "out", jobs=2)
    assert [each.settings["policy"] for each in outcome.failures] == ["bad", "bad"]
    assert all("RuntimeError: broken" in each.message for each in outcome.failures)
    assert {row["policy"] for row in outcome.rows if row["phase"] == "results"} == set(TINY["policies"])


def test_only_an_oracle_is_told_the_truth(tmp_path):
    policies = {"x": {"policy": "strait(predictor=oracle)", "role": "strait"}}
    outcome = run_study(make_study({**TINY, "policies": policies, "analysis": {}}), TINY, tmp_path)
    assert outcome.rows == []
    assert {failure.message for failure in outcome.failures} == {
        "the oracle belief is the simulated device's truth: only an experiment can reveal it"
    }


def test_the_command_line_runs_and_shows(tmp_path, capsys):
    path, out = tmp_path / "s.toml", tmp_path / "out"
    path.write_text(
        """
title = "t"
arrivals = { requests = 60 }
axes = { profile = ["asymmetric-six"], load = [0.8], max_concurrency = [1] }
seeds = { pilot = [1], results = [11, 12] }
saturation = { requests = 200, width = 0.2, concurrency = [1] }
[policies.strait]
policy = "strait"
role = "strait"
[policies.edf]
policy = "priority-edf"
role = "rival-blind"
"""
    )
    assert main(["experiment", "run", str(path), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "edf (best blind)" in shown
    assert "6 runs made, 0 failed, 6 rows" in shown
    summary = json.loads((out / "summary.json").read_text())
    assert {entry["policy"] for entry in summary["cells"]} == {"strait", "edf"}
    assert main(["experiment", "show", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[:-2] == shown.splitlines()[:-3]
    assert main(["experiment", "show", str(tmp_path)]) == 2
    assert main(["experiment", "plan", str(path)]) == 0
    planned = capsys.readouterr().out
    assert "pilot runs 2, results runs 4" in planned
    assert re.fullmatch(r"about \d+(\.\d)? (s|minutes|hours) with 1 job", planned.splitlines()[-1])


def test_a_policy_that_fails_does_not_lose_the_plan(monkeypatch):
    real = one_run.make_policy

    def failing(call):
        if call.name == "fifo":
            raise SpecError("broken")
        return real(call)

    monkeypatch.setattr(one_run, "make_policy", failing)
    plan = make_plan(make_study(TINY))
    assert {each.name: each.failure for each in plan.policies if each.failure} == {"fifo": "broken"}
    assert plan.runs == {"pilot": 10, "results": 16}
    assert all(each.seconds > 0 for each in plan.policies if not each.failure)


def test_a_plan_without_policies_has_no_time(capsys):
    """Study 1 is of the kind `predictors`."""
    assert main(["experiment", "plan", str(bundled.names("experiments")["study-1"]), "--quick"]) == 0
    shown = capsys.readouterr().out
    assert "no time is estimated" in shown
    assert "policy" not in shown
    assert "about" not in shown


def test_a_row_can_be_run_again_and_explained(done, tmp_path, capsys):
    out, _ = done
    row = next(row for row in rows_of(out) if row["phase"] == "results" and row["policy"] == "oracle")
    assert main(["experiment", "replay", str(out), row["spec_sha256"][:12], "--out", str(tmp_path / "why")]) == 0
    assert "strait(predictor=oracle)" in capsys.readouterr().out
    summary = json.loads((tmp_path / "why" / "summary.json").read_text())
    for label in ("high", "low"):
        figures = summary["runs"][0]["classes"][label]
        assert [figures["arrived"], figures["dropped"]] == [int(row[f"{label}_{n}"]) for n in ("arrived", "dropped")]
        assert figures["violation"] == float(row[f"{label}_violation"])
    assert main(["explain", str(tmp_path / "why"), "--summary"]) == 0
    assert "changed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("", ": a row is named by its spec_sha256 in results.csv"),
        ("nothing", ": no rows whose spec_sha256 begins with 'nothing'"),
    ],
)
def test_a_row_that_is_not_there_is_refused(done, tmp_path, capsys, row, message):
    out, _ = done
    assert main(["experiment", "replay", str(out), row, "--out", str(tmp_path / "why")]) == 2
    assert f"{out}{message}" in capsys.readouterr().err
    assert not (tmp_path / "why").exists()


def test_a_beginning_that_several_rows_have_is_refused(done, tmp_path, capsys):
    """More rows than hexadecimal digits: two begin alike."""
    out, _ = done
    firsts = [row["spec_sha256"][0] for row in rows_of(out)]
    digit, count = Counter(firsts).most_common(1)[0]
    assert main(["experiment", "replay", str(out), digit, "--out", str(tmp_path / "why")]) == 2
    assert f"{count} rows whose spec_sha256 begins with '{digit}': give more of it" in capsys.readouterr().err


def test_the_row_that_a_table_names_can_be_run_again(done, tmp_path, capsys):
    """The last column, of the policy's run with the first result seed."""
    out, _ = done
    assert main(["experiment", "show", str(out)]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("oracle"))
    assert main(["experiment", "replay", str(out), line.split()[-1], "--out", str(tmp_path / "why")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("strait(predictor=oracle) at C = ")
    assert "seed 11;" in shown
