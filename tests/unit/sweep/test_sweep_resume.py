"""Sweeps that are interrupted, killed, run again or share a folder: no run is lost, none is made twice."""

import json
import multiprocessing
import re

import pytest

from stratsim.errors import OutputError
from stratsim.sweep import read_sweeps, summarise
from stratsim.sweep import table as table_module
from tests.unit.sweep.tiny import TINY, rows_of, run


def test_what_is_there_is_not_made_again(done):
    out, _ = done
    before = (out / "results.csv").read_bytes()
    assert run(TINY, out).made == 0
    assert (out / "results.csv").read_bytes() == before


def test_an_interrupted_sweep_loses_the_run_in_flight_alone(done, tmp_path):
    out, _ = done

    def stop(finished, total):
        if finished == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(TINY, tmp_path, progress=stop)
    with (tmp_path / "results.csv").open("a") as file:
        file.write("3f2a9c,fi")  # as a process that is killed leaves it
    assert run(TINY, tmp_path).made == 12 - 5
    assert (tmp_path / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


@pytest.mark.slow
def test_a_killed_process_loses_no_run_and_doubles_none(done, tmp_path):
    out, _ = done

    def kill(finished, total):
        if finished == 3:
            multiprocessing.active_children()[0].kill()

    assert run(TINY, tmp_path, jobs=2, progress=kill).made == 12
    assert (tmp_path / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    run(TINY, tmp_path)
    (tmp_path / ".results.csv.0123abcd.tmp").write_text("spec_")
    (tmp_path / ".notes.1.tmp").write_text("mine")
    run(TINY, tmp_path)
    assert [file.name for file in tmp_path.glob(".*.tmp")] == [".notes.1.tmp"]


@pytest.mark.slow
def test_two_sweeps_share_a_folder(done, tmp_path):
    out, _ = done
    wider = {**TINY, "axes": {**TINY["axes"], "load": [1.1, 1.3]}}
    assert run(TINY, tmp_path).made == 12
    second = run(wider, tmp_path)
    assert (second.made, len(second.rows), len(rows_of(tmp_path))) == (6, 12, 18)
    assert run(TINY, tmp_path).made == 0
    assert (tmp_path / "results.csv").read_text().startswith((out / "results.csv").read_text())
    assert [len(each.rows) for each in read_sweeps(tmp_path)] == [12, 12]


@pytest.mark.slow
def test_the_order_does_not_depend_on_which_of_two_sweeps_was_interrupted(tmp_path):
    wider = {**TINY, "axes": {**TINY["axes"], "load": [1.1, 1.3]}}

    def stop(finished, total):
        if finished == 2:
            raise KeyboardInterrupt

    for data in (TINY, wider):
        run(data, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(TINY, tmp_path / "parts", progress=stop)
    for data in (wider, TINY):
        run(data, tmp_path / "parts")
    assert (tmp_path / "parts" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


def test_rows_of_other_code_are_not_continued(done, tmp_path, monkeypatch):
    run(TINY, tmp_path)
    monkeypatch.setattr(table_module, "code_sha256", lambda code: "other")
    with pytest.raises(OutputError, match="made by other code than this; --fresh starts anew"):
        run(TINY, tmp_path)
    made = json.loads((tmp_path / "manifest.json").read_text())["code_sha256"]
    kept = [f"code {made[:12]}"]
    trusted = run(TINY, tmp_path, trust=True)
    assert (trusted.made, trusted.kept) == (0, kept)
    note = f"the folder keeps rows made with {kept[0]}: runs may differ by that alone"
    assert summarise(trusted)["notes"] == [note]
    assert run(TINY, tmp_path).kept == kept, "it is the same code now, and the rows are still the other's"
    (again,) = read_sweeps(tmp_path)
    assert summarise(again)["notes"] == [note]
    fresh = run(TINY, tmp_path, fresh=True)
    assert (fresh.made, fresh.kept) == (12, [])


@pytest.mark.parametrize("content", ['{"spec": {}}', '{"study": 1}', "[]", "not JSON"])
def test_a_folder_of_something_else_is_left_alone(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(OutputError, match="exists already and is not a sweep's folder"):
        run(TINY, tmp_path, fresh=True)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("manifest.json", content)]


@pytest.mark.parametrize(
    ("manifest", "number"),
    [
        ({"sweep_format": 2, "stratsim_version": "9.9", "sweeps": []}, "2, made by stratsim 9.9"),
        ({"study": {}, "stratsim_version": "0.1"}, "none, made by stratsim 0.1"),
        ({"sweeps": []}, "none, made by stratsim of another version"),
    ],
)
def test_a_folder_of_another_format_is_refused_by_name_and_left_alone(tmp_path, manifest, number):
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for use in (lambda: run(TINY, tmp_path, fresh=True), lambda: read_sweeps(tmp_path)):
        with pytest.raises(OutputError, match=f"is a sweep's folder of format {re.escape(number)}; .* another folder"):
            use()
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest


def test_the_folder_says_what_its_columns_are(done):
    """Every column of the table is said to be something, or names the run."""
    out, _ = done
    found = json.loads((out / "manifest.json").read_text())
    about = found["table"]
    assert (found["sweep_format"], about["axes"], about["choices"]) == (1, ["load"], ["setting"])
    others = {"spec_sha256", "policy", "phase", "seed", "rate_per_s", "solo_load", "cpu", "values_sha256", "row_sha256"}
    hashes = {f"{name}_sha256" for name in ("profile", "trace", "topology", "policy", "belief")}
    said = {*about["axes"], *about["conditions"], *about["choices"], *about["figures"]}
    assert {*rows_of(out)[0]} == said | others | hashes


@pytest.mark.slow
def test_one_process_at_a_time_writes_to_a_folder(tmp_path):
    pytest.importorskip("fcntl", reason="needs POSIX locks")

    def again(finished, total):
        with pytest.raises(OutputError, match="another process is running this sweep"):
            run(TINY, tmp_path)

    assert run(TINY, tmp_path, progress=again).made == 12


@pytest.mark.usefixtures("_all_was_typed")
def test_a_failure_is_reported_and_loses_nothing_else(tmp_path):
    file = tmp_path / "failing.py"
    file.write_text(
        "from stratsim.policy.queueing import Fifo\n\n"
        "class Failing(Fifo):\n    def decide(self, view):\n        raise RuntimeError('broken')\n"
    )
    until = {"metric": "high_violation", "half_width": 1e-9, "most": 9}
    data = {**TINY, "sweep": {"seeds": [1, 2], "until": until}, "axes": {"policy": [f"{file}:Failing", "fifo"]}}
    outcome = run(data, tmp_path / "out")
    assert (len(outcome.rows), len(outcome.failures)) == (2, 2)  # no more seeds for an interval that cannot be had
    assert "broken" in str(outcome.failures[0])
    assert "seed 1" in str(outcome.failures[0])
