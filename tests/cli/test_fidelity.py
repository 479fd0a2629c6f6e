"""`stratsim fidelity` on results of a replay, which stand in for live runs: there is no difference to be found."""

import json
import shutil
from dataclasses import replace

import pytest

import stratsim.live
from stratsim.cli import main
from stratsim.errors import ServerError
from stratsim.live import Served
from stratsim.model.codec import load_profile
from stratsim.model.write import write_profile
from stratsim.results import read_results, summarize
from stratsim.run.outcome import Outcome
from stratsim.run.replay import run_policy

pytestmark = pytest.mark.slow  # whole grids, by a stand-in for a device that takes its time


CELL = {"load", "policy", "p50_err", "p95_err", "p99_err", "violation_diff_pp"}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """A replay of the bundled workload; the tests work on copies of its folder."""
    folder = tmp_path_factory.mktemp("served") / "live"
    arguments = ["--limit", "1000", "--policy", "fifo,priority-edf", "--out", str(folder), "--quiet"]
    assert main(["replay", *arguments]) == 0
    return folder


@pytest.fixture
def served(made_once, here):
    shutil.copytree(made_once, here / "live")
    return "live"


def test_json_has_the_fields_and_nothing_differs(served, call):
    document = call("fidelity", served, "--json").document
    assert {"cells", "median"} <= document.keys()
    assert [cell["policy"] for cell in document["cells"]] == ["fifo", "priority-edf"]
    for cell in document["cells"]:
        assert cell.keys() >= CELL
        assert cell["p50_err"] == cell["p99_err"] == cell["violation_diff_pp"] == 0
    assert document["median"]["p95_err"] == 0
    (ranking,) = document["rankings"]
    assert all(metric["preserved"] for metric in ranking["metrics"])


def test_the_table_shows_every_cell(served, call):
    ran = call("fidelity", served)
    assert ran.status == 0
    for text in (
        "Level 1",
        "Executions alone (ms)",
        "Level 2",
        "Level 3",
        "Service bias",
        "median over 2 cells: p50 0.0 %",
    ):
        assert text in ran.out
    assert ran.out.count("priority-edf") >= 8


def test_report_is_the_default_command(served, call):
    assert call("fidelity", "report", served).out == call("fidelity", served).out
    assert call("fidelity", "--json", served).document == call("fidelity", served, "--json").document


def test_figures(served, call, here):
    assert (
        call("fidelity", served, "--figures", "figures").err
        == "note: one run has no noise floor: at least 5 are needed\n"
    )
    assert sorted(path.name for path in (here / "figures").glob("*.png")) == [
        f"fidelity-{name}.png" for name in ("cdf", "corunners", "errors", "slowdowns")
    ]


def test_check(served, call, here):
    """The same run of a device whose figures were another's fails, and says so by its status if asked to."""
    assert call("fidelity", served, "--check").status == 0
    known = load_profile("a100-80gb-parvagpu")
    models = {
        name: replace(entry, latency_s={size: 2 * time_s for size, time_s in entry.latency_s.items()})
        for name, entry in known.observable.models.items()
    }
    write_profile(replace(known, observable=replace(known.observable, models=models)), here / "slow.json")
    assert call("fidelity", served, "--profile", "slow.json").status == 0
    ran = call("fidelity", served, "--profile", "slow.json", "--check")
    assert ran.status == 1
    assert "is not the file that the live runs were made with" in ran.err


def test_calibrate(call, here):
    assert call("replay", "--limit", 3000, "--policy", "fifo", "--out", "live", "--quiet").status == 0
    ran = call("fidelity", "calibrate", "live", "--out", "mine.json")
    assert ran.status == 0
    assert "dispatch_s" in ran.out
    assert "live run live of 'fifo'" in (here / "mine.json").read_text()
    assert "this very run" in call("fidelity", "live", "--profile", "mine.json").err
    for more in ((), ("--latencies",)):
        ran = call("fidelity", "calibrate", "live", "--json", "--out", "other.json", *more)
        assert (ran.status, "--json says what is judged" in ran.err) == (2, True)
    assert not (here / "other.json").exists()
    assert call("replay", "--limit", 200, "--profile", "mine.json").status == 0


def test_calibrate_wants_one_policy(served, refused):
    assert "2 policies" in refused("fidelity", "calibrate", served, "--out", "mine.json")


def test_mistakes(refused, write):
    assert "no such folder" in refused("fidelity", "nowhere")
    assert "nowhere.toml: cannot be read" in refused("fidelity", "run", "nowhere.toml", "--out", "out")
    write("grid.toml", 'title = "x"\ndevice = "cpu"\nprofile = "nowhere.json"\npolicies = ["fifo"]\nloads = [0.5]\n')
    assert "nowhere.json" in refused("fidelity", "run", "grid.toml", "--out", "out")
    write("bad.toml", 'title = "x"\ndevice = "cpu"\nprofile = "p"\npolicies = ["fifo"]\nloads = [0.5]\nloadz = [1]\n')
    assert "did you mean 'loads'" in refused("fidelity", "run", "bad.toml", "--out", "out")


GRID = """
title = "stand-in"
device = "cpu"
profile = "rtx3080-disb"
policies = ["fifo", "edf"]
loads = [0.5, 0.8]
repeats = 2
seconds = 3
warmup_s = 0.1
saturation_s = 2
[quick]
policies = ["fifo"]
loads = [0.5]
repeats = 1
calibrate = false
"""


@pytest.fixture
def device(monkeypatch):
    """Have replays in the place of a device; a list of how many times it was used, and a switch for failures."""

    class Device(list):
        fails = False

    device = Device()

    def serve(inputs, target, *, keeper, say):
        device.append(target.device)
        if device.fails and len(device) > 4:
            raise ServerError("the device is gone")
        results = [run_policy(inputs, call) for call in inputs.policies]
        summaries = tuple(summarize(result) for result in results)
        return Served(Outcome(inputs, tuple(results), summaries, ()), {"status": "complete"}, None)

    monkeypatch.setattr(stratsim.live, "serve", serve)
    return device


