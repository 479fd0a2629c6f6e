"""`stratsim fidelity` on results of a replay, which stand in for live runs: there is no difference to be found."""

import json

import pytest

from stratsim.export import read_results

CELL = {"load", "policy", "p50_err", "p95_err", "p99_err", "violation_diff_pp"}


@pytest.fixture
def served(call):
    """A replay of the bundled workload; returns its folder."""
    assert call("replay", "--limit", 3000, "--policy", "fifo,priority-edf", "--out", "live", "--quiet").status == 0
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
    for text in ("Level 1", "Level 2", "Level 3", "Service bias", "median over 2 cells: p50 0.0 %"):
        assert text in ran.out
    assert ran.out.count("priority-edf") >= 8


def test_report_is_the_default_command(served, call):
    assert call("fidelity", "report", served).out == call("fidelity", served).out
    assert call("fidelity", "--json", served).document == call("fidelity", served, "--json").document


def test_figures(served, call, here):
    assert call("fidelity", served, "--figures", "figures").err == ""
    assert sorted(path.name for path in (here / "figures").glob("*.png")) == [
        f"fidelity-{name}.png" for name in ("cdf", "corunners", "errors", "slowdowns")
    ]


def test_check(served, call, here):
    """The same run of a device whose figures were another's fails, and says so by its status if asked to."""
    profile = json.loads((here / "slow.json").read_text()) if (here / "slow.json").exists() else None
    assert profile is None
    assert call("fidelity", served, "--check").status == 0
    from dataclasses import replace

    from stratsim.model.codec import load_profile
    from stratsim.model.write import write_profile

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
    assert call("replay", "--limit", 200, "--profile", "mine.json").status == 0


def test_calibrate_wants_one_policy(served, refused):
    assert "2 policies" in refused("fidelity", "calibrate", served, "--out", "mine.json")


def test_mistakes(refused, write):
    assert "no such folder" in refused("fidelity", "nowhere")
    assert "nowhere.toml: cannot be read" in refused("fidelity", "run", "nowhere.toml", "--out", "out")
    write("grid.toml", 'title = "x"\ndevice = "cpu"\nprofile = "nowhere.json"\npolicies = ["fifo"]\nloads = [0.5]\n')
    assert "nowhere.json" in refused("fidelity", "run", "grid.toml", "--out", "out")
    write("bad.toml", 'title = "x"\ndevice = "cpu"\nprofile = "p"\npolicies = ["fifo"]\nload = [0.5]\n')
    assert "did you mean 'loads'" in refused("fidelity", "run", "bad.toml", "--out", "out")


def test_results_are_left_as_they_were(served, call, here):
    before = {path.name: path.read_bytes() for path in (here / served).iterdir()}
    call("fidelity", served)
    assert {path.name: path.read_bytes() for path in (here / served).iterdir()} == before
    assert read_results(served).policies == ["fifo", "priority-edf"]
