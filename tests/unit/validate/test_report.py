"""The report: what is written, what is refused, and that it says everything."""

import csv
import json
import sys
from importlib.metadata import EntryPoint

import pytest

from stratsim.errors import MissingExtraError, OutputError
from stratsim.validate import Check, Claim, Findings, Setting, Table, check_report, plan, report, validate, write_report

FILES = ["cases.json", "cells.csv", "long.csv", "report.md"]


def drawing(monkeypatch, draw):
    """Let `draw` be what the entry point loads; None for no entry point."""

    class Point:
        load = staticmethod(lambda: draw)

    found = {} if draw is None else {"validation": Point}
    monkeypatch.setattr(report, "points", lambda group: found)


@pytest.fixture
def found():
    tables = [
        Table("cells", "Cells", ("name", "value"), [("a|b", 1.23456789), ("c, d", 2)]),
        Table("long", "Many rows", ("n",), [(n,) for n in range(30)]),
    ]
    claims = (Claim("right", 1.0, 0.1, "by hand", "ms"), Claim("wrong", 1.0, 0.1, "a | paper"))
    checks = (
        Check(claims, lambda setting: Findings([1.05, 3.0], ["close", "far"], tables)),
        Check((Claim("later", 1.0, 0.1, "a paper"),), lambda setting: Findings([1.0]), blocked="needs preemption"),
    )
    return validate(plan({"suite": checks}), Setting())


@pytest.fixture
def written(found, tmp_path, monkeypatch):
    drawing(monkeypatch, None)
    folder = tmp_path / "report"
    notes = write_report(folder, found, Setting(quick=True))
    return folder, notes


def test_the_files(written):
    folder, notes = written
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert notes == ["no figures: this copy of stratsim comes without stratsim_plots"]


def test_cases_are_those_of_the_command(written, found):
    folder, _ = written
    assert json.loads((folder / "cases.json").read_text()) == {"cases": [case.as_dict() for case in found.cases]}


def test_data_is_exact(written):
    folder, _ = written
    with (folder / "cells.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["name", "value"], ["a|b", "1.23456789"], ["c, d", "2"]]


def test_the_page_says_everything(written):
    text = (written[0] / "report.md").read_text()
    assert "1 passed, 1 failed, 1 skipped (quick: a quarter of the replications)" in text
    assert "| passed | right | ms | 1 | 1.05 | 0.05 | 0.1 | by hand | close |" in text
    assert r"| failed | wrong |  | 1 | 3 | 2 | 0.1 | a \| paper | error beyond the tolerance; far |" in text
    assert "| skipped | later |  | 1 | - | - | 0.1 | a paper | needs preemption |" in text
    assert r"| a\|b | 1.235 |" in text
    assert "Data: [long.csv](long.csv), 30 rows." in text
    assert "| 17 |" not in text
    assert "Note: no figures" in text


def test_figures_are_shown_beside_their_data(found, tmp_path, monkeypatch):
    calls = []

    def draw(folder, names):
        calls.append((folder, list(names)))
        return {"cells": ["cells.png", "cells.svg"]}

    drawing(monkeypatch, draw)
    assert write_report(tmp_path / "report", found, Setting()) == []
    assert calls == [(tmp_path / "report", ["cells", "long"])]
    text = (tmp_path / "report" / "report.md").read_text()
    assert "![Cells](cells.png)" in text
    assert "svg" not in text


def test_without_matplotlib_the_report_says_what_to_install(found, tmp_path, monkeypatch):
    def draw(folder, names):
        raise MissingExtraError("matplotlib", "plots")

    drawing(monkeypatch, draw)
    (note,) = write_report(tmp_path / "report", found, Setting())
    assert "matplotlib is not installed" in note
    assert "pip install 'stratsim[plots]'" in note
    assert (tmp_path / "report" / "cells.csv").is_file()


def test_the_entry_point_is_ours():
    point = EntryPoint("validation", "stratsim_plots.validation:draw", "stratsim.figures")
    assert point.load() is sys.modules["stratsim_plots.validation"].draw
    assert report.points("stratsim.figures")["validation"].value == point.value


def test_an_earlier_report_is_replaced_and_other_files_stay(written, found):
    folder, _ = written
    (folder / "notes.txt").write_text("mine")
    (folder / "report.md").write_text("old")
    write_report(folder, found, Setting())
    assert (folder / "notes.txt").read_text() == "mine"
    assert "all replications" in (folder / "report.md").read_text()
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "notes.txt"])


def test_what_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file: .* is not a folder"):
        check_report(tmp_path / "file")
    with pytest.raises(OutputError, match=r"holds files but no earlier report \(cases.json\)"):
        check_report(tmp_path)
    with pytest.raises(OutputError, match=r"report: '.*file' is not a folder"):
        check_report(tmp_path / "file" / "report")
    (tmp_path / "empty").mkdir()
    check_report(tmp_path / "empty")
    check_report(tmp_path / "new" / "report")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_to_is_named(found, tmp_path, monkeypatch):
    drawing(monkeypatch, None)

    def fails(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "_write_csv", fails)
    with pytest.raises(OutputError, match=r"cells\.csv: cannot be written: No space left on device"):
        write_report(tmp_path / "report", found, Setting())
    assert list((tmp_path / "report").iterdir()) == []