@pytest.mark.slow
def test_run_a_grid(call, write, device, here):
    ran = call("fidelity", "run", write("grid.toml", GRID), "--out", "grid")
    assert ran.status == 0, ran
    assert device == ["cpu"] * 8
    assert "load 0.8, repeat 2 of 2: edf, fifo" in ran.err
    report = json.loads((here / "grid" / "report.json").read_text())
    assert [(cell["load"], cell["policy"], cell["repeats"]) for cell in report["cells"]] == [
        (0.5, "fifo", 2), (0.5, "edf", 2), (0.8, "fifo", 2), (0.8, "edf", 2)
    ]  # fmt: skip
    assert all(cell["verdict"] == "pass" for cell in report["cells"])
    assert (here / "grid" / "figures" / "fidelity-cdf.png").is_file()
    assert report["served"]["calibration"]["run"] == "alone"
    assert "calibration: drift, second half over first: " in ran.out
    assert call("fidelity", "grid", "--json").document["cells"] == report["cells"]
    again = call("fidelity", "run", "grid.toml", "--out", "grid", "--json", "--quiet")
    assert (again.status, again.err, len(device)) == (0, "", 8)
    assert again.document["cells"] == report["cells"]


def test_quick_is_one_cell_and_options_win(call, write, device):
    ran = call("fidelity", "run", write("grid.toml", GRID), "--out", "q", "--quick", "--device", "cuda:0", "--json")
    assert [cell["policy"] for cell in ran.document["cells"]] == ["fifo"]
    assert device == ["cuda:0"] * 2


def test_a_dry_run_says_what_would_be_and_makes_nothing(call, write, device, here):
    write("grid.toml", GRID)
    ran = call("fidelity", "run", "grid.toml", "--out", "grid", "--dry-run")
    assert ran.status == 0
    assert "runs: 2 loads x 2 policies x 2 repeats of 3 s, 8 of 8 to be made: 24 s" in ran.out
    assert "latencies as they are served: " in ran.out
    assert (device, (here / "grid").exists()) == ([], False)
    assert "1 of 1 to be made" in call("fidelity", "run", "grid.toml", "--out", "q", "--dry-run", "--quick").out


def test_runs_only_and_the_comparison_later(call, write, device, here):
    ran = call("fidelity", "run", write("grid.toml", GRID), "--out", "grid", "--runs-only")
    assert (ran.status, ran.out) == (0, "written to grid; 0 runs failed\n")
    assert not (here / "grid" / "report.json").exists()
    (here / "grid").rename(here / "elsewhere")
    assert len(call("fidelity", "elsewhere", "--json").document["cells"]) == 4


def test_a_grid_is_judged_again_by_its_report(call, write, device, here, refused):
    assert call("fidelity", "run", write("grid.toml", GRID), "--out", "grid", "--quiet").status == 0
    shutil.rmtree(here / "grid" / "runs")
    ran = call("fidelity", "again", "grid")
    assert (ran.status, ran.err) == (0, "")
    assert "Level 2 of grid: as its report has it, and with what grid teaches" in ran.out
    assert "of 4 cells meet the goal" in ran.out
    document = call("fidelity", "again", "grid", "--learn-from", "grid", "--policy", "fifo", "--json").document
    assert (document["grid"], document["learned_from"]) == ("grid", "grid")
    assert [(cell["load"], cell["policy"]) for cell in document["cells"]] == [(0.5, "fifo"), (0.8, "fifo")]
    assert [off["figure"] for off in document["cells"][0]["now"]][:2] == ["p50", "p95"]
    missed = sum(bool(cell["missed"]) for cell in document["cells"])
    assert call("fidelity", "again", "grid", "--policy", "fifo", "--check").status == int(missed > 0)
    assert "did you mean 'fifo'?" in refused("fidelity", "again", "grid", "--policy", "fifoo")
    assert "no cell of grid has it" in refused("fidelity", "again", "grid", "--policy", "fifoo")


def test_a_failing_device_leaves_what_there_is(call, write, device):
    device.fails = True
    ran = call("fidelity", "run", write("grid.toml", GRID), "--out", "grid", "--runs-only")
    assert (ran.status, ran.out) == (1, "written to grid; 4 runs failed\n")
    assert "failed: runs/load-0.5/r1: the device is gone" in ran.err
    assert "none of its runs has been made yet" in call("fidelity", "grid").err
    device.fails = False
    assert call("fidelity", "run", "grid.toml", "--out", "grid", "--runs-only", "--quiet").status == 0


def test_calibrate_takes_latencies_as_they_are_served(served, call, here):
    ran = call("replay", "--limit", 1000, "--policy", "fifo", "--out", "one", "--quiet", "--load", 0.2)
    assert ran.status == 0
    ran = call("fidelity", "calibrate", "one", "--latencies", "--out", "served.json")
    assert ran.status == 0, ran
    assert "served ms" in ran.out
    assert "drift, second half over first: " in ran.out
    origins = [entry for name, entry in load_profile(here / "served.json").provenance.items() if "latency_s" in name]
    assert any("live run one of 'fifo'" in entry.source and entry.kind == "measured" for entry in origins)


def test_results_are_left_as_they_were(served, call, here):
    before = {path.name: path.read_bytes() for path in (here / served).iterdir()}
    call("fidelity", served)
    assert {path.name: path.read_bytes() for path in (here / served).iterdir()} == before
    assert read_results(served).policies == ["fifo", "priority-edf"]
