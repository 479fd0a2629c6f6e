"""A grid from its file to its report, with a stand-in for the live executor."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from stratsim.errors import OutputError, SpecError
from stratsim.fidelity import assess, profile_of, read_cells, replay_cells
from stratsim.fidelity.calibrate.arrivals import kinds_of, one_by_one, span_s
from stratsim.fidelity.figures import draw
from stratsim.fidelity.grid import run_grid, steady_rate
from stratsim.fidelity.record import read_runs
from stratsim.fidelity.spec import make_grid
from stratsim.model.codec import load_profile

pytestmark = pytest.mark.slow  # whole grids, by a stand-in for a device that takes its time


def test_a_grid_from_file_to_report(standin, data, tmp_path):
    overheads = {"dispatch_s": 0.0003, "launch_s": 0.001, "notice_s": 0.0005, "collect_s": 0.0001}
    device, out = standin.executor(**overheads), tmp_path / "grid"
    said = []
    assert run_grid(data, out, execute=device, say=said.append) == []
    names = [str(order.out.relative_to(out)) for order in device.orders]
    assert names == [
        *("saturation", "alone", "calibration/load-0.5", "calibration/load-0.8"),
        *("runs/load-0.5/r1", "runs/load-0.8/r1", "runs/load-0.5/r2", "runs/load-0.8/r2"),
        *("runs/load-0.5/r3", "runs/load-0.8/r3"),
    ]
    assert [order.policies[0] for order in device.orders[4:]] == ["fifo"] * 2 + ["priority-edf"] * 2 + ["fifo"] * 2

    host = load_profile(profile_of(out)).truth.host
    for name, value_s in overheads.items():
        assert getattr(host, name) == pytest.approx(value_s, rel=0.02), name

    cells, notes = read_cells(out)
    assert notes == []
    assert [(cell.load, cell.policy, len(cell.runs)) for cell in cells] == [
        (0.5, "fifo", 3), (0.5, "priority-edf", 3), (0.8, "fifo", 3), (0.8, "priority-edf", 3)
    ]  # fmt: skip
    replayed = replay_cells(cells, profile_of(out))
    report = assess(replayed, notes)
    for cell in report["cells"]:
        assert cell["p50_err"] < 0.05
        assert cell["verdicts"]["stages"]["execution"] == "pass"
        assert 0 < cell["floor"]["all"]["p95"] < 0.2
        assert cell["floor"]["n"] == 3
    assert [ranking["load"] for ranking in report["rankings"]] == [0.5, 0.8]
    assert json.loads(json.dumps(report, allow_nan=False))["median"]["p50_err"] < 0.05
    assert draw(out / "figures", replayed, report) == []
    assert len(list((out / "figures").glob("*.png"))) == 4


def test_a_device_slower_than_its_profile_is_calibrated_and_believed_so(standin, data, tmp_path):
    """15 % slower where it serves: each model at each batch size is served 30 times alone, and that is known."""
    out, device = tmp_path / "grid", standin.executor(noise_cv=0.0)
    device.device = standin.slower(1.15)
    assert run_grid(data, out, execute=device) == []
    (alone,) = read_runs(out / "alone")
    assert dict(zip(*np.unique(alone.result.batches.size, return_counts=True), strict=True)) == dict.fromkeys(
        range(1, 9), 60
    )
    known, made = standin.device.for_scheduler(), load_profile(out / "calibrated.json").observable.models
    for name, entry in made.items():
        assert list(entry.latency_s) == list(range(1, 9))
        for size, latency_s in entry.latency_s.items():
            assert latency_s == pytest.approx(1.15 * known.latency_s(name, size), rel=1e-9)
    cells, _ = read_cells(out)
    assert {run.spec.profile for cell in cells for run in cell.runs} == {str(out / "calibrated.json")}
    report = assess(replay_cells(cells, profile_of(out)), [])
    assert all(cell["execution_err"] < 1e-6 and abs(cell["service"]["bias"]) < 1e-6 for cell in report["cells"])


def test_a_device_that_is_not_as_its_interpolation_is_measured_between(standin, data, tmp_path):
    """Live, 4 of `small` take 6 ms, where the profile goes straight through 7.4: no error is left at any size."""
    out, device = tmp_path / "grid", standin.executor(noise_cv=0.0)
    models = dict(standin.device.observable.models)
    models["small"] = replace(models["small"], latency_s={1: 0.004, 4: 0.006, 8: 0.012})
    device.device = replace(standin.device, observable=replace(standin.device.observable, models=models))
    assert run_grid(data, out, execute=device) == []
    made = load_profile(out / "calibrated.json").observable.models["small"]
    assert made.latency_s[4] == pytest.approx(0.006)
    assert made.latency_s[6] == pytest.approx(0.009)
    cells, _ = read_cells(out)
    report = assess(replay_cells(cells, profile_of(out)), [])
    assert all(cell["stages"]["execution"]["error_p90"] < 1e-6 for cell in report["cells"])


def test_arrivals_one_by_one(standin, data):
    """Each of 16 kinds 20 times, in random order, a batch 1.25 times its latency and 2 ms before the next."""
    grid = make_grid(data | {"served": 20})
    requests, known = one_by_one(grid, standin.device), standin.device.for_scheduler()
    at_s, first, sizes = np.unique(requests.arrival_s, return_index=True, return_counts=True)
    names = [requests.models[code] for code in requests.model[first]]
    assert Counter(zip(names, sizes.tolist(), strict=True)) == dict.fromkeys(kinds_of(grid, standin.device), 20)
    spans_s = [1.25 * known.end_to_end_s(name, size) + 0.002 for name, size in zip(names, sizes.tolist(), strict=True)]
    assert np.diff(at_s) == pytest.approx(spans_s[:-1])
    assert span_s(grid, standin.device) == pytest.approx(sum(spans_s))
    assert names[:40] != sorted(names[:40])


def test_no_larger_batches_than_policies_form(standin, data):
    grid = make_grid(data | {"settings": {"max_batch": 2}, "workload": {"models": {"mix": {"small": 1}}}})
    assert kinds_of(grid, standin.device) == [("small", 1), ("small", 2)]


def test_a_grid_that_would_measure_for_too_long_is_refused_before_anything_is_made(standin, data, tmp_path):
    """All sizes of both: 264 ms and 8.2 ms of copies, a quarter more, and 16 x 2 ms; 30 times that are 11.2 s."""
    device = standin.executor()
    with pytest.raises(SpecError, match=r"16 batches.*30 times each takes 11 s .* served_s = 10"):
        run_grid(data | {"served_s": 10.0}, tmp_path / "grid", execute=device)
    assert device.orders == []
    assert not (tmp_path / "grid").exists()


def test_latencies_are_left_where_that_is_asked_for(standin, data, tmp_path):
    out, device = tmp_path / "grid", standin.executor()
    run_grid(data | {"served": 0}, out, execute=device)
    assert "alone" not in [order.out.name for order in device.orders]
    assert load_profile(out / "calibrated.json").observable == load_profile(out / "profile.json").observable


def test_all_repeats_and_policies_of_a_load_meet_the_same_arrivals(standin, data, tmp_path):
    run_grid(data, tmp_path / "grid", execute=standin.executor())
    cells, _ = read_cells(tmp_path / "grid")
    for load in (0.5, 0.8):
        runs = [run for cell in cells if cell.load == load for run in cell.runs]
        assert len(runs) == 6
        for run in runs:
            assert np.array_equal(run.result.requests.arrival_s, runs[0].result.requests.arrival_s)
            assert np.array_equal(run.result.requests.priority, runs[0].result.requests.priority)


def test_loads_are_shares_of_what_was_measured(standin, data, tmp_path):
    run_grid(data, tmp_path / "grid", execute=standin.executor())
    rate = json.loads((tmp_path / "grid" / "fidelity.json").read_text())["saturation_per_s"]
    (burst,) = read_runs(tmp_path / "grid" / "saturation")
    assert (burst.result.requests.arrival_s == 0).all()
    assert np.isinf(burst.result.requests.deadline_s).all()
    cells, _ = read_cells(tmp_path / "grid")
    for cell in cells:
        arrival_s = cell.runs[0].result.requests.arrival_s
        assert len(arrival_s) == round(cell.load * rate * 4.0)
        assert (len(arrival_s) - 1) / (arrival_s[-1] - arrival_s[0]) == pytest.approx(cell.load * rate, rel=0.2)


def test_what_is_there_is_not_made_again(standin, data, tmp_path):
    out, device = tmp_path / "grid", standin.executor()
    device.fails = ("load-0.8/r2",)
    (failure,) = run_grid(data, out, execute=device)
    assert failure == "runs/load-0.8/r2: the device is gone"
    _, notes = read_cells(out)
    assert notes == [f"load 0.8, {policy}: 1 of 3 runs are missing" for policy in ("fifo", "priority-edf")]
    made = {path: path.stat().st_mtime_ns for path in out.rglob("batches.*")}
    again = standin.executor()
    assert run_grid(data, out, execute=again) == []
    assert [str(order.out.relative_to(out)) for order in again.orders] == ["runs/load-0.8/r2"]
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_an_interrupt_ends_the_grid_and_what_was_made_stays(standin, data, tmp_path):
    class Stopped(type(standin.executor())):
        def __call__(self, order):
            if len(self.orders) == 6:
                raise KeyboardInterrupt
            super().__call__(order)

    with pytest.raises(KeyboardInterrupt):
        run_grid(data, tmp_path / "grid", execute=Stopped(standin))
    cells, notes = read_cells(tmp_path / "grid")
    assert [len(cell.runs) for cell in cells] == [1, 1, 1, 1]
    assert len(notes) == 4


def test_a_partial_run_counts_until_it_is_made_again(standin, data, tmp_path):
    out = tmp_path / "grid"
    run_grid(data, out, execute=standin.executor())
    folder = out / "runs" / "load-0.5" / "r1"
    folder.rename(folder.with_name("r1.partial"))
    cells, _ = read_cells(out)
    assert len(cells[0].runs) == 3
    again = standin.executor()
    run_grid(data, out, execute=again)
    assert [order.out.name for order in again.orders] == ["r1"]


def test_another_grid_is_refused(standin, data, tmp_path):
    out = tmp_path / "grid"
    run_grid(data | {"calibrate": False}, out, execute=standin.executor())
    with pytest.raises(OutputError, match="another grid"):
        run_grid(data | {"calibrate": False, "seconds": 5.0}, out, execute=standin.executor())
    device = standin.executor()
    run_grid(data | {"calibrate": False, "seconds": 5.0}, out, execute=device, fresh=True)
    assert len(device.orders) == 7
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="no grid"):
        run_grid(data, tmp_path / "mine", execute=standin.executor(), fresh=True)
    assert (tmp_path / "mine" / "notes.txt").exists()


def test_steady_rate():
    """A slow start and a slow end do not count: in between, 100 a second."""
    finish_s = np.concatenate([[0, 1, 2, 3], 3 + np.arange(1, 993) / 100, [20, 30, 40, 50]])
    assert steady_rate(finish_s) == pytest.approx(100)
    with pytest.raises(SpecError, match="too few"):
        steady_rate(np.arange(5.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loads": []}, "must not be empty"),
        ({"loads": [0.5, 0.5]}, "listed twice"),
        ({"loads": [-1]}, "loads must be > 0"),
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"warmup_s": 4.0}, "warmup_s must be within"),
        ({"policies": ["fifoo"]}, "fifo"),
        ({"settings": {"load": 1}}, "load is set by the grid itself"),
        ({"settings": {"max_concurency": 1}}, "max_concurrency"),
        ({"policy": "fifo"}, "unknown field 'policy'"),
        ({"served": 5}, "served must be 0 or at least 20"),
        ({"served_s": 0.0}, "served_s must be > 0"),
        ({"quick": {"load": 1}}, "quick: unknown field 'load'"),
    ],
)
def test_mistakes_in_a_file(data, change, message):
    with pytest.raises(SpecError, match=message):
        make_grid(data | change, "grid.toml")
