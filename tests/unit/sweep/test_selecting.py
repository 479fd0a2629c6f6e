"""Sweeps that choose settings on pilot seeds first: which runs follow, in which unit loads are, what is reported."""

import json
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from stratsim.cli import main
from stratsim.stats.intervals import paired_interval
from stratsim.sweep import labelled_rows, make_plan, make_sweep, summarise, worker
from stratsim.sweep.estimate import times
from tests.unit.sweep.tiny import rows_of, run

TINY = {
    "title": "tiny",
    "sweep": {
        "seeds": [11, 12],
        "subject": "strait",
        "select": {"seeds": [1], "axes": ["max_concurrency"], "fixed": {"max_concurrency": 2}},
    },
    "arrivals": {"requests": 60},
    "base": {"max_batch": 2, "load_unit": "saturation"},
    "axes": {"profile": ["small"], "load": [0.8], "max_concurrency": [1, 2]},
    "profiles": {"small": {"base": "asymmetric-six", "models": ["wide-8", "narrow-4"]}},
    "policies": {
        "strait": {"policy": "strait(predictor=constant(slowdown=2))"},
        "blind": {"policy": "priority-edf(max_batch={b})", "settings": {"b": [1, 2]}},
        "oracle": {"policy": "strait(predictor=oracle)", "reveal": True},
        "fifo": {"policy": "fifo"},
    },
    "saturation": {"requests": 200, "width": 0.2, "concurrency": [1]},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep")
    return out, run(TINY, out)


@pytest.mark.slow
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


def test_a_policy_runs_with_what_its_own_pilot_rows_say(done):
    """Once more from the table: the least violation of high priority, then of low; of all C, and of C = 2."""
    out, _ = done
    rows = rows_of(out)
    for name in TINY["policies"]:
        pilot = [row for row in rows if (row["policy"], row["phase"]) == (name, "pilot")]
        key = {
            (row["setting"], row["max_concurrency"]): (float(row["high_violation"]), float(row["low_violation"]))
            for row in pilot
        }
        best = min(key, key=key.__getitem__)
        fixed = min((each for each in key if each[1] == "2"), key=key.__getitem__)
        ran = {
            (row["setting"], row["max_concurrency"])
            for row in rows
            if (row["policy"], row["phase"]) == (name, "results")
        }
        assert ran == {best, fixed}


def test_load_is_in_the_unit_that_is_named(done):
    out, outcome = done
    (point,) = json.loads((out / "saturation.json").read_text()).values()
    assert outcome.saturations == [point]
    assert {float(row["rate_per_s"]) for row in rows_of(out)} == {0.8 * point["rate_per_s"]}
    assert {float(row["solo_load"]) for row in rows_of(out)} == {0.8 * point["solo_load"]}
    assert {row["load_unit"] for row in rows_of(out)} == {"saturation"}


def test_what_is_there_is_not_made_again(done, monkeypatch):
    out, first = done
    before = (out / "results.csv").read_bytes()
    monkeypatch.setattr("stratsim.sweep.run.saturation", None)  # nor measured
    again = run(TINY, out)
    assert (again.made, again.rows) == (0, first.rows)
    assert (out / "results.csv").read_bytes() == before


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on_in_the_midst_of_the_pilot(done, tmp_path):
    out, first = done

    def stop(finished, total):
        if finished == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(TINY, tmp_path, progress=stop)
    assert len(rows_of(tmp_path)) == 3
    assert run(TINY, tmp_path).made == len(first.rows) - 3
    assert (tmp_path / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


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


@pytest.mark.slow
def test_the_table_is_the_same_bytes_in_whatever_order_runs_end(done, tmp_path):
    out, _ = done
    with Backwards() as executor:
        run(TINY, tmp_path, executor=executor)
    assert (tmp_path / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


@pytest.mark.slow
def test_the_table_is_the_same_bytes_for_two_processes(done, tmp_path):
    out, _ = done
    run(TINY, tmp_path, jobs=2)
    assert (tmp_path / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


@pytest.mark.slow
def test_seeds_are_added_after_a_choice_too(tmp_path):
    until = {"metric": "high_violation", "half_width": 1e-9, "most": 4}
    data = {**TINY, "sweep": {**TINY["sweep"], "until": until}}
    run(data, tmp_path)
    seeds = Counter(row["seed"] for row in rows_of(tmp_path) if row["phase"] == "results")
    assert list(seeds) == ["11", "12", "13", "14"]
    assert len(set(seeds.values())) == 1


@pytest.mark.slow
def test_a_failure_is_reported_and_loses_nothing_else(tmp_path, monkeypatch):
    real = worker.run_policy

    def failing(inputs, call, policy=None, **_):
        if "max_batch=1" in call.text:
            raise RuntimeError("broken")
        return real(inputs, call, policy)

    monkeypatch.setattr(worker, "run_policy", failing)
    outcome = run(TINY, tmp_path)
    assert len(outcome.failures) == 2  # at C = 1 and C = 2, in the pilot; the other setting is chosen
    message = str(outcome.failures[0])
    assert "RuntimeError: broken" in message
    assert "load=0.8 max_concurrency=1, blind: priority-edf(max_batch=1), seed 1" in message
    assert {row["setting"] for row in outcome.rows.values() if row["policy"] == "blind"} == {
        "priority-edf(max_batch=2)"
    }


@pytest.mark.slow
def test_a_policy_that_fails_in_the_pilot_is_left_out(tmp_path, monkeypatch):
    real = worker.run_policy

    def failing(inputs, call, policy=None, **_):
        if call.text == "fifo":
            raise RuntimeError("broken")
        return real(inputs, call, policy)

    monkeypatch.setattr(worker, "run_policy", failing)
    outcome = run(TINY, tmp_path)
    assert {entry["policy"] for entry in summarise(outcome)["cells"]} == {"strait", "blind", "oracle"}


def test_only_an_oracle_that_is_to_be_told_is_told_the_truth(tmp_path):
    data = {**TINY, "policies": {"strait": {"policy": "strait(predictor=oracle)"}}}
    outcome = run(data, tmp_path)
    assert outcome.rows == {}
    assert {failure.message for failure in outcome.failures} == {
        "the oracle belief is the simulated device's truth: only an experiment can reveal it"
    }


def test_a_policy_without_an_oracle_has_nothing_to_reveal_to(tmp_path):
    outcome = run({**TINY, "policies": {"strait": {"policy": "fifo", "reveal": True}}}, tmp_path)
    assert {failure.message for failure in outcome.failures} == {
        "policy 'fifo' has no belief `oracle` to reveal the truth to"
    }


def test_a_choice_that_changes_the_rate_is_refused(tmp_path):
    """With larger batches load 1 is another rate, so the policies of a cell would not meet the same requests."""
    axes = {"profile": ["small"], "load": [0.8], "max_batch": [1, 8]}
    data = {**TINY, "axes": axes, "sweep": {"seeds": [11], "select": {"seeds": [1], "axes": ["max_batch"]}}}
    with pytest.raises(ValueError, match="select cannot choose max_batch: load 1 in the unit `saturation` depends"):
        run(data, tmp_path)


# What is reported ----------------------------------------------------------------------------------------------------


def test_the_subject_is_compared_with_every_other_policy(done):
    _, outcome = done
    summary = summarise(outcome)
    found = [each for each in summary["differences"] if (each["at"], each["figure"]) == ("best", "low_violation")]
    assert [each["policy"] for each in found] == ["blind", "oracle", "fifo"]
    best = {each["policy"]: each for each in summary["cells"] if each["at"] == "best"}

    def values(name):
        chosen = best[name]
        return [
            float(row["low_violation"])
            for row in outcome.rows.values()
            if (row["policy"], row["phase"]) == (name, "results")
            and (row["setting"], row["max_concurrency"]) == (chosen["setting"], str(chosen["max_concurrency"]))
        ]

    expected = paired_interval(values("strait"), values("fifo"))
    (fifo,) = [each for each in found if each["policy"] == "fifo"]
    assert (fifo["mean"], fifo["low"], fifo["high"]) == (expected.mean, expected.low, expected.high)
    assert fifo["p_holm"] >= fifo["p"]
    assert fifo["low_simultaneous"] <= fifo["low"]


def test_any_policy_can_be_the_subject(done, capsys):
    out, _ = done
    assert main(["sweep", "show", str(out), "--subject", "fifo"]) == 0
    shown = capsys.readouterr().out
    assert "fifo minus each other policy" in shown
    assert "None" not in shown
    assert main(["sweep", "show", str(out), "--subject", "fifi"]) == 2
    assert "no policy 'fifi'; did you mean 'fifo'?" in capsys.readouterr().err


def test_rows_can_be_had_with_the_labels_of_their_cells(done):
    _, outcome = done
    rows = labelled_rows(outcome)
    assert len(rows) == len(outcome.rows)
    assert {(row["profile"], row["load"]) for row in rows} == {("small", "0.8")}
    assert [row["phase"] for row in rows] == sorted((row["phase"] for row in rows), key=["pilot", "results"].index)


@pytest.mark.parametrize(("kept", "message"), [(None, "no cell is complete"), (1, "no cell"), (4, "no cell")])
def test_a_sweep_without_results_says_so(done, tmp_path, capsys, kept, message):
    """`kept` lines of results.csv, of which the first has the names; None: there is no file."""
    out, _ = done
    for name in ("manifest.json", "saturation.json"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    if kept is not None:
        lines = (out / "results.csv").read_text().splitlines(keepends=True)
        (tmp_path / "results.csv").write_text("".join(lines[:kept]))
    assert main(["sweep", "show", str(tmp_path)]) == 0
    assert message in capsys.readouterr().out


def test_the_plan_counts_the_pilot_and_the_results():
    plan = make_plan(make_sweep(TINY))
    pilot = 2 * (1 + 2 + 1 + 1)
    assert plan.counts() == (pilot + 4 * 2, pilot + 2 * 4 * 2)


def test_a_policy_that_fails_does_not_lose_the_plan(tmp_path, monkeypatch):
    from stratsim.errors import SpecError
    from stratsim.sweep.backends import Serial
    from stratsim.sweep.run import measure

    real = worker.run_policy

    def failing(inputs, call, policy=None, **_):
        if call.name == "fifo":
            raise SpecError("broken")
        return real(inputs, call, policy)

    monkeypatch.setattr(worker, "run_policy", failing)
    plan = make_plan(make_sweep(TINY))
    measure(plan, Serial())
    found = times(plan)
    assert {each.name: each.failure for each in found if each.failure} == {"fifo": "broken"}
    assert {each.name: each.trials for each in found} == {"strait": 2, "blind": 4, "oracle": 2, "fifo": 2}
    assert all(each.seconds > 0 for each in found if not each.failure)


# One row again --------------------------------------------------------------------------------------------------------


def test_a_row_can_be_run_again_and_explained(done, tmp_path, capsys):
    out, _ = done
    row = next(row for row in rows_of(out) if row["phase"] == "results" and row["policy"] == "oracle")
    assert main(["sweep", "replay", str(out), row["spec_sha256"][:12], "--out", str(tmp_path / "why")]) == 0
    assert "strait(predictor=oracle)" in capsys.readouterr().out
    summary = json.loads((tmp_path / "why" / "summary.json").read_text())
    for name in ("high", "low"):
        figures = summary["runs"][0]["classes"][name]
        assert [figures["arrived"], figures["dropped"]] == [int(row[f"{name}_{n}"]) for n in ("arrived", "dropped")]
        assert figures["violation"] == float(row[f"{name}_violation"])
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
    assert main(["sweep", "replay", str(out), row, "--out", str(tmp_path / "why")]) == 2
    assert f"{out}{message}" in capsys.readouterr().err
    assert not (tmp_path / "why").exists()


def test_a_beginning_that_several_rows_have_is_refused(done, tmp_path, capsys):
    """More rows than hexadecimal digits: two begin alike."""
    out, _ = done
    digit, count = Counter(row["spec_sha256"][0] for row in rows_of(out)).most_common(1)[0]
    assert main(["sweep", "replay", str(out), digit, "--out", str(tmp_path / "why")]) == 2
    assert f"{count} rows whose spec_sha256 begins with '{digit}': give more of it" in capsys.readouterr().err


@pytest.mark.parametrize("content", ['{"spec": {}}', '{"study": "s"}', "[]"])
def test_a_result_of_replay_is_no_sweep_to_show(tmp_path, capsys, content):
    (tmp_path / "manifest.json").write_text(content)
    for command in (["show", str(tmp_path)], ["replay", str(tmp_path), "3f", "--out", str(tmp_path / "why")]):
        assert main(["sweep", *command]) == 2
        assert f"{tmp_path}: there is no sweep" in capsys.readouterr().err
