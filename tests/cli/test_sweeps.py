"""Sweeps from the command line: the example, what is printed, and a driver that is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stratsim import bundled
from stratsim.cli import main
from stratsim.run.spec import read_config

EXAMPLE = bundled.find("experiments", "sweep-loads")
SWEEP = """
title = "many short runs"

[sweep]
seeds = [1, 2, 3, 4, 5, 6, 7, 8]

[base]
profile = "asymmetric-six"

[arrivals]
requests = 800

[axes]
load = [0.8, 1.5, 2.0]
policy = ["fifo", "edf", "priority-edf"]
"""
SMALL = ("--set", "arrivals.requests=50", "--set", "sweep.seeds=[1, 2]")
RUNS = 8 * 3 * 3


def rows(folder):
    path = Path(folder) / "results.csv"
    return path.read_text().count("\n") - 1 if path.exists() else 0


@pytest.mark.slow
def test_the_example_runs_in_two_processes(call):
    ran = call("sweep", "run", EXAMPLE, "--out", "out", "--jobs", 2)
    assert (ran.status, ran.err) == (0, "")
    data = read_config(EXAMPLE)
    least = len(data["axes"]["load"]) * 4 * len(data["sweep"]["seeds"])
    assert least < rows("out") <= least // len(data["sweep"]["seeds"]) * data["sweep"]["until"]["most"]
    (summary,) = json.loads(Path("out/summary.json").read_text())["sweeps"]
    assert {entry["cell"]["load"] for entry in summary["cells"]} == set(data["axes"]["load"])
    for entry in summary["cells"]:
        figure = entry["figures"]["high_violation"]
        narrow = (figure["high"] - figure["low"]) / 2 <= data["sweep"]["until"]["half_width"]
        assert narrow or entry["seeds"] == data["sweep"]["until"]["most"]


def test_a_sweep_can_be_planned(call, write):
    ran = call("sweep", "plan", write("sweep.toml", SWEEP), "--jobs", 2, "--set", "arrivals.requests=100")
    assert ran.status == 0
    assert f"cells 3, runs {RUNS}\n" in ran.out
    assert re.search(r"about \d+ s with 2 jobs", ran.out)
    counted = call("sweep", "plan", "sweep.toml", "--no-time", "--set", "sweep.seeds=[1]")
    assert "cells 3, runs 9\n" in counted.out
    assert "about" not in counted.out


def test_what_was_found_is_shown_again(call, write):
    ran = call("sweep", "run", write("sweep.toml", SWEEP), "--out", "out", *SMALL)
    assert ran.status == 0
    assert ran.out.endswith("18 runs made, 0 failed, 18 rows; written to out\n")
    shown = call("sweep", "show", "out")
    assert shown.status == 0
    assert ran.out.startswith(shown.out)
    document = call("sweep", "show", "out", "--json").document
    assert document == json.loads(Path("out/summary.json").read_text())


def test_resume_needs_the_folder_alone(call, write):
    call("sweep", "run", write("sweep.toml", SWEEP), "--out", "out", *SMALL)
    before = Path("out/results.csv").read_bytes()
    lines = before.splitlines(keepends=True)
    Path("out/results.csv").write_bytes(b"".join(lines[:5]) + lines[7][:30])
    Path("sweep.toml").unlink()
    ran = call("sweep", "resume", "out")
    assert ran.out.endswith("14 runs made, 0 failed, 18 rows; written to out\n")
    assert Path("out/results.csv").read_bytes() == before


OWN_BESIDE_EDF = """
title = "mine beside edf"

[sweep]
seeds = [1, 2, 3]
subject = "mine.py:Mine"

[base]
profile = "asymmetric-six"

[arrivals]
requests = 300

