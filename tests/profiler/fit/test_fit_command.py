"""`stratsim profile fit`: what it writes, what it says, and that bad input leaves nothing behind."""

import json

import pytest

from stratsim.cli import main
from stratsim.model.codec import load_profile
from stratsim_profiler.samples import Done
from stratsim_profiler.store import encode_line

pytestmark = pytest.mark.slow  # fits and draws, again and again


@pytest.fixture
def samples(make_bench, tmp_path):
    bench = make_bench(3, seed=2, noise=0.02, demand=(0.5, 0.9))
    bench.measure_models()
    bench.measure_transfers()
    bench.measure_design()
    found = bench.samples()
    path = tmp_path / "samples.jsonl"
    lines = [encode_line(record) for record in (found.header, *found.records, Done("all", 1.0))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_profile_and_report_are_written(samples, tmp_path, capsys):
    out, report = tmp_path / "mine.json", tmp_path / "mine.html"
    assert main(["profile", "fit", str(samples), "--out", str(out), "--report", str(report), "--starts", "2"]) == 0
    said = capsys.readouterr()
    assert load_profile(out).name == "mine"
    assert report.read_text().startswith("<!DOCTYPE html>")
    assert f"{out}: profile 'mine'" in said.err
    assert said.out.startswith(("Good fit", "BAD FIT"))
    assert "leave-one-pair-out: streams" in said.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.html", "mine.json", "samples.jsonl"]


def test_json_is_one_object(samples, capsys):
    assert main(["profile", "fit", str(samples), "--json", "--starts", "2"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["sharing"]["anchor"] == data["sharing"]["anchor"]
    assert set(data["sharing"]["demand"]) == {"m0 x1", "m1 x1", "m2 x1"}


def test_a_name_wins_over_the_file_s(samples, tmp_path):
    out = tmp_path / "mine.json"
    assert main(["profile", "fit", str(samples), "--out", str(out), "--name", "other", "--starts", "1"]) == 0
    assert load_profile(out).name == "other"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{dir}/absent.jsonl"], "absent.jsonl: cannot be read: No such file or directory"),
        (["{dir}/empty.jsonl"], "empty.jsonl: the file is empty"),
        (["{dir}/junk.jsonl"], "junk.jsonl: line 1: not valid JSON"),
        (["{dir}/samples.jsonl", "--out", "{dir}/samples.jsonl"], "exists already; --overwrite replaces it"),
        (["{dir}/samples.jsonl", "--out", "{dir}"], "is a directory"),
        (["{dir}/samples.jsonl", "--report", "{dir}/junk.jsonl/x.html"], "junk.jsonl' is not a folder"),
        (["{dir}/samples.jsonl", "--starts", "0"], "0 is not in the range"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(samples, tmp_path, capsys, arguments, message):
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "junk.jsonl").write_text("junk\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["profile", "fit", *(part.format(dir=tmp_path) for part in arguments)]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_is_replaced_when_asked_to(samples, tmp_path):
    out = tmp_path / "mine.json"
    out.write_text("old")
    assert main(["profile", "fit", str(samples), "--out", str(out), "--overwrite", "--starts", "1"]) == 0
    assert load_profile(out).name == "mine"


def test_figures_are_written_by_name_and_not_over_others(samples, tmp_path, capsys):
    folder = tmp_path / "figures" / "mine"
    assert main(["profile", "fit", str(samples), "--figures", str(folder), "--starts", "1"]) == 0
    names = {path.name for path in folder.iterdir()}
    assert {"solo.png", "transfers.png", "pairs.png", "errors.png", "kernel-waits.png"} <= names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())
    assert main(["profile", "fit", str(samples), "--figures", str(folder), "--starts", "1"]) == 2
    assert "exists already" in capsys.readouterr().err
