"""Sweeps: what their folder names is not run, what was edited in it is found, and nothing is written beside it."""

import csv
import json

import pytest

from stratsim.cli import main
from stratsim.errors import OutputError, SpecError
from stratsim.model.write import file_name
from stratsim.results.sweep_rows import checksum, read_rows
from stratsim.sweep import load_sweep
from stratsim.sweep.environment import versions

FILE = """
title = "t"
[sweep]
seeds = [1, 2]
[base]
profile = "asymmetric-six"
policy = {policy}
[arrivals]
requests = 30
[axes]
load = [0.5]
"""


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """A sweep's folder."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "sweep.toml").write_text(FILE.format(policy='"fifo,edf"'))
    assert main(["sweep", "run", str(folder / "sweep.toml"), "--out", str(folder / "sweep"), "--quiet"]) == 0
    return folder / "sweep"


@pytest.fixture
def store(swept, tmp_path, marker):
    """A copy of it that names the marker as a policy, with checksums that fit."""
    folder = tmp_path / "sweep"
    folder.mkdir()
    manifest = (swept / "manifest.json").read_text().replace('"fifo,edf"', json.dumps(f"fifo,{marker('P')}"))
    (folder / "manifest.json").write_text(manifest)
    rows = [[marker("P") if cell == "edf" else cell for cell in row] for row in table(swept)]
    write(folder, [rows[0], *([*row[:-1], checksum(row[:-1])] for row in rows[1:])])
    return folder


def table(folder):
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.reader(file))


def write(folder, rows):
    with (folder / "results.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


READING = [
    ["sweep", "show", "{store}"],
    ["compare", "{store}"],
    ["plot", "{store}", "--kind", "equity", "--out", "f.png"],
    ["plot", "{store}", "--kind", "differences", "--out", "f.png"],
    ["plot", "{store}", "--kind", "heatmap", "--x", "load", "--y", "profile", "--out", "f.png"],
    ["explain", "{store}", "--summary"],
    ["report", "{store}", "--out", "page.html"],
]


@pytest.mark.slow_cases("plot {store} --kind differences", "plot {store} --kind equity")
@pytest.mark.parametrize("argv", READING, ids=lambda argv: " ".join(argv[:4]))
def test_reading_a_store_runs_nothing_that_it_names(run, store, marker, argv):
    status, _, err = run(*(arg.format(store=store) for arg in argv))
    assert not marker.ran
    assert status in (0, 2)
    assert "Traceback" not in err


def test_showing_a_store_needs_no_code(run, store, marker):
    status, out, _ = run("sweep", "show", store)
    assert status == 0
    assert "fifo" in out
    assert not marker.ran


@pytest.mark.parametrize("command", ["resume", "replay"])
def test_running_a_store_again_names_the_file_and_needs_a_word(run, store, marker, command):
    argv = ["sweep", command, store, *([table(store)[1][0], "--out", "again"] if command == "replay" else [])]
    status, _, err = run(*argv)
    assert (status, marker.ran) == (2, False)
    assert err.startswith(f"stratsim: policy '{marker('P')}' is code in a file")
    assert "--allow-code" in err
    run(*argv, "--allow-code")
    assert marker.ran


@pytest.mark.slow_cases("processes")
@pytest.mark.parametrize("how", [[], ["--jobs", "2"]], ids=["here", "processes"])
def test_a_sweep_of_the_users_own_runs_his_policy(run, tmp_path, marker, how):
    (tmp_path / "sweep.toml").write_text(FILE.format(policy=json.dumps(marker("P"))))
    assert run("sweep", "run", tmp_path / "sweep.toml", "--out", "own", "--quiet", *how)[0] == 0
    assert marker.ran


def changed(swept, tmp_path, change):
    rows = table(swept)
    change(rows)
    write(tmp_path, rows)
    return tmp_path / "results.csv"


def cell(name, value, row=1, *, fits=False):
    def change(rows):
        rows[row][rows[0].index(name)] = value
        if fits:
            rows[row][-1] = checksum(rows[row][:-1])

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cell("high_violation", "0.123"), r"row 1 \(spec_sha256 \w{12}\) is not as it was written"),
        (cell("seed", "7", row=2), r"row 2 .* is not as it was written"),
        (cell("high_violation", "-7", fits=True), "row 1 .*: high_violation is -7, which is no share"),
        (cell("high_p99_s", "=1+1", fits=True), "row 1 .*: high_p99_s is '=1\\+1', which is no number"),
        (cell("high_p99_s", "nan", fits=True), "row 1 .*: high_p99_s is 'nan', which is no number"),
        (lambda rows: rows.append(rows[1]), "row 5 .* comes twice"),
        (lambda rows: rows[1].pop(), "row 1 .* has .* cells, the table has"),
    ],
)
def test_an_edited_row_is_found_and_named(swept, tmp_path, change, said):
    figures = json.loads((swept / "manifest.json").read_text())["table"]["figures"]
    with pytest.raises(OutputError, match=f"results.csv: {said}"):
        read_rows(changed(swept, tmp_path, change), figures)


def test_a_row_says_where_it_was_made(swept):
    head, *rows = table(swept)
    for row in rows:
        found = dict(zip(head, row, strict=True))
        assert {name: found[name] for name in versions()} == versions()
        assert found["cpu"]
        assert len(found["values_sha256"]) == 64


def test_rows_of_other_versions_are_not_continued_unnoticed(run, swept, tmp_path):
    folder = tmp_path / "sweep"
    folder.mkdir()
    manifest = json.loads((swept / "manifest.json").read_text())
    manifest["environment"]["numpy"] = "1.0"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "results.csv").write_bytes((swept / "results.csv").read_bytes())
    status, _, err = run("sweep", "resume", folder)
    assert status == 2
    assert f"made with numpy 1.0, and this is {versions()['numpy']}" in err


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", "a/b", "", "x" * 1000, "\x00", "\udcff"])
def test_no_name_leaves_its_folder(tmp_path, name):
    path = tmp_path / file_name(name, ".json")
    path.write_text("x")
    assert path.resolve().parent == tmp_path.resolve()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_profile_of_the_sweeps_own_stays_in_the_folder(run, tmp_path):
    text = FILE.format(policy='"fifo"').replace('"asymmetric-six"', '"../../x"')
    text += '\n[profiles."../../x"]\nbase = "asymmetric-six"\n'
    (tmp_path / "sweep.toml").write_text(text)
    status, _, err = run("sweep", "run", tmp_path / "sweep.toml", "--out", "deep/down/sweep", "--quiet")
    assert status == 0, err
    made = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.json")}
    assert made == {"deep"}


def test_a_plan_is_counted_before_it_is_made(tmp_path):
    axes = "\n".join(f'"settings.a{n}" = {list(range(1, 101))}' for n in range(6))
    policy = ", ".join(f"a{n}={{a{n}}}" for n in range(6))
    text = FILE.format(policy=f'"edf({policy})"') + axes
    (tmp_path / "sweep.toml").write_text(text)
    with pytest.raises(SpecError, match="have 1000000000000 combinations, and at most 1000000 can be planned"):
        load_sweep(tmp_path / "sweep.toml")