[axes]
load = [1.2]
policy = ["mine.py:Mine", "edf"]
"""


def test_a_policy_of_ones_own_is_compared_with_the_others(call, write, policy_file):
    """The subject of a sweep is any policy; what is printed is its difference to each other one, with intervals."""
    policy_file("mine.py")
    ran = call("sweep", "run", write("own.toml", OWN_BESIDE_EDF), "--out", "out")
    assert ran.status == 0
    assert "mine.py:Mine minus each other policy" in ran.out
    assert "None" not in ran.out
    (line,) = [each for each in ran.out.splitlines() if "edf" in each and "high_violation" in each]
    assert re.fullmatch(r"1\.2 +edf +high_violation +[+-][\d.e-]+ +\[[+-][\d.e-]+, [+-][\d.e-]+\] +[\d.e-]+", line)
    (summary,) = call("sweep", "show", "out", "--json").document["sweeps"]
    found = {each["figure"]: each for each in summary["differences"]}
    means = {each["policy"]: each["figures"]["high_violation"]["mean"] for each in summary["cells"]}
    assert found["high_violation"]["mean"] == pytest.approx(means["mine.py:Mine"] - means["edf"])


@pytest.mark.slow
def test_a_row_can_be_repeated_with_all_of_its_requests(call, write):
    call("sweep", "run", write("sweep.toml", SWEEP), "--out", "out", *SMALL)
    row = dict(zip(*(line.split(",") for line in Path("out/results.csv").read_text().splitlines()[:2]), strict=False))
    ran = call("sweep", "replay", "out", row["spec_sha256"][:12], "--out", "why")
    assert ran.status == 0
    assert "fifo at C = 2, seed 1" in ran.out
    (found,) = json.loads(Path("why/summary.json").read_text())["runs"]
    assert found["classes"]["high"]["arrived"] + found["classes"]["low"]["arrived"] == 50


@pytest.mark.slow
def test_a_row_that_the_file_asked_for_before_it_was_changed_can_be_repeated_too(call, write):
    call("sweep", "run", write("sweep.toml", SWEEP), "--out", "out", *SMALL)
    row = Path("out/results.csv").read_text().splitlines()[1].partition(",")[0]
    call("sweep", "run", "sweep.toml", "--out", "out", *SMALL, "--set", "load=[0.3]")
    assert call("sweep", "replay", "out", row, "--out", "why").status == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("run", "sweep.toml", "--out", "out", "--quick"), "sweep.toml: has no table [quick]; --set changes it"),
        (("run", "no.toml", "--out", "out"), "no.toml: Object missing required field `sweep` - at $"),
        (
            ("run", "sweep.toml", "--out", "out", "--set", "sweep.subject=edff"),
            "sweep.toml: no policy 'edff'; did you mean 'edf'? - at $.sweep.subject",
        ),
        (("run", "sweep.toml", "--out", "out", "--set", "lod=1"), "sweep.toml: unknown field 'lod'"),
        (("run", "sweep.toml", "--out", "out", "--set", "load=0"), "load must be > 0"),
        (("plan", "sweep.toml", "--set", "base.seed=1"), "sweep.toml: seeds are said in [sweep] - at $.base"),
        (("resume", "nowhere"), "nowhere: there is no sweep"),
        (("show", "nowhere"), "nowhere: there is no sweep"),
    ],
)
def test_what_cannot_be_is_one_line(refused, write, argv, message):
    write("sweep.toml", SWEEP)
    write("no.toml", 'title = "no sweep"\n')
    assert message in refused("sweep", *argv)


def _children(pid):
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(each) for each in path.read_text().split()]
    return found


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("options", [(), ("--dask", "local")], ids=["processes", "dask"])
def test_a_killed_driver_loses_the_runs_in_flight_alone(call, write, options):
    """SIGKILL in the midst of it: no process goes on, and resuming gives the bytes of a sweep that nobody touched."""
    if options:
        pytest.importorskip("distributed", reason="needs Dask: pip install 'stratsim[dask]'")
    file = write("sweep.toml", SWEEP)
    assert main(["sweep", "run", file, "--out", "whole"]) == 0
    code = "import sys; from stratsim.cli import main\nif __name__ == '__main__': sys.exit(main(sys.argv[1:]))"
    argv = ["sweep", "run", file, "--out", "killed", "--jobs", "2", *options]
    driver = subprocess.Popen([sys.executable, "-c", code, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 90
        while rows("killed") < 10 and driver.poll() is None and time.monotonic() < give_up:
            time.sleep(0.002)
        workers = _children(driver.pid)
        os.kill(driver.pid, signal.SIGKILL)
    finally:
        driver.kill()
        driver.wait()
    done = rows("killed")
    assert 10 <= done < RUNS, "it was not killed in the midst of it"
    assert len(workers) >= 2
    give_up = time.monotonic() + 30
    while any(map(_is_alive, workers)) and time.monotonic() < give_up:
        time.sleep(0.02)
    assert not any(map(_is_alive, workers))
    assert rows("killed") == done
    ran = call("sweep", "resume", "killed", "--jobs", 2)
    assert f"{RUNS - done} runs made, 0 failed, {RUNS} rows" in ran.out
    assert Path("killed/results.csv").read_bytes() == Path("whole/results.csv").read_bytes()


CHANGING = """
title = "a profile of one's own, which changes"

[sweep]
seeds = [1, 2]

[base]
profile = "mine.json"
load = 0.9

[arrivals]
requests = 60

[axes]
policy = ["fifo", "edf"]
"""


class TestOnlyWhatIsAskedForNow:
    """A folder keeps the rows of a profile as it was; whoever reads it gets those of the profile as it is."""

    @pytest.fixture
    def changed(self, call, write):
        profile = json.loads(bundled.find("profiles", "asymmetric-six").read_text())
        write("mine.json", json.dumps(profile))
        call("sweep", "run", write("sweep.toml", CHANGING), "--out", "out")
        before = json.loads(call("compare", "out", "--json").out)
        profile["observable"]["pcie"]["h2d"]["bytes_per_s"] /= 100
        write("mine.json", json.dumps(profile))
        call("sweep", "run", "sweep.toml", "--out", "out")
        assert rows("out") == 8
        return before

    def test_compare_takes_the_new_rows_and_says_so(self, call, changed):
        after = json.loads(call("compare", "out", "--json").out)
        assert after["notes"] == ["4 rows of another profile left out; --rows all has them"]
        assert after["seeds"] == changed["seeds"]
        assert [row["cell"] for row in after["rows"]] == [row["cell"] for row in changed["rows"]]
        assert after["rows"] != changed["rows"]

    @pytest.mark.slow
    def test_all_rows_are_told_apart_by_a_condition_with_a_name(self, call, changed):
        every = json.loads(call("compare", "out", "--rows", "all", "--json").out)
        cells = {row["cell"] for row in every["rows"]}
        assert len(cells) == 2
        assert all(re.fullmatch(r"profile version [0-9a-f]{8}", cell) for cell in cells)

    @pytest.mark.slow
    def test_so_does_a_figure(self, call, changed):
        pytest.importorskip("matplotlib")
        ran = call("plot", "out", "--kind", "equity", "--out", "equity.png")
        assert "note: 4 rows of another profile left out" in ran.err
        assert Path("equity.csv").read_text().count("\n") == 5
        assert "sha256" not in Path("equity.csv").read_text()

    def test_rows_of_folders_cannot_be_chosen(self, refused):
        assert "--rows chooses among the runs of a sweep" in refused("compare", "a", "--rows", "all")
