"""Overheads of the host are found where they are, and never judged by the run that they come from."""

import numpy as np
import pytest

from stratsim.engine import BatchTable, RequestTable, Result
from stratsim.errors import SpecError
from stratsim.fidelity.calibrate.correct import calibrated, calibrated_by
from stratsim.fidelity.calibrate.overheads import measure_overheads
from stratsim.fidelity.record import read_runs
from stratsim.fidelity.report import read_cells, replay_cells
from stratsim.model.codec import load_profile
from stratsim.model.provenance import unused
from stratsim.model.truth import Host
from stratsim.model.write import write_profile

KNOWN = {"dispatch_s": 0.0003, "launch_s": 0.0011, "notice_s": 0.0007, "collect_s": 0.0002}


@pytest.fixture
def run(standin):
    def make(rate=140, **options):
        device = standin.with_truth(host=Host(**options.pop("host", KNOWN)))
        return read_runs(standin.run(standin.trace(rate, requests=1500), device, **options))[0]

    return make


@pytest.mark.slow_cases("1", "3")
@pytest.mark.parametrize("slots", [1, 2, 3])
def test_known_overheads_are_recovered(run, slots):
    found = {each.name: each for each in measure_overheads([run(max_concurrency=slots).result])}
    for name, value_s in KNOWN.items():
        assert found[name].value_s == pytest.approx(value_s, abs=1e-7), name
        assert found[name].low_s <= found[name].value_s <= found[name].high_s
        assert found[name].n >= 20


def test_where_the_slot_copies():
    """A worker per slot that copies in, executes and copies out: 0.2 ms to wake it, 0.5 ms from one batch to the next.

    Every other batch finds the worker idle, every other waits for it.
    """
    count, copy_s, execution_s = 60, 0.001, 0.010
    second = np.arange(count) % 2 == 1
    dispatch_s = 0.1 * (np.arange(count) // 2) + 0.002 * second
    copy_in_s = np.where(second, dispatch_s - 0.002 + 0.0002 + copy_s + execution_s + 0.0005, dispatch_s + 0.0002)
    start_s = copy_in_s + copy_s
    end_s = start_s + execution_s
    whole = np.zeros(count, dtype=np.int32)
    batches = BatchTable(
        *(whole, whole, whole + 1, whole),
        *(dispatch_s, copy_in_s, start_s, start_s, end_s, end_s, end_s + copy_s),
        np.full(count, np.nan),
    )
    none = RequestTable(*[np.empty(0)] * 12)
    result = Result("by hand", none, batches, ("a",), (), (), 1, 0, 0.0, 1.0, 0.0, max_concurrency=1)
    found = {each.name: each for each in measure_overheads([result])}
    assert found["dispatch_s"].value_s == pytest.approx(0.0002)
    assert found["launch_s"].value_s == pytest.approx(0, abs=1e-12)
    assert found["notice_s"].value_s == pytest.approx(0.0005)


def test_no_overheads_are_zero(run):
    for each in measure_overheads([run(host={}).result]):
        assert each.value_s == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_what_too_few_batches_show_is_not_measured(run):
    """At a tiny load nobody waits for a slot: there is no handover to measure."""
    found = {each.name: each for each in measure_overheads([run(rate=2).result])}
    assert found["launch_s"].value_s == pytest.approx(KNOWN["launch_s"])
    assert (found["notice_s"].value_s, found["notice_s"].low_s) == (None, None)
    assert found["notice_s"].n < 20


@pytest.mark.slow
def test_the_profile_says_what_was_measured_and_where(run, standin):
    live = run()
    profile, found, *_ = calibrated(load_profile(standin.profile), [live])
    for each in found:
        assert getattr(profile.truth.host, each.name) == each.value_s
    entry = profile.provenance["truth.host"]
    assert entry.kind == "measured"
    assert live.digest in entry.source
    assert "dispatch_s: median 300.0 us [" in entry.note
    assert "truth.host" not in unused(profile)
    again, *_ = calibrated(profile, [live])
    assert again == profile


@pytest.mark.slow
def test_a_run_is_not_judged_by_what_it_calibrated(run, standin):
    live = run()
    profile, *_ = calibrated(load_profile(standin.profile), [live])
    other = read_runs(standin.run(standin.trace(140, seed=7, name="other.csv"), name="other"))[0]
    assert calibrated_by(profile, live)
    assert not calibrated_by(profile, other)
    path = standin.folder / "calibrated.json"
    write_profile(profile, path)
    with pytest.raises(SpecError, match="this very run"):
        replay_cells(read_cells(live.directory)[0], path)
    assert replay_cells(read_cells(other.directory)[0], path)


def test_a_run_too_short_to_calibrate(standin):
    live = read_runs(standin.run(standin.trace(100, requests=5)))[0]
    with pytest.raises(SpecError, match="too few batches"):
        calibrated(load_profile(standin.profile), [live])


@pytest.mark.slow
def test_overheads_of_several_runs_are_those_of_all_their_batches(run):
    short, long = run().result, run(host={name: 3 * time_s for name, time_s in KNOWN.items()}, name="slow").result
    for one, both in zip(measure_overheads([short]), measure_overheads([short, short, long]), strict=True):
        assert both.n > 2 * one.n
        assert both.value_s == pytest.approx(one.value_s, abs=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("cv", [0.0, 0.04, 0.12])
def test_the_scatter_of_executions_is_recovered(standin, cv):
    """Beside others as alone; the standard error of a deviation is 3 % of it at 600."""
    device = standin.with_truth(noise_cv=cv, host=Host(**KNOWN))
    live = read_runs(standin.run(standin.trace(140, requests=1500), device, max_concurrency=2))
    profile, _, _, scatter = calibrated(load_profile(standin.profile), live)
    assert scatter.n == len(live[0].result.batches) > 500
    assert scatter.cv == pytest.approx(cv, rel=0.08, abs=1e-9)
    assert scatter.mean == pytest.approx(1.0, abs=4 * scatter.cv / scatter.n**0.5 + 1e-9)
    assert profile.truth.noise_cv == scatter.cv
    assert "beside those that each met" in profile.provenance["truth.noise_cv"].note
