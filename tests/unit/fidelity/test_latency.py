"""Executions as they are served: found where they are alone, and put into a copy of the profile."""

from dataclasses import replace

import numpy as np
import pytest

from stratsim.engine import BatchTable, RequestTable, Result
from stratsim.errors import SpecError
from stratsim.fidelity.calibrate.correct import calibrated_by
from stratsim.fidelity.calibrate.latency import measure_drift, measure_served, served_alone, with_served
from stratsim.fidelity.record import read_runs
from stratsim.fidelity.report import read_cells, replay_cells
from stratsim.model.provenance import unused
from stratsim.model.write import write_profile


def batches_of(start_s, end_s, *, model=0, size=1, gpu=0):
    start_s, end_s = np.asarray(start_s, dtype=float), np.asarray(end_s, dtype=float)
    column = [np.broadcast_to(np.int32(value), len(start_s)).copy() for value in (gpu, model, size, 0)]
    return BatchTable(*column, *[start_s] * 4, *[end_s] * 3, np.full(len(start_s), np.nan))


def result_of(batches, models=("small",)):
    return Result("by hand", RequestTable(*[np.empty(0)] * 12), batches, models, (), (), 1, 0, 0.0, 1.0, 0.0)


def test_the_columns_are_where_they_are_expected():
    batches = batches_of([1.0], [2.0], model=3, size=4, gpu=5)
    assert (batches.model[0], batches.size[0], batches.gpu[0]) == (3, 4, 5)
    assert (batches.execution_start_s[0], batches.execution_end_s[0]) == (1.0, 2.0)


def test_alone_is_who_meets_nobody():
    """0-1 alone; 2-5 has 3-4 beside it, both are not; 5-6 takes over at the very end: alone; the last never ended."""
    batches = batches_of([0, 3, 2, 5, 7], [1, 4, 5, 6, np.nan])
    assert served_alone(batches).tolist() == [True, False, False, True, False]


def test_a_long_one_hides_two_short_ones():
    assert served_alone(batches_of([0, 1, 3], [9, 2, 4])).tolist() == [False, False, False]


def test_other_gpus_do_not_matter():
    assert served_alone(batches_of([0, 0], [1, 1], gpu=np.array([0, 1]))).all()


def test_mean_interval_variation_and_drift_by_hand(standin):
    """Ten of 4 ms, then ten of 6 ms: mean 5, standard deviation sqrt(20/19) ms, t(0.975, 19) = 2.093, drift 1/2."""
    start_s = np.arange(20.0)
    times_s = np.repeat([0.004, 0.006], 10)
    (row, other) = measure_served([result_of(batches_of(start_s, start_s + times_s))], standin.device)
    assert (row.model, row.size, row.profile_s, row.n) == ("small", 1, 0.004, 20)
    assert row.mean_s == pytest.approx(0.005)
    deviation = 0.001 * np.sqrt(20 / 19)
    assert row.high_s - row.mean_s == pytest.approx(2.093 * deviation / np.sqrt(20), rel=1e-3)
    assert row.mean_s - row.low_s == pytest.approx(row.high_s - row.mean_s)
    assert row.cv == pytest.approx(deviation / 0.005)
    assert row.drift == pytest.approx(0.5)
    assert (other.size, other.n, other.mean_s) == (8, 0, None)


def test_the_median_and_its_interval_by_hand(standin):
    """1 to 20 ms and one of a second: the median is the 11th, its ends those 0.98 sqrt(21) ranks away: 6th, 16th.

    The long one moves the mean by 47 ms and the median not at all.
    """
    times_s = 0.001 * np.append(np.arange(1.0, 21.0), 1000.0)
    start_s = 2 * np.arange(21.0)
    row = measure_served([result_of(batches_of(start_s, start_s + times_s))], standin.device)[0]
    assert (row.median_s, row.mean_s) == (pytest.approx(0.011), pytest.approx(1.21 / 21))
    assert row.median_low_s == pytest.approx(0.007)  # int(10.5 - 4.49) = 6, counted from 0
    assert row.median_high_s == pytest.approx(0.016)  # ceil(10.5 + 4.49) = 15, counted from 0


def test_what_met_another_one_does_not_count(standin):
    """Twenty of 4 ms alone, and twenty pairs of 9 ms that meet: only the former are known."""
    start_s = np.concatenate([np.arange(20.0), 30.0 + np.repeat(np.arange(20.0), 2)])
    times_s = np.repeat([0.004, 0.009], [20, 40])
    row = measure_served([result_of(batches_of(start_s, start_s + times_s))], standin.device)[0]
    assert (row.n, row.mean_s, row.median_s) == (20, pytest.approx(0.004), pytest.approx(0.004))


def test_sizes_between_are_measured_and_set_against_the_interpolation(standin):
    """Size 4 of `small` lies 3/7 between 4 and 12 ms."""
    start_s = np.arange(20.0)
    result = result_of(batches_of(start_s, start_s + 0.009, size=4))
    rows = {row.size: row for row in measure_served([result], standin.device)}
    assert list(rows) == [1, 4, 8]
    assert rows[4].profile_s == pytest.approx(0.004 + 0.008 * 3 / 7)
    assert rows[4].mean_s == pytest.approx(0.009)


def test_several_runs_are_pooled(standin):
    start_s = np.arange(10.0)
    runs = [result_of(batches_of(start_s, start_s + time_s)) for time_s in (0.004, 0.006)]
    row = measure_served(runs, standin.device)[0]
    assert (row.n, row.mean_s, row.drift) == (20, pytest.approx(0.005), pytest.approx(0.5))


