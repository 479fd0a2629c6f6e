"""What a grid says that it will do is what it does."""

import pytest

from stratsim.errors import SpecError
from stratsim.fidelity.plan import describe_plan

GRID = {
    "title": "stand-in",
    "device": "cpu",
    "policies": ["fifo", "edf"],
    "loads": [0.5, 0.8],
    "repeats": 3,
    "seconds": 30.0,
    "saturation_s": 60.0,
    "settings": {"max_batch": 1},
    "workload": {"models": {"mix": {"small": 1}}},
}


@pytest.fixture
def data(standin):
    return GRID | {"profile": str(standin.profile)}


def test_every_step_with_its_time(standin, data, tmp_path):
    """One batch of `small`: 4 ms and copies of 0.13 ms, a quarter more, and 2 ms; 30 times that are 0.2 s."""
    load, alone, overheads, runs, total = describe_plan(data, tmp_path / "grid")
    assert load.startswith("load 1: a burst of ")
    assert load.endswith("60 s")
    assert alone == (
        "latencies as they are served: 1 models at 1 batch sizes together, each 30 times alone, in random order: 0 s"
    )
    assert overheads == "overheads of the host, scatter of executions: fifo at load 0.5, 0.8, 30 s each: 60 s"
    assert runs == "runs: 2 loads x 2 policies x 3 repeats of 30 s, 12 of 12 to be made: 6.0 minutes"
    assert total == "in all 8.0 minutes, and building the models"
    assert not (tmp_path / "grid").exists()


def test_what_is_there_takes_no_time(data, tmp_path):
    for name in ("saturation", "alone", "calibration", "runs/load-0.5/r1", "runs/load-0.8/r2"):
        (tmp_path / name).mkdir(parents=True)
    *before, runs, total = describe_plan(data, tmp_path)
    assert [line.rpartition(": ")[2] for line in before] == ["there already"] * 3
    assert "8 of 12 to be made: 4.0 minutes" in runs
    assert total == "in all 4.0 minutes, and building the models"
    assert describe_plan(data, None)[-1] == "in all 8.0 minutes, and building the models"


def test_what_is_not_asked_for_is_not_listed(data):
    assert [line.partition(":")[0] for line in describe_plan(data | {"served": 0}, None)] == [
        "load 1", "overheads of the host, scatter of executions", "runs", "in all 8.0 minutes, and building the models"
    ]  # fmt: skip
    assert len(describe_plan(data | {"calibrate": False}, None)) == 3


def test_a_grid_that_would_be_refused_is_refused(data):
    with pytest.raises(SpecError, match="more than served_s"):
        describe_plan(data | {"served_s": 0.1}, None)
