"""A sweep's file that was edited: what it asked for before is kept, and is not what is compared and drawn."""

import json

import pytest

from stratsim.cli import main
from stratsim.compare.sweep import read_sweep

SWEEP = """
title = "before"

[sweep]
seeds = [1, 2]

[base]
profile = "asymmetric-six"

[arrivals]
requests = 40

[axes]
load = [{loads}]
policy = ["fifo", "edf"]
"""


@pytest.fixture
def edited(tmp_path):
    for loads in ("0.4, 0.6", "0.6, 0.8"):
        run(tmp_path, loads)
    return tmp_path / "out"


def run(folder, loads):
    (folder / "sweep.toml").write_text(SWEEP.format(loads=loads))
    assert main(["sweep", "run", str(folder / "sweep.toml"), "--out", str(folder / "out"), "--quiet"]) == 0


@pytest.mark.slow
def test_rows_of_the_file_as_it_was_are_left_out_and_can_be_had(edited, capsys):
    table = read_sweep(edited)
    assert sorted(set(table.frame["load"])) == ["0.6", "0.8"]
    assert table.notes == ("4 rows that the sweep does not ask for now left out; --rows all has them",)
    assert sorted(set(read_sweep(edited, rows="all").frame["load"])) == ["0.4", "0.6", "0.8"]
    capsys.readouterr()
    shown = []
    for asked in ((), ("--rows", "all")):
        assert main(["sweep", "show", str(edited), "--json", *asked]) == 0
        shown.append(json.loads(capsys.readouterr().out)["sweeps"])
    assert [len(each) for each in shown] == [1, 2]
    assert {entry["cell"]["load"] for entry in shown[0][0]["cells"]} == {0.6, 0.8}
    assert json.loads((edited / "summary.json").read_text())["sweeps"] == shown[0]


@pytest.mark.parametrize("content", ["[]", '{"sweeps": [1]}', '{"sweeps": [{}]}', "not JSON"])
def test_a_summary_that_is_not_ours_is_made_anew(edited, content):
    (edited / "summary.json").write_text(content)
    run(edited.parent, "0.6, 0.8")
    (found,) = json.loads((edited / "summary.json").read_text())["sweeps"]
    assert len(found["cells"]) == 4


@pytest.mark.slow
def test_the_file_as_it_was_again_asks_for_its_rows_again(edited, capsys):
    run(edited.parent, "0.4, 0.6")
    assert sorted(set(read_sweep(edited).frame["load"])) == ["0.4", "0.6"]
    assert main(["sweep", "resume", str(edited), "--quiet"]) == 0
    assert sorted(set(read_sweep(edited).frame["load"])) == ["0.4", "0.6"]
    capsys.readouterr()


def test_another_file_shares_the_folder(edited):
    other = edited.parent / "other.toml"
    other.write_text(SWEEP.format(loads="1.0"))
    assert main(["sweep", "run", str(other), "--out", str(edited), "--quiet"]) == 0
    assert sorted(set(read_sweep(edited).frame["load"])) == ["0.6", "0.8", "1.0"]