def test_the_drift_of_the_device_by_hand():
    """Two kinds in turn, each 10 % slower in the second half: every other figure of theirs drops out."""
    start_s = np.arange(80.0)
    model = np.tile([0, 1], 40).astype(np.int32)
    times_s = np.where(model == 0, 0.004, 0.010) * np.repeat([1.0, 1.1], 40)
    drift = measure_drift(result_of(batches_of(start_s, start_s + times_s, model=model), ("small", "large")))
    assert drift == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1), 80)


def test_the_interval_of_the_drift_by_hand():
    """Halves of 0.9 and 1.1 in turn: variance 0.01 * 20/19 in each, Student's t(0.975, 38) = 2.0244."""
    start_s = np.arange(40.0)
    drift = measure_drift(result_of(batches_of(start_s, start_s + 0.01 * np.tile([0.9, 1.1], 20))))
    reach = 2.0244 * np.sqrt(2 * (0.01 * 20 / 19) / 20)
    assert drift.change == pytest.approx(0.0, abs=1e-12)
    assert (drift.low, drift.high) == (pytest.approx(-reach, rel=1e-4), pytest.approx(reach, rel=1e-4))


def test_no_drift_of_too_few():
    start_s = np.arange(19.0)
    assert measure_drift(result_of(batches_of(start_s, start_s + 0.004))) is None


def test_nineteen_are_too_few(standin):
    start_s = np.arange(19.0)
    rows = measure_served([result_of(batches_of(start_s, start_s + 0.004))], standin.device)
    assert [row.mean_s for row in rows] == [None, None]


def test_a_slower_device_is_found_and_its_other_sizes_scaled(standin):
    """At a low load batches are small: 15 % slower at size 1, and so, unmeasured, at size 8."""
    (run,) = read_runs(standin.run(standin.trace(20, requests=400), standin.slower(1.15)))
    made, found = with_served(standin.device, run)
    for name in ("small", "large"):
        known, measured = standin.device.observable.models[name].latency_s, made.observable.models[name].latency_s
        assert measured[1] == pytest.approx(1.15 * known[1], rel=1e-6)
        assert measured[8] == pytest.approx(1.15 * known[8], rel=1e-6)
    assert {(row.model, row.size): row.n >= 20 for row in found} == {
        ("small", 1): True, ("small", 8): False, ("large", 1): True, ("large", 8): False
    }  # fmt: skip
    assert made.truth.noise_cv == pytest.approx(0.0, abs=1e-6)
    assert unused(made) == unused(standin.device)
    entry = made.provenance["observable.models.small.latency_s"]
    assert (entry.kind, run.digest in entry.source) == ("measured", True)
    note = entry.note
    assert "+15.0% of the profiler's" in note
    assert "batch 8: 0 executions, scaled as the others" in note
    scaled = made.provenance["observable.models.small.latency_s.8"]
    assert scaled.kind == "synthetic"
    assert scaled.source.endswith(f"scaled as other batch sizes in {entry.source}")
    assert calibrated_by(made, run)
    assert not calibrated_by(standin.device, run)


@pytest.mark.slow
def test_what_was_scaled_with_an_earlier_run_is_spent_by_that_too(standin):
    """Calibrated twice, each time at a load that shows size 1 alone: size 8 carries the ratios of both."""
    first, second = (
        read_runs(standin.run(standin.trace(20, requests=400, seed=seed), standin.slower(1.1), name=f"run-{seed}"))[0]
        for seed in (1, 2)
    )
    made, _ = with_served(with_served(standin.device, first)[0], second)
    assert calibrated_by(made, first)
    assert calibrated_by(made, second)
    assert unused(made) == unused(standin.device)


def test_a_run_is_not_judged_by_the_latencies_that_it_gave(standin):
    (run,) = read_runs(standin.run(standin.trace(20, requests=400)))
    other = standin.run(standin.trace(20, requests=400, seed=7, name="other.csv"), name="other")
    path = standin.folder / "served.json"
    write_profile(with_served(standin.device, run)[0], path)
    with pytest.raises(SpecError, match="measured in this very run"):
        replay_cells(read_cells(run.directory)[0], path)
    assert replay_cells(read_cells(other)[0], path)


def test_a_noisy_slower_device_is_found_within_sampling_error(standin):
    """15 % slower with a variation of 5 %: every mean within four standard errors, and no drift."""
    slower, noisy = standin.slower(1.15), standin.with_truth(noise_cv=0.05)
    (run,) = read_runs(standin.run(standin.trace(20, requests=800), replace(slower, truth=noisy.truth)))
    _, rows = with_served(standin.device, run)
    measured = [row for row in rows if row.mean_s is not None]
    assert len(measured) >= 2
    for row in measured:
        assert row.mean_s / row.profile_s == pytest.approx(1.15, rel=4 * 0.05 / np.sqrt(row.n))
    drift = measure_drift(run.result)
    assert abs(drift.change) < 4 * 0.05 * 2 / np.sqrt(drift.n)


def test_the_variation_is_found(standin):
    device = standin.with_truth(noise_cv=0.05)
    (run,) = read_runs(standin.run(standin.trace(20, requests=800), device))
    made, found = with_served(standin.device, run)
    n = sum(row.n for row in found)
    assert made.truth.noise_cv == pytest.approx(0.05, rel=4 / np.sqrt(2 * n))  # four standard errors


def test_too_few_are_refused(standin):
    (run,) = read_runs(standin.run(standin.trace(20, requests=10)))
    with pytest.raises(SpecError, match="too few batches that executed alone"):
        with_served(standin.device, run)
