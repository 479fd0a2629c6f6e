"""Latencies side by side: the profile's, those of the calibration, those of the runs that are judged."""

import csv
import json

import pytest

from stratsim.fidelity import assess, read_cells, replay_cells
from stratsim.fidelity.calibrate.compare import Calibration, compare_latencies, drift_notes
from stratsim.fidelity.calibrate.latency import with_served
from stratsim.fidelity.figures import draw
from stratsim.fidelity.record import read_runs


@pytest.fixture
def made(standin):
    """A run that calibrated, of a device 10 % slower than its profile, and what it gave."""
    (run,) = read_runs(standin.run(standin.trace(20, requests=400), standin.slower(1.1), name="alone"))
    return Calibration(run, standin.device), with_served(standin.device, run)[0]


@pytest.fixture
def judged(standin):
    """Another run, when the device is 21 % slower than its profile: 10 % slower than it was calibrated."""
    return standin.run(standin.trace(20, requests=400, seed=3, name="other.csv"), standin.slower(1.21), name="judged")


def row_of(served, model, size):
    (row,) = [row for row in served["rows"] if (row["model"], row["size"]) == (model, size)]
    return row


def test_each_is_set_against_its_own(made, judged):
    calibration, profile = made
    served = compare_latencies([read_runs(judged)[0].result], profile, calibration)
    row = row_of(served, "small", 1)
    assert row["profile_s"] == 0.004
    assert row["calibration"]["mean_s"] == pytest.approx(0.0044)
    assert row["judged_by_s"] == row["calibration"]["mean_s"]
    assert row["runs"]["mean_s"] == pytest.approx(0.00484)
    assert row["calibration"]["n"] >= 20
    assert served["calibration"]["sha256"] == calibration.run.digest
    assert served["calibration"]["drift"]["change"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
def test_what_nobody_served_alone_is_not_there(made, judged):
    """Size 8 was scaled: the profile that judges has it, and nothing was measured."""
    calibration, profile = made
    row = row_of(compare_latencies([read_runs(judged)[0].result], profile, calibration), "small", 8)
    assert (row["calibration"], row["runs"]) == (None, None)
    assert (row["profile_s"], row["judged_by_s"]) == (0.012, pytest.approx(0.0132))


def test_without_a_calibration_the_profile_is_what_judges(standin, judged):
    served = compare_latencies([read_runs(judged)[0].result], standin.device)
    row = row_of(served, "large", 1)
    assert served["calibration"] is None
    assert row["profile_s"] == row["judged_by_s"] == 0.010
    assert row["runs"]["mean_s"] == pytest.approx(0.0121)


@pytest.mark.slow
def test_the_report_has_them_and_so_has_the_table(made, judged, standin, tmp_path):
    calibration, _ = made
    replayed = replay_cells(read_cells(judged)[0])
    report = json.loads(json.dumps(assess(replayed, (), calibration), allow_nan=False))
    assert {(row["model"], row["size"]) for row in report["served"]["rows"]} >= {("small", 1), ("large", 8)}
    draw(tmp_path / "figures", replayed, report)
    with (tmp_path / "figures" / "fidelity-served.csv").open(encoding="utf-8") as file:
        rows = {(row["model"], row["size"]): row for row in csv.DictReader(file)}
    assert float(rows["small", "1"]["calibration_mean_s"]) == pytest.approx(0.0044)
    assert float(rows["small", "1"]["runs_mean_s"]) == pytest.approx(0.00484)
    assert rows["small", "8"]["runs_mean_s"] == ""


@pytest.mark.parametrize(
    ("change", "low", "high", "said"),
    [(0.05, 0.03, 0.07, True), (-0.05, -0.07, -0.03, True), (0.05, -0.01, 0.11, False)],
)
def test_a_drift_is_noted_where_its_interval_excludes_0(change, low, high, said):
    served = {"calibration": {"drift": {"change": change, "low": low, "high": high, "n": 80}}, "rows": []}
    notes = drift_notes(served)
    assert bool(notes) == said
    if said:
        assert f"{change:+.1%} [{low:+.1%}, {high:+.1%}]" in notes[0]


def test_no_drift_is_known_without_a_calibration():
    assert drift_notes({"calibration": None, "rows": []}) == []
    assert drift_notes({"calibration": {"drift": None}, "rows": []}) == []
