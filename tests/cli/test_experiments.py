"""The run specifications and sweeps that come with stratsim: each is valid, and each is on the page."""

import pytest

from stratsim import bundled
from stratsim.cli import main
from stratsim.fidelity.spec import load_grid
from stratsim.run.spec import make_spec, read_config

NAMES = bundled.names("experiments")
GRIDS = {name: path for name, path in NAMES.items() if "loads" in read_config(path)}
SWEEPS = {name: path for name, path in NAMES.items() if "sweep" in read_config(path)}
RUNS = {name: path for name, path in NAMES.items() if name not in SWEEPS | GRIDS}


def test_there_are_some():
    assert "priority-under-load" in NAMES


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--quick"]])
def test_a_study_can_be_planned(options, capsys):
    path = bundled.folder("experiments") / "study_2" / "study.toml"
    assert main(["sweep", "plan", str(path), "--no-time", *options]) == 0
    assert "runs" in capsys.readouterr().out


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("quick", [False, True])
def test_a_grid_can_be_read(name, quick):
    grid, _ = load_grid(GRIDS[name], quick=quick)
    short = {"fidelity-h200": (3, 1), "fidelity-h200-longer": (2, 1)}.get(name, (1, 1))
    cells, repeats = short if quick else (4, 2) if name == "fidelity-h200-longer" else (9, 5)
    assert len(grid.loads) * len(grid.policies) == cells
    assert grid.repeats >= repeats


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_a_short_version_of_a_sweep_runs(name, call):
    assert call("sweep", "plan", SWEEPS[name], "--no-time").out.count("runs") == 1
    ran = call("sweep", "run", SWEEPS[name], "--out", "out", "--set", "arrivals.requests=200", "--set", "warmup_s=0")
    assert (ran.status, ran.err) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_it_runs(name, replay):
    path = NAMES[name]
    make_spec(read_config(path), path)
    document = replay("--config", path, "--limit", 2000).document
    assert document["manifest"]["spec"]["load"] == read_config(path)["load"]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_names_it(name):
    assert f"`{name}.toml`" in (bundled.folder("experiments") / "README.md").read_text(encoding="utf-8")
