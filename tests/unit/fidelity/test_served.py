"""Executions as they are served: found where they are alone, and put into a copy of the profile."""

import numpy as np
import pytest

from stratsim.engine import BatchTable, RequestTable, Result
from stratsim.errors import SpecError
from stratsim.fidelity.overheads import calibrated_by
from stratsim.fidelity.record import read_runs
from stratsim.fidelity.served import measure_served, served_alone, with_served
from stratsim.model.provenance import unused


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
    (row, other) = measure_served(result_of(batches_of(start_s, start_s + times_s)), standin.device)
    assert (row.model, row.size, row.profile_s, row.n) == ("small", 1, 0.004, 20)
    assert row.mean_s == pytest.approx(0.005)
    deviation = 0.001 * np.sqrt(20 / 19)
    assert row.high_s - row.mean_s == pytest.approx(2.093 * deviation / np.sqrt(20), rel=1e-3)
    assert row.mean_s - row.low_s == pytest.approx(row.high_s - row.mean_s)
    assert row.cv == pytest.approx(deviation / 0.005)
    assert row.drift == pytest.approx(0.5)
    assert (other.size, other.n, other.mean_s) == (8, 0, None)


def test_nineteen_are_too_few(standin):
    start_s = np.arange(19.0)
    rows = measure_served(result_of(batches_of(start_s, start_s + 0.004)), standin.device)
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
    note = made.provenance["observable.models.small.latency_s"].note
    assert "+15.0% of the profiler's" in note
    assert "batch 8: 0 executions, scaled as the others" in note
    assert calibrated_by(made, run)
    assert not calibrated_by(standin.device, run)


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
