"""A grid judged again by its report, with its own calibration runs and with another's; the device is a stand-in."""

import gzip
import json
import shutil

import pytest

from stratsim.errors import SpecError
from stratsim.fidelity import assess, profile_of, read_cells, replay_cells
from stratsim.fidelity.again import judge_again, learned_profile, read_kept
from stratsim.fidelity.causes import find_causes
from stratsim.fidelity.grid import run_grid
from stratsim.model.write import write_text

pytestmark = pytest.mark.slow  # whole grids, by a stand-in for a device that takes its time


@pytest.fixture
def made(standin, data, tmp_path):
    """Make a grid of the stand-in, slower or not, with its report; return its folder."""

    def make(name, slower=1.0):
        out, device = tmp_path / name, standin.executor()
        device.device = standin.slower(slower)
        run_grid(data | {"repeats": 2, "policies": ["fifo"], "seconds": 2.0}, out, execute=device)
        cells, notes = read_cells(out)
        report = assess(replay_cells(cells, profile_of(out)), notes)
        write_text(json.dumps(report), out / "report.json")
        return out, report

    return make


def test_without_the_judged_runs_and_packed_it_is_the_report_again(made):
    """The same arrivals, profile and seed: the differences are those of the report, to the last bit."""
    out, report = made("grid")
    shutil.rmtree(out / "runs")
    packed = out / "report.json"
    (out / "report.json.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    kept = read_kept(out)
    again = list(judge_again(kept, kept.measured))
    assert [(each.cell.load, each.cell.policy) for each in again] == [(0.5, "fifo"), (0.8, "fifo")]
    for each, cell in zip(again, report["cells"], strict=True):
        found = {(off.label, off.figure): off.value for off in each.off}
        assert found == {(off.label, off.figure): off.value for off in each.cell.reported}
        assert found["all", "p95"] == cell["differences"]["all"]["p95"]
        assert found["low", "violation"] == cell["differences"]["low"]["violation_pp"]


def test_the_goal_is_five_per_cent_or_one_and_a_half_floors(made):
    kept = read_kept(made("grid")[0])
    (cell, *_) = kept.cells
    floors = {"p50": 0.02, "p95": 0.04, "violation_pp": 1.0}
    own = type(cell)(cell.load, cell.policy, cell.live, cell.differences, {"high": floors})
    assert [own.limit("high", name) for name in ("p50", "p95", "violation")] == pytest.approx([0.05, 0.06, 1.5])


def test_a_figure_that_misses_is_mended_by_the_part_that_differs(made):
    """The judged device takes 30 % longer than the one that taught: latencies, and nothing else."""
    judged, teacher = read_kept(made("slow", 1.3)[0]), read_kept(made("plain")[0])
    profile, own = learned_profile(teacher), learned_profile(judged)
    (again, *_) = judge_again(judged, profile)
    assert {"all p50", "low p50"} <= {off.name for off in again.missed}
    causes = {cause.off.name: cause for cause in find_causes(judged, again, profile, own)}
    cause = causes["all p50"]
    assert cause.off.value < -0.15
    assert abs(cause.parts["latencies"]) < 0.05 < abs(cause.parts["scatter"])
    assert cause.text.startswith("latencies of the judged grid: ")
    assert len(cause.seeds) == 4
    assert max(cause.seeds) < -0.15
    (itself, *_) = judge_again(judged, own)
    assert "all p50" not in [off.name for off in itself.missed]


def test_what_misses_by_its_own_calibration_is_chance_or_not_known(made):
    judged = read_kept(made("slow", 1.3)[0])
    (again, *_) = judge_again(judged, judged.base)
    (cause, *_) = find_causes(judged, again, judged.base, None)
    assert cause.parts == {}
    assert cause.text.startswith("not known: ")


def test_mistakes(made, tmp_path):
    out, _ = made("grid")
    with pytest.raises(SpecError, match=r"nowhere: has no fidelity\.json"):
        read_kept(tmp_path / "nowhere")
    index = json.loads((out / "fidelity.json").read_text())
    (out / "fidelity.json").write_text(json.dumps(index | {"grid": index["grid"] | {"seed": 9}}))
    with pytest.raises(
        SpecError, match=r"load-0\.5: its arrivals are not those that the grid draws as 'calibration-0\.5'"
    ):
        read_kept(out)
    others = {"slo": {"high_ms": 60, "low_ms": 121}}  # violations would be counted by other deadlines than live
    (out / "fidelity.json").write_text(json.dumps(index | {"grid": index["grid"] | {"workload": others}}))
    with pytest.raises(SpecError, match=r"load-0\.5: its models or deadlines are not those .*its rule"):
        read_kept(out)
    (out / "fidelity.json").write_text(json.dumps(index))
    (out / "report.json").write_text('{"cells": [{"load": 0.5}]}')
    with pytest.raises(SpecError, match=r"report\.json: cells\[0\]"):
        read_kept(out)
    (out / "report.json").write_text("[]")
    with pytest.raises(SpecError, match="is not the report of a grid"):
        read_kept(out)
    shutil.rmtree(out / "calibration")
    with pytest.raises(SpecError, match="calibration: no such folder"):
        read_kept(out)
    (out / "fidelity.json").write_text('{"grid": {}}')
    with pytest.raises(SpecError, match="does not say what was run"):
        read_kept(out)
